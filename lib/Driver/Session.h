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
#include "llvm/IR/Module.h"
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

  /// Parses and verifies. `name` is the file that diagnostics name; empty for text that the user has not seen: they
  /// name no place then.
  llvm::Error parse(llvm::StringRef ir, llvm::StringRef name = "");
  /// Builds and verifies the problem of `shape`.
  llvm::Error build(const GemmShape &shape);
  /// The level that the module is at, by the ops that it holds.
  dgemm::Level getLevel();
  /// Runs the passes up to `level`; the module may be at any level before it.
  llvm::Error lower(dgemm::Level level);
  /// The module, which is at level NVVM, as LLVM IR.
  llvm::Expected<std::unique_ptr<llvm::Module>> translate(llvm::LLVMContext &llvmContext);
  mlir::ModuleOp getModule() { return *module; }
  mlir::MLIRContext *getContext() { return &context; }
  /// The gathered diagnostics, or `fallback` if there are none.
  llvm::Error takeDiagnostics(llvm::StringRef fallback);

  StageTimes times;

private:
  void addDiagnostic(mlir::Location location, llvm::SourceMgr::DiagKind kind, const llvm::Twine &message);

  const CompileOptions &options;
  mlir::MLIRContext context;
  /// Holds the IR text, unless nobody has seen it.
  llvm::SourceMgr sources;
  bool pointsIntoText = false;
  /// Passes have run, which took the config of the options.
  bool isConfigured = false;
  std::string diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_SESSION_H
