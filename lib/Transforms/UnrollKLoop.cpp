//===- UnrollKLoop.cpp - Several K blocks in an iteration -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

using namespace mlir;
using namespace dgemm;

/// Lets each mma take over the registers of a partial sum that was promoted before it. Otherwise ptxas gives the
/// partial sum of each K block of the body its own registers, and runs out of them.
static void reusePartialSums(Block &block) {
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
    else if (auto mma = dyn_cast<MmaOp>(op); mma && !mma.getAcc())
      takeOver(mma.getType(), mma.getOverMutable());
    else if (auto start = dyn_cast<MmaStartOp>(op); start && !start.getAcc())
      takeOver(start.getType(), start.getOverMutable());
  }
}

LogicalResult dgemm::unrollKLoop(scf::ForOp loop, int64_t factor) {
  Block *block = loop->getBlock();
  if (*loop.getStaticTripCount() == factor) {
    if (failed(loopUnrollFull(loop)))
      return failure();
  } else {
    FailureOr<UnrolledLoopInfo> unrolled = loopUnrollByFactor(loop, factor);
    if (failed(unrolled))
      return failure();
    block = unrolled->mainLoopOp->getBody();
    // Without partial sums, the remaining K blocks take no registers as straight-line code.
    if (unrolled->epilogueLoopOp && block->getOps<PromoteOp>().empty() &&
        failed(loopUnrollFull(*unrolled->epilogueLoopOp)))
      return failure();
  }
  auto kernel = block->getParentOp()->getParentOfType<KernelOp>();
  if (kernel && kernel.getProblem().getAccuracy() == AccuracyKind::Balanced)
    mergePromotions(*block);
  reusePartialSums(*block);
  return success();
}
