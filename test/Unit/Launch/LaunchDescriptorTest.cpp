//===- LaunchDescriptorTest.cpp - The launch descriptor's document --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Launch/LaunchDescriptor.h"
#include "gtest/gtest.h"
#include <limits>

using namespace dgemm;
using namespace llvm;
using Op = SizeExpr::Op;

namespace {

LaunchDescriptor makeDescriptor() {
  SizeExpr m = SizeExpr::name("M"), k = SizeExpr::name("K");
  SizeExpr paddedM = SizeExpr::binary(Op::Mul, SizeExpr::binary(Op::CeilDiv, m, 4), 4);
  LaunchDescriptor launch;
  launch.entry = "gemm";
  launch.target = "sm_90a";
  launch.generator = "dgemm 0.1.0";
  launch.config = "block = 128x128x128";
  launch.accuracy = Accuracy::Fast;
  launch.sizes = {{"M", -1}, {"N", 7168}, {"K", -1}};
  launch.divisors = {{"K", 16}};
  launch.operands = {
      {"a", ElementType::F8E4M3FN, {m, k}, {k, 1}, false},
      {"scale_a", ElementType::F32, {SizeExpr::binary(Op::CeilDiv, k, 128), m}, {paddedM, 1}, false, {{1, k}}},
      {"d", ElementType::BF16, {m, 7168}, {7168, 1}, true},
  };
  launch.threads = 384;
  launch.cluster = {2, 1, 1};
  launch.sharedMemory = 200000;
  launch.tiles = SizeExpr::binary(Op::Mul, SizeExpr::binary(Op::CeilDiv, m, 128), 56);
  launch.evenWaves = true;
  launch.programmaticStreamSerialization = true;
  ParameterInfo map;
  map.kind = ParameterInfo::Kind::TensorMap;
  map.name = "map_a";
  map.tensorMap = {"a", ElementType::F8E4M3FN, {k, m}, {k}, {128, 128}, {1, 1}, 128, 0, 256, false};
  ParameterInfo pointer;
  pointer.name = "scales";
  pointer.operand = "scale_a";
  ParameterInfo size;
  size.kind = ParameterInfo::Kind::Size;
  size.name = "m";
  size.value = m;
  launch.parameters = {map, pointer, size};
  return launch;
}

/// The reader's message for makeDescriptor's document with `from` replaced by `to`.
std::string readEdited(StringRef from, StringRef to) {
  std::string text = makeDescriptor().toJSON();
  size_t at = text.find(from.str());
  if (at == std::string::npos)
    return "no such text: " + from.str();
  text.replace(at, from.size(), to.str());
  Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(text);
  return launch ? "" : toString(launch.takeError());
}

TEST(LaunchDescriptor, RoundTrips) {
  std::string text = makeDescriptor().toJSON();
  EXPECT_EQ(text.back(), '\n');
  Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(text);
  ASSERT_TRUE(bool(launch)) << toString(launch.takeError());
  EXPECT_EQ(launch->toJSON(), text);
  EXPECT_EQ(launch->sizes, makeDescriptor().sizes);
  EXPECT_EQ(launch->divisors, makeDescriptor().divisors);
  EXPECT_EQ(launch->cluster[0], 2);
  EXPECT_TRUE(launch->evenWaves);
  EXPECT_TRUE(launch->programmaticStreamSerialization);
  EXPECT_EQ(launch->parameters[0].tensorMap.l2Promotion, 256);
  ASSERT_NE(launch->findOperand("d"), nullptr);
  EXPECT_TRUE(launch->findOperand("d")->isOutput);
  EXPECT_EQ(launch->findOperand("e"), nullptr);
  EXPECT_EQ(launch->accuracy, Accuracy::Fast);
  EXPECT_FALSE(launch->findOperand("a")->granularity);
  auto granularity = launch->findOperand("scale_a")->granularity;
  ASSERT_TRUE(granularity);
  EXPECT_EQ((*granularity)[0].toJSON(), json::Value(1));
  EXPECT_EQ((*granularity)[1].toJSON(), json::Value("K"));
}

TEST(LaunchDescriptor, KnowsEachElementTypeByName) {
  for (ElementType type : kElementTypes) {
    EXPECT_EQ(parseElementType(toString(type)), type);
    LaunchDescriptor launch = makeDescriptor();
    launch.operands[0].type = type;
    EXPECT_EQ(cantFail(LaunchDescriptor::fromJSON(launch.toJSON())).operands[0].type, type);
  }
  EXPECT_EQ(parseElementType("f8E4M3"), std::nullopt);
  EXPECT_EQ(getByteWidth(ElementType::F8E5M2), 1u);
  EXPECT_EQ(getByteWidth(ElementType::F16), 2u);
}

TEST(LaunchDescriptor, SaysWhatIsNotExact) {
  LaunchDescriptor launch = makeDescriptor();
  EXPECT_NE(launch.toJSON().find("\"accuracy\": \"fast\""), std::string::npos);
  launch.accuracy = Accuracy::Exact; // the default is not written
  EXPECT_EQ(launch.toJSON().find("accuracy"), std::string::npos);
  EXPECT_EQ(cantFail(LaunchDescriptor::fromJSON(launch.toJSON())).accuracy, Accuracy::Exact);
}

TEST(LaunchDescriptor, SaysWhatIsAddedTo) {
  LaunchDescriptor launch = makeDescriptor();
  EXPECT_EQ(launch.toJSON().find("accumulate"), std::string::npos);
  launch.accumulate = true;
  EXPECT_NE(launch.toJSON().find("\"accumulate\": true"), std::string::npos);
  EXPECT_TRUE(cantFail(LaunchDescriptor::fromJSON(launch.toJSON())).accumulate);
}

TEST(LaunchDescriptor, SaysWhereAMapOfWindowsBegins) {
  LaunchDescriptor launch = makeDescriptor();
  EXPECT_EQ(launch.toJSON().find("offset"), std::string::npos);
  TensorMapInfo &map = launch.parameters[0].tensorMap;
  SizeExpr k = SizeExpr::name("K");
  map.dims.insert(map.dims.begin() + 1, 64);
  map.strides.push_back(k);
  map.box = {128, 64, 1};
  map.elementStrides = {1, 1, 1};
  map.offset = SizeExpr::mul(k, -64);
  EXPECT_NE(launch.toJSON().find("\"offset\": [\"*\",\"K\",-64]"), std::string::npos) << launch.toJSON();
  Expected<LaunchDescriptor> read = LaunchDescriptor::fromJSON(launch.toJSON());
  ASSERT_TRUE(bool(read)) << toString(read.takeError());
  EXPECT_EQ(read->toJSON(), launch.toJSON());
}

TEST(LaunchDescriptor, WritesReadableJSON) {
  std::string text = makeDescriptor().toJSON();
  EXPECT_EQ(text.find("{\n  \"version\": 3,\n  \"generator\": \"dgemm 0.1.0\",\n"), 0u) << text;
  EXPECT_NE(text.find("\"M\": \"?\",\n    \"N\": 7168"), std::string::npos) << text;
  EXPECT_NE(text.find("\"tiles\": [\"*\",[\"ceildiv\",\"M\",128],56]"), std::string::npos) << text;
  EXPECT_NE(text.find("\"cluster\": [2,1,1]"), std::string::npos) << text;
}

TEST(LaunchDescriptor, NamesWhatIsWrongByItsPath) {
  EXPECT_EQ(readEdited("\"version\": 3", "\"version\": 1"),
            "bad launch descriptor: expected 3, the only version that this reader knows (compile the kernel anew), at "
            "launch.version");
  EXPECT_EQ(readEdited("\"entry\"", "\"entrance\""), "bad launch descriptor: missing value at launch.entry");
  EXPECT_EQ(readEdited("384", "\"384\""), "bad launch descriptor: expected integer at launch.threads");
  EXPECT_EQ(readEdited("384", "2048"), "bad launch descriptor: expected 1 to 1024 at launch.threads");
  EXPECT_EQ(
      readEdited("[2,1,1]", "[2,1]"),
      "bad launch descriptor: expected three integers of at least 1 whose product is at most 16 at launch.cluster");
  EXPECT_EQ(
      readEdited("[2,1,1]", "[2147483648,2147483648,4]"),
      "bad launch descriptor: expected three integers of at least 1 whose product is at most 16 at launch.cluster");
  EXPECT_EQ(readEdited("\"?\"", "\"!\""),
            "bad launch descriptor: expected an integer of 0 to 2147483647 or \"?\" at launch.sizes.M");
  EXPECT_EQ(readEdited("7168", "4294967296"),
            "bad launch descriptor: expected an integer of 0 to 2147483647 or \"?\" at launch.sizes.N");
  EXPECT_EQ(readEdited("\"K\": 16", "\"K\": 0"),
            "bad launch descriptor: expected an integer of 1 to 2147483647 at launch.divisors.K");
  EXPECT_EQ(readEdited("\"K\": 16", "\"LDA\": 16"),
            "bad launch descriptor: expected the name of an entry of sizes at launch.divisors.LDA");
  EXPECT_EQ(readEdited("\"persistent\"", "\"stream_k\""),
            "bad launch descriptor: expected \"persistent\" at launch.grid.rule");
  EXPECT_EQ(readEdited("\"programmatic_stream_serialization\": true", "\"programmatic_stream_serialization\": \"no\""),
            "bad launch descriptor: expected boolean at launch.programmatic_stream_serialization");
  EXPECT_EQ(readEdited("\"even_waves\": true", "\"even_waves\": 1"),
            "bad launch descriptor: expected boolean at launch.grid.even_waves");
  EXPECT_EQ(readEdited("\"grid\"", "\"net\""), "bad launch descriptor: missing value at launch.grid");
  EXPECT_EQ(readEdited("f8E4M3FN", "f8E4M3"),
            "bad launch descriptor: expected an element type (f8E4M3FN, f8E5M2, f8E8M0FNU, bf16, f16, f32 or i32) at "
            "launch.operands[0].type");
  EXPECT_EQ(readEdited("[1,\"K\"]", "[1]"),
            "bad launch descriptor: expected two size expressions, rows and k at launch.operands[1].granularity");
  EXPECT_EQ(readEdited("[1,\"K\"]", "[1,0]"),
            "bad launch descriptor: expected 1 to 2147483647, or a size at launch.operands[1].granularity[1]");
  EXPECT_EQ(readEdited("[1,\"K\"]", "128"), "bad launch descriptor: expected array at launch.operands[1].granularity");
  EXPECT_EQ(readEdited("\"fast\"", "\"quick\""),
            "bad launch descriptor: expected exact, balanced or fast at launch.accuracy");
  EXPECT_EQ(readEdited("[\"K\",\"M\"]", "[\"K\",[\"-\",\"M\",1]]"),
            "bad launch descriptor: expected a size expression (an integer, a size name, or [op, lhs, rhs] with op "
            "one of + * floordiv ceildiv mod min max) at launch.parameters[0].dims[1]");
  EXPECT_EQ(readEdited("[128,128]", "[128]"),
            "bad launch descriptor: expected as many entries as in dims at launch.parameters[0].box");
  EXPECT_EQ(readEdited("[128,128]", "[128,257]"),
            "bad launch descriptor: expected 1 to 256 at launch.parameters[0].box[1]");
  EXPECT_EQ(readEdited("\"swizzle\": 128", "\"offset\": -64, \"swizzle\": 128"),
            "bad launch descriptor: expected at least 3 dimensions of a map with an offset at "
            "launch.parameters[0].offset");
  EXPECT_EQ(readEdited("\"swizzle\": 128", "\"swizzle\": 16"),
            "bad launch descriptor: expected 0, 32, 64 or 128 at launch.parameters[0].swizzle");
  EXPECT_EQ(readEdited("\"operand\": \"scale_a\"", "\"operand\": \"scale\""),
            "bad launch descriptor: expected the name of an entry of operands at launch.parameters[1].operand");
  EXPECT_EQ(readEdited("\"kind\": \"size\"", "\"kind\": \"float\""),
            "bad launch descriptor: expected \"tensor_map\", \"pointer\" or \"size\" at launch.parameters[2].kind");
}

/// x + bias where that is above 0.5, else an infinity times the residual.
LaunchDescriptor makeDescriptorWithEpilogue() {
  LaunchDescriptor launch = makeDescriptor();
  launch.operands.push_back({"bias", ElementType::F32, {7168}, {1}, false});
  launch.operands.push_back({"residual", ElementType::BF16, {SizeExpr::name("M"), 7168}, {7168, 1}, false});
  EpilogueInfo &epilogue = launch.epilogue.emplace();
  epilogue.operands = {{"bias", EpilogueAxis::N, ElementType::F32}, {"residual", EpilogueAxis::MN, ElementType::BF16}};
  epilogue.ops = {{"arith.addf", {0, 1}},
                  {"arith.constant", {}, 0.5},
                  {"arith.cmpf", {3, 4}, std::nullopt, /*isBool=*/false, "ogt"},
                  {"arith.constant", {}, std::numeric_limits<double>::infinity()},
                  {"arith.mulf", {6, 2}, std::nullopt, /*isBool=*/false, "", /*isApproximate=*/true},
                  {"arith.constant", {}, 1, /*isBool=*/true},
                  {"arith.select", {5, 3, 7}}};
  epilogue.result = 9;
  return launch;
}

TEST(LaunchDescriptor, HasAnEpilogue) {
  std::string text = makeDescriptorWithEpilogue().toJSON();
  StringRef written = R"(
  "epilogue": {
    "operands": [
      {"along":"n","name":"bias","type":"f32"},
      {"along":"mn","name":"residual","type":"bf16"}
    ],
    "ops": [
      {"args":[0,1],"op":"arith.addf"},
      {"op":"arith.constant","value":0.5},
      {"args":[3,4],"op":"arith.cmpf","predicate":"ogt"},
      {"op":"arith.constant","value":"inf"},
      {"approximate":true,"args":[6,2],"op":"arith.mulf"},
      {"op":"arith.constant","value":true},
      {"args":[5,3,7],"op":"arith.select"}
    ],
    "result": 9
  },
)";
  EXPECT_NE(text.find(written.str()), std::string::npos) << text;
  LaunchDescriptor read = cantFail(LaunchDescriptor::fromJSON(text));
  ASSERT_TRUE(read.epilogue);
  EXPECT_EQ(read.toJSON(), text);
  EXPECT_FALSE(cantFail(LaunchDescriptor::fromJSON(makeDescriptor().toJSON())).epilogue);

