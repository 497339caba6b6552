//===- Wgmma.h - The tensor core of a warpgroup -----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_WGMMA_H
#define DGEMM_LIB_EMULATOR_WGMMA_H

#include "Kernel.h"
#include <array>
#include <cstdint>
#include <deque>
#include <vector>

namespace dgemm::emulator {

/// One wgmma.mma_async, from the issue of its first warp until all four warps have waited for it.
struct WgmmaOp {
  const Instruction *instruction = nullptr;
  /// By warp: A from registers is read when its warp issues.
  std::array<std::vector<uint32_t>, 4> aRegisters;
  bool aFromRegisters = false;
  uint64_t descA = 0, descB = 0;
  bool scaleD = true;
  int scaleA = 1, scaleB = 1;
  /// Bit r: row r of A has bytes that were not written, so row r of D is undefined: NaN here.
  uint64_t undefinedRows = 0;
  uint32_t group = 0;
  uint8_t issued = 0;
  uint8_t retired = 0;
  bool executed = false;
};

/// A setmaxnreg of a warpgroup, and the epoch at which each of its warps ran it (0: not yet).
struct RegisterChange {
  const Instruction *instruction = nullptr;
  std::array<uint32_t, 4> epochs = {0, 0, 0, 0};
};

struct Warpgroup {
  std::vector<RegisterChange> changes;
  /// Four agents: the waits of each of its warps.
  uint32_t agent = 0;
  std::deque<WgmmaOp> ops;
  /// Number of ops[0], counted from 0.
  uint64_t firstOp = 0;
  /// Tick until which the tensor core is busy.
  uint64_t busyUntil = 0;
};

/// Rows of A and D, and the length of the sums, of one wgmma with 8-bit operands.
constexpr unsigned kWgmmaRows = 64, kWgmmaK = 32;

/// d[64][n] += a[64][32] * b[32][n] as the tensor core of an H100 sums, bit for bit.
void multiplyAsHopper(float *d, const float *a, const float *b, unsigned n, bool isE5M2A, bool isE5M2B);

/// A matrix descriptor in shared memory (PTX ISA, "Matrix Descriptor Format").
struct MatrixDescriptor {
  uint32_t start = 0;
  uint32_t leadingBytes = 0;
  uint32_t strideBytes = 0;
  unsigned baseOffset = 0;
  unsigned swizzle = 0;

  static MatrixDescriptor decode(uint64_t bits);
  /// A violation of the rules of the hardware or of our layouts; empty if there is none.
  std::string check(uint64_t bits) const;
  /// Byte offset of the 16-byte unit `k16` of row `row`.
  uint32_t unit(unsigned row, unsigned k16) const;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_WGMMA_H
