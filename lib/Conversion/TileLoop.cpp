//===- TileLoop.cpp - The persistent loop over tiles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileLoop.h"
#include "GroupSearch.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dgemm;

static Value isOdd(NVVMBuilder &b, Value number) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, number, b.index(1)), b.index(0));
}

/// Converts the number of a cluster's tile to its coordinates along M and N. Groups of `group_m` tile rows are walked
/// column by column. Every second group is walked backwards, so that it begins with the columns of B that the previous
/// group has left in the L2.
static std::pair<Value, Value> decodeTile(NVVMBuilder &b, ForEachTileOp op, Value tile, Value tilesM, Value tilesN) {
  // A single row of tiles needs no divisions, which would delay the first load.
  APInt m;
  if (!op.searchesGroups() && matchPattern(op.getM(), m_ConstantInt(&m)) &&
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

/// Turns a tile loop into scf loops over the tiles of this CTA. Tile numbers count the tiles of whole clusters.
class TileLoopLowering {
public:
  explicit TileLoopLowering(ForEachTileOp op) : op(op), b(op.getLoc(), op) {}
  void lower();

private:
  /// Number of tiles of whole clusters along dimension `dim` (0: M, 1: N) of extent `size`.
  Value tilesOf(Value size, unsigned dim) {
    int64_t extent = op.getTile()[dim] * op.getCluster()[dim];
    return arith::DivUIOp::create(b, b.add(size, b.index(extent - 1)), b.index(extent));
  }
  /// Creates a loop over tiles from `first` to `end`. `body` builds an iteration and returns the values that it carries
  /// on.
  ResultRange createLoop(Value first, Value end, Value step, ValueRange inits,
                         function_ref<SmallVector<Value>(Value, ValueRange)> body);
  /// Moves the body of the op here, for the tile at `offsets`. Its arguments are m, n, `tileArgs` and `carried`.
  /// Returns the values that it yields.
  SmallVector<Value> moveBody(TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried);
  TileOffsets offsetsOf(Value tile, Value tilesM);
  std::pair<Value, Value> loadGroupsOfPair(Value clusterM);
  SmallVector<Value> createContiguousTile(TileOffsets offsets, ValueRange carried);
  Value isGroup(Value label);
  SmallVector<Value> createWhere(Value condition, TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried);
  std::pair<Value, TileOffsets> offsetsInGroup(Value tile, Value tilesM);
  SmallVector<Value> createKGroupedTile(Value tile, Value tilesM, ValueRange carried);
  void evenWaves(Value tiles, Value &first, Value &step);
  ResultRange createTilesOfGroup(GroupSearch &search, const GroupTiles &group, Value step, ValueRange state);
  ResultRange lowerSearched(Value first, Value step, ValueRange inits);
  SmallVector<Value> createTile(ValueRange values, function_ref<SmallVector<Value>(ValueRange)> body);
  void lowerWalk(WalkKOp walk, Value isBackwards);

  ForEachTileOp op;
  NVVMBuilder b;
  Value tilesN;
  /// The dgemm.walk_k ops of the tiles. If there are any, the loops carry one more value after those of the op: the
  /// number of tiles that this CTA has had.
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

/// True if there is a group of number `label` (i32). A negative number is padding, and a number that is too large
/// belongs to no group.
Value TileLoopLowering::isGroup(Value label) {
  Value groups = b.toI32(getNumGroups(b, op->getParentOfType<KernelOp>()));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, label, groups);
}

/// The groups (i32) of this CTA's tile and of the tile in the other row of its cluster. If one of them is padding, it
/// takes the group of the other. If both are padding, neither result is a group.
std::pair<Value, Value> TileLoopLowering::loadGroupsOfPair(Value clusterM) {
  Value secondM = b.add(clusterM, b.index(op.getTile()[0]));
  // The second tile may lie past the end of the indices.
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, secondM, op.getM());
  Value first = loadGroupValue(b, op, clusterM);
  Value second = loadGroupValue(b, op, arith::SelectOp::create(b, exists, secondM, clusterM));
  auto orElse = [&](Value group, Value other) -> Value {
    return arith::SelectOp::create(b, isGroup(group), group, other);
  };
  Value firstGroup = orElse(first, second), secondGroup = orElse(second, first);
  Value isSecond = b.equal(b.clusterPosition(op.getCluster()[1]).first, 1);
  return {arith::SelectOp::create(b, isSecond, secondGroup, firstGroup),
          arith::SelectOp::create(b, isSecond, firstGroup, secondGroup)};
}

/// Builds a tile that is computed only where `condition` holds.
SmallVector<Value> TileLoopLowering::createWhere(Value condition, TileOffsets offsets, ArrayRef<Value> tileArgs,
                                                 ValueRange carried) {
  auto branch = scf::IfOp::create(b, carried.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    if (!block->empty()) // a branch without results comes with its terminator
      block->back().erase();
    b.setInsertionPointToEnd(block);
    if (block == branch.thenBlock())
      scf::YieldOp::create(b, moveBody(offsets, tileArgs, carried));
    else
      scf::YieldOp::create(b, carried);
  }
  return SmallVector<Value>(branch.getResults());
}

/// The group is that of the first row of the tile; padding is skipped.
SmallVector<Value> TileLoopLowering::createContiguousTile(TileOffsets offsets, ValueRange carried) {
  SmallVector<Value> labels;
  if (op.getPeerGroup()) {
    auto [own, peer] = loadGroupsOfPair(offsets.clusterM);
    labels = {own, peer};
  } else {
    labels = {loadGroupValue(b, op, offsets.m)};
  }
  Value exists = isGroup(labels.front());
  return createWhere(exists, offsets, llvm::map_to_vector(labels, [&](Value g) { return b.toIndex(g); }), carried);
}

/// Groups follow each other, each with all tiles of its D.
std::pair<Value, TileOffsets> TileLoopLowering::offsetsInGroup(Value tile, Value tilesM) {
  Value tilesOfGroup = arith::MulIOp::create(b, tilesM, tilesN);
  Value group = arith::DivUIOp::create(b, tile, tilesOfGroup);
  return {group, offsetsOf(arith::RemUIOp::create(b, tile, tilesOfGroup), tilesM)};
}

/// The tiles of a group without columns of K become zero; with accumulate, they do not change.
SmallVector<Value> TileLoopLowering::createKGroupedTile(Value tile, Value tilesM, ValueRange carried) {
  auto kernel = op->getParentOfType<KernelOp>();
  auto [group, offsets] = offsetsInGroup(tile, tilesM);
  int64_t k = kernel.getProblem().getK();
  GroupRows columns = loadRange(b, op, group, k > 0 ? b.index(k) : Value(kernel.findSize("K")));
  SmallVector<Value> tileArgs = {group, columns.begin, columns.end};
  if (!kernel.getProblem().getAccumulate())
    return moveBody(offsets, tileArgs, carried);
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, columns.begin, columns.end);
  return createWhere(exists, offsets, tileArgs, carried);
}

