//===- EarlyStore.cpp - Stores under the last mma of a tile -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "dgemm/IR/Epilogue.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// After the K loop
//===----------------------------------------------------------------------===//

/// The epilogue that computes the value of `store`; null if there is none.
static MapOp findMap(StoreOp store) { return store.getValue().getDefiningOp<MapOp>(); }

/// The sum that `store` writes, before its epilogue.
static Value findSum(StoreOp store) {
  MapOp map = findMap(store);
  return map ? map.getValue() : store.getValue();
}

static void halve(StoreOp store) {
  int64_t half = store.getNumColumns() / 2;
  OpBuilder b(store);
  MapOp map = findMap(store);
  for (int64_t first : {int64_t(0), half}) {
    int64_t part[] = {first, half};
    Value value = store.getValue();
    if (map) {
      auto own = cast<MapOp>(b.clone(*map));
      own.setPart(part);
      value = own.getResult();
    }
    auto own = cast<StoreOp>(b.clone(*store));
    own.getValueMutable().assign(value);
    own.setPart(part);
  }
  store.erase();
  if (map && map->use_empty())
    map.erase();
}

/// The stores of the results of `branch`; empty if a result has any other user.
static SmallVector<StoreOp> findStores(scf::IfOp branch) {
  auto isStore = [&](Operation *user) { return isa<StoreOp>(user) && user->getBlock() == branch->getBlock(); };
  for (Operation *user : branch->getUsers())
    if (!isStore(user) && !(isa<MapOp>(user) && llvm::all_of(user->getUsers(), isStore)))
      return {};
  SmallVector<StoreOp> stores;
  for (Operation *op = branch->getNextNode(); op; op = op->getNextNode())
    if (auto store = dyn_cast<StoreOp>(op); store && findSum(store).getDefiningOp() == branch)
      stores.push_back(store);
  return stores;
}

/// Erases the dead ops among `ops`, which are in block order.
static void eraseDead(ArrayRef<Operation *> ops) {
  auto awaitsNothing = [](Operation *op) { return isa<AwaitOp>(op) && op->getNumResults() && op->use_empty(); };
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op) || awaitsNothing(op))
      op->erase();
}

/// The ops after `branch` that its stores need, in order: their epilogues, and the index arithmetic of their offsets.
/// Failure: the stores need any other op.
static FailureOr<SetVector<Operation *>> findArithmetic(ArrayRef<StoreOp> stores, scf::IfOp branch) {
  SetVector<Operation *> arithmetic;
  BackwardSliceOptions options;
  options.omitBlockArguments = true;
  options.filter = [&](Operation *op) { return op->getBlock() == branch->getBlock() && branch->isBeforeInBlock(op); };
  for (StoreOp store : stores)
    if (failed(getBackwardSlice(store.getOperation(), &arithmetic, options)))
      return failure();
  // An epilogue can move, because nothing writes its operands. Its waits move with it.
  auto isMovable = [](Operation *op) {
    return isa<MapOp, AwaitOp>(op) || (isMemoryEffectFree(op) && !op->getNumRegions());
  };
  if (!llvm::all_of(arithmetic, isMovable))
    return failure();
  return arithmetic;
}

/// Moves the stores of the results of `branch` into its regions, and those of nested branches likewise. A result that
/// is zero is not stored.
static void sinkStores(scf::IfOp branch) {
  SmallVector<StoreOp> stores = findStores(branch);
  FailureOr<SetVector<Operation *>> arithmetic = findArithmetic(stores, branch);
  if (stores.empty() || failed(arithmetic))
    return;
  for (Region &region : branch->getRegions()) {
    Operation *yield = region.front().getTerminator();
    OpBuilder b(yield);
    IRMapping map;
    map.map(branch.getResults(), yield->getOperands());
    for (Operation *op : *arithmetic)
      b.clone(*op, map);
    for (StoreOp store : stores)
      if (!map.lookup(findSum(store)).getDefiningOp<ZeroOp>())
        b.clone(*store, map);
  }
  for (StoreOp store : stores)
    store.erase();
  eraseDead(arithmetic->getArrayRef());
  OpBuilder b(branch);
  auto bare = scf::IfOp::create(b, branch.getLoc(), TypeRange{}, branch.getCondition(), /*addThenBlock=*/false,
                                /*addElseBlock=*/false);
  for (auto [from, to] : llvm::zip_equal(branch->getRegions(), bare->getRegions())) {
    to.takeBody(from);
    to.front().getTerminator()->setOperands({});
    for (auto inner : llvm::make_early_inc_range(to.front().getOps<scf::IfOp>()))
      sinkStores(inner);
    eraseDead(llvm::map_to_vector(to.front(), [](Operation &op) { return &op; }));
  }
  branch.erase();
}

