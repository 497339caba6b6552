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

/// A module, with a context of its own or in that of a caller, whose diagnostics are gathered as text.
class Session {
public:
  explicit Session(const CompileOptions &options);
  /// Of a copy of `given`, in its context.
  Session(const CompileOptions &options, mlir::ModuleOp given);

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
  /// What is or becomes a kernel, in order. Problems get their configs and functions of their own.
  llvm::Expected<llvm::SmallVector<mlir::Operation *>> findKernels();
  /// Goes on with a module of a copy of `kernel`, one of findKernels, alone. Where `tried` names configs, the problem
  /// loses its config, and gets none of these.
  llvm::Error select(mlir::Operation *kernel, llvm::ArrayRef<std::string> tried);
  mlir::ModuleOp getModule() { return *module; }
  mlir::MLIRContext *getContext() { return &context; }
  /// The gathered diagnostics, or `fallback` if there are none.
  llvm::Error takeDiagnostics(llvm::StringRef fallback);

  StageTimes times;

private:
  void addDiagnostic(mlir::Location location, llvm::SourceMgr::DiagKind kind, const llvm::Twine &message);

  mlir::LogicalResult gather(mlir::Diagnostic &diagnostic);
  /// The place in a text that is at hand; not valid if none is.
  llvm::SMLoc findInText(mlir::FileLineColLoc place);

  const CompileOptions &options;
  std::unique_ptr<mlir::MLIRContext> ownContext;
  mlir::MLIRContext &context;
  mlir::ScopedDiagnosticHandler handler;
  /// Holds the IR text, unless nobody has seen it, and the files that a caller's module comes from.
  llvm::SourceMgr sources;
  bool pointsIntoText = false;
  /// Passes have run, which took the config of the options.
  bool isConfigured = false;
  /// Configs that are not to be chosen, beside those of the options.
  llvm::SmallVector<std::string> tried;
  std::string diagnostics;
  /// Where the kernels come from that `module` is about.
  mlir::OwningOpRef<mlir::ModuleOp> whole;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_SESSION_H
