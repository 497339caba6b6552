//===- FindFault.h - Checks that emit nothing -------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_FINDFAULT_H
#define DGEMM_LIB_TRANSFORMS_FINDFAULT_H

#include "dgemm/Support/LLVM.h"
#include "mlir/IR/Diagnostics.h"

namespace dgemm {

/// The error that `check` emits, which is not printed; nothing if it succeeds.
inline std::optional<std::string> findFault(mlir::MLIRContext *context, llvm::function_ref<LogicalResult()> check) {
  std::string fault;
  mlir::ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &diagnostic) {
    if (fault.empty()) // later ones are notes
      fault = diagnostic.str();
  });
  return failed(check()) ? std::optional(fault) : std::nullopt;
}

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_FINDFAULT_H
