//===- BulkCopy.h - Where bulk copies come from and go to -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_BULKCOPY_H
#define DGEMM_LIB_EMULATOR_BULKCOPY_H

#include "Handlers.h"

namespace dgemm::emulator {

/// Ticks of a copy: a latency and a rate, both random in a wide range.
uint64_t getCopyDelay(Machine &machine, uint64_t bytes);

/// The tensor map at an address. Null: a hazard was raised.
const TensorMap *findTensorMap(Context &c, const Instruction &inst, uint64_t address);
/// A map with an offset may have elements before its operand, which no box may have. False: a hazard was raised.
bool checkInside(Context &c, const Instruction &inst, const TensorMap &map, llvm::ArrayRef<int64_t> coordinates);
llvm::SmallVector<int64_t, 5> readCoordinates(Context &c, const Operand &vector, unsigned lane);

/// The bulk groups of a thread; gives it an agent on first use.
BulkGroups &getBulkGroups(Context &c, unsigned lane);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_BULKCOPY_H
