//===- LaunchDescriptorJSON.cpp - Launch descriptor to JSON and back ------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// docs/launch-descriptor.md describes the document. The reader follows llvm::json's conventions: overloads of fromJSON
// report to a json::Path, which prints "expected integer at launch.parameters[2].box[0]".
//
//===----------------------------------------------------------------------===//

#include "EpilogueJSON.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void writeCompact(json::OStream &os, StringRef key, const json::Value &value) {
  os.attributeBegin(key);
  os.rawValue([&](raw_ostream &out) { out << value; });
  os.attributeEnd();
}

static json::Value toJSON(ArrayRef<SizeExpr> exprs) {
  json::Array array;
  for (const SizeExpr &expr : exprs)
    array.push_back(expr.toJSON());
  return array;
}

static json::Value toJSON(ArrayRef<int64_t> values) {
  json::Array array;
  for (int64_t value : values)
    array.push_back(value);
  return array;
}

static void write(json::OStream &os, const OperandInfo &operand) {
  os.object([&] {
    os.attribute("name", operand.name);
    os.attribute("type", toString(operand.type));
    writeCompact(os, "shape", toJSON(operand.shape));
    writeCompact(os, "strides", toJSON(operand.strides));
    os.attribute("output", operand.isOutput);
    if (operand.granularity)
      writeCompact(os, "granularity", toJSON(ArrayRef<SizeExpr>(*operand.granularity)));
  });
}

static void write(json::OStream &os, const TensorMapInfo &map) {
  os.attribute("operand", map.operand);
  os.attribute("type", toString(map.type));
  writeCompact(os, "dims", toJSON(map.dims));
  writeCompact(os, "strides", toJSON(map.strides));
  writeCompact(os, "box", toJSON(map.box));
  writeCompact(os, "element_strides", toJSON(map.elementStrides));
  os.attribute("swizzle", map.swizzle);
  os.attribute("interleave", map.interleave);
  os.attribute("l2_promotion", map.l2Promotion);
  os.attribute("oob_fill", map.oobFillNaN ? "nan" : "zero");
  if (map.offset)
    writeCompact(os, "offset", map.offset->toJSON());
}

static void write(json::OStream &os, const ParameterInfo &parameter) {
  os.object([&] {
    switch (parameter.kind) {
    case ParameterInfo::Kind::TensorMap:
      os.attribute("kind", "tensor_map");
      os.attribute("name", parameter.name);
      write(os, parameter.tensorMap);
      break;
    case ParameterInfo::Kind::Pointer:
      os.attribute("kind", "pointer");
      os.attribute("name", parameter.name);
      os.attribute("operand", parameter.operand);
      break;
    case ParameterInfo::Kind::Size:
      os.attribute("kind", "size");
      os.attribute("name", parameter.name);
      os.attribute("type", "i32");
      writeCompact(os, "value", parameter.value.toJSON());
      break;
    }
  });
}

