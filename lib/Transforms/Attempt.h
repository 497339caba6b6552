//===- Attempt.h - Matches and ops that may turn out wrong ------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_ATTEMPT_H
#define DGEMM_LIB_TRANSFORMS_ATTEMPT_H

#include "dgemm/Support/LLVM.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"

namespace dgemm {

/// The error that `check` emits, or nothing if it succeeds. The error is not printed.
inline std::optional<std::string> findFault(mlir::MLIRContext *context, llvm::function_ref<LogicalResult()> check) {
  std::string fault;
  mlir::ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &diagnostic) {
    if (fault.empty()) // later ones are notes
      fault = diagnostic.str();
  });
  return failed(check()) ? std::optional(fault) : std::nullopt;
}

/// What matches a pattern, and says why if it does not.
class Match {
public:
  llvm::StringRef getReason() const { return why; }

protected:
  /// Returns false, for the caller to return.
  bool fail(const llvm::Twine &reason) {
    why = reason.str();
    return false;
  }

  std::string why;
};

/// Builds ops before `place` that may be illegal, because tensors of linalg and StableHLO may have extents that are not
/// known.
class Attempt {
public:
  Attempt(Operation *place, mlir::Location location) : b(location, place), place(place), before(place->getPrevNode()) {}

  /// What is wrong with `op`, which is one of the ops that were built, or nothing. If something is wrong, all ops that
  /// were built are erased.
  std::optional<std::string> findFault(Operation *op) {
    std::optional<std::string> fault = dgemm::findFault(op->getContext(), [&] { return mlir::verify(op); });
    while (fault && place->getPrevNode() != before)
      place->getPrevNode()->erase();
    return fault;
  }

  mlir::ImplicitLocOpBuilder b;

private:
  Operation *place, *before;
};

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_ATTEMPT_H
