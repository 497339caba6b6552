//===- LoopStats.h - What the main loop of a kernel issues -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts the instructions of loops with QGMMA, for tuning.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SASS_LOOPSTATS_H
#define DGEMM_SASS_LOOPSTATS_H

#include "dgemm/Sass/Instruction.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <utility>
#include <vector>

namespace dgemm::sass {

struct LoopStats {
  /// First instruction and one past the backward branch, as indices into the kernel's code.
  size_t begin = 0, end = 0;
  /// Instructions of each mnemonic (the opcode in hex for an unknown one), the most frequent first.
  std::vector<std::pair<std::string, unsigned>> counts;
  unsigned qgmmas = 0;
  /// QGMMAs that start a sum: partial products of 64 rows and one K block in an iteration.
  unsigned partials = 0;
  /// Loads and stores of local memory.
  unsigned localMemory = 0;
  /// Sum of the stall counts: the least cycles of one warp for an iteration.
  unsigned stallCycles = 0;

  unsigned getCount(llvm::StringRef mnemonic) const;
};

/// The innermost loops with a QGMMA: from the target of a backward branch to the branch. Blocks that ptxas moved behind
/// the loop (spinning on a barrier) are not counted. Of overlapping ranges, the shortest is taken.
std::vector<LoopStats> findMainLoops(llvm::ArrayRef<Instruction> code);

} // namespace dgemm::sass

#endif // DGEMM_SASS_LOOPSTATS_H
