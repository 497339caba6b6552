//===- CopyBlockScales.cpp - Scales of B, many K blocks at a time -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A K block has 1 to 3 scales of B, each one word. Copying them with each stage costs a compute-bound kernel 3 %
// (docs/performance.md). So the producer's warp copies the scales of 32 K blocks at once, one K block for each lane, to
// separate slots. The copies arrive at the full barrier of the first of these K blocks, so they have landed for all of
// them. The full barriers of the other K blocks expect as many arrivals, which one thread makes.
//
// A slot is written again 64 K blocks later, after 32 of these have been acquired. A stage that is acquired was
// released before, so the consumers are behind by at most as many K blocks as there are stages, which is at most 32.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "RingLowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

static_assert(kBlockScaleSlots >= hopper::kWarpThreads + kMaxStages, "slots would be written while they are read");

void dgemm::copyBlockScales(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value slot, Value barrier) {
  Value k = load.getOffsets().back(), lane = b.bitAnd(b.threadIndex(), hopper::kWarpThreads - 1);
  // Lanes take K blocks in the order of the loop. dgemm.walk_k says where each of them lies.
  auto walk = k.getDefiningOp<WalkKOp>();
  if (walk)
    k = walk.getK();
  int64_t depth = lowering.kernel.getConfig().getBlockK();
  Value blockK = b.index(depth);
  auto loop = load->getParentOfType<scf::ForOp>();
  Value end = loop ? loop.getUpperBound() : Value(arith::AddIOp::create(b, k, blockK));
  auto copy = [&] {
    SmallVector<Value> offsets(load.getOffsets());
    Value own = arith::AddIOp::create(b, k, arith::MulIOp::create(b, b.toIndex(lane), blockK));
    b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, own, end), [&] {
      offsets.back() =
          walk ? WalkKOp::create(b, b.getIndexType(), own, walk.getBegin(), walk.getEnd()).getOffset() : own;
      int64_t count = load.getStage().getType().getTiles()[load.getIndex()].getColumns();
      Value dest = lowering.shared.blockScaleAddress(b, b.bitAnd(b.add(slot, lane), kBlockScaleSlots - 1), count);
      for (auto [i, source] :
           llvm::enumerate(getBlockScaleAddresses(b, lowering.kernel, load.getSource(), offsets, count)))
        NVVM::CpAsyncOp::create(b, b.offsetPointer(dest, b.i32(4 * i)), source, 4, NVVM::LoadCacheModifierKind::CA,
                                Value{});
    });
    NVVM::CpAsyncMBarrierArriveOp::create(b, barrier, /*noinc=*/true);
  };
  if (!loop)
    return copy();
  Value done = arith::SubIOp::create(b, k, loop.getLowerBound());
  Value rest = arith::RemUIOp::create(b, done, b.index(depth * hopper::kWarpThreads));
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, b.index(0));
  auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  copy();
  b.setInsertionPointToStart(branch.elseBlock());
  // One lane arrives for all lanes, which have met at the acquire.
  b.when(lowering.leader, [&] { NVVM::MBarrierArriveOp::create(b, Type{}, barrier, b.i32(hopper::kWarpThreads)); });
}
