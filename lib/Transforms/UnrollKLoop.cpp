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
#include <deque>

namespace mlir::dgemm {
#define GEN_PASS_DEF_UNROLLKLOOPPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace mlir::dgemm

using namespace mlir;
using namespace mlir::dgemm;

namespace {

/// An mma takes over the registers of a partial sum that was promoted before it: otherwise ptxas keeps those of all K
/// blocks of the body apart and runs out of registers.
void reusePartialSums(Block &block) {
  std::deque<Value> promoted;
  auto takeOver = [&](MutableOperandRange over) {
    if (!over.empty())
      return llvm::erase(promoted, over[0].get()), void();
    if (promoted.empty())
      return;
    over.assign(promoted.front());
    promoted.pop_front();
  };
  for (Operation &op : block) {
    if (auto promote = dyn_cast<PromoteOp>(op))
      promoted.push_back(promote.getPart());
    else if (auto mma = dyn_cast<MmaOp>(op))
      takeOver(mma.getOverMutable());
    else if (auto start = dyn_cast<MmaStartOp>(op))
      takeOver(start.getOverMutable());
  }
}

/// Fewer iterations would leave straight code, in which ptxas mixes K blocks and spills. So would one K block that is
/// left over before the one that early_store takes out of the loop.
bool isWorthUnrolling(scf::ForOp loop, ConfigAttr config) {
  int64_t factor = config.getUnrollK();
  std::optional<APInt> count = loop.getStaticTripCount();
  return factor > 1 && count && count->sge(2 * factor) && !loop.getBody()->getOps<PromoteOp>().empty() &&
         !(config.getEarlyStore() && count->getSExtValue() % factor == 1);
}

struct UnrollKLoop : mlir::dgemm::impl::UnrollKLoopPassBase<UnrollKLoop> {
  void runOnOperation() override {
    SmallVector<std::pair<scf::ForOp, int64_t>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      ConfigAttr config = roles->getParentOfType<KernelOp>().getConfig();
      roles.getConsumer().walk([&](scf::ForOp loop) {
        if (isWorthUnrolling(loop, config))
          loops.emplace_back(loop, config.getUnrollK());
      });
    });
    for (auto [loop, factor] : loops) {
      FailureOr<UnrolledLoopInfo> unrolled = loopUnrollByFactor(loop, factor);
      if (failed(unrolled))
        return signalPassFailure();
      reusePartialSums(*unrolled->mainLoopOp->getBody());
    }
  }
};

} // namespace
