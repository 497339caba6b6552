//===- ConfigFieldsTest.cpp - Partial configs -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/ConfigFields.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace dgemm;

namespace {

class ConfigFieldsTest : public testing::Test {
protected:
  ConfigFieldsTest() { context.loadDialect<DGemmDialect>(); }

  /// The whole config as it prints itself, or what is wrong with it.
  std::string parseWhole(StringRef text) {
    std::string message;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
    ConfigAttr config = parseWholeConfig([&] { return emitError(UnknownLoc::get(&context)); }, &context, text);
    if (config)
      llvm::raw_string_ostream(message) << config;
    return message;
  }

  MLIRContext context;
};

std::string parseError(StringRef text) {
  llvm::Expected<ConfigFields> fields = ConfigFields::parse(text);
  return fields ? "" : llvm::toString(fields.takeError());
}

TEST_F(ConfigFieldsTest, ReadsFieldsOfAnyPartInAnyOrder) {
  ConfigFields fields =
      llvm::cantFail(ConfigFields::parse(" stages=4,block = 64x96 , rotate = true, b = evict_first, cluster = 2x1 "));
  EXPECT_EQ(*fields.schedule.stages, 4);
  EXPECT_EQ(*fields.tile.block, Extents<3>({64, 96, 128}));
  EXPECT_EQ(*fields.tile.cluster, Extents<2>({2, 1}));
  EXPECT_EQ(*fields.schedule.rotate, true);
  EXPECT_EQ(*fields.loads.b, CachePolicy::EvictFirst);
  EXPECT_FALSE(fields.schedule.warpgroups || fields.tile.splitK || fields.order.serpentine);
}

TEST_F(ConfigFieldsTest, ReadsParts) {
  ConfigFields fields = llvm::cantFail(ConfigFields::parse("schedule = <stages = 4, unroll = 2>, split_k = 3"));
  EXPECT_EQ(*fields.schedule.stages, 4);
  EXPECT_EQ(*fields.schedule.unroll, 2);
  EXPECT_EQ(*fields.tile.splitK, 3);
}

TEST_F(ConfigFieldsTest, SaysWhatIsExpected) {
  EXPECT_EQ(parseError("depth = 4"),
            "unknown config field 'depth'; known are block, cluster, split_k, group_m, "
            "serpentine, even_waves, stages, warpgroups, unroll, rotate, early_store, pingpong and b");
  EXPECT_EQ(parseError("tile = <stages = 4>"),
            "unknown config field 'stages' of 'tile'; known are block, cluster and split_k");
  EXPECT_EQ(parseError("loads = <a = normal>"), "unknown config field 'a' of 'loads'; known are b");
  EXPECT_EQ(parseError("stages = 4, schedule = <stages = 5>"), "config field 'stages' is given twice");
  EXPECT_EQ(parseError("stages = four"), "expected an integer for config field 'stages', but got 'four'");
  EXPECT_EQ(parseError("rotate = yes"), "expected true or false for config field 'rotate', but got 'yes'");
  EXPECT_EQ(parseError("block = 64"), "expected MxNxK for config field 'block', but got '64'");
  EXPECT_EQ(parseError("cluster = 2x1x1"), "expected MxN for config field 'cluster', but got '2x1x1'");
  EXPECT_EQ(parseError("b = first"), "expected normal or evict_first for config field 'b', but got 'first'");
  EXPECT_EQ(parseError("tile = 64x64"), "expected fields between < and > for 'tile' of a config, but got '64x64'");
  EXPECT_EQ(parseError("<stages = 4"), "expected > at the end of the config '<stages = 4'");
}

TEST_F(ConfigFieldsTest, WholeConfigs) {
  EXPECT_TRUE(isWholeConfig(" <stages = 4>"));
  EXPECT_TRUE(isWholeConfig("#dgemm.config<stages = 4>"));
  EXPECT_FALSE(isWholeConfig("tile = <block = 64x64>"));
  const char *all = "#dgemm.config<tile = <block = 128x256x128, cluster = 2x1>, order = <group_m = 16, serpentine = "
                    "true, even_waves = true>, schedule = <stages = 4, warpgroups = 2, unroll = 4, rotate = true, "
                    "early_store = true>, loads = <b = evict_first>>";
  EXPECT_EQ(parseWhole(all), all);
  EXPECT_EQ(parseWhole("<block = 64x64, stages = 4, warpgroups = 1, group_m = 8, b = normal>"),
            "#dgemm.config<tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>>");
  EXPECT_EQ(parseWhole("<block = 64x64, warpgroups = 1>"), "expected a complete config to have 'stages'");
  EXPECT_EQ(parseWhole("<block = 64x64, stages = 1, warpgroups = 1>"), "expected 'stages' to be 2 to 32, but got 1");
}

TEST_F(ConfigFieldsTest, Match) {
  ConfigAttr config = parseWholeConfig([&] { return emitError(UnknownLoc::get(&context)); }, &context,
                                       "<block = 64x64, stages = 4, warpgroups = 1, b = evict_first>");
  ASSERT_TRUE(bool(config));
  for (const char *text : {"", "stages = 4", "block = 64x64x128, b = evict_first", "cluster = 1x1, rotate = false"})
    EXPECT_TRUE(llvm::cantFail(ConfigFields::parse(text)).match(config)) << text;
  for (const char *text : {"stages = 5", "block = 64x72", "b = normal", "stages = 4, cluster = 1x2", "rotate = true"})
    EXPECT_FALSE(llvm::cantFail(ConfigFields::parse(text)).match(config)) << text;
}

} // namespace
