//===- LowerReductions.cpp - dgemm-lower-reductions -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-lower-ring, which initialises the barriers.
//
// Slice s is one of the 64-row slices of the tile. received[s] completes a phase when all that is sent to this CTA for
// a tile has landed. drained[s] completes a phase when all warps of the other CTAs have read what this CTA sent them
// for the previous tile; this CTA waits for that before it sends again. A CTA arrives at drained only when it begins
// another tile, and then all CTAs of its cluster begin one. So nothing is written to a CTA that may have ended.
//
//===----------------------------------------------------------------------===//

#include "ClusterReduction.h"
#include "SharedMemory.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/HopperLimits.h"

namespace dgemm {
#define GEN_PASS_DEF_LOWERREDUCTIONSPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// Lowers the cluster sums of one tile loop.
class ReductionLowering {
public:
  ReductionLowering(const SharedMemory &shared, Value warpgroup, MutableArrayRef<ReduceClusterOp> slices)
      : shared(shared), warpgroup(warpgroup), slices(slices) {}

  void lower();

private:
  /// Index (i32) in the tile of the 64-row slice `index` of this warpgroup.
  Value getSlice(NVVMBuilder &b, size_t index) { return b.add(b.mul(b.toI32(warpgroup), slices.size()), index); }
  void arriveDrained(NVVMBuilder &b);
  void lower(ReduceClusterOp op, size_t index, Value round);

  const SharedMemory &shared;
  Value warpgroup;
  MutableArrayRef<ReduceClusterOp> slices;
};

/// One lane of each warp tells all other CTAs that the warp has read what they sent.
void ReductionLowering::arriveDrained(NVVMBuilder &b) {
  int64_t ctas = slices.front().getSplit();
  b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}), [&] {
    Value rank = b.clusterRank();
    for (int64_t i = 1; i < ctas; ++i) {
      Value next = b.add(rank, i);
      Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, next, b.i32(ctas));
      Value peer = arith::SelectOp::create(b, wraps, b.add(next, -ctas), next);
      for (size_t slice = 0; slice < slices.size(); ++slice)
        NVVM::MBarrierArriveOp::create(b, Type{}, mapToCTA(b, shared.drainedBarrier(b, getSlice(b, slice)), peer),
                                       Value{});
    }
  });
}

/// Bytes (i32) that this CTA receives for 64 rows.
Value getReceivedBytes(NVVMBuilder &b, const ColumnSplit &split) {
  return b.mul(split.getGroupsOf(b, b.clusterRank()), kSentGroupBytes * (split.ctas - 1));
}

void ReductionLowering::lower(ReduceClusterOp op, size_t index, Value round) {
  NVVMBuilder b(op.getLoc(), op);
  FragType frag = op.getValue().getType();
  ColumnSplit split(frag, op.getSplit());
  Value slice = getSlice(b, index), parity = b.bitAnd(round, 1);
  Value received = shared.receivedBarrier(b, slice);
  Value buffer = shared.outputAddress(b, b.mul(slice, (split.ctas - 1) * split.getBytes()));
  b.waitParity(shared.drainedBarrier(b, slice), b.bitXor(parity, b.i32(1)));
  b.when(b.isFirstOfWarpgroup(), [&] {
    NVVM::MBarrierArriveExpectTxOp::create(b, Type{}, received, getReceivedBytes(b, split), NVVM::MemScopeKind::CTA,
                                           /*relaxed=*/false, Value{});
  });
  SendFragmentOp::create(b, op.getValue(), buffer, received, op.getSplit());
  b.waitParity(received, parity);
  Value sum = AddReceivedOp::create(b, op.getSum().getType(), op.getValue(), buffer, op.getSplit());
  Value column = b.toIndex(b.mul(b.clusterRank(), op.getSum().getType().getColumns()));
  op.replaceAllUsesWith(ValueRange{sum, column});
  op.erase();
}

void ReductionLowering::lower() {
  ReduceClusterOp first = slices.front();
  NVVMBuilder b(first.getLoc(), first);
  auto tiles = first->getParentOfType<ForEachTileOp>();
  b.setInsertionPoint(tiles);
  Value zero = b.i32(0);
  auto countTile = [](OpBuilder &builder, Location loc, ArrayRef<BlockArgument> args) -> SmallVector<Value> {
    return {NVVMBuilder(loc, builder).add(args.front(), 1)};
  };
  IRRewriter rewriter(b.getContext());
  LoopLikeOpInterface loop =
      *tiles.replaceWithAdditionalYields(rewriter, zero, /*replaceInitOperandUsesInLoop=*/false, countTile);
  Value round = loop.getRegionIterArgs().back();
  b.setInsertionPointToStart(&loop.getLoopRegions().front()->front());
  Value isLater = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, round, zero);
  b.when(isLater, [&] { arriveDrained(b); });
  for (auto [index, slice] : llvm::enumerate(slices))
    lower(slice, index, round);
}

/// Checks that the sums are in one tile loop, in the same block.
LogicalResult verify(ArrayRef<ReduceClusterOp> slices) {
  ReduceClusterOp first = slices.front();
  auto tiles = first->getParentOfType<ForEachTileOp>();
  if (!tiles)
    return first.emitOpError("expected to stand in a dgemm.for_each_tile");
  for (ReduceClusterOp slice : slices)
    if (slice->getBlock() != first->getBlock())
      return slice.emitOpError("expected the sums of a tile to stand in one block");
  return success();
}

LogicalResult lowerReductions(KernelOp kernel, WarpSpecializeOp roles) {
  SmallVector<ReduceClusterOp> slices;
  roles.getConsumer().walk([&](ReduceClusterOp op) { slices.push_back(op); });
  if (slices.empty())
    return success();
  if (failed(verify(slices)))
    return failure();
  // All CTAs must have initialised their barriers before anything is sent.
  NVVMBuilder b(roles.getLoc(), roles.getContext());
  b.setInsertionPointToStart(&roles.getConsumer().front());
  NVVM::ClusterWaitOp::create(b, b.getUnitAttr());
  SharedMemory shared(kernel);
  ReductionLowering(shared, roles.getWarpgroup(), slices).lower();
  return success();
}

struct LowerReductions : dgemm::impl::LowerReductionsPassBase<LowerReductions> {
  void runOnOperation() override {
    SmallVector<WarpSpecializeOp> roles;
    getOperation()->walk([&](WarpSpecializeOp op) { roles.push_back(op); });
    for (WarpSpecializeOp op : roles)
      if (auto kernel = op->getParentOfType<KernelOp>(); kernel && failed(lowerReductions(kernel, op)))
        return signalPassFailure();
  }
};

} // namespace