/// Uses no more CTAs than are needed to compute the tiles in the same number of waves. The other CTAs get a first tile
/// past the last. Only the device knows the number of tiles here; for a dense layout, the host launches fewer CTAs.
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

/// Builds a tile. `body` gets those of `values` that the op carries.
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

/// Creates a while loop that goes on while `condition`, built from the state, holds. `body` returns the next state.
static ResultRange createWhile(NVVMBuilder &b, ValueRange inits, function_ref<Value(ValueRange)> condition,
                               function_ref<SmallVector<Value>(ValueRange)> body) {
  SmallVector<Type> types(inits.getTypes());
  SmallVector<Location> locs(types.size(), b.getLoc());
  auto loop = scf::WhileOp::create(b, types, inits);
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, locs);
  scf::ConditionOp::create(b, condition(before->getArguments()), before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {}, types, locs);
  scf::YieldOp::create(b, body(after->getArguments()));
  return loop.getResults();
}

/// Builds the tiles of one group. The first value of `state` is the next tile of this CTA's cluster, counted over all
/// groups.
ResultRange TileLoopLowering::createTilesOfGroup(GroupSearch &search, const GroupTiles &group, Value step,
                                                 ValueRange state) {
  Value tilesM = search.countTilesM(group.rows);
  Value end = b.add(group.firstTile, arith::MulIOp::create(b, tilesM, tilesN));
  auto isInside = [&](ValueRange state) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, state.front(), end);
  };
  return createWhile(b, state, isInside, [&](ValueRange state) {
    Value inGroup = arith::SubIOp::create(b, state.front(), group.firstTile);
    SmallVector<Value> next = createTile(state.drop_front(), [&](ValueRange carried) {
      TileOffsets offsets = offsetsOf(inGroup, tilesM);
      if (op.getLayout() == Layout::Offsets)
        offsets.m = b.add(offsets.m, group.rows.begin);
      return moveBody(offsets, {group.group, group.rows.end}, carried);
    });
    next.insert(next.begin(), b.add(state.front(), step));
    return next;
  });
}

