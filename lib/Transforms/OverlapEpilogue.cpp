//===- OverlapEpilogue.cpp - dgemm-overlap-epilogue -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rotates the tile loop of the consumers: the accumulators of a tile are carried into the next iteration and stored
// there, behind the start of the first mma. No mma is in flight at the back edge of a loop (ptxas warning C7514).
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {
#define GEN_PASS_DEF_OVERLAPEPILOGUEPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

class TileLoopRotation {
public:
  TileLoopRotation(ForEachTileOp tiles, scf::ForOp kLoop)
      : tiles(tiles), kLoop(kLoop), b(tiles.getLoc(), tiles.getContext()) {}

  LogicalResult run();

private:
  SmallVector<Value> takeSums(ValueRange results) {
    return llvm::map_to_vector(sums, [&](unsigned result) { return results[result]; });
  }
  SmallVector<Value> makeInits();
  /// Copies what follows the K loop, for a tile with these accumulators and tile arguments.
  void cloneEpilogue(ValueRange values, ValueRange tileArgs);
  /// Copies the first K block; the tile before, `previous`, is stored behind its first mma. Returns what the K loop
  /// carries.
  SmallVector<Value> clonePeeled(IRMapping &map, ValueRange previous);
  scf::ForOp cloneKLoop(IRMapping &map, ValueRange inits);

  ForEachTileOp tiles;
  scf::ForOp kLoop;
  ImplicitLocOpBuilder b;
  /// Results of the K loop that are used behind it: the accumulators.
  SmallVector<unsigned> sums;
};

/// Before the first tile there is none to store: its rows would begin past the end of D, or be none of a group's.
SmallVector<Value> TileLoopRotation::makeInits() {
  SmallVector<Value> inits;
  for (unsigned result : sums)
    inits.push_back(ZeroOp::create(b, kLoop.getResultTypes()[result]));
  Value zero = arith::ConstantIndexOp::create(b, 0);
  inits.push_back(tiles.getM());
  inits.resize(sums.size() + tiles.getNumTileArgs(), zero);
  return inits;
}

void TileLoopRotation::cloneEpilogue(ValueRange values, ValueRange tileArgs) {
  IRMapping map;
  map.map(takeSums(kLoop.getResults()), values);
  map.map(tiles.getBody().getArguments().take_front(tiles.getNumTileArgs()), tileArgs);
  for (Operation *op = kLoop->getNextNode(); !op->hasTrait<OpTrait::IsTerminator>(); op = op->getNextNode())
    b.clone(*op, map);
}

SmallVector<Value> TileLoopRotation::clonePeeled(IRMapping &map, ValueRange previous) {
  map.map(kLoop.getInductionVar(), map.lookupOrDefault(kLoop.getLowerBound()));
  for (auto [arg, init] : llvm::zip_equal(kLoop.getRegionIterArgs(), kLoop.getInits()))
    map.map(arg, map.lookupOrDefault(init));
  bool isStored = false;
  auto store = [&] {
    cloneEpilogue(previous.take_front(sums.size()), previous.drop_front(sums.size()));
    isStored = true;
  };
  for (Operation &op : kLoop.getBody()->without_terminator()) {
    auto mma = dyn_cast<MmaOp>(op);
    if (mma && !isStored) {
      Value started = MmaStartOp::create(b, mma.getType(), map.lookupOrDefault(mma.getLhs()),
                                         map.lookupOrDefault(mma.getRhs()), map.lookupOrNull(mma.getOver()));
      store();
      map.map(mma.getResult(), Value(MmaWaitOp::create(b, started.getType(), started, /*pending=*/0)));
      continue;
    }
    if (isa<MmaWaitOp>(op) && !isStored)
      store();
    b.clone(op, map);
  }
  return llvm::map_to_vector(kLoop.getBody()->getTerminator()->getOperands(),
                             [&](Value value) { return map.lookupOrDefault(value); });
}

scf::ForOp TileLoopRotation::cloneKLoop(IRMapping &map, ValueRange inits) {
  Value step = map.lookupOrDefault(kLoop.getStep());
  // A constant where it can be: the number of K blocks decides on unrolling.
  Value second = b.createOrFold<arith::AddIOp>(map.lookupOrDefault(kLoop.getLowerBound()), step);
  return scf::ForOp::create(b, second, map.lookupOrDefault(kLoop.getUpperBound()), step, inits,
                            [&](OpBuilder &builder, Location loc, Value k, ValueRange carried) {
                              map.map(kLoop.getInductionVar(), k);
                              map.map(kLoop.getRegionIterArgs(), carried);
                              for (Operation &op : *kLoop.getBody())
                                builder.clone(op, map);
                            });
}

LogicalResult TileLoopRotation::run() {
  for (OpResult result : kLoop.getResults())
    if (!result.use_empty())
      sums.push_back(result.getResultNumber());
  for (Operation *op = kLoop->getNextNode(); op; op = op->getNextNode())
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp();
          source && source->getBlock() == kLoop->getBlock() && source->isBeforeInBlock(kLoop))
        return op->emitOpError(
            "expected to use nothing of this tile but its accumulators and offsets, as it is to move "
            "into the next tile");
  b.setInsertionPoint(tiles);
  unsigned tileArgs = tiles.getNumTileArgs();
  auto rotated = ForEachTileOp::create(b, tiles.getM(), tiles.getN(), tiles.getLayout(), tiles.getGroups(),
                                       tiles.getTile(), tiles.getGroupM(), tiles.getCluster(), makeInits());
  b.setInsertionPointToStart(&rotated.getBody().front());
  IRMapping map;
  auto args = rotated.getBody().getArguments().take_front(tileArgs);
  map.map(tiles.getBody().getArguments(), args);
  for (Operation &op : llvm::make_range(tiles.getBody().front().begin(), kLoop->getIterator()))
    b.clone(op, map);
  SmallVector<Value> inits = clonePeeled(map, rotated.getRegionIterArgs());
  SmallVector<Value> next = takeSums(cloneKLoop(map, inits).getResults());
  next.append(args.begin(), args.end());
  YieldOp::create(b, next);
  b.setInsertionPointAfter(rotated);
  cloneEpilogue(rotated.getResults().drop_back(tileArgs), rotated.getResults().take_back(tileArgs));
  tiles.erase();
  return success();
}

struct OverlapEpilogue : dgemm::impl::OverlapEpiloguePassBase<OverlapEpilogue> {
  void runOnOperation() override {
    SmallVector<std::pair<ForEachTileOp, scf::ForOp>> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      if (!roles->getParentOfType<KernelOp>().getConfig().getOverlapEpilogue())
        return;
      roles.getConsumer().walk([&](ForEachTileOp tiles) {
        for (auto kLoop : tiles.getBody().getOps<scf::ForOp>())
          loops.emplace_back(tiles, kLoop);
      });
    });
    for (auto [tiles, kLoop] : loops)
      if (failed(TileLoopRotation(tiles, kLoop).run()))
        return signalPassFailure();
  }
};

} // namespace
