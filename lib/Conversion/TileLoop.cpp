//===- TileLoop.cpp - The persistent loop over tiles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileLoop.h"
#include "Addressing.h"
#include "NVVMBuilder.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dgemm;

static Value isOdd(NVVMBuilder &b, Value number) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, number, b.index(1)), b.index(0));
}

/// Number of a cluster's tile to its coordinates: groups of `group_m` tile rows are walked column by column, every
/// second one backwards, so that it begins with the columns of B that the one before has left in the L2.
static std::pair<Value, Value> decodeTile(NVVMBuilder &b, ForEachTileOp op, Value tile, Value tilesM, Value tilesN) {
  // A single row of tiles wants no divisions, which would delay the first load.
  APInt m;
  if (op.getLayout() != Layout::Masked && matchPattern(op.getM(), m_ConstantInt(&m)) &&
      m.getSExtValue() <= op.getTile()[0] * op.getCluster()[0])
    return {b.index(0), tile};
  Value groupM = b.index(llvm::divideCeil(op.getGroupM(), op.getCluster()[0]));
  Value tilesOfGroup = arith::MulIOp::create(b, groupM, tilesN);
  Value group = arith::DivUIOp::create(b, tile, tilesOfGroup);
  Value inGroup = arith::RemUIOp::create(b, tile, tilesOfGroup);
  Value firstM = arith::MulIOp::create(b, group, groupM);
  Value rows = arith::MinUIOp::create(b, groupM, arith::SubIOp::create(b, tilesM, firstM));
  Value tileM = b.add(firstM, arith::RemUIOp::create(b, inGroup, rows));
  Value column = arith::DivUIOp::create(b, inGroup, rows);
  Value fromLast = arith::SubIOp::create(b, arith::SubIOp::create(b, tilesN, b.index(1)), column);
  return {tileM, arith::SelectOp::create(b, isOdd(b, group), fromLast, column)};
}

namespace {
/// Where a tile begins in D.
struct TileOffsets {
  Value m, n;
  /// Row of the first tile of the cluster.
  Value clusterM;
};

/// Turns a tile loop into scf loops over the tiles of this CTA. What is counted are the tiles of a whole cluster.
class TileLoopLowering {
public:
  explicit TileLoopLowering(ForEachTileOp op) : op(op), b(op.getLoc(), op) {}
  void lower();

private:
  /// Tiles of a cluster along dimension `dim` (0: M, 1: N) of extent `size`.
  Value tilesOf(Value size, unsigned dim) {
    int64_t extent = op.getTile()[dim] * op.getCluster()[dim];
    return arith::DivUIOp::create(b, b.add(size, b.index(extent - 1)), b.index(extent));
  }
  /// i32 element `position` of the group operand.
  Value loadGroupValue(Value position);
  /// A loop over tiles from `first` to `end`; `body` builds an iteration and returns what it carries on.
  ResultRange createLoop(Value first, Value end, Value step, ValueRange inits,
                         function_ref<SmallVector<Value>(Value, ValueRange)> body);
  /// Moves the body of the op here, for tile number `tile` of `tilesM` x `tilesN`; `tileArgs` follow m and n.
  SmallVector<Value> moveBody(TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried);
  TileOffsets offsetsOf(Value tile, Value tilesM);
  std::pair<Value, Value> loadGroupsOfPair(Value clusterM);
  SmallVector<Value> createContiguousTile(TileOffsets offsets, ValueRange carried);
  Value loadGroupRows(Value group);
  Value countMaskedTiles(Value groups);
  void evenWaves(Value tiles, Value &first, Value &step);
  ResultRange lowerMasked(Value first, Value step, ValueRange inits);
  SmallVector<Value> createTile(ValueRange values, function_ref<SmallVector<Value>(ValueRange)> body);
  void lowerWalk(WalkKOp walk, Value isBackwards);

  ForEachTileOp op;
  NVVMBuilder b;
  Value tilesN;
  /// Of K in the tiles. The loops carry behind what the op does how many tiles this CTA has had.
  SmallVector<WalkKOp> walks;
};
} // namespace

TileOffsets TileLoopLowering::offsetsOf(Value tile, Value tilesM) {
  auto [tileM, tileN] = decodeTile(b, op, tile, tilesM, tilesN);
  ArrayRef<int64_t> extent = op.getTile(), cluster = op.getCluster();
  Value m = arith::MulIOp::create(b, tileM, b.index(extent[0] * cluster[0]));
  Value n = arith::MulIOp::create(b, tileN, b.index(extent[1] * cluster[1]));
  if (cluster[0] * cluster[1] == 1)
    return {m, n, m};
  auto [row, column] = b.clusterPosition(cluster[1]);
  return {b.add(m, b.toIndex(b.mul(row, extent[0]))), b.add(n, b.toIndex(b.mul(column, extent[1]))), m};
}

