//===- GroupSearch.cpp - Which group has a tile ---------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GroupSearch.h"
#include "Addressing.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace dgemm;

Value dgemm::getNumGroups(NVVMBuilder &b, KernelOp kernel) {
  int64_t groups = kernel.getProblem().getNumGroups();
  return groups > 0 ? b.index(groups) : Value(kernel.findSize("G"));
}

Value dgemm::loadGroupValue(NVVMBuilder &b, ForEachTileOp op, Value position) {
  Value base = getOperandPointer(b, op.getGroups());
  Value address =
      LLVM::GEPOp::create(b, base.getType(), b.getI32Type(), base, ArrayRef<LLVM::GEPArg>{b.toI32(position)});
  return loadOperand(b, op->getParentOfType<KernelOp>(), b.getI32Type(), address);
}

static Value getLane(NVVMBuilder &b) { return b.bitAnd(b.threadIndexHere(), hopper::kWarpThreads - 1); }

GroupSearch::GroupSearch(NVVMBuilder &b, ForEachTileOp op, Value tilesN)
    : b(b), op(op), tilesN(tilesN), groups(getNumGroups(b, op->getParentOfType<KernelOp>())) {}

bool GroupSearch::hasOneGroup() const { return isConstantIntValue(groups, 1); }

int64_t GroupSearch::getGroupsOfLane() const {
  // A step waits for one load, however many groups a lane has.
  constexpr int64_t kOfMany = 4;
  std::optional<int64_t> known = getConstantIntValue(groups);
  return known && *known <= hopper::kWarpThreads ? 1 : kOfMany;
}

Value GroupSearch::loadRows(Value group) {
  Value rows = arith::MaxSIOp::create(b, loadGroupValue(b, op, group), b.i32(0));
  return arith::MinSIOp::create(b, b.toIndex(rows), op.getM());
}

Value GroupSearch::countTilesM(Value rows) {
  int64_t extent = op.getTile()[0] * op.getCluster()[0];
  return arith::DivUIOp::create(b, b.add(rows, b.index(extent - 1)), b.index(extent));
}

/// The rows of this lane's groups of those from `first` on; groups past the last have none.
SmallVector<Value> GroupSearch::loadRowsOfLane(Value first) {
  int64_t count = getGroupsOfLane();
  Value own = b.add(first, arith::MulIOp::create(b, b.toIndex(getLane(b)), b.index(count)));
  Value last = arith::SubIOp::create(b, groups, b.index(1));
  SmallVector<Value> rows;
  for (int64_t i = 0; i < count; ++i) {
    Value group = b.add(own, b.index(i));
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, group, groups);
    // Loaded anyway, so that no load waits for a branch.
    Value given = loadRows(arith::MinUIOp::create(b, group, last));
    rows.push_back(arith::SelectOp::create(b, exists, given, b.index(0)));
  }
  return rows;
}

Value GroupSearch::countTilesOfLane(ArrayRef<Value> rows) {
  Value tiles = countTiles(rows.front());
  for (Value own : rows.drop_front())
    tiles = b.add(tiles, countTiles(own));
  return tiles;
}

Value GroupSearch::sumOverWarp(Value value) {
  Value sum = NVVM::ReduxOp::create(b, b.getI32Type(), b.toI32(value), NVVM::ReduxKind::ADD, b.i32(-1),
                                    /*abs=*/false, /*nan=*/false);
  return b.toIndex(sum);
}