void dgemm::divideStores(Region &consumer) {
  llvm::MapVector<Block *, SmallVector<StoreOp>> tiles;
  SmallVector<scf::IfOp> branches;
  consumer.walk<WalkOrder::PreOrder>([&](ForEachTileOp loop) {
    Block &block = loop.getBody().front();
    tiles[&block] = llvm::to_vector(block.getOps<StoreOp>());
    llvm::append_range(branches, block.getOps<scf::IfOp>());
  });
  // A tile of one slice is stored in two halves, each of whole groups of 8 columns, or of whole blocks of scales.
  auto isGated = [](StoreOp store) { return findMap(store) && findMap(store).isGated(); };
  auto canHalve = [](StoreOp store) { return store.getNumColumns() % (store.getScales() ? 2 * kScaleBlock : 16) == 0; };
  for (auto &[block, stores] : tiles)
    if (stores.size() == 1 && !isGated(stores.front()) && !stores.front().getPart() && canHalve(stores.front()))
      halve(stores.front());
  for (scf::IfOp branch : branches)
    sinkStores(branch);
}

//===----------------------------------------------------------------------===//
// In the last K block
//===----------------------------------------------------------------------===//

/// The promote that completes the columns of a store; null if there is none in the store's block.
static PromoteOp findPromote(StoreOp store) {
  int64_t first = store.getFirstColumn(), end = first + store.getNumColumns();
  if (MapOp map = findMap(store); map && map.isGated()) // it reads columns of both halves
    std::tie(first, end) = std::pair<int64_t, int64_t>(0, map.getValue().getType().getColumns());
  auto promote = findSum(store).getDefiningOp<PromoteOp>();
  auto isOfOtherColumns = [&] {
    int64_t column = promote.getColumn();
    return end <= column || column + promote.getPart().getType().getColumns() <= first;
  };
  while (promote && isOfOtherColumns())
    promote = promote.getAcc().getDefiningOp<PromoteOp>();
  return promote && promote->getBlock() == store->getBlock() ? promote : PromoteOp();
}

/// Splits an mma and its promote into two halves of the columns. Returns the second mma.
static FailureOr<MmaOp> halveMma(MmaOp mma, PromoteOp promote) {
  auto view = mma.getRhs().getDefiningOp<ViewOp>();
  auto isAhead = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return !op || op->getBlock() != mma->getBlock() || op->isBeforeInBlock(mma);
  };
  LoadScalesOp columns; // one scale for each column, so each half has its own
  if (Value scales = promote.getColumnScales(); scales && isa<FragType>(scales.getType()))
    columns = scales.getDefiningOp<LoadScalesOp>();
  auto isKnown = [&](Value value) { return isAhead(value) || (columns && value == columns.getScales()); };
  if (!view || !llvm::all_of(promote->getOperands().drop_front(), isKnown) || (columns && !canHalve(columns)))
    return mma.emitOpError("expected a view of a stage as rhs, and scales that are loaded before it, because each "
                           "half of its columns is stored separately");
  ImplicitLocOpBuilder b(mma.getLoc(), view);
  int64_t half = mma.getRhs().getType().getRows() / 2;
  auto halfFrag = FragType::get(b.getContext(), mma.getType().getRows(), half);
  Value rhs[] = {halveView(b, view, 0), halveView(b, view, 1)};
  auto promoteHalf = [&](Value part, Value acc, int64_t i) {
    Value scales = promote.getColumnScales();
    if (columns) {
      // Each half is read where the whole was, but the first half no later than its promote.
      OpBuilder::InsertionGuard guard(b);
      if (i || isAhead(scales))
        b.setInsertionPoint(columns);
      scales = halveColumnScales(b, columns, i);
    }
    return PromoteOp::create(b, acc.getType(), part, promote.getRowScales(), scales, promote.getN(), acc,
                             promote.getColumn() + i * half);
  };
  b.setInsertionPoint(mma);
  Value part = MmaOp::create(b, halfFrag, mma.getLhs(), rhs[0]);
  Value first = promoteHalf(part, promote.getAcc(), 0);
  auto second = MmaOp::create(b, halfFrag, mma.getLhs(), rhs[1], part, /*acc=*/Value());
  b.setInsertionPoint(promote);
  promote.replaceAllUsesWith(promoteHalf(second, first, 1).getResult());
  promote.erase();
  if (columns && columns->use_empty())
    columns.erase();
  mma.erase();
  if (view->use_empty())
    view.erase();
  return second;
}

