//===- KernelPrologue.cpp - What a kernel does before its roles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A producer starts to load after about 1000 clocks, which go to barriers, setmaxnreg, and code that is in no cache
// yet. In the meantime, one idle thread prefetches the first K block, so that its data come to the L2 and its pages to
// the TLBs (docs/performance.md).
//
//===----------------------------------------------------------------------===//

#include "RingLowering.h"
#include "TensorMaps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace dgemm;

/// Runs `body` where M is at least `rows`.
static void whenRows(RingLowering &lowering, NVVMBuilder &b, int64_t rows, function_ref<void()> body) {
  if (Value m = lowering.kernel.findSize("M"))
    b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::uge, b.toI32(m), b.i32(rows)), body);
  else if (lowering.kernel.getSizes()[0] >= rows)
    body();
}

namespace {

/// Computes values of a role in front of the roles, with clones of the index arithmetic that computes them in the role.
class IndexClone {
public:
  IndexClone(NVVMBuilder &b, WarpSpecializeOp roles) : b(b), roles(roles) {}

  void map(Value value, Value here) { known.map(value, here); }
  FailureOr<Value> get(Value value) {
    if (known.contains(value) || !roles->isAncestor(value.getParentRegion()->getParentOp()))
      return known.lookupOrDefault(value);
    Operation *op = value.getDefiningOp();
    auto walk = dyn_cast_or_null<WalkKOp>(op);
    if (!walk && !(op && isa_and_nonnull<arith::ArithDialect>(op->getDialect())))
      return failure();
    SmallVector<Value> operands(op->getOperands());
    if (walk)
      operands = {walk.getK()};
    for (Value operand : operands)
      if (failed(get(operand)))
        return failure();
    if (walk) // the first tile walks K forwards
      known.map(value, known.lookupOrDefault(walk.getK()));
    else
      b.clone(*op, known);
    return known.lookup(value);
  }

private:
  NVVMBuilder &b;
  WarpSpecializeOp roles;
  IRMapping known;
};

/// The prefetched loads of the producer that bring the first K block of the first tile.
struct FirstLoads {
  ForEachTileOp tiles;
  scf::ForOp kLoop;
  SmallVector<LoadAsyncOp> loads;
  /// The smallest M from which any of them is prefetched.
  int64_t rows = INT64_MAX;
};

} // namespace

static FirstLoads findFirstLoads(WarpSpecializeOp roles) {
  FirstLoads first;
  for (auto tiles : roles.getProducer().getOps<ForEachTileOp>())
    for (auto kLoop : tiles.getBody().getOps<scf::ForOp>())
      for (auto load : kLoop.getOps<LoadAsyncOp>())
        if (int64_t rows = load.getMovement()->getPrefetchFrom(); rows && (!first.kLoop || first.kLoop == kLoop)) {
          first.tiles = tiles;
          first.kLoop = kLoop;
          first.loads.push_back(load);
          first.rows = std::min(first.rows, rows);
        }
  return first;
}

static LogicalResult prefetch(RingLowering &lowering, NVVMBuilder &b, const FirstLoads &first) {
  IndexClone clone(b, lowering.roles);
  ForEachTileOp tiles = first.tiles;
  FailureOr<Value> m = clone.get(tiles.getM()), n = clone.get(tiles.getN());
  if (failed(m) || failed(n))
    return tiles.emitOpError("expected sizes computed by index arithmetic, to prefetch the first tile");
  auto here = ForEachTileOp::create(b, *m, *n, tiles.getLayout(), Value(), tiles.getTile(), tiles.getGroupM(),
                                    tiles.getCluster());
  here.setFirst(true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&here.getBody().front());
  for (auto [own, argument] : llvm::zip(tiles.getBody().getArguments(), here.getBody().getArguments()))
    clone.map(own, argument); // the other carried values belong to the ring
  scf::ForOp kLoop = first.kLoop;
  FailureOr<Value> k = clone.get(kLoop.getLowerBound());
  if (failed(k))
    return kLoop.emitOpError("expected a lower bound computed by index arithmetic, to prefetch the first K block");
  clone.map(kLoop.getInductionVar(), *k);
  for (LoadAsyncOp load : first.loads) {
    Value tensorMap = hasWholeTiles(load) ? findTensorMap(load) : findLastTileMap(load);
    if (!tensorMap)
      return failure();
    SmallVector<Value> offsets;
    for (Value offset : load.getOffsets()) {
      FailureOr<Value> own = clone.get(offset);
      if (failed(own))
        return load.emitOpError("expected offsets computed by index arithmetic, to prefetch the first tile");
      offsets.push_back(*own);
    }
    auto fetch = [&] {
      SmallVector<Value> coordinates = getCoordinates(b, offsets);
      for (int64_t half = 0; half < (hasHalves(load) ? 2 : 1); ++half) {
        if (half)
          coordinates[1] = b.add(coordinates[1], getRowsOfHalf(b, load));
        NVVM::CpAsyncBulkTensorPrefetchOp::create(b, tensorMap, coordinates, ValueRange{}, NVVM::TMALoadMode::TILE,
                                                  getCacheHint(b, load));
      }
    };
    int64_t rows = load.getMovement()->getPrefetchFrom();
    rows > first.rows ? whenRows(lowering, b, rows, fetch) : fetch();
  }
  return success();
}

/// Prefetches the first K block of this CTA's first tile to the L2, for the loads that ask for it.
static LogicalResult prefetchFirstTile(RingLowering &lowering, NVVMBuilder &b) {
  FirstLoads first = findFirstLoads(lowering.roles);
  LogicalResult result = success();
  if (!first.loads.empty())
    whenRows(lowering, b, first.rows, [&] { result = prefetch(lowering, b, first); });
  return result;
}

/// Prefetches the tensor maps, through which all loads and stores by TMA go.
static void prefetchTensorMaps(KernelOp kernel, NVVMBuilder &b) {
  for (BlockArgument argument : kernel.getArguments())
    if (kernel.getArgAttr(argument.getArgNumber(), kTensorMapAttr))
      NVVM::PrefetchOp::create(b, NVVM::PrefetchCacheLevelAttr{}, NVVM::CacheEvictionPriorityAttr{}, argument, Value{},
                               /*tensormap=*/true);
}

LogicalResult dgemm::createPrologue(RingLowering &lowering) {
  NVVMBuilder b(lowering.ring.getLoc(), lowering.ring);
  if (lowering.isMulticast()) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfterValue(lowering.shared.getStart());
    std::tie(lowering.clusterRow, lowering.clusterColumn) = b.clusterPosition(lowering.clusterN);
  }
  // The next kernel may start as soon as there is room for it, because it waits until all of this one is done.
  if (lowering.kernel.getPdl())
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
  LogicalResult result = success();
  b.when(b.equal(b.threadIndex(), 0), [&] {
    result = prefetchFirstTile(lowering, b);
    prefetchTensorMaps(lowering.kernel, b);
  });
  return result;
}
