//===- CompileModuleTest.cpp - modules of several kernels -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "dgemm/IR/GemmBuilder.h"
#include "dgemm/Pipelines/Pipelines.h"
#include "dgemm/Target/EmitPTX.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace dgemm;

namespace {

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream(text) << *op;
  return text;
}

/// A host function @layer of two gemms, N = `n` and N = 64, built as an embedder builds it; the types follow from n.
OwningOpRef<ModuleOp> buildLayer(MLIRContext &context, int64_t n) {
  context.loadDialect<DGemmDialect, func::FuncDialect>();
  auto loc = FileLineColLoc::get(&context, "layer.py", 12, 3);
  OpBuilder b(&context);
  auto memref = [&](ArrayRef<int64_t> shape, Type element) { return MemRefType::get(shape, element); };
  Type f8 = b.getType<Float8E4M3FNType>(), f32 = b.getF32Type(), bf16 = b.getBF16Type();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  auto func = func::FuncOp::create(
      b, loc, "layer",
      b.getFunctionType({memref({128, 256}, f8), memref({2, 128}, f32), memref({n, 256}, f8), memref({1, 2}, f32),
                         memref({128, n}, bf16), memref({64, 256}, f8), memref({128, 64}, bf16)},
                        {}));
  Block *entry = func.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  auto arg = [&](unsigned i) { return entry->getArgument(i); };
  GemmBuilder(b, loc).lhs(arg(0), arg(1)).rhs(arg(2), arg(3)).out(arg(4)).create();
  GemmBuilder(b, loc).lhs(arg(0), arg(1)).rhs(arg(5), arg(3)).out(arg(6)).create();
  func::ReturnOp::create(b, loc);
  return module;
}

TEST(CompileModule, EachProblemIsAKernelAndTheModuleStays) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = buildLayer(context, 96);
  ASSERT_TRUE(succeeded(verify(*module)));
  std::string before = print(*module);
  auto kernels = compileModule(*module, {}, Stage::PTX);
  ASSERT_TRUE(bool(kernels)) << llvm::toString(kernels.takeError());
  EXPECT_EQ(print(*module), before);
  ASSERT_EQ(kernels->size(), 2u);
  const CompiledKernel &first = kernels->front(), &second = kernels->back();
  EXPECT_EQ(first.launch.entry, "layer");
  EXPECT_EQ(second.launch.entry, "layer_0");
  EXPECT_EQ(first.launch.sizes[1].second, 96);
  EXPECT_EQ(second.launch.sizes[1].second, 64);
  for (const CompiledKernel &kernel : *kernels) {
    EXPECT_NE(kernel.ptx.find(".entry " + kernel.launch.entry + "("), std::string::npos);
    EXPECT_EQ(kernel.configSource, ConfigSource::CostModel);
  }
}

TEST(CompileModule, OneOfSeveralIsTheSameAsAlone) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = buildLayer(context, 64); // both gemms have one problem
  auto kernels = compileModule(*module, {}, Stage::PTX);
  ASSERT_TRUE(bool(kernels)) << llvm::toString(kernels.takeError());
  ASSERT_EQ(kernels->size(), 1u);
  CompileOptions options;
  options.entry = "layer";
  auto alone = compileKernel({128, 64, 256}, options, Stage::PTX);
  ASSERT_TRUE(bool(alone)) << llvm::toString(alone.takeError());
  EXPECT_EQ(kernels->front().ptx, alone->ptx);
  EXPECT_EQ(kernels->front().launch.toJSON(), alone->launch.toJSON());
}

TEST(CompileModule, TextIsTheSameAsAModule) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = buildLayer(context, 96);
  auto fromModule = compileModule(*module, {}, Stage::PTX);
  ASSERT_TRUE(bool(fromModule)) << llvm::toString(fromModule.takeError());
  auto fromText = compileModule(print(*module), {}, Stage::PTX);
  ASSERT_TRUE(bool(fromText)) << llvm::toString(fromText.takeError());
  ASSERT_EQ(fromText->size(), fromModule->size());
  for (auto [text, ir] : llvm::zip(*fromText, *fromModule)) {
    EXPECT_EQ(text.ptx, ir.ptx);
    EXPECT_EQ(text.launch.toJSON(), ir.launch.toJSON());
  }
}

