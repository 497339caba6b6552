//===- RegisterBudget.cpp - Registers of math and producer threads -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/HopperLimits.h"

using namespace dgemm;

RegisterBudget RegisterBudget::get(int64_t mathWarpgroups, int64_t splitK, bool loadsByTMA, bool isMulticast) {
  // Each row keeps producer + warpgroups * consumer within what the warpgroups enter with (65536 / threads and at
  // most 255, rounded down to 8): 2 * 248, 3 * 168, 4 * 128 registers. Producers with fewer were
  // seen to spill (ptxas 13.0, a sample of the legal configs of ten problems).
  bool isSplit = splitK > 1;
  switch (mathWarpgroups) {
  case 1:
    return {isSplit ? 72 : 40, 248};
  case 2:
    return !isSplit ? RegisterBudget{40, 232} : loadsByTMA ? RegisterBudget{56, 224} : RegisterBudget{72, 216};
  default:
    return !isSplit && loadsByTMA && !isMulticast ? RegisterBudget{24, 160} : RegisterBudget{56, 152};
  }
}

int64_t dgemm::getMmaColumns(int64_t blockN) {
  constexpr int64_t kWidestWhole = 200; // 64x200: what 248 registers carry
  return blockN > kWidestWhole ? blockN / 2 : blockN;
}

int64_t dgemm::getMathRegisters(const MathFields &fields) {
  // What ptxas 13.0 needs beside the accumulators, found by assembling every config (scripts/compile-every-config.py):
  // 128x136 with one math warpgroup spills at 248 registers, 128x200 with two at 232, 192x128 with three does not at
  // 160.
  int64_t other = 56 - 8 * fields.mathWarpgroups;
  // A sweep over every layout: with split_k, configs spill that have 20 registers left, of one math warpgroup with a
  // cluster such with 8.
  if (fields.splitK > 1)
    other += 24;
  else if (fields.mathWarpgroups == 1 && fields.isMulticast)
    other += 16;
  // Unrolled, 64x200, 128x120, 192x120 and 256x120 spill in some layouts (ptxas 13.0.88, all 18134 legal kernels of
  // eight problems).
  if (fields.unrollK > 1 && fields.blockN % 16)
    other += 24;
  if (fields.rotateKLoop && fields.blockN % 64)
    other += 16;
  int64_t slices = fields.blockM / (fields.mathWarpgroups * hopper::kWgmmaM);
  // 256x112, 256x120 and 128x240 spilled in one layout or another, of all 4815 legal kernels of ten problems.
  int64_t columns = getMmaColumns(fields.blockN);
  if (fields.earlyStore && (slices > 1 ? columns % 64 : columns != fields.blockN && columns % 16))
    other += 32;
  // So did masked 128x256 and 256x128 with a rotated loop, and 128x256 and 128x224 in clusters.
  if (fields.earlyStore && fields.unrollK > 2 && fields.isMasked)
    other += (fields.rotateKLoop ? 8 : 0) + (fields.isMulticast && columns != fields.blockN ? 32 : 0);
  // So did 64x256 with a rotated loop and 64x240 in clusters where the only group is known, of 7266 legal kernels of
  // twenty problems.
  if (fields.hasOneGroup && fields.unrollK > 2 && fields.mathWarpgroups == 1 && columns != fields.blockN)
    other += fields.rotateKLoop || fields.isMulticast ? 16 : 0;
  return (columns + fields.blockN * slices) / 2 + other;
}
