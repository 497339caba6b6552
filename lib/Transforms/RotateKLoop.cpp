//===- RotateKLoop.cpp - dgemm-rotate-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between the end of one K block's last mma and the start of the next one's first, a warpgroup keeps the tensor cores
// busy only if another fills them. What it does there must be short: this pass moves the wait for a stage, the
// addresses of its tiles and the loads of scales into the K block before.
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {
#define GEN_PASS_DEF_ROTATEKLOOPPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// Divides the body of a consumer's K loop into what only reads (the front, up to the first mma) and the rest, and runs
/// the front one K block ahead.
class KLoopRotation {
public:
  explicit KLoopRotation(scf::ForOp kLoop) : kLoop(kLoop), b(kLoop.getLoc(), kLoop) {
    for (Operation *op = kLoop->getNextNode(); op; op = op->getNextNode())
      hasLastKBlock |= isa<WaitOp>(op);
  }

  LogicalResult run();

private:
  LogicalResult analyse();
  LogicalResult takeOverLastKBlock(scf::ForOp rotated);
  bool isNeverEmpty();
  Value isBelowEnd(Value k) { return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, k, kLoop.getUpperBound()); }
  Value createZero(Type type) {
    if (isa<FragType>(type))
      return ZeroOp::create(b, type);
    return arith::ConstantOp::create(b, b.getZeroAttr(type));
  }
  void cloneGlobalReads(IRMapping &map);
  void cloneLastMma(IRMapping &map, function_ref<void()> behind);
  void cloneStageReads(IRMapping &map, Value condition, ValueRange otherwise);

  scf::ForOp kLoop;
  ImplicitLocOpBuilder b;
  /// Of the front: index arithmetic and loads from global memory; the wait and views; loads from the stage.
  SmallVector<Operation *> globalReads, stageOps, stageReads;
  /// All of these.
  llvm::SmallPtrSet<Operation *, 16> front;
  MmaOp lastMma;
  /// Results of the front that the rest uses.
  SmallVector<Value> carried;
  /// With early_store the last K block stands behind the loop, and its front is run in the loop: the front of each
  /// iteration has a K block that follows.
  bool hasLastKBlock = false;
};

LogicalResult KLoopRotation::analyse() {
  Block *body = kLoop.getBody();
  for (Operation &op : llvm::make_early_inc_range(body->without_terminator())) {
    if (isa<MmaOp>(op))
      break;
    if (op.hasTrait<OpTrait::ConstantLike>())
      op.moveBefore(kLoop);
    else if (isa<WaitOp, ViewOp>(op))
      stageOps.push_back(&op);
    else if (isa<LoadFragmentOp, LoadVectorOp>(op))
      stageReads.push_back(&op);
    else if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) || isa<LoadBlockScalesOp, LoadRowScalesOp, WalkKOp>(op))
      globalReads.push_back(&op);
    else
      return op.emitOpError("expected only loads, views and index arithmetic before the first mma of a K block");
  }
  for (MmaOp mma : body->getOps<MmaOp>())
    lastMma = mma;
  for (auto *ops : {&globalReads, &stageOps, &stageReads})
    front.insert(ops->begin(), ops->end());
  for (auto *ops : {&globalReads, &stageOps, &stageReads})
    for (Operation *op : *ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !front.contains(user); }))
          carried.push_back(result);
  return success();
}

/// A K loop from 0 on has an iteration, as K is at least 1; a part of a split K may have none.
bool KLoopRotation::isNeverEmpty() { return isConstantIntValue(kLoop.getLowerBound(), 0); }

void KLoopRotation::cloneGlobalReads(IRMapping &map) {
  for (Operation *op : globalReads)
    b.clone(*op, map);
}

/// `condition` may be null. Where it does not hold, the loads are those of `otherwise`.
void KLoopRotation::cloneStageReads(IRMapping &map, Value condition, ValueRange otherwise) {
  for (Operation *op : stageOps) {
    Operation *clone = b.clone(*op, map);
    if (auto wait = dyn_cast<WaitOp>(clone); wait && condition)
      wait.getConditionMutable().assign(condition);
  }
  if (stageReads.empty())
    return;
  if (!condition) {
    for (Operation *op : stageReads)
      b.clone(*op, map);
    return;
  }
  auto branch = scf::IfOp::create(b, otherwise.getTypes(), condition, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> loaded;
    for (Operation *op : stageReads)
      loaded.push_back(b.clone(*op, map)->getResult(0));
    scf::YieldOp::create(b, loaded);
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, otherwise);
  }
  for (auto [op, result] : llvm::zip_equal(stageReads, branch.getResults()))
    map.map(op->getResult(0), result);
}

/// Copies the last mma of a K block; what `behind` builds runs while it is in flight.
void KLoopRotation::cloneLastMma(IRMapping &map, function_ref<void()> behind) {
  Value over = lastMma.getOver() ? map.lookupOrDefault(lastMma.getOver()) : Value();
  Value started = MmaStartOp::create(b, lastMma.getType(), map.lookupOrDefault(lastMma.getLhs()),
                                     map.lookupOrDefault(lastMma.getRhs()), over);
  behind();
  map.map(lastMma.getResult(), Value(MmaWaitOp::create(b, started.getType(), started, /*pending=*/0)));
}

