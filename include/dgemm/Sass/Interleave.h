//===- Interleave.h - Scheduling hints of promotion FFMAs --------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rewrites the hints of the FFMAs that promote partial sums, so that the scheduler interleaves other warps with them.
// docs/sass.md has the reasons, and says what is safe.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SASS_INTERLEAVE_H
#define DGEMM_SASS_INTERLEAVE_H

#include "dgemm/Sass/Cubin.h"
#include <optional>

namespace dgemm::sass {

/// Which FFMAs of a run yield. An FFMA that is made to yield loses its reuse flags: a switch to another warp empties
/// the operand cache.
enum class InterleavePolicy {
  /// As ptxas left it.
  None,
  /// Every second FFMA, from the first on, as ptxas 13.0 does in kernels of more than 256 threads.
  Alternate,
  /// Alternate in the first 9/16 of each run; the rest is unchanged.
  AlternateNineSixteenths,
  /// All of them.
  All,
  /// No FFMA: removes the yields of ptxas, but does not add reuse flags.
  Never,
};

/// "none", "alternate", "alternate-9/16", "all", "never".
llvm::StringRef toString(InterleavePolicy policy);
std::optional<InterleavePolicy> parseInterleavePolicy(llvm::StringRef name);

/// Consecutive FFMAs, as an interval of instructions of a kernel.
struct FFMARun {
  /// Shorter runs are ignored: address arithmetic and epilogues have a few.
  static constexpr size_t kMinLength = 8;
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

/// All runs of at least FFMARun::kMinLength, in order.
std::vector<FFMARun> findRuns(llvm::ArrayRef<Instruction> code);

struct InterleaveChanges {
  size_t runs = 0, ffmas = 0;
  /// FFMAs that yield now and did not before, that no longer yield, and that have lost a reuse flag.
  size_t yieldsSet = 0, yieldsCleared = 0, reusesDropped = 0;
  bool empty() const { return yieldsSet + yieldsCleared + reusesDropped == 0; }
  InterleaveChanges &operator+=(const InterleaveChanges &other);
};

/// Rewrites the runs of `code`. Error: the result is not proven equivalent (see checkHintsOnly); `code` is then
/// unchanged.
llvm::Expected<InterleaveChanges> interleave(llvm::MutableArrayRef<Instruction> code, InterleavePolicy policy);

/// Success if `after` differs from `before` only in yield bits and dropped reuse flags of FFMAs, and no changed FFMA
/// both yields and keeps a reuse flag. Error: names the first instruction that violates this.
llvm::Error checkHintsOnly(llvm::ArrayRef<Instruction> before, llvm::ArrayRef<Instruction> after);

} // namespace dgemm::sass

#endif // DGEMM_SASS_INTERLEAVE_H
