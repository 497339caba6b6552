//===- Compiler.cpp - Problem in, kernel out -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "Session.h"
#include "dgemm/Target/EmitPTX.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace dgemm;
using mlir::dgemm::Level;

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// "4096", or "?" for a dynamic size.
static std::string extent(int64_t size) { return size == GemmShape::kDynamic ? "?" : std::to_string(size); }

static std::string blocks(int64_t size) {
  return size == GemmShape::kDynamic ? "?" : std::to_string(llvm::divideCeil(size, 128));
}

llvm::Expected<std::string> dgemm::makeProblem(const GemmShape &shape, const CompileOptions &options) {
  for (auto [name, size] : {std::pair<const char *, int64_t>{"M", shape.m}, {"N", shape.n}, {"K", shape.k}})
    if (size != GemmShape::kDynamic && (size < 1 || size > INT32_MAX))
      return makeError(llvm::formatv("expected {0} to be 1 to 2147483647 or dynamic, but got {1}", name, size));
  auto nameOf = [](int64_t size) { return size == GemmShape::kDynamic ? "x" : std::to_string(size); };
  std::string entry = options.entry;
  if (entry.empty())
    entry = llvm::formatv("dgemm_m{0}_n{1}_k{2}", nameOf(shape.m), nameOf(shape.n), nameOf(shape.k));
  std::string a = llvm::formatv("memref<{0}x{1}xf8E4M3FN>", extent(shape.m), extent(shape.k));
  std::string sa = llvm::formatv("memref<{0}x{1}xf32>", blocks(shape.k), extent(shape.m));
  std::string b = llvm::formatv("memref<{0}x{1}xf8E4M3FN>", extent(shape.n), extent(shape.k));
  std::string sb = llvm::formatv("memref<{0}x{1}xf32>", blocks(shape.n), blocks(shape.k));
  std::string d = llvm::formatv("memref<{0}x{1}xbf16>", extent(shape.m), extent(shape.n));
  return llvm::formatv(R"(func.func @{0}(%a: {1}, %scale_a: {2}, %b: {3}, %scale_b: {4}, %d: {5}) {{
  dgemm.gemm dense lhs(%a scaled %scale_a by [1, 128]) rhs(%b scaled %scale_b by [128, 128]) out(%d)
      : ({1}, {2}, {3}, {4}, {5})
  return
}
)",
                       entry, a, sa, b, sb, d)
      .str();
}

/// The level of the module for a stage that is printed as MLIR.
static Level levelOf(Stage stage) {
  return stage >= Stage::NVVM ? Level::NVVM : static_cast<Level>(static_cast<int>(stage));
}

/// Fails early for a chip that has no wgmma.
static llvm::Error checkChip(llvm::StringRef chip) {
  if (chip == "sm_90a")
    return llvm::Error::success();
  return makeError("target '" + chip + "' is not supported; the only one is sm_90a (H100, H200, GH200)");
}

llvm::Expected<std::string> dgemm::lowerToText(llvm::StringRef ir, Stage stage, const CompileOptions &options,
                                               StageTimes *times) {
  if (stage > Stage::LLVM)
    return makeError("stage '" + toString(stage) + "' is not a level of IR");
  if (llvm::Error error = checkChip(options.chip))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.parse(ir))
    return std::move(error);
  if (llvm::Error error = session.lower(levelOf(stage)))
    return std::move(error);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (stage != Stage::LLVM) {
    session.getModule().print(os);
    os << '\n';
  } else {
    StageTimer timer(session.times, "translate");
    llvm::LLVMContext context;
    auto module = mlir::dgemm::translateToLLVM(session.getModule(), context, options.chip);
    if (!module)
      return module.takeError();
    (*module)->print(os, nullptr);
  }
  if (times)
    *times = std::move(session.times);
  return text;
}

/// PTX and launch descriptor.
static llvm::Expected<CompiledKernel> compileToPTX(llvm::StringRef ir, const CompileOptions &options) {
  Session session(options);
  if (llvm::Error error = session.parse(ir))
    return std::move(error);
  if (llvm::Error error = session.lower(Level::NVVM))
    return std::move(error);
  CompiledKernel kernel;
  auto launch = mlir::dgemm::getLaunchDescriptor(session.getModule(), options.chip);
  if (!launch)
    return launch.takeError();
  kernel.launch = std::move(*launch);
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  {
    StageTimer timer(session.times, "translate");
    auto translated = mlir::dgemm::translateToLLVM(session.getModule(), context, options.chip);
    if (!translated)
      return translated.takeError();
    module = std::move(*translated);
  }
  {
    StageTimer timer(session.times, "codegen");
    auto ptx = mlir::dgemm::emitPTX(*module, options.chip);
    if (!ptx)
      return ptx.takeError();
    kernel.ptx = std::move(*ptx);
  }
  kernel.times = std::move(session.times);
  return kernel;
}

/// Adds the cubin and what ptxas reports of it.
static llvm::Error assembleKernel(CompiledKernel &kernel, const CompileOptions &options) {
  StageTimer timer(kernel.times, "ptxas");
  llvm::Expected<Assembler> assembler = findAssembler(options.ptxas);
  if (!assembler)
    return assembler.takeError();
  llvm::Expected<AssembledKernel> assembled = assemble(*assembler, kernel.ptx, kernel.launch.entry, options.chip);
  if (!assembled)
    return assembled.takeError();
  kernel.cubin = std::move(assembled->image);
  kernel.resources = assembled->resources;
  return llvm::Error::success();
}

llvm::Expected<CompiledKernel> dgemm::compileModule(llvm::StringRef ir, const CompileOptions &options, Stage last) {
  if (llvm::Error error = checkChip(options.chip))
    return std::move(error);
  llvm::Expected<CompiledKernel> kernel = compileToPTX(ir, options);
  if (!kernel || last == Stage::PTX || last == Stage::Launch)
    return kernel;
  if (llvm::Error error = assembleKernel(*kernel, options))
    return std::move(error);
  return kernel;
}

llvm::Expected<CompiledKernel> dgemm::compileKernel(const GemmShape &shape, const CompileOptions &options, Stage last) {
  llvm::Expected<std::string> problem = makeProblem(shape, options);
  if (!problem)
    return problem.takeError();
  return compileModule(*problem, options, last);
}
