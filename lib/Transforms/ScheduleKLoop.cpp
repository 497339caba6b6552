//===- ScheduleKLoop.cpp - dgemm-schedule-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between the last mma of a K block and the first mma of the next one, a warpgroup leaves the tensor cores idle unless
// another warpgroup fills them. The same holds while it stores a tile. This pass shortens these gaps: it moves their
// work into the K block before, or under the last mma.
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

/// Whether the sums of the loop are scaled after it, because some scales are the same along K.
bool isScaledBehind(scf::ForOp loop) {
  return llvm::any_of(loop->getUsers(), [](Operation *user) { return isa<PromoteOp>(user); });
}

/// Whether some sums are complete, and scaled, before the last mma.
bool canScaleEarly(scf::ForOp loop) { return loop.getNumResults() > 1 && loop.getBody()->getOps<PromoteOp>().empty(); }

/// A loop of one K block has nothing to run ahead and nothing to peel.
KLoopShape chooseShape(scf::ForOp loop, ConfigAttr config) {
  std::optional<APInt> count = loop.getStaticTripCount();
  KLoopShape shape;
  shape.peelsLast = config.getSchedule().getEarlyStore() && (!isScaledBehind(loop) || canScaleEarly(loop)) && count &&
                    count->sge(2) && getConstantIntValue(loop.getLowerBound()) && getConstantIntValue(loop.getStep());
  shape.runsAhead = config.getSchedule().getRotate() && (!count || count->sgt(shape.peelsLast ? 2 : 1));
  return shape;
}

/// The unroll factor of a K loop; 1 for none. Fewer than two iterations of the unrolled loop would leave straight-line
/// code, in which ptxas mixes K blocks and spills. So would one K block that is left over before the one that
/// early_store peels. With early_store, a loop that is shorter than the factor has too few K blocks to spill and is
/// fully unrolled.
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
  bool isScaled = isScaledBehind(loop);
  if (isScaled && config.getSchedule().getEarlyStore() && loop.getNumResults() == 1 &&
      failed(scaleInHalves(cast<PromoteOp>(*loop->user_begin()))))
    return failure();
  // A warpgroup whose turn it is has the tensor cores for itself.
  bool staysInFlight = config.getSchedule().getPingpong() && canKeepInFlight(loop);
  if (!staysInFlight && (shape.runsAhead || shape.peelsLast)) {
    FailureOr<PipelinedKLoop> pipelined = pipelineKLoop(loop, shape);
    if (failed(pipelined))
      return failure();
    kLoop = *pipelined;
    kLoop.isScaledBehind = isScaled;
  }
  if (shape.peelsLast && failed(storeEarly(kLoop)))
    return failure();
  scf::ForOp rest = staysInFlight ? keepInFlight(kLoop.loop) : peelFirst(kLoop.loop);
  int64_t factor = rest ? getUnrollFactor(rest, config) : 1;
  return factor > 1 ? unrollKLoop(rest, factor) : success();
}

struct ScheduleKLoop : dgemm::impl::ScheduleKLoopPassBase<ScheduleKLoop> {
  void runOnOperation() override {
    SmallVector<std::pair<scf::ForOp, ConfigAttr>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      ConfigAttr config = roles->getParentOfType<KernelOp>().getConfig();
      if (config.getSchedule().getEarlyStore())
        divideStores(roles.getConsumer());
      // A loop without mma only releases stages.
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
