//===- JoinWGMMA.cpp - wgmmas of one mma as one inline asm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "JoinWGMMA.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

using Chain = SmallVector<NVVM::WgmmaMmaAsyncOp>;

/// Whether `op` is of FP8 with an f32 accumulator, whose PTX has no transpose operands.
static bool multipliesFP8(NVVM::WgmmaMmaAsyncOp op) {
  auto is8Bit = [](NVVM::WGMMATypes type) { return type == NVVM::WGMMATypes::e4m3 || type == NVVM::WGMMATypes::e5m2; };
  return is8Bit(op.getTypeA()) && is8Bit(op.getTypeB()) && op.getTypeD() == NVVM::WGMMATypes::f32;
}

/// Whether `op` continues the sum of `before`: only arithmetic is between them, and nothing else uses the accumulator.
static bool goesOn(NVVM::WgmmaMmaAsyncOp op, NVVM::WgmmaMmaAsyncOp before) {
  if (op.getInouts() != before.getResult() || !before->hasOneUse() || op->getBlock() != before->getBlock())
    return false;
  for (Operation *between = before->getNextNode(); between != op; between = between->getNextNode())
    if (!isMemoryEffectFree(between))
      return false;
  return true;
}

/// Operands: `count` registers of the accumulator, the same again as inputs, then two descriptors for each wgmma.
static std::string getText(const Chain &chain, size_t count) {
  std::string text = "{\n.reg .pred p;\n", registers;
  for (size_t i = 0; i < count; ++i)
    registers += llvm::formatv("{0}${1}", i ? ", " : "", i).str();
  for (auto [i, each] : llvm::enumerate(chain)) {
    NVVM::WgmmaMmaAsyncOp op = each;
    NVVM::MMAShapeAttr shape = op.getShape();
    text += llvm::formatv("setp.ne.b32 p, {0}, 0;\n"
                          "wgmma.mma_async.sync.aligned.m{1}n{2}k{3}.{4}.{5}.{6} {{{7}}, ${8}, ${9}, p, {10}, {11};\n",
                          int(op.getScaleD()), shape.getM(), shape.getN(), shape.getK(),
                          NVVM::stringifyWGMMATypes(op.getTypeD()), NVVM::stringifyWGMMATypes(op.getTypeA()),
                          NVVM::stringifyWGMMATypes(op.getTypeB()), registers, 2 * (count + i), 2 * (count + i) + 1,
                          int(op.getScaleA()), int(op.getScaleB()));
  }
  return text + "}";
}

static void join(const Chain &chain) {
  NVVM::WgmmaMmaAsyncOp first = chain.front(), last = chain.back();
  ImplicitLocOpBuilder b(last.getLoc(), last);
  size_t count = cast<LLVM::LLVMStructType>(last.getType()).getBody().size();
  SmallVector<Value> operands;
  std::string outputs, inputs, descriptors;
  for (size_t i = 0; i < count; ++i) {
    operands.push_back(LLVM::ExtractValueOp::create(b, first.getInouts(), i));
    outputs += "=f,";
    inputs += llvm::formatv("{0},", i).str();
  }
  for (NVVM::WgmmaMmaAsyncOp op : chain) {
    operands.append({op.getDescriptorA(), op.getDescriptorB()});
    descriptors += "l,l,";
  }
  std::string constraints = outputs + inputs + descriptors;
  constraints.pop_back();
  auto joined = LLVM::InlineAsmOp::create(b, last.getType(), operands, getText(chain, count), constraints,
                                          /*has_side_effects=*/true, /*is_align_stack=*/false,
                                          LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{}, ArrayAttr{});
  last.replaceAllUsesWith(joined.getResult(0));
  for (NVVM::WgmmaMmaAsyncOp op : llvm::reverse(chain))
    op.erase();
}

void dgemm::joinWGMMA(ModuleOp module) {
  SmallVector<Chain> chains;
  module.walk([&](NVVM::WgmmaMmaAsyncOp op) {
    if (!multipliesFP8(op))
      return;
    if (chains.empty() || !goesOn(op, chains.back().back()))
      chains.emplace_back();
    chains.back().push_back(op);
  });
  for (const Chain &chain : chains)
    join(chain);
}