/// Replaces the front of the K block behind the loop by what the loop carries.
LogicalResult KLoopRotation::takeOverLastKBlock(scf::ForOp rotated) {
  SmallVector<Operation *> last;
  Operation *op = kLoop->getNextNode();
  for (; op && !isa<MmaOp, MmaStartOp>(op); op = op->getNextNode())
    if (!op->hasTrait<OpTrait::ConstantLike>())
      last.push_back(op);
  SmallVector<Operation *> first;
  for (Operation &inner : *kLoop.getBody())
    if (front.contains(&inner))
      first.push_back(&inner);
  auto isSame = [](Operation *inner, Operation *behind) { return inner->getName() == behind->getName(); };
  if (!op || !llvm::equal(first, last, isSame))
    return rotated.emitOpError("expected the K block behind a rotated K loop to begin like those in it");
  IRMapping map;
  map.map(carried, rotated.getResults().take_back(carried.size()));
  for (auto [inner, behind] : llvm::zip_equal(first, last))
    for (auto [result, taken] : llvm::zip_equal(inner->getResults(), behind->getResults()))
      if (Value value = map.lookupOrNull(result))
        taken.replaceAllUsesWith(value);
  for (Operation *behind : llvm::reverse(last))
    behind->erase();
  return success();
}

LogicalResult KLoopRotation::run() {
  if (failed(analyse()))
    return failure();
  // The first K block's front.
  IRMapping first;
  Value isNotEmpty, k = kLoop.getLowerBound();
  SmallVector<Value> zeros;
  if (!isNeverEmpty()) {
    isNotEmpty = isBelowEnd(k);
    k = arith::SelectOp::create(b, isNotEmpty, k, arith::ConstantIndexOp::create(b, 0));
    for (Operation *op : stageReads)
      zeros.push_back(createZero(op->getResult(0).getType()));
  }
  first.map(kLoop.getInductionVar(), k);
  cloneGlobalReads(first);
  cloneStageReads(first, isNotEmpty, zeros);

  SmallVector<Value> inits(kLoop.getInits());
  for (Value value : carried)
    inits.push_back(first.lookup(value));
  auto body = [&](OpBuilder &, Location, Value k, ValueRange args) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(k.getParentBlock());
    IRMapping map, next;
    map.map(kLoop.getInductionVar(), k);
    map.map(kLoop.getRegionIterArgs(), args.take_front(kLoop.getNumRegionIterArgs()));
    map.map(carried, args.drop_front(kLoop.getNumRegionIterArgs()));
    // Behind the last K block there is none: what would be loaded for it from global memory is loaded again.
    Value nextK = arith::AddIOp::create(b, k, kLoop.getStep()), hasNext;
    if (!hasLastKBlock) {
      hasNext = isBelowEnd(nextK);
      nextK = arith::SelectOp::create(b, hasNext, nextK, k);
    }
    next.map(kLoop.getInductionVar(), nextK);
    cloneGlobalReads(next);
    for (Operation &op : kLoop.getBody()->without_terminator()) {
      if (front.contains(&op))
        continue;
      if (&op == lastMma)
        cloneLastMma(map, [&] {
          cloneStageReads(next, hasNext,
                          llvm::map_to_vector(stageReads, [&](Operation *op) { return map.lookup(op->getResult(0)); }));
        });
      else
        b.clone(op, map);
    }
    SmallVector<Value> yields;
    for (Value value : kLoop.getBody()->getTerminator()->getOperands())
      yields.push_back(map.lookupOrDefault(value));
    for (Value value : carried)
      yields.push_back(next.lookup(value));
    scf::YieldOp::create(b, yields);
  };
  auto rotated = scf::ForOp::create(b, kLoop.getLowerBound(), kLoop.getUpperBound(), kLoop.getStep(), inits, body);
  kLoop.replaceAllUsesWith(rotated.getResults().take_front(kLoop.getNumResults()));
  if (hasLastKBlock && failed(takeOverLastKBlock(rotated)))
    return failure();
  kLoop.erase();
  return success();
}

/// With one K block there is nothing to run ahead of.
bool hasOneIteration(scf::ForOp loop) {
  auto begin = getConstantIntValue(loop.getLowerBound()), end = getConstantIntValue(loop.getUpperBound()),
       step = getConstantIntValue(loop.getStep());
  return begin && end && step && *end - *begin <= *step;
}

struct RotateKLoop : dgemm::impl::RotateKLoopPassBase<RotateKLoop> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation()->walk([&](WarpSpecializeOp roles) {
      if (!roles->getParentOfType<KernelOp>().getConfig().getRotateKLoop())
        return;
      roles.getConsumer().walk([&](scf::ForOp loop) {
        // A loop without mma only hands stages back.
        if (!loop.getBody()->getOps<MmaOp>().empty() && !hasOneIteration(loop))
          loops.push_back(loop);
      });
    });
    for (scf::ForOp loop : loops)
      if (failed(KLoopRotation(loop).run()))
        return signalPassFailure();
  }
};

} // namespace
