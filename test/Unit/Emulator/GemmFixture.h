//===- GemmFixture.h - A small hand-written GEMM ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TEST_UNIT_EMULATOR_GEMMFIXTURE_H
#define DGEMM_TEST_UNIT_EMULATOR_GEMMFIXTURE_H

#include "dgemm/Emulator/Emulator.h"

namespace dgemm::emulator::test {

/// D[M,N] (bf16) = A[M,K] x B[N,K]^T with 1x128 and 128x128 scales, tile 64x64x128, one math warpgroup and a
/// producer, written by hand. It has the structure of the kernels that the compiler makes.
struct Gemm {
  int64_t m = 100, n = 192, k = 512;
  unsigned stages = 3;
  int64_t multiprocessors = 4;
  Accumulator accumulator = Accumulator::Exact;
  std::string ptx;
  LaunchDescriptor launch;
  std::vector<uint8_t> a, b;
  std::vector<float> scaleA, scaleB;
  std::vector<uint16_t> d;

  Gemm() = default;
  /// Makes PTX, descriptor and inputs.
  void build();
  llvm::Expected<Report> run(uint64_t seed, const std::string &trace = "");
  /// 1 - 2 sum(xy) / sum(x^2 + y^2) against a reference in double precision.
  double difference() const;
  /// Replaces the first (or every) occurrence; false if there is none.
  bool replace(const std::string &from, const std::string &to, bool all = true);
  int64_t pitchM() const { return (m + 3) / 4 * 4; }
};

} // namespace dgemm::emulator::test

#endif // DGEMM_TEST_UNIT_EMULATOR_GEMMFIXTURE_H
