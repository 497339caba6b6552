//===- TMABarriers.cpp - mbarriers at the start of a kernel -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The producer's first warp initialises the barriers and need not wait for the others before it starts to load; these
// wait for it. One thread does it all: the address of an mbarrier is uniform, so lanes would take turns, at about 50
// clocks each. A kernel starts 0.5 us earlier for both (docs/performance.md).
//
//===----------------------------------------------------------------------===//

#include "TMALowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

/// On one thread.
static void initOnThread(TMALowering &lowering, NVVMBuilder &b, int64_t emptyCount, int64_t fullCount) {
  ConfigAttr config = lowering.kernel.getConfig();
  for (int64_t stage = 0; stage < config.getStages(); ++stage) {
    NVVM::MBarrierInitOp::create(b, lowering.fullBarrier(b, b.i32(stage)), b.i32(fullCount), Value{});
    NVVM::MBarrierInitOp::create(b, lowering.emptyBarrier(b, b.i32(stage)), b.i32(emptyCount), Value{});
  }
  int64_t slices = config.getSplitK() > 1 ? config.getBlockM() / hopper::kWgmmaM : 0;
  for (int64_t slice = 0; slice < slices; ++slice)
    initReductionBarriers(lowering, b, b.i32(slice));
  NVVM::FenceMbarrierInitOp::create(b);
}

void dgemm::initBarriers(TMALowering &lowering, NVVMBuilder &b, int64_t consumers, int64_t emptyCount,
                         int64_t fullCount) {
  ConfigAttr config = lowering.kernel.getConfig();
  if (Value isFew = hasFewRows(lowering, b)) {
    zeroScalesOfFewRows(lowering, b, isFew);
    ++fullCount; // their copy arrives, or the producer's thread in its place
  }
  Value lane = b.add(b.threadIndex(), -consumers * hopper::kWarpgroupThreads);
  Value isProducer = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, lane, b.i32(hopper::kWarpThreads));
  Value threads = b.i32((consumers + 1) * hopper::kWarpgroupThreads), id = b.i32(0);
  auto branch = scf::IfOp::create(b, isProducer, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  b.when(b.equal(lane, 0), [&] { initOnThread(lowering, b, emptyCount, fullCount); });
  if (config.isMulticast()) {
    b.setInsertionPointAfter(branch);
    return b.clusterBarrier(b.getUnitAttr());
  }
  // The ring is this CTA's own. That the others have come here is waited for when something is sent to them.
  auto arriveAtCluster = [&] {
    if (config.getSplitK() > 1)
      NVVM::ClusterArriveRelaxedOp::create(b, b.getUnitAttr());
  };
  NVVM::SyncWarpOp::create(b, b.i32(-1));
  arriveAtCluster();
  NVVM::BarrierArriveOp::create(b, id, threads);
  b.setInsertionPointToStart(branch.elseBlock());
  arriveAtCluster();
  NVVM::BarrierOp::create(b, Type{}, id, threads, NVVM::BarrierReductionAttr{}, Value{});
}
