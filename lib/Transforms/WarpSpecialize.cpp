//===- WarpSpecialize.cpp - dgemm-warp-specialize -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects the kernel that dgemm-promote-accumulators leaves: one tile loop, which has one K loop of loads, mma and
// promote, and after it one store. If some scales are the same along K, another promote scales the sum before the
// store. Both roles copy the loops; the producer keeps the loads, and the consumers keep the rest.
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/Transforms/Passes.h"

namespace dgemm {
#define GEN_PASS_DEF_WARPSPECIALIZEPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

LogicalResult specialize(KernelOp kernel) {
  FailureOr<KernelParts> parts = KernelParts::get(kernel);
  if (failed(parts))
    return failure();
  ConfigAttr config = kernel.getConfig();
  MLIRContext *context = kernel.getContext();
  bool loadsByTMA = llvm::all_of(parts->loads, [](LoadOp load) { return isBy(load, MovementKind::TMA); });
  int64_t last = parts->stagesBlockScales() ? getStageIndex(Operand::ScaleB) : 0;
  for (LoadOp load : parts->loads)
    last = std::max(last, getStageIndex(load));
  auto stageType = StageType::get(context, llvm::map_to_vector(ArrayRef(kStageOperands).take_front(last + 1),
                                                               [&](Operand role) { return kernel.getTileOf(role); }));

  ImplicitLocOpBuilder b(parts->tiles.getLoc(), parts->tiles);
  Value ring = RingOp::create(b, RingType::get(context, config.getStages(), stageType));
  RegisterBudget budget =
      RegisterBudget::get(config.getWarpgroups(), config.getSplitK(), loadsByTMA, config.isMulticast());
  auto roles = WarpSpecializeOp::create(b, config.getWarpgroups(), budget.producer, budget.consumer);
  Block &producer = roles.getProducer().emplaceBlock(), &consumer = roles.getConsumer().emplaceBlock();
  Value warpgroup = consumer.addArgument(b.getIndexType(), b.getLoc());
  RoleBuilder(*parts, ring, stageType).buildProducer(&producer);
  RoleBuilder(*parts, ring, stageType).buildConsumer(&consumer, warpgroup, config);
  auto zero = parts->kLoop.getInits()[0].getDefiningOp<ZeroOp>();
  bool isAround = !parts->tiles->isAncestor(zero);
  parts->tiles.erase();
  if (isAround && zero->use_empty()) // it covers all rows of a tile, which no warpgroup holds
    zero.erase();
  return success();
}

struct WarpSpecialize : dgemm::impl::WarpSpecializePassBase<WarpSpecialize> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(specialize(kernel)))
        return signalPassFailure();
  }
};

} // namespace