  LaunchDescriptor gated = makeDescriptorWithEpilogue();
  gated.epilogue->isGated = true;
  gated.epilogue->result = 10; // there is one more value
  EXPECT_TRUE(cantFail(LaunchDescriptor::fromJSON(gated.toJSON())).epilogue->isGated);
}

TEST(LaunchDescriptor, NamesWhatIsWrongInAnEpilogue) {
  std::string text = makeDescriptorWithEpilogue().toJSON();
  auto readWith = [&](StringRef from, StringRef to) {
    std::string edited = text;
    edited.replace(edited.find(from.str()), from.size(), to.str());
    return toString(LaunchDescriptor::fromJSON(edited).takeError());
  };
  EXPECT_EQ(readWith(R"("args":[0,1])", R"("args":[0,3])"),
            "bad launch descriptor: expected the number of a value before it at launch.epilogue.ops[0].args[1]");
  EXPECT_EQ(readWith(R"("result": 9)", R"("result": 10)"),
            "bad launch descriptor: expected the number of a value before it at launch.epilogue.result");
  EXPECT_EQ(readWith(R"("along":"n")", R"("along":"k")"),
            "bad launch descriptor: expected n, m, mn, g or none at launch.epilogue.operands[0].along");
  EXPECT_EQ(readWith(R"("name":"bias")", R"("name":"base")"),
            "bad launch descriptor: expected the name of an entry of operands at launch.epilogue.operands[0].name");
  EXPECT_EQ(readWith(R"("name":"bias","type":"f32")", R"("name":"bias","type":"bf16")"),
            "bad launch descriptor: expected the type of the operand of this name at "
            "launch.epilogue.operands[0].type");
  EXPECT_EQ(readWith(R"("name":"bias","type":"f32")", R"("name":"bias","type":"i32")"),
            "bad launch descriptor: expected bf16, f16 or f32 at launch.epilogue.operands[0].type");
  EXPECT_EQ(readWith(R"("value":0.5)", R"("value":"half")"),
            "bad launch descriptor: expected a number, true, false, \"nan\", \"inf\" or \"-inf\" at "
            "launch.epilogue.ops[1].value");
}

