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
#include "mlir/IR/BuiltinOps.h"

namespace dgemm {

/// Reads the only kernel of `module` (an llvm.func with `dgemm.launch`, after dgemm-lower-to-nvvm). Error: there is no
/// such kernel, or more than one.
llvm::Expected<LaunchDescriptor> getLaunchDescriptor(mlir::ModuleOp module, llvm::StringRef chip);

} // namespace dgemm

#endif // DGEMM_TARGET_LAUNCHFROMIR_H
