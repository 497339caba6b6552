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

bool dgemm::hasFewGroups(ForEachTileOp op) {
  // Each group takes a register or two of each consumer.
  constexpr int64_t kFew = 4;
  int64_t groups = op->getParentOfType<KernelOp>().getProblem().getNumGroups();
  return op.searchesGroups() && groups > 0 && groups <= kFew;
}

GroupSearch::GroupSearch(NVVMBuilder &b, ForEachTileOp op, Value tilesN)
    : b(b), op(op), tilesN(tilesN), groups(getNumGroups(b, op->getParentOfType<KernelOp>())) {
  if (!hasFewGroups(op))
    return;
  allTiles = b.index(0);
  for (int64_t i = 0, e = *getConstantIntValue(groups); i < e; ++i) {
    few.push_back({b.index(i), loadRows(b.index(i)), allTiles});
    allTiles = b.add(allTiles, countTiles(few.back().rows));
  }
}

bool GroupSearch::hasOneGroup() const { return isConstantIntValue(groups, 1); }

int64_t GroupSearch::getGroupsOfLane() const {
  // A step waits for one load, however many groups a lane has.
  constexpr int64_t kOfMany = 4;
  std::optional<int64_t> known = getConstantIntValue(groups);
  return known && *known <= hopper::kWarpThreads ? 1 : kOfMany;
}

/// Element `position` of the group operand as an index, clamped to the range from 0 to `limit`.
static Value loadClamped(NVVMBuilder &b, ForEachTileOp op, Value position, Value limit) {
  Value given = arith::MaxSIOp::create(b, loadGroupValue(b, op, position), b.i32(0));
  return arith::MinSIOp::create(b, b.toIndex(given), limit);
}

GroupRows dgemm::loadRange(NVVMBuilder &b, ForEachTileOp op, Value group, Value limit) {
  Value zero = b.index(0);
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group, zero);
  // Load for the first group, too, so that no load waits for a branch.
  Value before = arith::SelectOp::create(b, isFirst, zero, arith::SubIOp::create(b, group, b.index(1)));
  Value begin = arith::SelectOp::create(b, isFirst, zero, loadClamped(b, op, before, limit));
  int64_t alignment = op->getParentOfType<KernelOp>().getProblem().getAlignment();
  if (alignment > 1) {
    // Round up, but not past the limit, which may be close to 2^31.
    Value step = b.index(alignment), over = arith::RemUIOp::create(b, begin, step);
    Value missing = arith::RemUIOp::create(b, arith::SubIOp::create(b, step, over), step);
    begin = b.add(begin, arith::MinUIOp::create(b, missing, arith::SubIOp::create(b, limit, begin)));
  }
  return {begin, arith::MaxUIOp::create(b, begin, loadClamped(b, op, group, limit))};
}

GroupRows GroupSearch::loadRows(Value group) {
  if (hasBegins())
    return loadRange(b, op, group, op.getM());
  return {b.index(0), loadClamped(b, op, group, op.getM())};
}

Value GroupSearch::countTilesM(GroupRows rows) {
  int64_t extent = op.getTile()[0] * op.getCluster()[0];
  Value count = arith::SubIOp::create(b, rows.end, rows.begin);
  return arith::DivUIOp::create(b, b.add(count, b.index(extent - 1)), b.index(extent));
}

/// The rows of this lane's groups in the step that starts at group `first`. Groups past the last have no rows.
SmallVector<GroupRows> GroupSearch::loadRowsOfLane(Value first) {
  int64_t count = getGroupsOfLane();
  Value own = b.add(first, arith::MulIOp::create(b, b.toIndex(getLane(b)), b.index(count)));
  Value last = arith::SubIOp::create(b, groups, b.index(1));
  SmallVector<GroupRows> all;
  for (int64_t i = 0; i < count; ++i) {
    Value group = b.add(own, b.index(i));
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, group, groups);
    // Load anyway, so that no load waits for a branch.
    GroupRows rows = loadRows(arith::MinUIOp::create(b, group, last));
    all.push_back({rows.begin, arith::SelectOp::create(b, exists, rows.end, rows.begin)});
  }
  return all;
}

Value GroupSearch::countTilesOfLane(ArrayRef<GroupRows> rows) {
  Value tiles = countTiles(rows.front());
  for (const GroupRows &own : rows.drop_front())
    tiles = b.add(tiles, countTiles(own));
  return tiles;
}

Value GroupSearch::sumOverWarp(Value value) {
  Value sum = NVVM::ReduxOp::create(b, b.getI32Type(), b.toI32(value), NVVM::ReduxKind::ADD, b.i32(-1),
                                    /*abs=*/false, /*nan=*/false);
  return b.toIndex(sum);
}

