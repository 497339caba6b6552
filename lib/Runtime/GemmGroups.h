//===- GemmGroups.h - Groups of random inputs -----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_GEMMGROUPS_H
#define DGEMM_LIB_RUNTIME_GEMMGROUPS_H

#include "dgemm/Runtime/GemmInputs.h"

namespace dgemm {

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so that each tile has a stream of its own.
inline uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

/// Fills in the group operand, the group of each row of D and the columns of each group of K, for groups of so many
/// `rows` (columns of K), or where that is empty, for random ones. What no group has in A, and along K in B, becomes
/// NaN or zero. Error: they do not fit the sizes.
llvm::Error makeGroups(GemmInputs &inputs, llvm::ArrayRef<int64_t> rows, int64_t alignment, uint64_t seed);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_GEMMGROUPS_H
