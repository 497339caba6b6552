//===- ConsumerRole.cpp - The role of the consumers: from the slices of a tile to their stores -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

/// Sums a 64-row slice over the cluster. Also copies the index arithmetic after it, which computes where the sum is
/// stored.
Value RoleBuilder::reduceCluster(Value sum) {
  ReduceClusterOp old = parts.reduce;
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, old.getSum().getType().getColumns());
  auto reduce = ReduceClusterOp::create(b, type, b.getIndexType(), sum, old.getSplit());
  map.map(old.getColumn(), reduce.getColumn());
  for (Operation *op = parts.kLoop->getNextNode(); op; op = op->getNextNode())
    if (isa_and_nonnull<arith::ArithDialect>(op->getDialect()))
      b.clone(*op, map);
  return reduce.getSum();
}

/// Builds the K loop for these slices and returns their sums. Without slices, the loop only releases the stages.
SmallVector<Value> RoleBuilder::buildConsumerKLoop(ArrayRef<Value> rowOffsets) {
  int64_t columns = parts.mma.getRhs().getType().getRows();
  auto sumFrag = FragType::get(b.getContext(), hopper::kWgmmaM, columns);
  SmallVector<Value> zeros;
  for (size_t slice = 0; slice < rowOffsets.size(); ++slice)
    zeros.push_back(ZeroOp::create(b, sumFrag));
  auto body = [&](ValueRange sums) {
    if (!rowOffsets.empty())
      return buildConsumerKBlock(rowOffsets, sums);
    WaitOp::create(b, stageType, ring);
    ReleaseOp::create(b, ring);
    return SmallVector<Value>();
  };
  return SmallVector<Value>(buildKLoop(zeros, body).getResults());
}

/// Returns the sums of the first `count` slices. Only slices that begin inside the group are computed; the others are
/// zero.
SmallVector<Value> RoleBuilder::buildSlicesOfGroup(ArrayRef<Value> rowOffsets, size_t count, bool mayHaveNone) {
  if (count == 0 || (count == 1 && !mayHaveNone))
    return buildConsumerKLoop(rowOffsets.take_front(count));
  Value tileM = map.lookup(parts.tiles.getTileM()), rows = map.lookup(parts.tiles.getGroupRows());
  Value first = arith::AddIOp::create(b, tileM, rowOffsets[count - 1]);
  Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, first, rows);
  auto sumFrag = FragType::get(b.getContext(), hopper::kWgmmaM, parts.mma.getRhs().getType().getRows());
  SmallVector<Type> types(count, sumFrag);
  auto branch = scf::IfOp::create(b, types, isInside, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, buildConsumerKLoop(rowOffsets.take_front(count)));
  b.setInsertionPointToStart(branch.elseBlock());
  SmallVector<Value> fewer = buildSlicesOfGroup(rowOffsets, count - 1, mayHaveNone);
  fewer.push_back(ZeroOp::create(b, sumFrag));
  scf::YieldOp::create(b, fewer);
  return SmallVector<Value>(branch.getResults());
}

/// Stores the 64-row slice that starts at row `row` of the tile.
void RoleBuilder::buildStore(Value sum, Value row) {
  SmallVector<Value> offsets = mapAll(parts.store.getOffsets());
  Value &m = offsets[offsets.size() - 2];
  m = arith::AddIOp::create(b, m, row);
  StoreOp::create(b, sum, parts.store.getDest(), offsets, map.lookupOrNull(parts.store.getRows()),
                  map.lookupOrNull(parts.store.getColumns()), /*part=*/DenseI64ArrayAttr(), parts.store.getAccumulate(),
                  parts.store.getMovementAttr());
}

void RoleBuilder::buildConsumer(Block *block, Value warpgroup, ConfigAttr config) {
  b.setInsertionPointToEnd(block);
  // First row in the tile of each 64-row slice of this warpgroup. Warpgroups take the slices in turn, so that each has
  // work if a group ends early.
  int64_t warpgroups = config.getWarpgroups(), turn = warpgroups * hopper::kWgmmaM;
  Value first = arith::MulIOp::create(b, warpgroup, arith::ConstantIndexOp::create(b, hopper::kWgmmaM));
  SmallVector<Value> rowOffsets = {first};
  for (int64_t row = turn; row < config.getBlockM(); row += turn)
    rowOffsets.push_back(arith::AddIOp::create(b, first, arith::ConstantIndexOp::create(b, row)));

  openTileLoop(block);
  // A sum over a cluster needs all slices of each CTA.
  bool skips = parts.tiles.searchesGroups() && !parts.reduce;
  // Scales of sums are loaded while the K loop runs, if registers or shared memory have room for them.
  bool isAhead = parts.scaling && hasRoomForSumScales(config, rowOffsets.size());
  bool isFetched = parts.scaling && !isAhead && canFetchSumScales(config, rowOffsets.size());
  fetchSources(rowOffsets);
  SumScales scales = isAhead ? loadSumScales(rowOffsets) : isFetched ? fetchSumScales(rowOffsets) : SumScales();
  SmallVector<Value> sums = skips ? buildSlicesOfGroup(rowOffsets, rowOffsets.size(), /*mayHaveNone=*/warpgroups > 1)
                                  : buildConsumerKLoop(rowOffsets);
  if (parts.scaling)
    scaleSums(isAhead ? scales : isFetched ? readSumScales(scales) : loadSumScales(rowOffsets), sums);
  awaitSources();
  for (auto [slice, row] : llvm::enumerate(rowOffsets)) {
    Value sum = parts.reduce ? reduceCluster(sums[slice]) : sums[slice];
    buildStore(mapSum(sum, slice, row), row);
  }
}
