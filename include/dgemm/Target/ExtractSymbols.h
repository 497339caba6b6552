//===- ExtractSymbols.h - Some symbols as a module --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_EXTRACTSYMBOLS_H
#define DGEMM_TARGET_EXTRACTSYMBOLS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace dgemm {

/// A module of copies of `symbols`, in order, and of what they refer to, each as its own symbol table finds it. Error:
/// a name has two meanings among these, or what a symbol refers to cannot be known.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> extractSymbols(llvm::ArrayRef<mlir::Operation *> symbols,
                                                                 mlir::Location location);

} // namespace dgemm

#endif // DGEMM_TARGET_EXTRACTSYMBOLS_H
