//===- Session.cpp - One compile: context, diagnostics, times -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/Target/EmitPTX.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include <chrono>

using namespace dgemm;
using dgemm::Level;

llvm::Error dgemm::makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

StageTimer::StageTimer(StageTimes &times, llvm::StringRef name) : times(times), name(name.str()), start(now()) {}

StageTimer::~StageTimer() { times.emplace_back(std::move(name), now() - start); }

/// One registry for the process; contexts only read it.
static const mlir::DialectRegistry &getRegistry() {
  static const mlir::DialectRegistry registry = [] {
    mlir::DialectRegistry all;
    dgemm::registerDialects(all);
    dgemm::registerTranslations(all);
    return all;
  }();
  return registry;
}

Session::Session(const CompileOptions &options)
    : options(options), context(getRegistry(), mlir::MLIRContext::Threading::DISABLED) {
  // "file:line:column: error: text", notes behind it.
  context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
    llvm::raw_string_ostream os(diagnostics);
    if (!diagnostics.empty())
      os << '\n';
    if (auto location = llvm::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
      os << location.getFilename().getValue() << ':' << location.getLine() << ':' << location.getColumn() << ": ";
    os << diagnostic;
    return mlir::success();
  });
}

llvm::Error Session::takeDiagnostics(llvm::StringRef fallback) {
  std::string text = diagnostics.empty() ? fallback.str() : std::move(diagnostics);
  diagnostics.clear();
  return llvm::createStringError(llvm::inconvertibleErrorCode(), "%s", text.c_str());
}

llvm::Error Session::parse(llvm::StringRef ir) {
  StageTimer timer(times, "parse");
  module = mlir::parseSourceString<mlir::ModuleOp>(ir, mlir::ParserConfig(&context), "input");
  return module ? llvm::Error::success() : takeDiagnostics("the input does not parse");
}

/// The level that a module is at, by the ops that it holds.
static Level getLevel(mlir::ModuleOp module) {
  Level level = Level::NVVM;
  module.walk([&](mlir::Operation *op) {
    using namespace dgemm;
    if (auto gemm = llvm::dyn_cast<GemmOp>(op))
      level = std::min(level, gemm.getConfig() ? Level::Configured : Level::Problem);
    else if (llvm::isa<ScaledMmaOp>(op))
      level = std::min(level, Level::Tiled);
    else if (llvm::isa<LoadOp>(op))
      level = std::min(level, Level::Promoted);
    else if (llvm::isa<RingOp>(op))
      level = std::min(level, Level::Specialized);
    else if (llvm::isa<TileAtOp>(op))
      level = std::min(level, Level::TMA);
    else if (llvm::isa<KernelOp>(op))
      level = std::min(level, Level::WGMMA);
    return mlir::WalkResult::advance();
  });
  return level;
}

llvm::Error Session::lower(Level level) {
  StageTimer timer(times, "passes");
  Level given = getLevel(*module);
  if (given > level)
    return llvm::createStringError("the input is at level '" + toString(static_cast<Stage>(given)) +
                                   "' already, behind '" + toString(static_cast<Stage>(level)) + "'");
  if (given >= Level::Configured && !options.config.empty())
    return llvm::createStringError("a config is given, but the input has one already");
  mlir::PassManager pm(&context);
  dgemm::PipelineOptions pipeline;
  pipeline.config = options.config;
  pipeline.multiprocessors = options.multiprocessors;
  pipeline.tunedTable = options.tunedTable;
  dgemm::buildPipeline(pm, given, level, pipeline);
  return mlir::succeeded(pm.run(*module)) ? llvm::Error::success() : takeDiagnostics("a pass failed");
}
