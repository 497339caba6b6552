//===- RegisterBudget.cpp - Registers of math and producer threads -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir::dgemm;

RegisterBudget RegisterBudget::get(int64_t mathWarpgroups) {
  // Each row keeps producer + warpgroups * consumer within what the warpgroups enter with (65536 / threads and at
  // most 255, rounded down to 8): 2 * 248, 3 * 168, 4 * 128 registers.
  switch (mathWarpgroups) {
  case 1:
    return {40, 248};
  case 2:
    return {40, 232};
  default:
    return {24, 160};
  }
}

int64_t mlir::dgemm::getMathRegisters(int64_t blockM, int64_t blockN, int64_t mathWarpgroups, int64_t splitK,
                                      bool isMulticast, bool overlapEpilogue) {
  // What ptxas 13.0 needs beside the accumulators, found by assembling every config (scripts/compile-every-config.py):
  // 128x136 with one math warpgroup spills at 248 registers, 128x200 with two at 232, 192x128 with three does not at
  // 160.
  int64_t other = 56 - 8 * mathWarpgroups;
  // A sweep over every layout: with split_k, configs spill that have 20 registers left, of one math warpgroup with a
  // cluster or an overlapped epilogue such with 8.
  if (splitK > 1)
    other += 24;
  else if (mathWarpgroups == 1 && (isMulticast || overlapEpilogue))
    other += 16;
  int64_t slices = blockM / (mathWarpgroups * hopper::kWgmmaM);
  return blockN / 2 * (1 + slices) + other;
}
