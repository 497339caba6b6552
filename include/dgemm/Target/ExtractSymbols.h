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

/// A module with copies of `symbols`, in order, and of the symbols that they refer to, each resolved in its own symbol
/// table. Error: two of these have the same name, or the references of a symbol are unknown.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> extractSymbols(llvm::ArrayRef<mlir::Operation *> symbols,
                                                                 mlir::Location location);

} // namespace dgemm

#endif // DGEMM_TARGET_EXTRACTSYMBOLS_H
