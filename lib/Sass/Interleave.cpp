//===- Interleave.cpp - Scheduling hints of promotion FFMAs ------------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Interleave.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace dgemm::sass;

/// ptxas itself lets an instruction yield that stalls for this many cycles, which is not interleaving.
static constexpr unsigned kLongStall = 4;

static constexpr std::pair<InterleavePolicy, llvm::StringLiteral> kPolicies[] = {
    {InterleavePolicy::None, "none"},
    {InterleavePolicy::Alternate, "alternate"},
    {InterleavePolicy::AlternateNineSixteenths, "alternate-9/16"},
    {InterleavePolicy::All, "all"},
    {InterleavePolicy::Never, "never"}};

llvm::StringRef dgemm::sass::toString(InterleavePolicy policy) { return kPolicies[static_cast<int>(policy)].second; }

std::optional<InterleavePolicy> dgemm::sass::parseInterleavePolicy(llvm::StringRef name) {
  for (auto &[policy, spelling] : kPolicies)
    if (name == spelling)
      return policy;
  return std::nullopt;
}

std::vector<FFMARun> dgemm::sass::findRuns(llvm::ArrayRef<Instruction> code) {
  std::vector<FFMARun> runs;
  for (size_t begin = 0; begin < code.size();) {
    size_t end = begin;
    while (end < code.size() && code[end].isFFMA())
      ++end;
    if (end - begin >= FFMARun::kMinLength)
      runs.push_back({begin, end});
    begin = std::max(end, begin + 1);
  }
  return runs;
}

InterleaveChanges &InterleaveChanges::operator+=(const InterleaveChanges &other) {
  runs += other.runs;
  ffmas += other.ffmas;
  yieldsSet += other.yieldsSet;
  yieldsCleared += other.yieldsCleared;
  reusesDropped += other.reusesDropped;
  return *this;
}

/// True if FFMA `index` of a run of `length` must yield; std::nullopt to keep it.
static std::optional<bool> shouldYield(InterleavePolicy policy, size_t index, size_t length) {
  switch (policy) {
  case InterleavePolicy::None:
    return std::nullopt;
  case InterleavePolicy::AlternateNineSixteenths:
    if (index >= length * 9 / 16)
      return std::nullopt;
    [[fallthrough]];
  case InterleavePolicy::Alternate:
    return index % 2 == 0;
  case InterleavePolicy::All:
    return true;
  case InterleavePolicy::Never:
    return false;
  }
  llvm_unreachable("all policies are handled");
}

static void rewrite(Instruction &instruction, bool yields, InterleaveChanges &changes) {
  ControlBits control = instruction.getControl();
  if (!yields) {
    if (control.yields && control.stall < kLongStall) {
      instruction.setYields(false);
      ++changes.yieldsCleared;
    }
    return;
  }
  changes.yieldsSet += !control.yields;
  changes.reusesDropped += control.reuse != 0;
  instruction.setYields(true);
  instruction.clearReuse();
}

llvm::Expected<InterleaveChanges> dgemm::sass::interleave(llvm::MutableArrayRef<Instruction> code,
                                                          InterleavePolicy policy) {
  InterleaveChanges changes;
  std::vector<Instruction> rewritten = code.vec();
  for (FFMARun run : findRuns(code)) {
    ++changes.runs;
    changes.ffmas += run.size();
    for (size_t i = 0; i < run.size(); ++i)
      if (std::optional<bool> yields = shouldYield(policy, i, run.size()))
        rewrite(rewritten[run.begin + i], *yields, changes);
  }
  if (llvm::Error error = checkHintsOnly(code, rewritten))
    return std::move(error);
  llvm::copy(rewritten, code.begin());
  return changes;
}

llvm::Error dgemm::sass::checkHintsOnly(llvm::ArrayRef<Instruction> before, llvm::ArrayRef<Instruction> after) {
  if (before.size() != after.size())
    return llvm::createStringError("the number of instructions changed");
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i])
      continue;
    auto fail = [&](llvm::StringRef why) {
      return llvm::createStringError(llvm::formatv("instruction at {0:x}: {1}", i * Instruction::kBytes, why));
    };
    ControlBits was = before[i].getControl(), is = after[i].getControl();
    if (!before[i].isFFMA())
      return fail("changed, but is not an FFMA");
    if (before[i].withoutHints() != after[i].withoutHints())
      return fail("more than the yield bit and reuse flags changed");
    // An added flag would promise the next instruction a value that is not in the cache.
    if (is.reuse & ~was.reuse)
      return fail("a reuse flag was added");
    if (is.yields && is.reuse)
      return fail("yields and keeps a reuse flag");
  }
  return llvm::Error::success();
}
