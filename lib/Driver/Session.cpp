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
#include "dgemm/Target/ExtractSymbols.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"
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

StageTimer::~StageTimer() {
  if (times.empty() || times.back().first != name)
    times.emplace_back(std::move(name), 0);
  times.back().second += now() - start; // one entry if a step continues
}

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

static llvm::SourceMgr::DiagKind getKind(mlir::DiagnosticSeverity severity) {
  switch (severity) {
  case mlir::DiagnosticSeverity::Note:
    return llvm::SourceMgr::DK_Note;
  case mlir::DiagnosticSeverity::Warning:
    return llvm::SourceMgr::DK_Warning;
  case mlir::DiagnosticSeverity::Error:
    return llvm::SourceMgr::DK_Error;
  case mlir::DiagnosticSeverity::Remark:
    return llvm::SourceMgr::DK_Remark;
  }
  llvm_unreachable("unknown severity");
}

static std::unique_ptr<mlir::MLIRContext> createContext() {
  auto context = std::make_unique<mlir::MLIRContext>(getRegistry(), mlir::MLIRContext::Threading::DISABLED);
  // The op may be the whole module; the line of the text is enough.
  context->printOpOnDiagnostic(false);
  return context;
}

Session::Session(const CompileOptions &options)
    : options(options), ownContext(createContext()), context(*ownContext),
      handler(&context, [this](mlir::Diagnostic &diagnostic) { return gather(diagnostic); }) {}

Session::Session(const CompileOptions &options, mlir::ModuleOp given)
    : options(options), context(*given.getContext()),
      handler(&context, [this](mlir::Diagnostic &diagnostic) { return gather(diagnostic); }), module(given.clone()) {
  pointsIntoText = true;
  context.appendDialectRegistry(getRegistry());
}

mlir::LogicalResult Session::gather(mlir::Diagnostic &diagnostic) {
  addDiagnostic(diagnostic.getLocation(), getKind(diagnostic.getSeverity()), diagnostic.str());
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    addDiagnostic(note.getLocation(), llvm::SourceMgr::DK_Note, note.str());
  return mlir::success();
}

llvm::SMLoc Session::findInText(mlir::FileLineColLoc place) {
  llvm::StringRef file = place.getFilename().getValue();
  auto findBuffer = [&]() -> unsigned {
    for (unsigned id = 1; id <= sources.getNumBuffers(); ++id)
      if (sources.getMemoryBuffer(id)->getBufferIdentifier() == file)
        return id;
    return 0;
  };
  unsigned id = findBuffer();
  if (!id && !ownContext) // as MLIR's own handler does
    if (auto buffer = llvm::MemoryBuffer::getFile(file))
      id = sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc());
  return id ? sources.FindLocForLineAndColumn(id, place.getLine(), place.getColumn()) : llvm::SMLoc();
}

/// "file:line:column: error: text", the line of the text and a caret below it. The caller adds the first "error: " when
/// it prints.
void Session::addDiagnostic(mlir::Location location, llvm::SourceMgr::DiagKind kind, const llvm::Twine &message) {
  auto place = location->findInstanceOf<mlir::FileLineColLoc>();
  llvm::SMDiagnostic printable("", kind, message.str());
  if (place && pointsIntoText) {
    llvm::SMLoc inText = findInText(place);
    std::string where =
        llvm::formatv("{0}:{1}:{2}", place.getFilename().getValue(), place.getLine(), place.getColumn());
    printable =
        inText.isValid() ? sources.GetMessage(inText, kind, message) : llvm::SMDiagnostic(where, kind, message.str());
  }
  bool isFirst = diagnostics.empty();
  llvm::raw_string_ostream os(diagnostics);
  printable.print(/*ProgName=*/nullptr, os, /*ShowColors=*/false,
                  /*ShowKindLabel=*/!isFirst || kind != llvm::SourceMgr::DK_Error);
}

llvm::Error Session::takeDiagnostics(llvm::StringRef fallback) {
  std::string text = diagnostics.empty() ? fallback.str() : llvm::StringRef(diagnostics).rtrim('\n').str();
  diagnostics.clear();
  return makeError(text);
}

