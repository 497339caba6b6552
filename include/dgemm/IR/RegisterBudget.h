//===- RegisterBudget.h - Registers of math and producer threads -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The division of the register file between the roles, and the registers of the accumulators.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_REGISTERBUDGET_H
#define DGEMM_IR_REGISTERBUDGET_H

#include <cstdint>

namespace dgemm {

/// 32-bit registers for each thread of a role, the operand of setmaxnreg.
struct RegisterBudget {
  int64_t producer;
  int64_t consumer;

  /// The division for 1 to 3 math warpgroups and one producer warpgroup. The producer has more registers if K is split,
  /// if it copies A or B without TMA (`loadsByTMA` false), and if it multicasts for three math warpgroups.
  static RegisterBudget get(int64_t mathWarpgroups, int64_t splitK = 1, bool loadsByTMA = true,
                            bool isMulticast = false);
};

/// Columns of one mma: all of block N, or half of it if a partial accumulator of all columns would leave too few
/// registers for the final one.
int64_t getMmaColumns(int64_t blockN);

/// Accumulator registers of a math thread: the partial accumulator of an mma, and the final accumulators of all slices
/// of 64 rows of its warpgroup.
int64_t getAccumulatorRegisters(int64_t blockM, int64_t blockN, int64_t warpgroups);

} // namespace dgemm

#endif // DGEMM_IR_REGISTERBUDGET_H