TEST(CompileModule, ErrorsSayWhere) {
  CompileOptions options;
  options.config = "stages = 99";
  auto getError = [&](auto &&ir) {
    auto kernels = compileModule(ir, options, Stage::PTX);
    return kernels ? "" : llvm::toString(kernels.takeError());
  };
  std::string what = "'dgemm.gemm' op cannot have this config: expected 'stages' to be 2 to 32, but got 99\n",
              line = "  dgemm.gemm dense lhs(";
  MLIRContext context;
  context.printOpOnDiagnostic(false);
  OwningOpRef<ModuleOp> module = buildLayer(context, 96);
  // No file of this name is there to show a line of.
  EXPECT_EQ(getError(*module) + "\n", "layer.py:12:3: " + what);
  EXPECT_EQ(getError(print(*module)).rfind("input:3:5: " + what + "  " + line, 0), 0u) << getError(print(*module));

  DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  std::string file = DGEMM_TEST_DIR "/Pipelines/Inputs/gemm.mlir";
  OwningOpRef<ModuleOp> parsed = parseSourceFile<ModuleOp>(file, &context);
  std::string error = getError(*parsed);
  EXPECT_EQ(error.rfind(file + ":3:3: " + what + line, 0), 0u) << error;
  EXPECT_NE(error.find("\n  ^"), std::string::npos) << error;
}

TEST(CompileModule, NoKernelIsAnError) {
  auto kernels = compileModule("func.func @f() { return }", {}, Stage::PTX);
  ASSERT_FALSE(bool(kernels));
  EXPECT_EQ(llvm::toString(kernels.takeError()), "expected a dgemm.gemm, or a lowered kernel, but there is none");
}

TEST(CompileModule, TheOrderOfStepsDoesNotMatter) {
  DialectRegistry registry;
  registerDialects(registry);
  registerTranslations(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = buildLayer(context, 96);
  PassManager pm(&context);
  PipelineOptions options;
  buildPipeline(pm, Level::Problem, Level::NVVM, options);
  ASSERT_TRUE(succeeded(pm.run(*module)));
  std::string before = print(*module);
  llvm::LLVMContext llvm;
  auto translated = translateToLLVM(*module, llvm, "sm_90a");
  ASSERT_TRUE(bool(translated)) << llvm::toString(translated.takeError());
  EXPECT_EQ(print(*module), before);
  // One PTX of all kernels, and a descriptor of each.
  auto ptx = emitPTX(**translated, "sm_90a");
  ASSERT_TRUE(bool(ptx)) << llvm::toString(ptx.takeError());
  SmallVector<LLVM::LLVMFuncOp> kernels = findKernels(*module);
  ASSERT_EQ(kernels.size(), 2u);
  for (LLVM::LLVMFuncOp kernel : kernels) {
    auto launch = getLaunchDescriptor(kernel, "sm_90a");
    ASSERT_TRUE(bool(launch)) << llvm::toString(launch.takeError());
    EXPECT_NE(ptx->find(".entry " + launch->entry + "("), std::string::npos);
    EXPECT_FALSE(launch->parameters.front().name.empty());
  }
}

TEST(GemmBuilder, Grouped) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @f(%a: memref<4x?x256xf8E4M3FN>, %sa: memref<4x2x?xf32>, %b: memref<4x64x256xf8E4M3FN>,
                 %sb: memref<4x1x2xf32>, %d: memref<4x?x64xbf16>, %rows: memref<4xi32>) {
      return
    })",
                                            &context);
  auto func = cast<func::FuncOp>(module->getBody()->front());
  auto b = OpBuilder::atBlockBegin(&func.front());
  GemmOp gemm = GemmBuilder(b, func.getLoc())
                    .lhs(func.getArgument(0), func.getArgument(1))
                    .rhs(func.getArgument(2), func.getArgument(3))
                    .out(func.getArgument(4))
                    .masked(func.getArgument(5))
                    .expectRows(96)
                    .pdl()
                    .create();
  ASSERT_TRUE(succeeded(verify(*module)));
  EXPECT_EQ(gemm.getLayout(), Layout::Masked);
  EXPECT_EQ(gemm.getExpectedRows(), 96);
  EXPECT_TRUE(gemm.getPdl());
  EXPECT_FALSE(gemm.getAlignment());
}

} // namespace
