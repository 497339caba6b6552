//===- EmitPTX.h - nvvm and llvm dialects to PTX -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Translates a module in the nvvm and llvm dialects to LLVM IR and PTX, in process. Thread-safe.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_EMITPTX_H
#define DGEMM_TARGET_EMITPTX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace dgemm {

/// Registers the interfaces of the translation to LLVM IR in `registry`.
void registerTranslations(mlir::DialectRegistry &registry);

/// Translates the kernels of `module` (findKernels) and the symbols that they refer to, or the whole module if it has
/// no kernels, for the NVPTX target. `module` does not change. Error: two kernels have the same name, there are ops
/// without a form in LLVM IR, or `chip` is not sm_90a.
llvm::Expected<std::unique_ptr<llvm::Module>> translateToLLVM(mlir::ModuleOp module, llvm::LLVMContext &context,
                                                              llvm::StringRef chip);

/// Runs the optimisations that our IR needs, and prints PTX.
llvm::Expected<std::string> emitPTX(llvm::Module &module, llvm::StringRef chip);

} // namespace dgemm

#endif // DGEMM_TARGET_EMITPTX_H
