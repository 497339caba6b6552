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

namespace dgemm {
#define GEN_PASS_DEF_UNROLLKLOOPPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// An mma takes over the registers of a partial sum that was promoted before it: otherwise ptxas keeps those of all K
/// blocks of the body apart and runs out of registers.
void reusePartialSums(Block &block) {
  SmallVector<Value> promoted;
  auto takeOver = [&](Type type, MutableOperandRange over) {
    if (!over.empty())
      return llvm::erase(promoted, over[0].get()), void();
    auto *same = llvm::find_if(promoted, [&](Value part) { return part.getType() == type; });
    if (same == promoted.end())
      return;
    over.assign(*same);
    promoted.erase(same);
  };
  for (Operation &op : block) {
    if (auto promote = dyn_cast<PromoteOp>(op))
      promoted.push_back(promote.getPart());
    else if (auto mma = dyn_cast<MmaOp>(op))
      takeOver(mma.getType(), mma.getOverMutable());
    else if (auto start = dyn_cast<MmaStartOp>(op))
      takeOver(start.getType(), start.getOverMutable());
  }
}

/// Into how many copies to unroll a K loop; 1 for not at all. Less than two iterations of the unrolled loop would leave
/// straight code, in which ptxas mixes K blocks and spills, and so would one K block that is left over before the one
/// that early_store takes out of the loop; but not the few of a loop that is shorter than the factor.
int64_t getUnrollFactor(scf::ForOp loop, ConfigAttr config) {
  int64_t factor = config.getUnrollK();
  std::optional<APInt> count = loop.getStaticTripCount();
  if (factor == 1 || !count || loop.getBody()->getOps<PromoteOp>().empty())
    return 1;
  if (config.getEarlyStore() && count->slt(factor))
    return count->getSExtValue();
  return count->sge(2 * factor) && !(config.getEarlyStore() && count->getSExtValue() % factor == 1) ? factor : 1;
}

/// Unrolls a loop; `block` becomes the body of what then is the main loop.
LogicalResult unrollByFactor(scf::ForOp loop, int64_t factor, Block *&block) {
  FailureOr<UnrolledLoopInfo> unrolled = loopUnrollByFactor(loop, factor);
  if (succeeded(unrolled))
    block = unrolled->mainLoopOp->getBody();
  return unrolled;
}

struct UnrollKLoop : dgemm::impl::UnrollKLoopPassBase<UnrollKLoop> {
  void runOnOperation() override {
    SmallVector<std::pair<scf::ForOp, int64_t>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      ConfigAttr config = roles->getParentOfType<KernelOp>().getConfig();
      roles.getConsumer().walk([&](scf::ForOp loop) {
        if (int64_t factor = getUnrollFactor(loop, config); factor > 1)
          loops.emplace_back(loop, factor);
      });
    });
    for (auto [loop, factor] : loops) {
      bool isWhole = *loop.getStaticTripCount() == factor;
      Block *block = loop->getBlock();
      if (isWhole ? failed(loopUnrollFull(loop)) : failed(unrollByFactor(loop, factor, block)))
        return signalPassFailure();
      reusePartialSums(*block);
    }
  }
};

} // namespace
