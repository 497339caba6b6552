//===- LoadByTMA.cpp - Bulk copies of tiles, multicast in a cluster -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a cluster, the CTAs of a row share tiles of A, and those of a column share tiles of B. Each CTA loads a slice of
// the shared tile and multicasts it to the same place in all CTAs that share it.
//
//===----------------------------------------------------------------------===//

#include "RingLowering.h"
#include "TensorMaps.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

Value dgemm::getCacheHint(NVVMBuilder &b, LoadAsyncOp load) {
  if (load.getMovement()->getCache() == CachePolicy::Normal)
    return {};
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(hopper::kEvictFirst));
}

/// The multicast mask (i16) of the CTAs in this CTA's row (they share A) or column (they share B). Bit r is CTA r of
/// the cluster.
static Value getMulticastMask(RingLowering &lowering, NVVMBuilder &b, bool isRow) {
  int64_t rows = lowering.clusterM, columns = lowering.clusterN, first = 0;
  for (int64_t i = 0; i < (isRow ? columns : rows); ++i)
    first |= int64_t(1) << (isRow ? i : i * columns);
  Value shift = isRow ? b.mul(lowering.clusterRow, columns) : lowering.clusterColumn;
  return LLVM::TruncOp::create(b, b.getI16Type(), Value(arith::ShLIOp::create(b, b.i32(first), shift)));
}

/// Loads slice number `slice` of the rows of a tile to the CTAs of `mask`, or to this CTA if `mask` is null. If `slice`
/// is null, loads the whole tile.
static void fetch(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value map, Value stage, Value slice,
                  Value mask) {
  TileType tile = load.getStage().getType().getTiles()[load.getIndex()];
  SmallVector<Value> coordinates = getCoordinates(b, load.getOffsets());
  Value dest = lowering.shared.tileAddress(b, stage, load.getIndex());
  if (slice) {
    int64_t slices = hasHalves(load) ? 2 : getSlices(load);
    Value way = hasHalves(load) ? Value(arith::MulIOp::create(b, slice, getRowsOfHalf(b, load)))
                                : b.mul(slice, tile.getRows() / slices);
    coordinates[1] = b.add(coordinates[1], way);
    dest = b.offsetPointer(dest, b.mul(slice, tile.getByteSize() / slices));
  }
  dest = LLVM::AddrSpaceCastOp::create(b, b.clusterPointerType(), dest);
  Value barrier = lowering.shared.fullBarrier(b, stage);
  Value hint = getCacheHint(b, load);
  lowering.onOneThread(b, [&] {
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(b, dest, map, coordinates, barrier, ValueRange{}, mask, hint,
                                                           NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
                                                           NVVM::CTAGroupKindAttr{}, Value{});
  });
}

void dgemm::loadByTMA(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value map, Value stage) {
  if (getSlices(load) == 1 && hasHalves(load)) {
    for (int64_t half : {0, 1})
      fetch(lowering, b, load, map, stage, b.i32(half), Value{});
    return;
  }
  if (getSlices(load) == 1)
    return fetch(lowering, b, load, map, stage, Value{}, Value{});
  bool isRow = load.getMovement()->getMulticast() == Multicast::Row;
  Value slice = isRow ? lowering.clusterColumn : lowering.clusterRow, mask = getMulticastMask(lowering, b, isRow);
  Value peer = isRow ? Value() : load->getParentOfType<ForEachTileOp>().getPeerGroup();
  if (!peer)
    return fetch(lowering, b, load, map, stage, slice, mask);
  // If a group ends inside of the cluster, each row of the cluster needs another B. This CTA then loads both slices for
  // itself only, so the same number of bytes lands here.
  Value group = load->getParentOfType<ForEachTileOp>().getGroup();
  Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group, peer);
  Value own = LLVM::TruncOp::create(b, b.getI16Type(), Value(arith::ShLIOp::create(b, b.i32(1), b.clusterRank())));
  fetch(lowering, b, load, map, stage, slice, arith::SelectOp::create(b, isShared, mask, own));
  Value isAlone = arith::XOrIOp::create(b, isShared, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  b.when(isAlone, [&] { fetch(lowering, b, load, map, stage, b.bitXor(slice, b.i32(1)), own); });
}
