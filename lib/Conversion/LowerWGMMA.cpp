//===- LowerWGMMA.cpp - dgemm-lower-wgmma -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-lower-stores: fragments of 64 rows, tiles made by dgemm.tile_at.
//
//===----------------------------------------------------------------------===//

#include "ClusterReduction.h"
#include "WGMMAPatterns.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"

namespace dgemm {
#define GEN_PASS_DEF_LOWERWGMMAPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {
struct LowerWGMMA : dgemm::impl::LowerWGMMAPassBase<LowerWGMMA> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(lower(kernel)))
        return signalPassFailure();
  }

private:
  /// A warpgroup holds 64 rows.
  static LogicalResult verifyFragments(KernelOp kernel) {
    auto isWider = [](Type type) {
      auto frag = dyn_cast<FragType>(type);
      return frag && frag.getRows() > hopper::kWgmmaM;
    };
    WalkResult result = kernel.walk([&](Operation *op) {
      if (!llvm::any_of(op->getOperandTypes(), isWider) && !llvm::any_of(op->getResultTypes(), isWider))
        return WalkResult::advance();
      op->emitOpError("expected fragments of 64 rows; run dgemm-warp-specialize first");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  LogicalResult lower(KernelOp kernel) {
    if (failed(verifyFragments(kernel)))
      return failure();
    TypeConverter converter;
    addFragmentConversions(converter);
    RewritePatternSet patterns(&getContext());
    for (auto *populate :
         {populateFragmentPatterns, populateLoadScalesPatterns, populateMapPatterns, populateMmaPatterns,
          populatePromotePatterns, populateQuantizePatterns, populateStoreFragmentPatterns})
      populate(converter, patterns);
    populateClusterReductionPatterns(converter, patterns);
    ConversionTarget target(getContext());
    target.addLegalDialect<arith::ArithDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
    target.addIllegalOp<LoadScalesOp, MmaWaitReadsOp>();
    scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns, target);
    target.markUnknownOpDynamicallyLegal([&](Operation *op) { return converter.isLegal(op); });
    return applyPartialConversion(kernel, target, std::move(patterns));
  }
};
} // namespace
