//===- LaunchFromIR.h - The launch descriptor of a kernel in IR -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_LAUNCHFROMIR_H
#define DGEMM_TARGET_LAUNCHFROMIR_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace dgemm {

/// The kernels of `module` after dgemm-lower-to-nvvm, in order: each llvm.func with `dgemm.launch`, also in nested
/// modules.
llvm::SmallVector<mlir::LLVM::LLVMFuncOp> findKernels(mlir::ModuleOp module);

/// Reads the descriptor of a kernel of findKernels. Error: an argument is not an operand, size or tensor map of its
/// problem.
llvm::Expected<LaunchDescriptor> getLaunchDescriptor(mlir::LLVM::LLVMFuncOp kernel, llvm::StringRef chip);

/// Reads the descriptor of the only kernel of `module`. Error: there is none, or more than one.
llvm::Expected<LaunchDescriptor> getLaunchDescriptor(mlir::ModuleOp module, llvm::StringRef chip);

} // namespace dgemm

#endif // DGEMM_TARGET_LAUNCHFROMIR_H