std::string LaunchDescriptor::toJSON() const {
  std::string text;
  raw_string_ostream out(text);
  json::OStream os(out, /*IndentSize=*/2);
  os.object([&] {
    os.attribute("version", kLaunchDescriptorVersion);
    os.attribute("generator", generator);
    os.attribute("entry", entry);
    os.attribute("target", target);
    os.attribute("layout", dgemm::toString(layout));
    if (rowAlignment != 1)
      os.attribute("row_alignment", rowAlignment);
    if (accumulate)
      os.attribute("accumulate", true);
    os.attribute("config", config);
    if (accuracy != Accuracy::Exact)
      os.attribute("accuracy", dgemm::toString(accuracy));
    os.attributeObject("sizes", [&] {
      for (const auto &[name, value] : sizes)
        os.attribute(name, value < 0 ? json::Value("?") : json::Value(value));
    });
    if (!divisors.empty())
      os.attributeObject("divisors", [&] {
        for (const auto &[name, divisor] : divisors)
          os.attribute(name, divisor);
      });
    os.attributeArray("operands", [&] {
      for (const OperandInfo &operand : operands)
        write(os, operand);
    });
    if (epilogue)
      write(os, *epilogue);
    os.attribute("threads", threads);
    writeCompact(os, "cluster", dgemm::toJSON(cluster));
    os.attribute("shared_memory", sharedMemory);
    if (programmaticStreamSerialization)
      os.attribute("programmatic_stream_serialization", true);
    os.attributeObject("grid", [&] {
      os.attribute("rule", "persistent");
      writeCompact(os, "tiles", tiles.toJSON());
      if (evenWaves)
        os.attribute("even_waves", true);
    });
    os.attributeArray("parameters", [&] {
      for (const ParameterInfo &parameter : parameters)
        write(os, parameter);
    });
  });
  out << '\n';
  return text;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static bool fromJSON(const json::Value &value, SizeExpr &out, json::Path path) {
  Expected<SizeExpr> expr = SizeExpr::fromJSON(value);
  if (expr) {
    out = std::move(*expr);
    return true;
  }
  consumeError(expr.takeError());
  path.report("expected a size expression (an integer, a size name, or [op, lhs, rhs] with op one of + * floordiv "
              "ceildiv mod min max)");
  return false;
}

bool fromJSON(const json::Value &value, ElementType &out, json::Path path) {
  if (std::optional<ElementType> type = parseElementType(value.getAsString().value_or(""))) {
    out = *type;
    return true;
  }
  path.report("expected an element type (f8E4M3FN, f8E5M2, f8E8M0FNU, bf16, f16, f32 or i32)");
  return false;
}

static bool readCluster(json::ObjectMapper &object, std::array<int64_t, 3> &out, json::Path path) {
  std::vector<int64_t> values;
  if (!object.map("cluster", values))
    return false;
  if (values.size() != out.size() || any_of(values, [](int64_t v) { return v < 1 || v > kMaxClusterCTAs; }) ||
      product_of(values) > kMaxClusterCTAs) {
    static_assert(kMaxClusterCTAs == 16, "the message below names it");
    path.field("cluster").report("expected three integers of at least 1 whose product is at most 16");
    return false;
  }
  llvm::copy(values, out.begin());
  return true;
}

/// Each is 1 to `most`.
static bool checkAll(ArrayRef<int64_t> values, int64_t most, json::Path path, StringLiteral message) {
  for (const auto &[index, value] : enumerate(values)) {
    if (value >= 1 && value <= most)
      continue;
    path.index(index).report(message);
    return false;
  }
  return true;
}

/// Product of the constants.
static bool checkAll(ArrayRef<SizeExpr> values, int64_t most, json::Path path, StringLiteral message) {
  for (const auto &[index, value] : enumerate(values)) {
    int64_t known = value.isConstant() ? cantFail(value.evaluate({})) : 1;
    if (known >= 1 && known <= most)
      continue;
    path.index(index).report(message);
    return false;
  }
  return true;
}

static bool fromJSON(const json::Value &value, OperandInfo &out, json::Path path) {
  json::ObjectMapper object(value, path);
  if (!object || !object.map("name", out.name) || !object.map("type", out.type) || !object.map("shape", out.shape) ||
      !object.map("strides", out.strides) || !object.map("output", out.isOutput))
    return false;
  if (out.shape.empty() || out.shape.size() != out.strides.size()) {
    path.report("expected as many strides as shape entries, and at least one");
    return false;
  }
  std::optional<std::vector<SizeExpr>> granularity;
  if (!object.map("granularity", granularity))
    return false;
  if (!granularity)
    return true;
  if (granularity->size() != 2) {
    path.field("granularity").report("expected two size expressions, rows and k");
    return false;
  }
  out.granularity = {(*granularity)[0], (*granularity)[1]};
  return checkAll(ArrayRef<SizeExpr>(*granularity), kMaxSize, path.field("granularity"),
                  "expected 1 to 2147483647, or a size");
}

static bool checkOneOf(int64_t value, ArrayRef<int64_t> allowed, json::Path path, StringLiteral message) {
  if (is_contained(allowed, value))
    return true;
  path.report(message);
  return false;
}

/// Limits are those of cuTensorMapEncodeTiled (cuda.h, CUDA 13.0).
static bool readTensorMap(json::ObjectMapper &object, TensorMapInfo &out, json::Path path) {
  std::string fill;
  if (!object.map("operand", out.operand) || !object.map("type", out.type) || !object.map("dims", out.dims) ||
      !object.map("strides", out.strides) || !object.map("box", out.box) ||
      !object.map("element_strides", out.elementStrides) || !object.map("swizzle", out.swizzle) ||
      !object.map("interleave", out.interleave) || !object.map("l2_promotion", out.l2Promotion) ||
      !object.map("oob_fill", fill) || !object.map("offset", out.offset))
    return false;
  size_t rank = out.dims.size();
  if (rank < 1 || rank > 5) {
    path.field("dims").report("expected 1 to 5 dimensions");
    return false;
  }
  if (out.strides.size() + 1 != rank) {
    path.field("strides").report("expected one entry fewer than in dims");
    return false;
  }
  if (out.box.size() != rank) {
    path.field("box").report("expected as many entries as in dims");
    return false;
  }
  if (out.elementStrides.size() != rank) {
    path.field("element_strides").report("expected as many entries as in dims");
    return false;
  }
  if (out.offset && rank < 3) {
    path.field("offset").report("expected at least 3 dimensions of a map with an offset");
    return false;
  }
  if (fill != "zero" && fill != "nan") {
    path.field("oob_fill").report("expected \"zero\" or \"nan\"");
    return false;
  }
  out.oobFillNaN = fill == "nan";
  return checkAll(out.box, 256, path.field("box"), "expected 1 to 256") &&
         checkAll(out.elementStrides, 8, path.field("element_strides"), "expected 1 to 8") &&
         checkOneOf(out.swizzle, {0, 32, 64, 128}, path.field("swizzle"), "expected 0, 32, 64 or 128") &&
         checkOneOf(out.interleave, {0, 16, 32}, path.field("interleave"), "expected 0, 16 or 32") &&
         checkOneOf(out.l2Promotion, {0, 64, 128, 256}, path.field("l2_promotion"), "expected 0, 64, 128 or 256");
}

static bool fromJSON(const json::Value &value, ParameterInfo &out, json::Path path) {
  json::ObjectMapper object(value, path);
  std::string kind;
  if (!object || !object.map("kind", kind) || !object.map("name", out.name))
    return false;
  if (kind == "tensor_map") {
    out.kind = ParameterInfo::Kind::TensorMap;
    return readTensorMap(object, out.tensorMap, path);
  }
  if (kind == "pointer") {
    out.kind = ParameterInfo::Kind::Pointer;
    return object.map("operand", out.operand);
  }
  if (kind != "size") {
    path.field("kind").report("expected \"tensor_map\", \"pointer\" or \"size\"");
    return false;
  }
  out.kind = ParameterInfo::Kind::Size;
  std::string type;
  if (!object.map("type", type) || !object.map("value", out.value))
    return false;
  if (type != "i32")
    path.field("type").report("expected \"i32\"");
  return type == "i32";
}

/// M, N, K come first and in this order; JSON objects have no order.
static void sortByName(std::vector<std::pair<std::string, int64_t>> &sizes) {
  auto rank = [](const std::string &name) {
    return std::make_pair(std::min(StringRef("MNK").find(name), size_t(3)), name);
  };
  llvm::sort(sizes, [&](const auto &lhs, const auto &rhs) { return rank(lhs.first) < rank(rhs.first); });
}

static bool readSizes(const json::Object &object, std::vector<std::pair<std::string, int64_t>> &out, json::Path path) {
  for (const auto &[key, value] : object) {
    int64_t size = value.getAsInteger().value_or(-1);
    if ((size < 0 && value.getAsString() != "?") || size > kMaxSize) {
      path.field(key).report("expected an integer of 0 to 2147483647 or \"?\"");
      return false;
    }
    out.emplace_back(key.str(), size);
  }
  sortByName(out);
  return true;
}

/// Divisors of sizes that the document has.
static bool readDivisors(const json::Object &object, LaunchDescriptor &out, json::Path path) {
  for (const auto &[key, value] : object) {
    int64_t divisor = value.getAsInteger().value_or(0);
    if (divisor < 1 || divisor > kMaxSize) {
      path.field(key).report("expected an integer of 1 to 2147483647");
      return false;
    }
    std::string name = key.str();
    if (none_of(out.sizes, [&](const auto &size) { return size.first == name; })) {
      path.field(key).report("expected the name of an entry of sizes");
      return false;
    }
    out.divisors.emplace_back(name, divisor);
  }
  sortByName(out.divisors);
  return true;
}

static bool readGrid(const json::Value &value, LaunchDescriptor &out, json::Path path) {
  json::ObjectMapper object(value, path);
  std::string rule;
  if (!object || !object.map("rule", rule))
    return false;
  if (rule != "persistent") {
    path.field("rule").report("expected \"persistent\"");
    return false;
  }
  return object.map("tiles", out.tiles) && object.mapOptional("even_waves", out.evenWaves);
}

/// Operands have unique names, and every parameter that takes memory names one of them.
static bool checkOperandNames(const LaunchDescriptor &out, json::Path path) {
  for (const auto &[index, operand] : enumerate(out.operands)) {
    if (out.findOperand(operand.name) == &operand)
      continue;
    path.field("operands").index(index).field("name").report("expected a name that no earlier operand has");
    return false;
  }
  for (const auto &[index, parameter] : enumerate(out.parameters)) {
    bool isMap = parameter.kind == ParameterInfo::Kind::TensorMap;
    if (parameter.kind == ParameterInfo::Kind::Size ||
        out.findOperand(isMap ? parameter.tensorMap.operand : parameter.operand))
      continue;
    path.field("parameters").index(index).field("operand").report("expected the name of an entry of operands");
    return false;
  }
  return true;
}

static bool fromJSON(const json::Value &value, LaunchDescriptor &out, json::Path path) {
  json::ObjectMapper object(value, path);
  int64_t version = 0;
  if (!object || !object.map("version", version))
    return false;
  if (version != kLaunchDescriptorVersion) {
    static_assert(kLaunchDescriptorVersion == 3, "the message below names the version");
    path.field("version").report("expected 3, the only version that this reader knows (compile the kernel anew),");
    return false;
  }
  if (!object.map("generator", out.generator) || !object.map("entry", out.entry) || !object.map("target", out.target) ||
      !object.map("config", out.config) || !object.map("operands", out.operands) ||
      !object.map("threads", out.threads) || !readCluster(object, out.cluster, path) ||
      !object.map("shared_memory", out.sharedMemory) || !object.mapOptional("accumulate", out.accumulate) ||
      !object.mapOptional("programmatic_stream_serialization", out.programmaticStreamSerialization) ||
      !object.map("parameters", out.parameters))
    return false;
  std::string layout;
  std::optional<int64_t> rowAlignment;
  if (!object.map("layout", layout) || !object.map("row_alignment", rowAlignment))
    return false;
  std::optional<GemmLayout> known = parseGemmLayout(layout);
  if (!known) {
    path.field("layout").report("expected dense, contiguous, masked, offsets, k_grouped or batched");
    return false;
  }
  out.layout = *known;
  std::optional<std::string> accuracy;
  if (!object.map("accuracy", accuracy))
    return false;
  if (accuracy && !parseAccuracy(*accuracy)) {
    path.field("accuracy").report("expected exact, balanced or fast");
    return false;
  }
  if (accuracy)
    out.accuracy = *parseAccuracy(*accuracy);
  out.rowAlignment = rowAlignment.value_or(1);
  if (out.rowAlignment < 1 || out.rowAlignment > kMaxSize) {
    path.field("row_alignment").report("expected an integer of 1 to 2147483647");
    return false;
  }
  if (out.threads < 1 || out.threads > 1024) {
    path.field("threads").report("expected 1 to 1024");
    return false;
  }
  if (out.sharedMemory < 0 || out.sharedMemory > kMaxSharedMemory) {
    static_assert(kMaxSharedMemory == 232448, "the message below names it");
    path.field("shared_memory").report("expected 0 to 232448 bytes");
    return false;
  }
  const json::Object &members = *value.getAsObject();
  const json::Object *sizes = members.getObject("sizes");
  if (!sizes) {
    path.field("sizes").report("expected object");
    return false;
  }
  const json::Value *grid = members.get("grid");
  if (!grid) {
    path.field("grid").report("missing value");
    return false;
  }
  if (!object.map("epilogue", out.epilogue))
    return false;
  const json::Value *divisors = members.get("divisors");
  if (divisors && !divisors->getAsObject()) {
    path.field("divisors").report("expected object");
    return false;
  }
  return readSizes(*sizes, out.sizes, path.field("sizes")) &&
         (!divisors || readDivisors(*divisors->getAsObject(), out, path.field("divisors"))) &&
         readGrid(*grid, out, path.field("grid")) && checkOperandNames(out, path) &&
         checkEpilogueOperands(out, path.field("epilogue"));
}

/// The JSON parser recurses for each level; a descriptor has 7, and a size expression a few more.
static bool isNestedTooDeep(StringRef text) {
  constexpr int kMaxDepth = 200;
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (inString && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      inString = !inString;
    else if (!inString && (text[i] == '[' || text[i] == '{') && ++depth > kMaxDepth)
      return true;
    else if (!inString && (text[i] == ']' || text[i] == '}'))
      --depth;
  }
  return false;
}

Expected<LaunchDescriptor> LaunchDescriptor::fromJSON(StringRef text) {
  if (isNestedTooDeep(text))
    return createStringError("bad launch descriptor: its JSON is nested more than 200 levels deep");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return createStringError("launch descriptor is not JSON: " + toString(value.takeError()));
  LaunchDescriptor descriptor;
  json::Path::Root root("launch");
  if (!dgemm::fromJSON(*value, descriptor, root))
    return createStringError("bad launch descriptor: " + toString(root.getError()));
  return descriptor;
}

} // namespace dgemm
