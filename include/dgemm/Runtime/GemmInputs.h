//===- GemmInputs.h - Sizes and operands of a scaled GEMM -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// D[m, n] = sum over K blocks of 128: scale_a[kb, m] * scale_b[n / 128, kb] * sum of a[m, k] * b[n, k] in the block.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_GEMMINPUTS_H
#define DGEMM_RUNTIME_GEMMINPUTS_H

#include "dgemm/Runtime/HostTensor.h"

namespace dgemm {

/// Edge of a scaling block.
constexpr int64_t kScaleBlock = 128;

struct GemmSizes {
  int64_t m = 0, n = 0, k = 0;

  Sizes toSizes() const;
  double getFlops() const { return 2.0 * double(m) * double(n) * double(k); }
  /// Bytes that must move at least: each operand once.
  double getBytes() const;
};
inline bool operator==(const GemmSizes &a, const GemmSizes &b) { return a.m == b.m && a.n == b.n && a.k == b.k; }

/// The operands of the launch descriptor: a [M, K] and b [N, K] in FP8, scale_a [ceil(K/128), M] and scale_b
/// [ceil(N/128), ceil(K/128)] in f32.
struct GemmInputs {
  GemmSizes sizes;
  HostTensor a, scaleA, b, scaleB;

  /// The input called `name` in the launch descriptor, or null.
  const HostTensor *find(llvm::StringRef name) const;
};

/// Paths of .npy files; an empty one stands for random data.
struct InputFiles {
  std::string a, scaleA, b, scaleB;
};

/// Normally distributed values, quantised to FP8 with one scale = amax / 448 for each 1x128 of A and 128x128 of B. The
/// result depends on `seed` and `sizes` only, not on the number of threads.
GemmInputs makeRandomInputs(const GemmSizes &sizes, uint64_t seed);

/// Replaces inputs by the given files. scale_a is read as the problem writes it, [M, ceil(K/128)], and transposed.
llvm::Error readInputs(const InputFiles &files, GemmInputs &inputs);

} // namespace dgemm

#endif // DGEMM_RUNTIME_GEMMINPUTS_H
