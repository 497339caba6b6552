//===- ScheduleKLoop.cpp - dgemm-schedule-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between the end of one K block's last mma and the start of the next one's first, a warpgroup keeps the tensor cores
// busy only if another fills them; so do the stores of a tile. What a warpgroup does there must be short: this pass
// moves it into the K block before, or under the last mma.
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace dgemm {
#define GEN_PASS_DEF_SCHEDULEKLOOPPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// Scales that are the same along K are still to be multiplied in.
bool isScaledBehind(scf::ForOp loop) {
  return llvm::any_of(loop->getUsers(), [](Operation *user) { return isa<PromoteOp>(user); });
}

/// With one K block there is nothing to run ahead of, nor to take out of the loop.
KLoopShape chooseShape(scf::ForOp loop, ConfigAttr config) {
  std::optional<APInt> count = loop.getStaticTripCount();
  KLoopShape shape;
  shape.peelsLast = config.getSchedule().getEarlyStore() && !isScaledBehind(loop) && count && count->sge(2) &&
                    getConstantIntValue(loop.getLowerBound()) && getConstantIntValue(loop.getStep());
  shape.runsAhead = config.getSchedule().getRotate() && (!count || count->sgt(shape.peelsLast ? 2 : 1));
  return shape;
}

/// Into how many copies to unroll a K loop; 1 for not at all. Less than two iterations of the unrolled loop would leave
/// straight code, in which ptxas mixes K blocks and spills, and so would one K block that is left over before the one
/// that early_store takes out of the loop; but not the few of a loop that is shorter than the factor.
int64_t getUnrollFactor(scf::ForOp loop, ConfigAttr config) {
  int64_t factor = config.getSchedule().getUnroll();
  std::optional<APInt> count = loop.getStaticTripCount();
  if (factor == 1 || !count)
    return 1;
  if (config.getSchedule().getEarlyStore() && count->slt(factor))
    return count->getSExtValue();
  return count->sge(2 * factor) && !(config.getSchedule().getEarlyStore() && count->getSExtValue() % factor == 1)
             ? factor
             : 1;
}

LogicalResult schedule(scf::ForOp loop, ConfigAttr config) {
  PipelinedKLoop kLoop = {loop, {}};
  KLoopShape shape = chooseShape(loop, config);
  if (shape.runsAhead || shape.peelsLast) {
    FailureOr<PipelinedKLoop> pipelined = pipelineKLoop(loop, shape);
    if (failed(pipelined))
      return failure();
    kLoop = *pipelined;
  }
  if (shape.peelsLast && failed(storeEarly(kLoop)))
    return failure();
  int64_t factor = getUnrollFactor(kLoop.loop, config);
  return factor > 1 ? unrollKLoop(kLoop.loop, factor) : success();
}

struct ScheduleKLoop : dgemm::impl::ScheduleKLoopPassBase<ScheduleKLoop> {
  void runOnOperation() override {
    SmallVector<std::pair<scf::ForOp, ConfigAttr>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      ConfigAttr config = roles->getParentOfType<KernelOp>().getConfig();
      if (config.getSchedule().getEarlyStore())
        divideStores(roles.getConsumer());
      // A loop without mma only hands stages back.
      roles.getConsumer().walk([&](scf::ForOp loop) {
        if (!loop.getBody()->getOps<MmaOp>().empty())
          loops.emplace_back(loop, config);
      });
    });
    for (auto [loop, config] : loops)
      if (failed(schedule(loop, config)))
        return signalPassFailure();
  }
};

} // namespace
