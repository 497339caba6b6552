//===- TMAPrefetch.cpp - The first tiles of A and B on their way -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A producer starts to load after about 1000 clocks: barriers, setmaxnreg, code that is in no cache yet. One thread
// that has nothing to do meanwhile asks for the first K block before, so that it comes to the L2 and its pages to the
// TLBs (docs/performance.md).
//
//===----------------------------------------------------------------------===//

#include "TMALowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

/// Runs `body` where M is at least `rows`.
static void whenRows(TMALowering &lowering, NVVMBuilder &b, int64_t rows, function_ref<void()> body) {
  if (Value m = lowering.kernel.findArgument(kSizeAttr, "M"))
    b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::uge, b.toI32(m), b.i32(rows)), body);
  else if (lowering.kernel.getSizes()[0] >= rows)
    body();
}

/// Where the tile of a load lies, innermost first.
static SmallVector<Value> getCoordinates(NVVMBuilder &b, LoadAsyncOp load, const IRMapping &map) {
  return llvm::map_to_vector(llvm::reverse(load.getOffsets()),
                             [&](Value offset) { return b.toI32(map.lookupOrDefault(offset)); });
}

/// Copies the index arithmetic in front of a loop, where a pass may have moved what the loop uses.
static void cloneFront(NVVMBuilder &b, Operation *loop, IRMapping &map) {
  for (Operation &op : llvm::make_range(loop->getBlock()->begin(), loop->getIterator()))
    if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()))
      b.clone(op, map);
}

/// The first K block of the first of the producer's `tiles`, by the `loads` of its K loop; all M are at least `rows`.
static void prefetch(TMALowering &lowering, NVVMBuilder &b, ForEachTileOp tiles, scf::ForOp kLoop, int64_t rows) {
  IRMapping map;
  cloneFront(b, tiles, map);
  auto first =
      ForEachTileOp::create(b, map.lookupOrDefault(tiles.getM()), map.lookupOrDefault(tiles.getN()), tiles.getLayout(),
                            Value(), tiles.getTile(), tiles.getGroupM(), tiles.getCluster());
  first.setFirst(true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&first.getBody().front());
  map.map(tiles.getBody().getArguments(), first.getBody().getArguments());
  cloneFront(b, kLoop, map);
  map.map(kLoop.getInductionVar(), map.lookupOrDefault(kLoop.getLowerBound()));
  for (Operation &op : kLoop.getBody()->without_terminator()) {
    if (auto walk = dyn_cast<WalkKOp>(op)) // forwards in the first tile
      map.map(walk.getOffset(), map.lookupOrDefault(walk.getK()));
    else if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()))
      b.clone(op, map);
    auto load = dyn_cast<LoadAsyncOp>(op);
    if (!load || !load.getMovement()->getPrefetchFrom())
      continue;
    int64_t columns = load.getStage().getType().getTiles()[load.getIndex()].getColumns();
    auto fetch = [&] {
      NVVM::CpAsyncBulkTensorPrefetchOp::create(b, lowering.tensorMaps.lookup({load.getSource(), columns}),
                                                getCoordinates(b, load, map), ValueRange{}, NVVM::TMALoadMode::TILE,
                                                TMALowering::getCacheHint(b, load));
    };
    int64_t own = load.getMovement()->getPrefetchFrom();
    own > rows ? whenRows(lowering, b, own, fetch) : fetch();
  }
}

LogicalResult dgemm::prefetchFirstTile(TMALowering &lowering, NVVMBuilder &b, WarpSpecializeOp roles) {
  ForEachTileOp tiles;
  scf::ForOp kLoop;
  int64_t rows = 0;
  for (auto op : roles.getProducer().getOps<ForEachTileOp>())
    for (auto loop : op.getBody().getOps<scf::ForOp>())
      for (auto load : loop.getOps<LoadAsyncOp>())
        if (int64_t own = load.getMovement()->getPrefetchFrom()) {
          if (op.getLayout() != Layout::Dense)
            return load.emitOpError("expected no 'prefetch_from' in groups, which are not known before the first tile");
          std::tie(tiles, kLoop) = std::pair(op, loop);
          rows = rows ? std::min(rows, own) : own;
        }
  if (rows)
    whenRows(lowering, b, rows, [&] { prefetch(lowering, b, tiles, kLoop, rows); });
  return success();
}
