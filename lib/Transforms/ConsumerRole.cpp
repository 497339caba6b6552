//===- ConsumerRole.cpp - The role of the consumers: from the slices of a tile to their stores -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
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
  StoreOp::create(b, sum, parts.store.getDest(), offsets, parts.store.getScales(),
                  map.lookupOrNull(parts.store.getRows()), map.lookupOrNull(parts.store.getColumns()),
                  /*part=*/DenseI64ArrayAttr(), parts.store.getAccumulate(), parts.store.getMovementAttr());
}

/// The iterations of a loop from `begin` to `end`.
Value RoleBuilder::countKBlocks(Value begin, Value end, Value step) {
  Value length = b.createOrFold<arith::SubIOp>(end, begin);
  Value round = b.createOrFold<arith::SubIOp>(step, arith::ConstantIndexOp::create(b, 1));
  return b.createOrFold<arith::DivUIOp>(b.createOrFold<arith::AddIOp>(length, round), step);
}

/// First row in the tile of each 64-row slice of this warpgroup. Warpgroups that share a tile take its slices in turn,
/// so that each has work if a group ends early.
SmallVector<Value> RoleBuilder::getRowOffsets(Value warpgroup, ConfigAttr config) {
  int64_t turn = config.getTileWarpgroups() * hopper::kWgmmaM;
  Value first = config.getSchedule().getPingpong()
                    ? Value(arith::ConstantIndexOp::create(b, 0))
                    : arith::MulIOp::create(b, warpgroup, arith::ConstantIndexOp::create(b, hopper::kWgmmaM));
  SmallVector<Value> rowOffsets = {first};
  for (int64_t row = turn; row < config.getBlockM(); row += turn)
    rowOffsets.push_back(b.createOrFold<arith::AddIOp>(first, arith::ConstantIndexOp::create(b, row)));
  return rowOffsets;
}

/// Builds the slices of a tile that a warpgroup computes. `number` is that of the tile if warpgroups take turns, else
/// null.
void RoleBuilder::buildTile(ArrayRef<Value> rowOffsets, ConfigAttr config, Value number) {
  // A sum over a cluster needs all slices of each CTA.
  bool skips = parts.tiles.searchesGroups() && !parts.reduce;
  // Scales of sums are loaded while the K loop runs, if registers or shared memory have room for them.
  bool isAhead = parts.scaling && hasRoomForSumScales(config, rowOffsets.size());
  bool isFetched = parts.scaling && !isAhead && canFetchSumScales(config, rowOffsets.size());
  fetchSources(rowOffsets);
  SumScales scales = isAhead ? loadSumScales(rowOffsets) : isFetched ? fetchSumScales(rowOffsets) : SumScales();
  if (number)
    AwaitTurnOp::create(b, number);
  SmallVector<Value> sums =
      skips ? buildSlicesOfGroup(rowOffsets, rowOffsets.size(), /*mayHaveNone=*/config.getTileWarpgroups() > 1)
            : buildConsumerKLoop(rowOffsets);
  if (number)
    PassTurnOp::create(b, number);
  if (parts.scaling)
    scaleSums(isAhead ? scales : isFetched ? readSumScales(scales) : loadSumScales(rowOffsets), sums);
  awaitSources();
  for (auto [slice, row] : llvm::enumerate(rowOffsets)) {
    Value sum = parts.reduce ? reduceCluster(sums[slice]) : sums[slice];
    buildStore(mapSum(sum, slice, row), row);
  }
}

/// Builds a tile that one warpgroup computes. The warpgroups take turns with the tiles of the CTA, whose number the
/// tile loop carries. A warpgroup leaves the stages of the other's tiles alone.
void RoleBuilder::buildTileInTurn(Value warpgroup, ArrayRef<Value> rowOffsets, ConfigAttr config) {
  Value number = b.getInsertionBlock()->getArguments().back();
  Value owner = arith::RemUIOp::create(b, number, arith::ConstantIndexOp::create(b, kTurns));
  Value isOwn = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, owner, warpgroup);
  auto branch = scf::IfOp::create(b, isOwn, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    buildTile(rowOffsets, config, number);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::ForOp loop = parts.kLoop;
    SmallVector<Value> bounds = mapAll({loop.getLowerBound(), loop.getUpperBound(), loop.getStep()});
    SkipOp::create(b, countKBlocks(bounds[0], bounds[1], bounds[2]), ring);
  }
  YieldOp::create(b, ValueRange{arith::AddIOp::create(b, number, arith::ConstantIndexOp::create(b, 1))});
}

void RoleBuilder::buildConsumer(Block *block, Value warpgroup, ConfigAttr config) {
  b.setInsertionPointToEnd(block);
  SmallVector<Value> rowOffsets = getRowOffsets(warpgroup, config);
  if (!config.getSchedule().getPingpong()) {
    openTileLoop(block);
    return buildTile(rowOffsets, config, /*number=*/Value());
  }
  Value first = arith::ConstantIndexOp::create(b, 0);
  openTileLoop(block, first);
  buildTileInTurn(warpgroup, rowOffsets, config);
}