Value TileLoopLowering::loadGroupValue(Value position) {
  Value base = getOperandPointer(b, op.getGroups());
  Value address =
      LLVM::GEPOp::create(b, base.getType(), b.getI32Type(), base, ArrayRef<LLVM::GEPArg>{b.toI32(position)});
  return loadOperand(b, op->getParentOfType<KernelOp>(), b.getI32Type(), address);
}

/// Whatever masked_m holds, a group has no more than M rows, and no fewer than none.
Value TileLoopLowering::loadGroupRows(Value group) {
  Value rows = arith::MaxSIOp::create(b, loadGroupValue(group), b.i32(0));
  return arith::MinSIOp::create(b, b.toIndex(rows), op.getM());
}

ResultRange TileLoopLowering::createLoop(Value first, Value end, Value step, ValueRange inits,
                                         function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, first, end, step, inits);
  if (inits.empty()) // a loop that carries nothing comes with its terminator
    loop.getBody()->getTerminator()->erase();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> carried = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, carried);
  return loop.getResults();
}

SmallVector<Value> TileLoopLowering::moveBody(TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried) {
  SmallVector<Value> arguments = {offsets.m, offsets.n};
  llvm::append_range(arguments, tileArgs);
  llvm::append_range(arguments, carried);
  Block &body = op.getBody().front();
  for (auto [arg, value] : llvm::zip_equal(body.getArguments(), arguments))
    arg.replaceAllUsesWith(value);
  auto yield = cast<YieldOp>(body.getTerminator());
  SmallVector<Value> next(yield.getValues());
  yield.erase();
  b.getBlock()->getOperations().splice(b.getInsertionPoint(), body.getOperations());
  return next;
}

/// The groups (i32, negative for padding) of this CTA's tile and of the other row of its cluster, of which the one that
/// is padding takes the group of the other.
std::pair<Value, Value> TileLoopLowering::loadGroupsOfPair(Value clusterM) {
  Value secondM = b.add(clusterM, b.index(op.getTile()[0]));
  // The second tile may lie past the end of the indices.
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, secondM, op.getM());
  Value first = loadGroupValue(clusterM);
  Value second = loadGroupValue(arith::SelectOp::create(b, exists, secondM, clusterM));
  auto orElse = [&](Value group, Value other) -> Value {
    Value isPadding = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, group, b.i32(0));
    return arith::SelectOp::create(b, isPadding, other, group);
  };
  Value firstGroup = orElse(first, second), secondGroup = orElse(second, first);
  Value isSecond = b.equal(b.clusterPosition(op.getCluster()[1]).first, 1);
  return {arith::SelectOp::create(b, isSecond, secondGroup, firstGroup),
          arith::SelectOp::create(b, isSecond, firstGroup, secondGroup)};
}

/// The group is that of the first row of the tile; padding is skipped.
SmallVector<Value> TileLoopLowering::createContiguousTile(TileOffsets offsets, ValueRange carried) {
  SmallVector<Value> groups;
  if (op.getPeerGroup()) {
    auto [own, peer] = loadGroupsOfPair(offsets.clusterM);
    groups = {own, peer};
  } else {
    groups = {loadGroupValue(offsets.m)};
  }
  Value isValid = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, groups.front(), b.i32(0));
  auto branch = scf::IfOp::create(b, carried.getTypes(), isValid, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    if (!block->empty()) // a branch without results comes with its terminator
      block->back().erase();
    b.setInsertionPointToEnd(block);
    if (block == branch.thenBlock())
      scf::YieldOp::create(
          b, moveBody(offsets, llvm::map_to_vector(groups, [&](Value g) { return b.toIndex(g); }), carried));
    else
      scf::YieldOp::create(b, carried);
  }
  return SmallVector<Value>(branch.getResults());
}

/// Tiles of all groups.
Value TileLoopLowering::countMaskedTiles(Value groups) {
  return createLoop(b.index(0), groups, b.index(1), b.index(0), [&](Value group, ValueRange sum) -> SmallVector<Value> {
    Value tiles = arith::MulIOp::create(b, tilesOf(loadGroupRows(group), 0), tilesN);
    return {arith::AddIOp::create(b, sum.front(), tiles)};
  })[0];
}

/// Takes no more CTAs than do the tiles in as many waves; the others get a first tile past the last. How many tiles
/// there are is known here only: of a dense layout the host launches fewer CTAs.
void TileLoopLowering::evenWaves(Value tiles, Value &first, Value &step) {
  Value one = b.index(1);
  auto divideCeil = [&](Value value, Value by) {
    return arith::DivUIOp::create(b, b.add(value, arith::SubIOp::create(b, by, one)), by);
  };
  Value waves = arith::MaxUIOp::create(b, divideCeil(tiles, step), one);
  step = arith::MaxUIOp::create(b, divideCeil(tiles, waves), one);
  Value takesPart = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, first, step);
  first = arith::SelectOp::create(b, takesPart, first, tiles);
}

