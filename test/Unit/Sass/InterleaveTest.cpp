//===- InterleaveTest.cpp - Tests of rewriting scheduling hints --------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Interleave.h"
#include "gtest/gtest.h"

using namespace dgemm::sass;

namespace {

constexpr InterleavePolicy kAll[] = {InterleavePolicy::None, InterleavePolicy::Alternate,
                                     InterleavePolicy::AlternateNineSixteenths, InterleavePolicy::All,
                                     InterleavePolicy::Never};

const Instruction kNop(0x0000000000007918, 0x000fc00000000000);
// FFMA R5, R24, R2.reuse, R5; the same as ptxas interleaves it; the same stalling for 5 cycles.
const Instruction kStays(0x0000000218057223, 0x080fe20000000005);
const Instruction kYields(0x0000000218057223, 0x000fc20000000005);
const Instruction kStalls(0x0000000218057223, 0x000fca0000000005);

std::vector<Instruction> repeat(Instruction instruction, size_t count) { return {count, instruction}; }

/// 'Y' for an FFMA that yields, 'r' for one that keeps a register, '-' for one that does neither, '!' for both.
std::string describe(llvm::ArrayRef<Instruction> code) {
  std::string text;
  for (const Instruction &instruction : code) {
    ControlBits control = instruction.getControl();
    text += control.yields ? (control.reuse ? '!' : 'Y') : control.reuse ? 'r' : '-';
  }
  return text;
}

std::string rewrite(std::vector<Instruction> code, InterleavePolicy policy) {
  llvm::Expected<InterleaveChanges> changes = interleave(code, policy);
  return changes ? describe(code) : llvm::toString(changes.takeError());
}

} // namespace

TEST(SassInterleave, Policies) {
  std::vector<Instruction> code = repeat(kStays, 16);
  EXPECT_EQ(rewrite(code, InterleavePolicy::None), "rrrrrrrrrrrrrrrr");
  EXPECT_EQ(rewrite(code, InterleavePolicy::Alternate), "YrYrYrYrYrYrYrYr");
  EXPECT_EQ(rewrite(code, InterleavePolicy::AlternateNineSixteenths), "YrYrYrYrYrrrrrrr");
  EXPECT_EQ(rewrite(code, InterleavePolicy::All), "YYYYYYYYYYYYYYYY");
  EXPECT_EQ(rewrite(code, InterleavePolicy::Never), "rrrrrrrrrrrrrrrr");
}

TEST(SassInterleave, UndoesButAddsNoReuse) {
  EXPECT_EQ(rewrite(repeat(kYields, 8), InterleavePolicy::Never), "--------");
  EXPECT_EQ(rewrite(repeat(kYields, 8), InterleavePolicy::Alternate), "Y-Y-Y-Y-");
}

TEST(SassInterleave, LongStallsYieldOn) { EXPECT_EQ(rewrite(repeat(kStalls, 8), InterleavePolicy::Never), "YYYYYYYY"); }

TEST(SassInterleave, Runs) {
  std::vector<Instruction> code;
  for (size_t length : {7, 8, 0, 20})
    code.insert(code.end(), length, kStays), code.push_back(kNop);
  std::vector<FFMARun> runs = findRuns(code);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].begin, 8u);
  EXPECT_EQ(runs[0].end, 16u);
  EXPECT_EQ(runs[1].begin, 18u);
  EXPECT_EQ(runs[1].end, 38u);
  EXPECT_TRUE(findRuns({}).empty());
  // The short run stays; each long one starts anew.
  EXPECT_EQ(rewrite(code, InterleavePolicy::Alternate), "rrrrrrrYYrYrYrYrYYYrYrYrYrYrYrYrYrYrYrY");
}

TEST(SassInterleave, Counts) {
  std::vector<Instruction> code = repeat(kStays, 9);
  code[0] = kYields;
  llvm::Expected<InterleaveChanges> changes = interleave(code, InterleavePolicy::Alternate);
  ASSERT_TRUE(bool(changes));
  EXPECT_EQ(changes->runs, 1u);
  EXPECT_EQ(changes->ffmas, 9u);
  EXPECT_EQ(changes->yieldsSet, 4u);
  EXPECT_EQ(changes->yieldsCleared, 0u);
  EXPECT_EQ(changes->reusesDropped, 4u);
}

TEST(SassInterleave, EveryRewriteIsProven) {
  for (Instruction instruction : {kStays, kYields, kStalls})
    for (InterleavePolicy policy : kAll) {
      std::vector<Instruction> before = repeat(instruction, 33), after = before;
      ASSERT_TRUE(bool(interleave(after, policy)));
      EXPECT_EQ(llvm::toString(checkHintsOnly(before, after)), "");
    }
}

TEST(SassInterleave, CheckFindsWhatIsUnsafe) {
  auto check = [](Instruction before, Instruction after) {
    return llvm::toString(checkHintsOnly({kNop, before}, {kNop, after}));
  };
  EXPECT_EQ(check(kStays, kYields), "");
  EXPECT_EQ(check(kYields, kStays), "instruction at 0x10: a reuse flag was added");
  Instruction both(kStays.getLow(), kYields.getHigh() | kStays.getHigh() >> 58 << 58);
  EXPECT_EQ(check(kStays, both), "instruction at 0x10: yields and keeps a reuse flag");
  EXPECT_EQ(check(kStays, kStalls), "instruction at 0x10: more than the yield bit and reuse flags changed");
  Instruction waits(kStays.getLow(), kStays.getHigh() | uint64_t(1) << 52);
  EXPECT_EQ(check(kStays, waits), "instruction at 0x10: more than the yield bit and reuse flags changed");
  EXPECT_EQ(check(kNop, Instruction(kNop.getLow(), kNop.getHigh() | uint64_t(1) << 45)),
            "instruction at 0x10: changed, but is not an FFMA");
  EXPECT_EQ(llvm::toString(checkHintsOnly({kNop}, {})), "the number of instructions changed");
}

TEST(SassInterleave, Names) {
  for (InterleavePolicy policy : kAll)
    EXPECT_EQ(parseInterleavePolicy(toString(policy)), policy);
  EXPECT_EQ(parseInterleavePolicy("sometimes"), std::nullopt);
}
