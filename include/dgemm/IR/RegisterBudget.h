//===- RegisterBudget.h - Registers of math and producer threads -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How the register file is divided between the roles, and what the accumulators take of it.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_REGISTERBUDGET_H
#define DGEMM_IR_REGISTERBUDGET_H

#include <cstdint>

namespace dgemm {

/// 32-bit registers of a thread, as setmaxnreg is told.
struct RegisterBudget {
  int64_t producer;
  int64_t consumer;

  /// The division for 1 to 3 math warpgroups and one producer warpgroup, which holds more where K is split, where it
  /// copies A or B without TMA (`loadsByTMA` false), and beside three math warpgroups where it multicasts.
  static RegisterBudget get(int64_t mathWarpgroups, int64_t splitK = 1, bool loadsByTMA = true,
                            bool isMulticast = false);
};

/// Columns that one mma computes: all of block N, or each half in turn where a partial accumulator for all of them
/// would leave the final one no room.
int64_t getMmaColumns(int64_t blockN);

/// Registers of a math thread that hold accumulators: the partial one of an mma, and the final ones of all slices of 64
/// rows that its warpgroup has of a block.
int64_t getAccumulatorRegisters(int64_t blockM, int64_t blockN, int64_t warpgroups);

} // namespace dgemm

#endif // DGEMM_IR_REGISTERBUDGET_H
