//===- RegisterBudget.h - Registers of math and producer threads -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How the register file is divided between the roles, and whether the accumulators of a configuration fit.
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

/// The fields of #dgemm.config on which the registers of a math thread depend.
struct MathFields {
  int64_t blockM, blockN, mathWarpgroups;
  int64_t splitK = 1;
  bool isMulticast = false;
  bool rotateKLoop = false;
  int64_t unrollK = 1;
  bool earlyStore = false;
  /// Groups of rows that end early: a K loop for each number of slices of 64 rows in a group.
  bool isMasked = false;
  /// Of these there is one, as is known when compiling.
  bool hasOneGroup = false;
};

/// Columns that one mma computes: all of block N, or each half in turn where a partial accumulator for all of them
/// would leave the final one no room.
int64_t getMmaColumns(int64_t blockN);

/// Registers that a math thread needs: a partial accumulator of one m64 slice, the final accumulators of all slices,
/// and addresses, scales and loop state, of which there are more with the fields after `mathWarpgroups`.
int64_t getMathRegisters(const MathFields &fields);

} // namespace dgemm

#endif // DGEMM_IR_REGISTERBUDGET_H