llvm::Error Session::parse(llvm::StringRef ir, llvm::StringRef name) {
  StageTimer timer(times, "parse");
  if (ir.trim().empty())
    return makeError((name.empty() ? "the input" : "'" + name + "'") + " is empty; expected IR with a dgemm.gemm");
  pointsIntoText = !name.empty();
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(ir, name), llvm::SMLoc());
  module = mlir::parseSourceFile<mlir::ModuleOp>(sources, mlir::ParserConfig(&context));
  return module ? llvm::Error::success() : takeDiagnostics("the input does not parse");
}

Level Session::getLevel() {
  Level level = Level::NVVM;
  module->walk([&](mlir::Operation *op) {
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
  Level given = getLevel();
  if (given > level)
    return llvm::createStringError("the input is at level '" + toString(static_cast<Stage>(given)) +
                                   "' already, after '" + toString(static_cast<Stage>(level)) + "'");
  if (given >= Level::Configured && !options.config.empty() && !isConfigured)
    return llvm::createStringError("a config is given, but the input has one already");
  if (given >= Level::Configured && !options.tunedTable.empty() && !isConfigured)
    return llvm::createStringError("a tuned table is given, but the input has a config already");
  isConfigured = true;
  mlir::PassManager pm(&context);
  dgemm::PipelineOptions pipeline;
  pipeline.config = options.config;
  pipeline.machine = options.machine;
  pipeline.multiprocessors = options.multiprocessors;
  pipeline.tunedTable = options.tunedTable;
  pipeline.spillData = options.spillData;
  llvm::SmallVector<std::string> avoided(options.avoidedConfigs.begin(), options.avoidedConfigs.end());
  llvm::append_range(avoided, tried);
  pipeline.avoided = llvm::ArrayRef(avoided);
  dgemm::buildPipeline(pm, given, level, pipeline);
  return mlir::succeeded(pm.run(*module)) ? llvm::Error::success() : takeDiagnostics("a pass failed");
}

llvm::Expected<llvm::SmallVector<mlir::Operation *>> Session::findKernels() {
  // The source of a config in the input is the input, whatever chose it before.
  module->walk([](GemmOp gemm) {
    if (gemm.getConfig())
      gemm->removeAttr(kConfigSourceAttr);
  });
  if (getLevel() == Level::Problem)
    if (llvm::Error error = lower(Level::Configured))
      return std::move(error);
  mlir::PassManager pm(&context);
  pm.addPass(createOutlineKernelsPass());
  if (mlir::failed(pm.run(*module)))
    return takeDiagnostics("a pass failed");
  llvm::SetVector<mlir::Operation *> kernels;
  module->walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation *op) {
    if (llvm::isa<GemmOp>(op))
      kernels.insert(op->getParentOp());
    else if (llvm::isa<KernelOp>(op) || op->hasAttr(kLaunchAttr))
      kernels.insert(op);
  });
  if (kernels.empty())
    return makeError("expected a dgemm.gemm, or a lowered kernel, but there is none");
  return llvm::SmallVector<mlir::Operation *>(kernels.takeVector());
}

llvm::Error Session::select(mlir::Operation *kernel, llvm::ArrayRef<std::string> triedConfigs) {
  if (!whole)
    whole = std::move(module);
  if (llvm::Error error = extractSymbols(kernel, kernel->getLoc()).moveInto(module))
    return error;
  (*module)->setDiscardableAttrs((*whole)->getDiscardableAttrDictionary()); // the machine
  tried.assign(triedConfigs.begin(), triedConfigs.end());
  if (!tried.empty())
    module->walk([](GemmOp gemm) { gemm.removeConfigAttr(); });
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<llvm::Module>> Session::translate(llvm::LLVMContext &llvmContext) {
  StageTimer timer(times, "translate");
  auto translated = dgemm::translateToLLVM(*module, llvmContext, options.chip);
  if (translated || diagnostics.empty())
    return translated;
  // MLIR has said why.
  std::string what = llvm::toString(translated.takeError());
  return makeError(what + ": " + llvm::toString(takeDiagnostics("")));
}
