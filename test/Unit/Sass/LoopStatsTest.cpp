//===- LoopStatsTest.cpp - Tests of counting the main loop -------------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/LoopStats.h"
#include "gtest/gtest.h"

using namespace dgemm::sass;

static const Instruction kNop(0x0000000000007918, 0x000fc00000000000);
static const Instruction kFirst(0x00e00000041879f3, 0x000fe2000c7008ff);
static const Instruction kNext(0x00e00000041879f3, 0x000fe20008700818);
static const Instruction kFFMA(0x0000000218057223, 0x080fe20000000005);
static const Instruction kLocalLoad(0x0000000000007983, 0x000fe20000000000);

/// @P0 BRA from instruction `from` to `to`.
static Instruction makeBranch(int64_t from, int64_t to) {
  uint64_t words = (to - from - 1) * Instruction::kBytes / 4;
  return {0x0947 | (words & 0xff) << 16 | (words >> 8) << 34, uint64_t(0x000fec) << 40 | (words >> 38 & 0x3ffff)};
}

TEST(SassLoopStats, CountsTheInnermostLoop) {
  // A tile loop around a K loop, with the block that waits for a barrier behind both.
  std::vector<Instruction> code = {kNop,
                                   kFirst,
                                   kNext,
                                   kFFMA,
                                   kFFMA,
                                   kLocalLoad,
                                   makeBranch(6, 1),
                                   kNop,
                                   makeBranch(8, 0),
                                   kNop,
                                   makeBranch(10, 9),
                                   makeBranch(11, 2)};
  std::vector<LoopStats> loops = findMainLoops(code);
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].begin, 1u);
  EXPECT_EQ(loops[0].end, 7u);
  EXPECT_EQ(loops[0].qgmmas, 2u);
  EXPECT_EQ(loops[0].partials, 1u);
  EXPECT_EQ(loops[0].localMemory, 1u);
  EXPECT_EQ(loops[0].stallCycles, 1u + 1 + 1 + 1 + 1 + 6);
  EXPECT_EQ(loops[0].getCount("FFMA"), 2u);
  EXPECT_EQ(loops[0].getCount("BRA"), 1u);
  EXPECT_EQ(loops[0].getCount("NOP"), 0u);
  EXPECT_EQ(loops[0].counts.front().first, "FFMA");
}

TEST(SassLoopStats, NoLoop) {
  EXPECT_TRUE(findMainLoops({}).empty());
  EXPECT_TRUE(findMainLoops({kFirst, kNop}).empty());
  EXPECT_TRUE(findMainLoops({kFirst, kNop, makeBranch(2, 1)}).empty()) << "a loop without QGMMA";
  EXPECT_TRUE(findMainLoops({kFirst, makeBranch(1, -1)}).empty()) << "a branch out of the kernel";
}
