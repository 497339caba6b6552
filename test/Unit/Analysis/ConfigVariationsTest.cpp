//===- ConfigVariationsTest.cpp - Configs near a config -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/ConfigVariations.h"
#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace dgemm;

namespace {

class ConfigVariationsTest : public testing::Test {
protected:
  ConfigVariationsTest() { context.loadDialect<DGemmDialect>(); }

  ConfigAttr parse(StringRef text) {
    ConfigAttr config =
        parseWholeConfig([&] { return emitError(UnknownLoc::get(&context)); }, &context, ("<" + text + ">").str());
    EXPECT_TRUE(bool(config)) << text.str();
    return config;
  }

  std::string print(ArrayRef<ConfigAttr> configs) {
    std::vector<std::string> texts;
    for (ConfigAttr config : configs)
      llvm::raw_string_ostream(texts.emplace_back()) << config;
    llvm::sort(texts);
    return llvm::join(texts, "\n");
  }

  /// Those of `legal` next to `config` are `expected`, in any order.
  void expectNeighbours(StringRef config, ArrayRef<StringRef> legal, ArrayRef<StringRef> expected) {
    auto parseAll = [&](ArrayRef<StringRef> texts) {
      return llvm::map_to_vector(texts, [&](StringRef text) { return parse(text); });
    };
    EXPECT_EQ(print(findNeighbours(parse(config), parseAll(legal))), print(parseAll(expected)));
  }

  MLIRContext context;
};

TEST_F(ConfigVariationsTest, TheNextNumbers) {
  StringRef legal[] = {"block = 64x64, stages = 9, warpgroups = 1",  "block = 64x96, stages = 7, warpgroups = 1",
                       "block = 64x128, stages = 6, warpgroups = 1", "block = 64x160, stages = 5, warpgroups = 1",
                       "block = 128x96, stages = 5, warpgroups = 1", "block = 128x128, stages = 5, warpgroups = 1",
                       "block = 128x96, stages = 5, warpgroups = 2"};
  expectNeighbours(legal[1], legal, {legal[0], legal[2], legal[4]});
  expectNeighbours(legal[3], legal, {legal[2]});
  expectNeighbours(legal[4], legal, {legal[1], legal[5], legal[6]});
}

TEST_F(ConfigVariationsTest, DefaultsAndWords) {
  StringRef legal[] = {"block = 64x64, stages = 4, warpgroups = 1",
                       "block = 64x64, stages = 4, warpgroups = 1, split_k = 2",
                       "block = 64x64, stages = 4, warpgroups = 1, split_k = 4",
                       "block = 64x64, stages = 4, warpgroups = 1, b = evict_first",
                       "block = 64x64, stages = 4, warpgroups = 1, rotate = true",
                       "block = 64x64, stages = 4, warpgroups = 1, rotate = true, split_k = 2",
                       "block = 64x64, stages = 4, warpgroups = 1, cluster = 2x1",
                       "block = 64x64, stages = 4, warpgroups = 1, cluster = 2x2"};
  expectNeighbours(legal[0], legal, {legal[1], legal[3], legal[4], legal[6]});
  expectNeighbours(legal[2], legal, {legal[1]});
}

TEST_F(ConfigVariationsTest, OrdersOfTiles) {
  std::string base = "block = 64x64, stages = 4, warpgroups = 1, unroll = 4";
  SmallVector<ConfigAttr> expected;
  for (const char *order : {"group_m = 1", "group_m = 2", "group_m = 4", "group_m = 16", "group_m = 32",
                            "serpentine = true", "even_waves = true"})
    expected.push_back(parse(base + ", " + order));
  EXPECT_EQ(print(varyOrder(parse(base))), print(expected));
  // K that is split is not walked backwards.
  for (ConfigAttr config : varyOrder(parse(base + ", split_k = 2, group_m = 11, even_waves = true"))) {
    EXPECT_FALSE(config.getOrder().getSerpentine());
    EXPECT_EQ(config.getSplitK(), 2);
  }
  EXPECT_EQ(varyOrder(parse(base + ", group_m = 11")).size(), 8u);
}

} // namespace