/// Loads the sources of `map` along n before `last`, which waits for the last mma. They take the registers of columns
/// that have been stored. Before that store, ptxas would spill. In a masked kernel, it spills here, too.
static void loadAhead(MapOp map, Operation *last) {
  auto kernel = map->getParentOfType<KernelOp>();
  if (kernel.getLayout() == Layout::Masked)
    return;
  Operation *columnOp = map.getN().getDefiningOp();
  if (columnOp && columnOp->getBlock() == last->getBlock() && !columnOp->isBeforeInBlock(last))
    return;
  ImplicitLocOpBuilder b(map.getLoc(), last);
  auto type = FragType::get(b.getContext(), 1, map.getNumColumns());
  for (auto [i, source] : llvm::enumerate(map.getSources())) {
    auto memref = dyn_cast<MemRefType>(source.getType());
    EpilogueOperandAttr role = kernel.getProblem().getEpilogueOperand(getEpilogueOperand(i));
    if (!memref || role.getAlong() != EpilogueAxisKind::N)
      continue;
    SmallVector<Value> offsets = {map.getN()};
    if (int64_t first = map.getFirstColumn())
      offsets[0] = arith::AddIOp::create(b, map.getN(), arith::ConstantIndexOp::create(b, first));
    if (memref.getRank() > 1)
      offsets.insert(offsets.begin(), map.getGroup());
    map.getSourcesMutable()[i].set(LoadColumnsOp::create(b, type, source, offsets));
  }
}

LogicalResult dgemm::storeEarly(PipelinedKLoop kLoop) {
  Block *block = kLoop.loop->getBlock();
  Operation *last = kLoop.lastMmas.empty() ? nullptr : kLoop.lastMmas.back();
  SmallVector<StoreOp> stores;
  for (StoreOp store : block->getOps<StoreOp>())
    if (last && last->isBeforeInBlock(store))
      stores.push_back(store);
  if (kLoop.isScaledBehind) {
    last = scaleSlices(kLoop);
  } else if (auto mma = dyn_cast_or_null<MmaOp>(last)) {
    PromoteOp promote = stores.empty() ? PromoteOp() : findPromote(stores.back());
    if (promote && promote.getPart() == mma.getResult() && stores.back().getPart() &&
        stores.back().getNumColumns() * 2 == promote.getPart().getType().getColumns()) {
      FailureOr<MmaOp> second = halveMma(mma, promote);
      if (failed(second))
        return failure();
      mma = *second;
    }
    last = splitMma(mma);
  }
  IRRewriter rewriter(kLoop.loop.getContext());
  bool hasMoved = false;
  for (StoreOp store : stores) {
    PromoteOp promote = findPromote(store);
    if (!promote)
      continue;
    MapOp map = findMap(store);
    (map ? map.getValueMutable() : store.getValueMutable()).assign(promote.getResult());
    if (promote->isBeforeInBlock(last) && succeeded(moveOperationDependencies(rewriter, store, last))) {
      store->moveBefore(last);
      hasMoved = true;
    } else if (map && hasMoved) {
      loadAhead(map, last);
    }
  }
  return success();
}
