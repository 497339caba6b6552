//===- ConfigTextTest.cpp - Configs as text, whatever their fields --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConfigText.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "gtest/gtest.h"

using namespace dgemm::tune;

namespace {

using Configs = std::vector<std::string>;

Configs getSortedNeighbours(llvm::StringRef config, const Configs &legal) {
  Configs found = findNeighbours(config, legal);
  llvm::sort(found);
  return found;
}

TEST(ConfigText, TheNextNumbers) {
  Configs legal;
  for (llvm::StringRef block : {"64, stages = 9", "96, stages = 7", "128, stages = 6", "160, stages = 5"})
    for (llvm::StringRef m : {"64", "128", "256"})
      legal.push_back((llvm::Twine("block = ") + m + "x" + block).str());
  EXPECT_EQ(getSortedNeighbours("block = 128x96, stages = 7", legal),
            (Configs{"block = 128x128, stages = 6", "block = 128x64, stages = 9", "block = 256x96, stages = 7",
                     "block = 64x96, stages = 7"}));
  EXPECT_EQ(getSortedNeighbours("<block = 64x160, stages = 5>", legal),
            (Configs{"block = 128x160, stages = 5", "block = 64x128, stages = 6"}));
}

TEST(ConfigText, FieldsThatAreNotGivenAndWords) {
  Configs legal = {"block = 64x8",
                   "block = 64x8, split_k = 2",
                   "block = 64x8, split_k = 4",
                   "block = 64x8, split_k = 8",
                   "block = 64x8, evict_first = b",
                   "block = 64x8, split_k = 4, evict_first = b",
                   "block = 64x16, split_k = 2"};
  EXPECT_EQ(getSortedNeighbours("block = 64x8", legal),
            (Configs{"block = 64x8, evict_first = b", "block = 64x8, split_k = 2", "block = 64x8, split_k = 4",
                     "block = 64x8, split_k = 8"}));
  EXPECT_EQ(getSortedNeighbours("block = 64x8, split_k = 4", legal),
            (Configs{"block = 64x8", "block = 64x8, split_k = 2", "block = 64x8, split_k = 4, evict_first = b",
                     "block = 64x8, split_k = 8"}));
}

TEST(ConfigText, OrdersOfTiles) {
  EXPECT_EQ(
      varyTileOrder("<group_m = 8, unroll_k = 4>"),
      (Configs{"<group_m = 1, unroll_k = 4>", "<group_m = 2, unroll_k = 4>", "<group_m = 4, unroll_k = 4>",
               "<group_m = 16, unroll_k = 4>", "<group_m = 32, unroll_k = 4>",
               "<group_m = 8, unroll_k = 4, even_waves = true>", "<group_m = 8, unroll_k = 4, serpentine_k = true>"}));
  auto turned = [](llvm::StringRef config) {
    Configs varied = varyTileOrder(config);
    return Configs(varied.end() - 2, varied.end());
  };
  EXPECT_EQ(varyTileOrder("<group_m = 11, even_waves = true, early_store = true>").size(), 8u);
  EXPECT_EQ(turned("<group_m = 11, even_waves = true, early_store = true>"),
            (Configs{"<group_m = 11, early_store = true>",
                     "<group_m = 11, even_waves = true, early_store = true, serpentine_k = true>"}));
  EXPECT_EQ(turned("<group_m = 11, early_store = true, serpentine_k = true>"),
            (Configs{"<group_m = 11, even_waves = true, early_store = true, serpentine_k = true>",
                     "<group_m = 11, early_store = true>"}));
  EXPECT_EQ(turned("<group_m = 11, serpentine_k = true>"),
            (Configs{"<group_m = 11, even_waves = true, serpentine_k = true>", "<group_m = 11>"}));
}

} // namespace