/// Builds a loop over the groups that have a tile of this CTA. The state is the group at which the search starts, the
/// number of its first tile, the next tile, and the carried values.
ResultRange TileLoopLowering::lowerSearched(Value first, Value step, ValueRange tileInits) {
  GroupSearch search(b, op, tilesN);
  if (op->getParentOfType<KernelOp>().getConfig().getOrder().getEvenWaves())
    evenWaves(search.countAllTiles(), first, step);
  SmallVector<Value> inits = {b.index(0), b.index(0), first};
  llvm::append_range(inits, tileInits);
  if (search.hasOneGroup())
    return createTilesOfGroup(search, search.getOnlyGroup(), step, ArrayRef(inits).drop_front(2));
  SmallVector<Type> stateTypes(ValueRange(inits).getTypes()), types = stateTypes;
  types.insert(types.begin(), 2, b.getIndexType()); // the rows of the group
  auto loop = scf::WhileOp::create(b, types, inits);
  OpBuilder::InsertionGuard guard(b);
  Block *before =
      b.createBlock(&loop.getBefore(), {}, stateTypes, SmallVector<Location>(stateTypes.size(), b.getLoc()));
  ValueRange state = before->getArguments();
  GroupTiles found = search.find(state[2], {state[0], {}, state[1]});
  SmallVector<Value> forwarded = {found.rows.begin, found.rows.end, found.group, found.firstTile};
  llvm::append_range(forwarded, state.drop_front(2));
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, found.group, search.getGroups());
  scf::ConditionOp::create(b, exists, forwarded);
  Block *after = b.createBlock(&loop.getAfter(), {}, types, SmallVector<Location>(types.size(), b.getLoc()));
  ValueRange args = after->getArguments();
  GroupTiles group = {args[2], {args[0], args[1]}, args[3]};
  ResultRange tiles = createTilesOfGroup(search, group, step, args.drop_front(4));
  Value end = b.add(group.firstTile, arith::MulIOp::create(b, search.countTilesM(group.rows), tilesN));
  SmallVector<Value> yielded = {b.add(group.group, b.index(1)), end};
  llvm::append_range(yielded, tiles);
  scf::YieldOp::create(b, yielded);
  return loop.getResults().drop_front(4);
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
  if (op.searchesGroups()) {
    op.replaceAllUsesWith(lowerSearched(first, step, inits).slice(1, count));
    op.erase();
    return;
  }
  Value tilesM = tilesOf(op.getM(), 0);
  Value tiles = arith::MulIOp::create(b, tilesM, tilesN);
  if (op.walksGroups())
    tiles = arith::MulIOp::create(b, tiles, getNumGroups(b, op->getParentOfType<KernelOp>()));
  ResultRange results = createLoop(first, tiles, step, inits, [&](Value tile, ValueRange values) {
    return createTile(values, [&](ValueRange carried) {
      if (op.getLayout() == Layout::KGrouped)
        return createKGroupedTile(tile, tilesM, carried);
      if (op.getLayout() == Layout::Batched) {
        auto [group, offsets] = offsetsInGroup(tile, tilesM);
        return moveBody(offsets, {group}, carried);
      }
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
