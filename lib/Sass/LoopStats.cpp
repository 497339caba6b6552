//===- LoopStats.cpp - What the main loop of a kernel issues ------------ -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/LoopStats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace dgemm::sass;

unsigned LoopStats::getCount(llvm::StringRef mnemonic) const {
  for (auto &[name, count] : counts)
    if (mnemonic == name)
      return count;
  return 0;
}

/// Intervals with a QGMMA from the target of a backward branch to the branch, the shortest first.
static std::vector<std::pair<size_t, size_t>> findBackwardRanges(llvm::ArrayRef<Instruction> code) {
  std::vector<std::pair<size_t, size_t>> ranges;
  for (size_t i = 0; i < code.size(); ++i) {
    std::optional<int64_t> offset = code[i].getBranchOffset();
    if (!offset)
      continue;
    int64_t target = int64_t(i) + 1 + *offset / int64_t(Instruction::kBytes);
    if (target < 0 || target > int64_t(i))
      continue;
    if (llvm::any_of(code.slice(target, i + 1 - target), [](Instruction inst) { return inst.isQGMMA(); }))
      ranges.emplace_back(target, i + 1);
  }
  llvm::sort(ranges, [](auto &a, auto &b) {
    return std::pair(a.second - a.first, a.first) < std::pair(b.second - b.first, b.first);
  });
  return ranges;
}

static LoopStats countLoop(llvm::ArrayRef<Instruction> code, size_t begin, size_t end) {
  LoopStats stats;
  stats.begin = begin;
  stats.end = end;
  llvm::StringMap<unsigned> counts;
  for (const Instruction &instruction : code.slice(begin, end - begin)) {
    llvm::StringRef name = instruction.getMnemonic();
    ++counts[name.empty() ? "0x" + llvm::utohexstr(instruction.getOpcode(), /*LowerCase=*/true, 3) : name.str()];
    stats.qgmmas += instruction.isQGMMA();
    stats.partials += instruction.startsSum();
    stats.localMemory += instruction.isLocalMemory();
    stats.stallCycles += instruction.getControl().stall;
  }
  for (auto &entry : counts)
    stats.counts.emplace_back(entry.getKey().str(), entry.getValue());
  llvm::sort(stats.counts,
             [](auto &a, auto &b) { return std::pair(-int(a.second), a.first) < std::pair(-int(b.second), b.first); });
  return stats;
}

std::vector<LoopStats> dgemm::sass::findMainLoops(llvm::ArrayRef<Instruction> code) {
  std::vector<LoopStats> loops;
  for (std::pair<size_t, size_t> range : findBackwardRanges(code))
    if (llvm::none_of(loops,
                      [&](const LoopStats &loop) { return range.first < loop.end && loop.begin < range.second; }))
      loops.push_back(countLoop(code, range.first, range.second));
  llvm::sort(loops, [](auto &a, auto &b) { return a.begin < b.begin; });
  return loops;
}
