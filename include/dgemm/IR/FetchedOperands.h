//===- FetchedOperands.h - Operands of epilogues in shared memory -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Math warpgroups fetch operands of an epilogue to shared memory while the K loop runs (dgemm.fetch). An operand with
// the shape of D is too large for that.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_FETCHEDOPERANDS_H
#define DGEMM_IR_FETCHEDOPERANDS_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Bytes of an operand of the epilogue that a thread copies at once, 4 or 8; 0 if the operand cannot be fetched.
int64_t getFetchBytes(ProblemAttr problem, Operand operand);
/// Elements of a row of an operand of the epilogue for a tile of D: those of its columns (along n or mn), those of 64
/// of its rows (along m), or 1.
int64_t countTileElements(ConfigAttr config, ProblemAttr problem, Operand operand);
/// Bytes that a math warpgroup fetches of all operands for a tile of D.
int64_t getFetchedBytes(ConfigAttr config, ProblemAttr problem);

} // namespace dgemm

#endif // DGEMM_IR_FETCHEDOPERANDS_H