Value GroupSearch::countAllTiles() {
  if (allTiles)
    return allTiles;
  Value step = b.index(getGroupsOfLane() * hopper::kWarpThreads);
  auto loop = scf::ForOp::create(b, b.index(0), groups, step, ValueRange{b.index(0)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value tiles = sumOverWarp(countTilesOfLane(loadRowsOfLane(loop.getInductionVar())));
  scf::YieldOp::create(b, ValueRange{b.add(loop.getRegionIterArg(0), tiles)});
  return loop.getResult(0);
}

/// Inclusive prefix sums of `value` (i32) over the lanes of a warp.
static Value scanWarp(NVVMBuilder &b, Value value, Value lane) {
  for (int64_t distance = 1; distance < hopper::kWarpThreads; distance *= 2) {
    Value before = NVVM::ShflOp::create(b, b.getI32Type(), b.i32(-1), value, b.i32(distance), b.i32(0),
                                        NVVM::ShflKind::up, UnitAttr{});
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, lane, b.i32(distance));
    value = b.add(value, arith::SelectOp::create(b, exists, before, b.i32(0)));
  }
  return value;
}

/// Skips the steps whose groups all end before `tile`, and returns the next step. The last step is never skipped.
GroupSearch::Step GroupSearch::skipGroups(Value tile, GroupTiles from) {
  int64_t count = getGroupsOfLane();
  Type type = b.getIndexType();
  SmallVector<Type> types(2, type), found(3 + (hasBegins() ? 2 : 1) * count, type);
  auto loop = scf::WhileOp::create(b, found, ValueRange{from.group, from.firstTile});
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, SmallVector<Location>(types.size(), b.getLoc()));
  Value first = before->getArgument(0), firstTile = before->getArgument(1);
  Value next = b.add(first, b.index(count * hopper::kWarpThreads));
  SmallVector<GroupRows> rows = loadRowsOfLane(first);
  Value end = b.add(firstTile, sumOverWarp(countTilesOfLane(rows)));
  Value hasMore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, next, groups);
  Value isPast = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tile, end);
  SmallVector<Value> state = {first, firstTile, end};
  for (const GroupRows &own : rows) {
    if (hasBegins())
      state.push_back(own.begin);
    state.push_back(own.end);
  }
  scf::ConditionOp::create(b, arith::AndIOp::create(b, hasMore, isPast), state);
  Block *after = b.createBlock(&loop.getAfter(), {}, found, SmallVector<Location>(found.size(), b.getLoc()));
  next = b.add(after->getArgument(0), b.index(count * hopper::kWarpThreads));
  scf::YieldOp::create(b, ValueRange{next, after->getArgument(2)});
  Step step = {loop.getResult(0), loop.getResult(1), {}};
  ResultRange ends = loop.getResults().drop_front(3);
  b.setInsertionPointAfter(loop);
  for (int64_t i = 0; i < count; ++i)
    step.rows.push_back(hasBegins() ? GroupRows{ends[2 * i], ends[2 * i + 1]} : GroupRows{b.index(0), ends[i]});
  return step;
}

/// The first group that ends after the tile.
GroupTiles GroupSearch::findAmongFew(Value tile) {
  GroupTiles found = {groups, few.back().rows, allTiles};
  Value end = allTiles;
  for (const GroupTiles &group : llvm::reverse(few)) {
    Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, tile, end);
    auto choose = [&](Value here, Value other) -> Value { return arith::SelectOp::create(b, isBefore, here, other); };
    found = {choose(group.group, found.group),
             {choose(group.rows.begin, found.rows.begin), choose(group.rows.end, found.rows.end)},
             choose(group.firstTile, found.firstTile)};
    end = group.firstTile;
  }
  return found;
}

GroupTiles GroupSearch::find(Value tile, GroupTiles from) {
  if (!few.empty())
    return findAmongFew(tile);
  Step step = skipGroups(tile, from);
  Value lane = getLane(b), tiles = countTilesOfLane(step.rows);
  Value end = b.add(step.firstTile, b.toIndex(scanWarp(b, b.toI32(tiles), lane)));
  Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, tile, end);
  Value lanes = NVVM::VoteSyncOp::create(b, b.getI32Type(), b.i32(-1), isBefore, NVVM::VoteSyncKind::ballot);
  // Each lane chooses the last of its groups that begins no later than the tile.
  int64_t count = getGroupsOfLane();
  Value group = b.add(step.first, arith::MulIOp::create(b, b.toIndex(lane), b.index(count)));
  Value firstTile = arith::SubIOp::create(b, end, tiles);
  GroupTiles own = {group, step.rows.front(), firstTile};
  for (int64_t i = 1; i < count; ++i) {
    firstTile = b.add(firstTile, countTiles(step.rows[i - 1]));
    Value hasBegun = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tile, firstTile);
    auto choose = [&](Value here, Value other) -> Value { return arith::SelectOp::create(b, hasBegun, here, other); };
    own = {choose(b.add(group, b.index(i)), own.group),
           {hasBegins() ? choose(step.rows[i].begin, own.rows.begin) : own.rows.begin,
            choose(step.rows[i].end, own.rows.end)},
           choose(firstTile, own.firstTile)};
  }
  // The result is that of the first lane whose groups end after the tile.
  Value source = LLVM::CountTrailingZerosOp::create(b, b.getI32Type(), lanes, /*is_zero_poison=*/false);
  auto ofSource = [&](Value value) -> Value {
    return b.toIndex(NVVM::ShflOp::create(b, b.getI32Type(), b.i32(-1), b.toI32(value), source, b.i32(31),
                                          NVVM::ShflKind::idx, UnitAttr{}));
  };
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, lanes, b.i32(0));
  return {arith::SelectOp::create(b, exists, ofSource(own.group), groups),
          {hasBegins() ? ofSource(own.rows.begin) : own.rows.begin, ofSource(own.rows.end)},
          ofSource(own.firstTile)};
}