TEST(LaunchDescriptor, RefusesDeepNesting) {
  std::string deep(100000, '[');
  EXPECT_EQ(toString(LaunchDescriptor::fromJSON(deep).takeError()),
            "bad launch descriptor: its JSON is nested more than 200 levels deep");
  EXPECT_EQ(readEdited("[\"K\",\"M\"]", "[\"K\"," + std::string(300, '[') + "]"),
            "bad launch descriptor: its JSON is nested more than 200 levels deep");
  EXPECT_EQ(
      readEdited("\"scale_b\"", "\"" + std::string(300, '[') + "\\\"" + std::string(300, '[') + "\"").find("nested"),
      std::string::npos);
}

TEST(LaunchDescriptor, RefusesWhatIsNotJSON) {
  for (StringRef text : {"", "{", "PTX", "{} {}"}) {
    Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(text);
    ASSERT_FALSE(bool(launch));
    EXPECT_EQ(toString(launch.takeError()).find("launch descriptor is not JSON: "), 0u);
  }
  Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON("[]");
  ASSERT_FALSE(bool(launch));
  EXPECT_EQ(toString(launch.takeError()), "bad launch descriptor: expected object when parsing launch");
}

std::string bind(std::initializer_list<std::pair<StringRef, int64_t>> given) {
  Sizes sizes;
  for (auto [name, value] : given)
    sizes[name] = value;
  Expected<Sizes> bound = makeDescriptor().bindSizes(sizes);
  if (!bound)
    return toString(bound.takeError());
  return std::to_string((*bound)["M"]) + "x" + std::to_string((*bound)["N"]) + "x" + std::to_string((*bound)["K"]);
}

TEST(LaunchDescriptor, BindsSizes) {
  EXPECT_EQ(bind({{"M", 8}, {"K", 512}}), "8x7168x512");
  EXPECT_EQ(bind({{"M", 8}, {"N", 7168}, {"K", 512}}), "8x7168x512");
  EXPECT_EQ(bind({{"M", 8}}), "size K of kernel 'gemm' is dynamic and was not given");
  EXPECT_EQ(bind({{"M", 8}, {"N", 4096}, {"K", 512}}),
            "size N = 4096 was given but kernel 'gemm' was compiled for N = 7168");
  EXPECT_EQ(bind({{"M", 8}, {"K", 512}, {"G", 4}}), "kernel 'gemm' has no size named 'G'");
  EXPECT_EQ(bind({{"M", -8}, {"K", 512}}), "expected size M to be 0 to 2147483647, but got -8");
  EXPECT_EQ(bind({{"M", 8}, {"K", 520}}),
            "size K = 520 is not a multiple of 16, as kernel 'gemm' was promised when it was compiled");
}

} // namespace
