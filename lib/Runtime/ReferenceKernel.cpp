//===- ReferenceKernel.cpp - Inner loop of the reference ------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// A check spends all its time here. The products of e4m3 values and their sums over 128 are exact in double precision
// (products have 8 significant bits and lie between 2^-18 and 2^18), so the order of summation is free. Those with e5m2
// lie between 2^-32 and 2^32; a sum of them may lose 2^-53 of the largest.
//
//===----------------------------------------------------------------------===//

#include "ReferenceKernel.h"
#include <cstring>

namespace dgemm {

using Lanes = double __attribute__((vector_size(64), aligned(8)));

// One copy for each kind of CPU, selected when the program is loaded.
#if defined(__x86_64__) && defined(__linux__)
#define DGEMM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DGEMM_CLONES
#endif

DGEMM_CLONES void multiplyBlock(const double *a, const double *packedB, int64_t depth, double *out) {
  for (int64_t column = 0; column < kBlock; column += kPanel) {
    Lanes sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {};
    for (int64_t k = 0; k < depth; ++k) {
      Lanes b;
      std::memcpy(&b, packedB + getPackedIndex(column, k), sizeof(b));
      sum0 += a[k] * b;
      sum1 += a[kBlock + k] * b;
      sum2 += a[2 * kBlock + k] * b;
      sum3 += a[3 * kBlock + k] * b;
    }
    std::memcpy(out + column, &sum0, sizeof(sum0));
    std::memcpy(out + kBlock + column, &sum1, sizeof(sum1));
    std::memcpy(out + 2 * kBlock + column, &sum2, sizeof(sum2));
    std::memcpy(out + 3 * kBlock + column, &sum3, sizeof(sum3));
  }
}
static_assert(kBlockRows == 4 && sizeof(Lanes) == kPanel * sizeof(double), "as written out above");

} // namespace dgemm