Value GroupSearch::countAllTiles() {
  Value step = b.index(getGroupsOfLane() * hopper::kWarpThreads);
  auto loop = scf::ForOp::create(b, b.index(0), groups, step, ValueRange{b.index(0)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value tiles = sumOverWarp(countTilesOfLane(loadRowsOfLane(loop.getInductionVar())));
  scf::YieldOp::create(b, ValueRange{b.add(loop.getRegionIterArg(0), tiles)});
  return loop.getResult(0);
}

/// Inclusive sums over the lanes of a warp.
static Value scanWarp(NVVMBuilder &b, Value value, Value lane) {
  for (int64_t distance = 1; distance < hopper::kWarpThreads; distance *= 2) {
    Value before = NVVM::ShflOp::create(b, b.getI32Type(), b.i32(-1), value, b.i32(distance), b.i32(0),
                                        NVVM::ShflKind::up, UnitAttr{});
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, lane, b.i32(distance));
    value = b.add(value, arith::SelectOp::create(b, exists, before, b.i32(0)));
  }
  return value;
}

/// Steps over the groups that end before `tile`. Results: the first group of the step that is left, its first tile, and
/// the rows of this lane's groups.
SmallVector<Value> GroupSearch::skipGroups(Value tile, GroupTiles from) {
  Type type = b.getIndexType();
  SmallVector<Type> types(2, type), found(3 + getGroupsOfLane(), type);
  auto loop = scf::WhileOp::create(b, found, ValueRange{from.group, from.firstTile});
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, SmallVector<Location>(types.size(), b.getLoc()));
  Value first = before->getArgument(0), firstTile = before->getArgument(1);
  Value next = b.add(first, b.index(getGroupsOfLane() * hopper::kWarpThreads));
  SmallVector<Value> rows = loadRowsOfLane(first);
  Value end = b.add(firstTile, sumOverWarp(countTilesOfLane(rows)));
  Value hasMore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, next, groups);
  Value isPast = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tile, end);
  SmallVector<Value> state = {first, firstTile, end};
  llvm::append_range(state, rows);
  scf::ConditionOp::create(b, arith::AndIOp::create(b, hasMore, isPast), state);
  Block *after = b.createBlock(&loop.getAfter(), {}, found, SmallVector<Location>(found.size(), b.getLoc()));
  next = b.add(after->getArgument(0), b.index(getGroupsOfLane() * hopper::kWarpThreads));
  scf::YieldOp::create(b, ValueRange{next, after->getArgument(2)});
  SmallVector<Value> results(loop.getResults());
  results.erase(results.begin() + 2);
  return results;
}

GroupTiles GroupSearch::find(Value tile, GroupTiles from) {
  SmallVector<Value> left = skipGroups(tile, from);
  ArrayRef<Value> ofLane = ArrayRef(left).drop_front(2);
  Value lane = getLane(b), tiles = countTilesOfLane(ofLane);
  Value end = b.add(left[1], b.toIndex(scanWarp(b, b.toI32(tiles), lane)));
  Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, tile, end);
  Value lanes = NVVM::VoteSyncOp::create(b, b.getI32Type(), b.i32(-1), isBefore, NVVM::VoteSyncKind::ballot);
  // Of the groups of a lane, the last that begins no later than the tile.
  int64_t count = static_cast<int64_t>(ofLane.size());
  GroupTiles own = {b.add(left[0], arith::MulIOp::create(b, b.toIndex(lane), b.index(count))), ofLane.front(),
                    arith::SubIOp::create(b, end, tiles)};
  Value group = own.group, firstTile = own.firstTile;
  for (int64_t i = 1; i < count; ++i) {
    firstTile = b.add(firstTile, countTiles(ofLane[i - 1]));
    Value hasBegun = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tile, firstTile);
    own = {arith::SelectOp::create(b, hasBegun, b.add(group, b.index(i)), own.group),
           arith::SelectOp::create(b, hasBegun, ofLane[i], own.rows),
           arith::SelectOp::create(b, hasBegun, firstTile, own.firstTile)};
  }
  // Of the lanes, the first that ends behind the tile.
  Value source = LLVM::CountTrailingZerosOp::create(b, b.getI32Type(), lanes, /*is_zero_poison=*/false);
  auto ofSource = [&](Value value) {
    return b.toIndex(NVVM::ShflOp::create(b, b.getI32Type(), b.i32(-1), b.toI32(value), source, b.i32(31),
                                          NVVM::ShflKind::idx, UnitAttr{}));
  };
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, lanes, b.i32(0));
  return {arith::SelectOp::create(b, exists, ofSource(own.group), groups), ofSource(own.rows), ofSource(own.firstTile)};
}
