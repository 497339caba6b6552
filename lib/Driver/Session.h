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
#include "dgemm/IR/DGemm.h"
#include "dgemm/Pipelines/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"

namespace dgemm {

llvm::Error makeError(const llvm::Twine &message);
/// "<tile = <...>, ...>".
std::string toText(ConfigAttr config);

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

/// A module in its own context or a caller's, whose diagnostics are collected as text.
class Session {
public:
  explicit Session(const CompileOptions &options);
  /// A session on a copy of `given`, in its context.
  Session(const CompileOptions &options, mlir::ModuleOp given);

  /// Parses and verifies. Diagnostics name the file `name`; it is empty for text that the user has not seen, and
  /// diagnostics then have no location.
  llvm::Error parse(llvm::StringRef ir, llvm::StringRef name = "");
  /// Builds and verifies the problem of `shape`.
  llvm::Error build(const GemmShape &shape);
  /// The level of the module, by its ops.
  dgemm::Level getLevel();
  /// Runs the passes up to `level`; the module may be at any level before it.
  llvm::Error lower(dgemm::Level level);
  /// The module, which is at level NVVM, as LLVM IR.
  llvm::Expected<std::unique_ptr<llvm::Module>> translate(llvm::LLVMContext &llvmContext);
  /// The kernels and problems, in order. Problems get their configs and their own functions.
  llvm::Expected<llvm::SmallVector<mlir::Operation *>> findKernels();
  /// Continues with a module that has only a copy of `kernel`, one of findKernels. If `tried` has configs, the problem
  /// loses its config, and gets none of these.
  llvm::Error select(mlir::Operation *kernel, llvm::ArrayRef<std::string> tried);
  mlir::ModuleOp getModule() { return *module; }
  mlir::MLIRContext *getContext() { return &context; }
  /// The collected diagnostics, or `fallback` if there are none.
  llvm::Error takeDiagnostics(llvm::StringRef fallback);

  StageTimes times;

private:
  void addDiagnostic(mlir::Location location, llvm::SourceMgr::DiagKind kind, const llvm::Twine &message);

  mlir::LogicalResult gather(mlir::Diagnostic &diagnostic);
  /// The location in an available text; invalid if there is none.
  llvm::SMLoc findInText(mlir::FileLineColLoc place);

  const CompileOptions &options;
  std::unique_ptr<mlir::MLIRContext> ownContext;
  mlir::MLIRContext &context;
  mlir::ScopedDiagnosticHandler handler;
  /// Has the IR text, unless the user has not seen it, and the files of a caller's module.
  llvm::SourceMgr sources;
  bool pointsIntoText = false;
  /// True if passes have run, which used the config of the options.
  bool isConfigured = false;
  /// Configs that must not be chosen, in addition to those of the options.
  llvm::SmallVector<std::string> tried;
  std::string diagnostics;
  /// The module of the kernels of `module`.
  mlir::OwningOpRef<mlir::ModuleOp> whole;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_SESSION_H