/// Of `values` the body gets what the op carries.
SmallVector<Value> TileLoopLowering::createTile(ValueRange values, function_ref<SmallVector<Value>(ValueRange)> body) {
  if (walks.empty())
    return body(values);
  Value round = values.back(), isBackwards = isOdd(b, round);
  for (WalkKOp walk : walks)
    lowerWalk(walk, isBackwards);
  SmallVector<Value> next = body(values.drop_back());
  next.push_back(b.add(round, b.index(1)));
  return next;
}

void TileLoopLowering::lowerWalk(WalkKOp walk, Value isBackwards) {
  NVVMBuilder at(walk.getLoc(), walk);
  Value block = at.index(op->getParentOfType<KernelOp>().getConfig().getBlockK()), begin = walk.getBegin();
  Value length = arith::SubIOp::create(at, arith::SubIOp::create(at, walk.getEnd(), begin), at.index(1));
  Value last = at.add(begin, arith::MulIOp::create(at, arith::DivUIOp::create(at, length, block), block));
  Value fromLast = arith::SubIOp::create(at, last, arith::SubIOp::create(at, walk.getK(), begin));
  walk.replaceAllUsesWith(arith::SelectOp::create(at, isBackwards, fromLast, walk.getK()).getResult());
  walk.erase();
}

/// Group after group; `next` is the next tile of this CTA's cluster, `base` the first of the group, counted over all
/// groups.
ResultRange TileLoopLowering::lowerMasked(Value first, Value step, ValueRange tileInits) {
  OperandGeometry geometry = OperandGeometry::get(op->getParentOfType<KernelOp>(), Operand::MaskedM);
  Value groups;
  if (auto count = dyn_cast<AffineConstantExpr>(geometry.shape[0]))
    groups = b.index(count.getValue());
  else
    groups = op->getParentOfType<KernelOp>().findSize("G");
  if (op->getParentOfType<KernelOp>().getConfig().getOrder().getEvenWaves())
    evenWaves(countMaskedTiles(groups), first, step);
  SmallVector<Value> inits = {first, b.index(0)};
  llvm::append_range(inits, tileInits);
  return createLoop(b.index(0), groups, b.index(1), inits, [&](Value group, ValueRange state) {
    Value next = state[0], base = state[1];
    Value rows = loadGroupRows(group);
    Value tilesM = tilesOf(rows, 0);
    Value end = b.add(base, arith::MulIOp::create(b, tilesM, tilesN));
    ResultRange carried = createLoop(next, end, step, state.drop_front(2), [&](Value tile, ValueRange values) {
      Value inGroup = arith::SubIOp::create(b, tile, base);
      return createTile(
          values, [&](ValueRange carried) { return moveBody(offsetsOf(inGroup, tilesM), {group, rows}, carried); });
    });
    // The first of next, next + step, ... that is not below `end`.
    Value left = arith::SubIOp::create(b, arith::MaxUIOp::create(b, end, next), next);
    Value rounds =
        arith::DivUIOp::create(b, arith::AddIOp::create(b, left, arith::SubIOp::create(b, step, b.index(1))), step);
    SmallVector<Value> yielded = {b.add(next, arith::MulIOp::create(b, rounds, step)), end};
    llvm::append_range(yielded, carried);
    return yielded;
  });
}

void TileLoopLowering::lower() {
  tilesN = tilesOf(op.getN(), 1);
  Value first = b.toIndex(NVVM::BlockIdXOp::create(b, b.getI32Type()));
  Value step = b.toIndex(NVVM::GridDimXOp::create(b, b.getI32Type()));
  if (int64_t size = op.getClusterSize(); size > 1) {
    first = arith::DivUIOp::create(b, first, b.index(size));
    step = arith::DivUIOp::create(b, step, b.index(size));
  }
  if (op.getFirst()) {
    Value tilesM = tilesOf(op.getM(), 0);
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, first, arith::MulIOp::create(b, tilesM, tilesN));
    b.when(exists, [&] { moveBody(offsetsOf(first, tilesM), {}, {}); });
    op.erase();
    return;
  }
  op.walk([&](WalkKOp walk) { walks.push_back(walk); });
  SmallVector<Value> inits(op.getInitArgs());
  if (!walks.empty())
    inits.push_back(b.index(0));
  unsigned count = op.getNumResults();
  if (op.getLayout() == Layout::Masked) {
    op.replaceAllUsesWith(lowerMasked(first, step, inits).slice(2, count));
    op.erase();
    return;
  }
  Value tilesM = tilesOf(op.getM(), 0);
  Value tiles = arith::MulIOp::create(b, tilesM, tilesN);
  ResultRange results = createLoop(first, tiles, step, inits, [&](Value tile, ValueRange values) {
    return createTile(values, [&](ValueRange carried) {
      TileOffsets offsets = offsetsOf(tile, tilesM);
      if (op.getLayout() == Layout::Contiguous)
        return createContiguousTile(offsets, carried);
      return moveBody(offsets, {}, carried);
    });
  });
  op.replaceAllUsesWith(results.take_front(count));
  op.erase();
}

void dgemm::lowerTileLoop(ForEachTileOp op) { TileLoopLowering(op).lower(); }
