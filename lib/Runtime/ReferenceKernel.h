//===- ReferenceKernel.h - Inner loop of the reference ----------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_REFERENCEKERNEL_H
#define DGEMM_LIB_RUNTIME_REFERENCEKERNEL_H

#include <cstdint>

namespace dgemm {

/// Rows of A that multiplyBlock takes.
constexpr int64_t kBlockRows = 4;
/// Columns of D, and values of K, in a block.
constexpr int64_t kBlock = 128;

/// The index of B[column][k] for multiplyBlock: panels of 8 columns, so that the inner loop reads memory in order.
constexpr int64_t kPanel = 8;
constexpr int64_t getPackedIndex(int64_t column, int64_t k) {
  return column / kPanel * kPanel * kBlock + k * kPanel + column % kPanel;
}

/// out[i][j] = sum over k below `depth` of a[i][k] * B[j][k], for kBlockRows x kBlock values. `depth` is at most
/// kBlock, the distance of rows of `a`.
void multiplyBlock(const double *a, const double *packedB, int64_t depth, double *out);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_REFERENCEKERNEL_H
