//===- UnrollKLoop.cpp - dgemm-unroll-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

namespace mlir::dgemm {
#define GEN_PASS_DEF_UNROLLKLOOPPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace mlir::dgemm

using namespace mlir;
using namespace mlir::dgemm;

namespace {

/// The tail that another number of K blocks wants would be a second loop: more code than the first saves time.
bool isMultipleOf(scf::ForOp loop, int64_t factor) {
  std::optional<APInt> count = loop.getStaticTripCount();
  return count && count->getZExtValue() % factor == 0;
}

struct UnrollKLoop : mlir::dgemm::impl::UnrollKLoopPassBase<UnrollKLoop> {
  void runOnOperation() override {
    SmallVector<std::pair<scf::ForOp, int64_t>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      int64_t factor = roles->getParentOfType<KernelOp>().getConfig().getUnrollK();
      roles.getConsumer().walk([&](scf::ForOp loop) {
        if (factor > 1 && !loop.getBody()->getOps<WaitOp>().empty() && isMultipleOf(loop, factor))
          loops.emplace_back(loop, factor);
      });
    });
    for (auto [loop, factor] : loops)
      if (failed(loopUnrollByFactor(loop, factor)))
        return signalPassFailure();
  }
};

} // namespace
