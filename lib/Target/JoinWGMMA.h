//===- JoinWGMMA.h - wgmmas of one mma as one inline asm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_JOINWGMMA_H
#define DGEMM_TARGET_JOINWGMMA_H

#include "mlir/IR/BuiltinOps.h"

namespace dgemm {

/// Turns each chain of nvvm.wgmma.mma_async ops that pass on an accumulator into one inline asm. With one asm for each,
/// as NVVMToLLVM makes, LLVM ties and copies up to 128 registers each time, which takes a third of its time for a large
/// tile. ptxas makes the same code from both.
void joinWGMMA(mlir::ModuleOp module);

} // namespace dgemm

#endif // DGEMM_TARGET_JOINWGMMA_H
