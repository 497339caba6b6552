//===- PromoteAccumulators.cpp - dgemm-promote-accumulators -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/Transforms/Passes.h"

namespace dgemm {
#define GEN_PASS_DEF_PROMOTEACCUMULATORSPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {
struct PromoteAccumulators : dgemm::impl::PromoteAccumulatorsPassBase<PromoteAccumulators> {
  void runOnOperation() override {
    getOperation()->walk([](ScaledMmaOp op) {
      OpBuilder builder(op);
      auto kernel = op->getParentOfType<KernelOp>();
      if (kernel && kernel.getProblem().getAccuracy() == AccuracyKind::Fast) {
        // By C3 of #dgemm.problem, neither operand has scales that vary along K.
        Value sum = MmaOp::create(builder, op.getLoc(), op.getAcc().getType(), op.getLhs(), op.getRhs(),
                                  /*over=*/Value(), op.getAcc());
        op.replaceAllUsesWith(sum);
        op.erase();
        return;
      }
      Value part = MmaOp::create(builder, op.getLoc(), op.getAcc().getType(), op.getLhs(), op.getRhs());
      Value sum = PromoteOp::create(builder, op.getLoc(), op.getAcc().getType(), part, op.getRowScales(),
                                    op.getColumnScales(), op.getN(), op.getAcc());
      op.replaceAllUsesWith(sum);
      op.erase();
    });
  }
};
} // namespace
