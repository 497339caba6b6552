//===- JoinWGMMATest.cpp - which wgmmas become one inline asm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/EmitPTX.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;

namespace {

constexpr const char *kWgmma = "nvvm.wgmma.mma_async %a, %b, ";
constexpr const char *kRest = ", <m = 64, n = 8, k = 32>, D[<f32>, <one>], A[<e4m3>, <one>, <row>], B[<e5m2>, <one>, "
                              "<col>] : !acc -> !acc\n";

/// What the PTX has, in order: w for a wgmma, p for the predicate of an inline asm, c for a commit.
std::string getOrder(const std::string &body) {
  DialectRegistry registry;
  registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  dgemm::registerTranslations(registry);
  MLIRContext context(registry);
  auto module = parseSourceString<ModuleOp>("!acc = !llvm.struct<(f32, f32, f32, f32)>\n"
                                            "llvm.func @f(%a: i64, %b: i64, %0: !acc) -> !acc {\n" +
                                                body + "}\n",
                                            &context);
  llvm::LLVMContext llvm;
  auto translated = dgemm::translateToLLVM(*module, llvm, "sm_90a");
  EXPECT_TRUE(bool(translated)) << llvm::toString(translated.takeError());
  auto ptx = dgemm::emitPTX(**translated, "sm_90a");
  EXPECT_TRUE(bool(ptx)) << llvm::toString(ptx.takeError());
  std::string order;
  SmallVector<StringRef> lines;
  StringRef(*ptx).split(lines, '\n');
  for (StringRef line : lines)
    order += line.contains("wgmma.mma_async") ? "w"
             : line.contains(".reg .pred p")  ? "p"
             : line.contains("commit")        ? "c"
                                              : "";
  return order;
}

std::string wgmma(int result, int over) {
  return "%" + std::to_string(result) + " = " + kWgmma + "%" + std::to_string(over) + kRest;
}

TEST(JoinWGMMA, AChainIsOneAsm) {
  EXPECT_EQ(getOrder(wgmma(1, 0) + wgmma(2, 1) + wgmma(3, 2) + "llvm.return %3 : !acc\n"), "pwww");
}

TEST(JoinWGMMA, NotAcrossACommit) {
  std::string commit = "nvvm.wgmma.commit.group.sync.aligned\n";
  EXPECT_EQ(getOrder(wgmma(1, 0) + commit + wgmma(2, 1) + wgmma(3, 2) + commit + "llvm.return %3 : !acc\n"), "pwcpwwc");
}

TEST(JoinWGMMA, NotWhereTheAccumulatorIsUsedTwice) {
  EXPECT_EQ(getOrder(wgmma(1, 0) + wgmma(2, 1) + wgmma(3, 1) + "llvm.return %3 : !acc\n"), "pwpwpw");
}

} // namespace
