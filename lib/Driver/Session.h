//===- Session.h - One compile: context, diagnostics, times -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_DRIVER_SESSION_H
#define DGEMM_LIB_DRIVER_SESSION_H

#include "dgemm/Driver/Compiler.h"
#include "dgemm/Pipelines/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

namespace dgemm {

llvm::Error makeError(const llvm::Twine &message);

/// Adds the wall time of its scope to `times`.
class StageTimer {
public:
  StageTimer(StageTimes &times, llvm::StringRef name);
  ~StageTimer();

private:
  StageTimes &times;
  std::string name;
  double start;
};

/// A context of its own whose diagnostics are gathered as text.
class Session {
public:
  explicit Session(const CompileOptions &options);

  /// Parses and verifies.
  llvm::Error parse(llvm::StringRef ir);
  /// Runs the passes up to `level`; the module may be at any level before it.
  llvm::Error lower(dgemm::Level level);
  mlir::ModuleOp getModule() { return *module; }

  StageTimes times;

private:
  /// The gathered diagnostics, or `fallback` if there are none.
  llvm::Error takeDiagnostics(llvm::StringRef fallback);

  const CompileOptions &options;
  mlir::MLIRContext context;
  llvm::SourceMgr sources;
  std::string diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_SESSION_H
