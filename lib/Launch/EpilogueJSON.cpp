//===- EpilogueJSON.cpp - Epilogue of a launch descriptor, as JSON --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EpilogueJSON.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <limits>

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// JSON has no NaN and no infinities; they are strings.
static json::Value toJSON(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value > 0 ? "inf" : "-inf";
  return value;
}

static json::Value toJSON(const EpilogueOpInfo &op) {
  json::Object object{{"op", op.op}};
  if (!op.args.empty())
    object["args"] = json::Array(op.args);
  if (op.value)
    object["value"] = op.isBool ? json::Value(*op.value != 0) : toJSON(*op.value);
  if (!op.predicate.empty())
    object["predicate"] = op.predicate;
  if (op.isApproximate)
    object["approximate"] = true;
  return object;
}

static json::Value toJSON(const EpilogueOperandInfo &operand) {
  return json::Object{{"name", operand.name}, {"along", toString(operand.along)}, {"type", toString(operand.type)}};
}

/// A list with one entry a line.
template <typename T>
static void writeList(json::OStream &os, StringRef key, ArrayRef<T> entries) {
  os.attributeArray(key, [&] {
    for (const T &entry : entries)
      os.rawValue([&](raw_ostream &out) { out << toJSON(entry); });
  });
}

void write(json::OStream &os, const EpilogueInfo &epilogue) {
  os.attributeObject("epilogue", [&] {
    writeList(os, "operands", ArrayRef(epilogue.operands));
    writeList(os, "ops", ArrayRef(epilogue.ops));
    os.attribute("result", epilogue.result);
    if (epilogue.isGated)
      os.attribute("gated", true);
  });
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static bool fromJSON(const json::Value &value, EpilogueOperandInfo &out, json::Path path) {
  json::ObjectMapper object(value, path);
  std::string along;
  if (!object || !object.map("name", out.name) || !object.map("along", along) || !object.map("type", out.type))
    return false;
  std::optional<EpilogueAxis> known = parseEpilogueAxis(along);
  if (!known) {
    path.field("along").report("expected n, m, mn, g or none");
    return false;
  }
  out.along = *known;
  if (isFloatOfTensorMap(out.type))
    return true;
  path.field("type").report("expected bf16, f16 or f32");
  return false;
}

static bool readConstant(const json::Value &value, EpilogueOpInfo &out, json::Path path) {
  std::optional<bool> truth = value.getAsBoolean();
  out.isBool = bool(truth);
  out.value = truth ? std::optional<double>(*truth) : value.getAsNumber();
  for (auto [name, number] : {std::pair("nan", std::numeric_limits<double>::quiet_NaN()),
                              {"inf", std::numeric_limits<double>::infinity()},
                              {"-inf", -std::numeric_limits<double>::infinity()}})
    if (value.getAsString() == StringRef(name))
      out.value = number;
  if (!out.value)
    path.report("expected a number, true, false, \"nan\", \"inf\" or \"-inf\"");
  return bool(out.value);
}

static bool fromJSON(const json::Value &value, EpilogueOpInfo &out, json::Path path) {
  json::ObjectMapper object(value, path);
  if (!object || !object.map("op", out.op) || !object.mapOptional("args", out.args) ||
      !object.mapOptional("predicate", out.predicate) || !object.mapOptional("approximate", out.isApproximate))
    return false;
  const json::Value *constant = value.getAsObject()->get("value");
  return !constant || readConstant(*constant, out, path.field("value"));
}

/// One that is below `end`.
static bool checkNumber(int64_t number, int64_t end, json::Path path) {
  if (number >= 0 && number < end)
    return true;
  path.report("expected the number of a value before it");
  return false;
}

bool fromJSON(const json::Value &value, EpilogueInfo &out, json::Path path) {
  json::ObjectMapper object(value, path);
  if (!object || !object.map("operands", out.operands) || !object.map("ops", out.ops) ||
      !object.map("result", out.result) || !object.mapOptional("gated", out.isGated))
    return false;
  int64_t values = out.getNumArguments();
  for (const auto &[index, op] : enumerate(out.ops)) {
    for (const auto &[position, number] : enumerate(op.args))
      if (!checkNumber(number, values, path.field("ops").index(index).field("args").index(position)))
        return false;
    ++values;
  }
  return checkNumber(out.result, values, path.field("result"));
}

bool checkEpilogueOperands(const LaunchDescriptor &launch, json::Path path) {
  if (!launch.epilogue)
    return true;
  json::Path all = path.field("operands"); // a path points to the one in front of it
  for (const auto &[index, operand] : enumerate(launch.epilogue->operands)) {
    json::Path at = all.index(index);
    const OperandInfo *memory = launch.findOperand(operand.name);
    if (memory && memory->type == operand.type)
      continue;
    memory ? at.field("type").report("expected the type of the operand of this name")
           : at.field("name").report("expected the name of an entry of operands");
    return false;
  }
  return true;
}

} // namespace dgemm
