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
  // In each case, producer + warpgroups * consumer stays within the registers that the warpgroups start with (65536 /
  // threads and at most 255, rounded down to 8): 2 * 248, 3 * 168, 4 * 128 registers. Producers with fewer registers
  // were seen to spill (ptxas 13.0, a sample of the legal configs of ten problems).
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
  constexpr int64_t kWidestWhole = 200; // 248 registers are enough for 64x200
  return blockN > kWidestWhole ? blockN / 2 : blockN;
}

int64_t dgemm::getAccumulatorRegisters(int64_t blockM, int64_t blockN, int64_t warpgroups) {
  // A warpgroup holds 64 x N values, N / 2 in each of its 128 threads (PTX ISA 9.0, wgmma register fragments).
  int64_t slices = blockM / (warpgroups * hopper::kWgmmaM);
  return (getMmaColumns(blockN) + blockN * slices) / 2;
}
