//===- RingBarriers.cpp - mbarriers at the start of a kernel -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The producer's first warp initialises the barriers. It need not wait for the other warps before it starts to load;
// they wait for it. One thread initialises all barriers. The address of an mbarrier is uniform, so the lanes of a warp
// would take turns, at about 50 clocks each. These two choices together start a kernel 0.5 us earlier
// (docs/performance.md).
//
//===----------------------------------------------------------------------===//

#include "RingLowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

/// Initialises the barriers of a sum over the cluster, two for each 64 rows of the tile. Each warp of the other CTAs
/// that has such rows arrives at drained after it has read what was sent to it (LowerReductions.cpp).
static void initReductionBarriers(RingLowering &lowering, NVVMBuilder &b) {
  SmallVector<ReduceClusterOp> sums;
  lowering.roles.getConsumer().walk([&](ReduceClusterOp sum) { sums.push_back(sum); });
  if (sums.empty())
    return;
  int64_t slices = sums.size() * lowering.roles.getConsumers();
  int64_t senderWarps = (sums.front().getSplit() - 1) * hopper::kWarpgroupWarps;
  for (int64_t slice = 0; slice < slices; ++slice) {
    NVVM::MBarrierInitOp::create(b, lowering.shared.receivedBarrier(b, b.i32(slice)), b.i32(1), Value{});
    NVVM::MBarrierInitOp::create(b, lowering.shared.drainedBarrier(b, b.i32(slice)), b.i32(senderWarps), Value{});
  }
}

/// Initialises the barrier for the turn of each warpgroup, if they take turns. Each warp of the other one arrives.
static void initTurnBarriers(RingLowering &lowering, NVVMBuilder &b) {
  if (!lowering.kernel.getConfig().getSchedule().getPingpong())
    return;
  for (int64_t warpgroup = 0; warpgroup < kTurns; ++warpgroup)
    NVVM::MBarrierInitOp::create(b, lowering.shared.turnBarrier(b, b.i32(warpgroup)), b.i32(hopper::kWarpgroupWarps),
                                 Value{});
}

/// Initialises all barriers on one thread.
static void initOnThread(RingLowering &lowering, NVVMBuilder &b, int64_t emptyCount, int64_t fullCount) {
  for (int64_t stage = 0; stage < lowering.getType().getDepth(); ++stage) {
    NVVM::MBarrierInitOp::create(b, lowering.shared.fullBarrier(b, b.i32(stage)), b.i32(fullCount), Value{});
    NVVM::MBarrierInitOp::create(b, lowering.shared.emptyBarrier(b, b.i32(stage)), b.i32(emptyCount), Value{});
  }
  initReductionBarriers(lowering, b);
  initTurnBarriers(lowering, b);
  NVVM::FenceMbarrierInitOp::create(b);
}

void dgemm::initBarriers(RingLowering &lowering, NVVMBuilder &b, int64_t emptyCount, int64_t fullCount) {
  int64_t consumers = lowering.roles.getConsumers();
  if (Value isFew = hasFewRows(lowering, b)) {
    zeroScalesOfFewRows(lowering, b, isFew);
    ++fullCount; // the copy of the scales arrives, or one thread in its place
  }
  Value lane = b.add(b.threadIndex(), -consumers * hopper::kWarpgroupThreads);
  Value isProducer = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, lane, b.i32(hopper::kWarpThreads));
  Value threads = b.i32((consumers + 1) * hopper::kWarpgroupThreads), id = b.i32(0);
  auto branch = scf::IfOp::create(b, isProducer, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  b.when(b.equal(lane, 0), [&] { initOnThread(lowering, b, emptyCount, fullCount); });
  if (lowering.isMulticast()) {
    b.setInsertionPointAfter(branch);
    return b.clusterBarrier(b.getUnitAttr());
  }
  // The ring belongs to this CTA alone. The CTA waits for the others of its cluster only before it sends something to
  // them.
  auto arriveAtCluster = [&] {
    if (lowering.splitK > 1)
      NVVM::ClusterArriveRelaxedOp::create(b, b.getUnitAttr());
  };
  NVVM::SyncWarpOp::create(b, b.i32(-1));
  arriveAtCluster();
  NVVM::BarrierArriveOp::create(b, id, threads);
  b.setInsertionPointToStart(branch.elseBlock());
  arriveAtCluster();
  NVVM::BarrierOp::create(b, Type{}, id, threads, NVVM::BarrierReductionAttr{}, Value{});
}
