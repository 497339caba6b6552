//===- KLoopPipeliner.cpp - Stages and order of a K block's ops -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// scf::pipelineForLoop only moves ops between iterations. This file does the rest: before it, a guard is added to the
// ops that run ahead; after it, constants are folded.
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace dgemm;

namespace {

class KLoopPipeliner {
public:
  KLoopPipeliner(scf::ForOp loop, KLoopShape shape) : loop(loop), shape(shape), b(loop.getLoc(), loop) {}

  FailureOr<PipelinedKLoop> run();

private:
  using Schedule = std::vector<std::pair<Operation *, unsigned>>;

  LogicalResult findAhead();
  void addGuard();
  void dropGuard(Operation *isInside);
  void carryInGuard(Operation *isInside, scf::ForOp pipelined);
  Schedule makeSchedule();
  Value createZero(Type type) {
    if (isa<FragType>(type))
      return ZeroOp::create(b, type);
    return arith::ConstantOp::create(b, b.getZeroAttr(type));
  }
  /// A K loop that starts at 0 has an iteration, because K is at least 1. A part of a split K may have none.
  bool isNeverEmpty() { return isConstantIntValue(loop.getLowerBound(), 0); }

  scf::ForOp loop;
  KLoopShape shape;
  ImplicitLocOpBuilder b;
  /// What runs ahead: the ops before the first mma.
  llvm::SmallPtrSet<Operation *, 16> ahead;
  /// Whether the K block that runs ahead is one of the loop; null if it always is. This is the first op of the
  /// schedule.
  Operation *guard = nullptr;
};

/// Whether `op` loads scales from the stage, and not from global memory.
static bool readsStage(Operation &op) {
  auto scales = dyn_cast<LoadScalesOp>(op);
  return scales && scales.isFromTile();
}

LogicalResult KLoopPipeliner::findAhead() {
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (isa<MmaOp, MmaStartOp>(op))
      return success();
    if (!isa<arith::ArithDialect>(op.getDialect()) && !isa<WaitOp, ViewOp, LoadScalesOp, WalkKOp>(op))
      return op.emitOpError("expected only loads, views and index arithmetic before the first mma of a K block");
    if (auto wait = dyn_cast<WaitOp>(op); wait && wait.getCondition())
      return wait.emitOpError("expected no condition on the wait of a K block");
    ahead.insert(&op);
  }
  return loop.emitOpError("expected an mma in a K loop that runs ahead");
}

/// No K block follows the last one. The guard then skips the wait and the reads of the stage, and reads of global
/// memory take K block 0.
void KLoopPipeliner::addGuard() {
  Value k = loop.getInductionVar(), zero = arith::ConstantIndexOp::create(b, 0);
  SmallVector<Operation *> stageReads;
  for (Operation &op : loop.getBody()->without_terminator())
    if (ahead.contains(&op) && readsStage(op))
      stageReads.push_back(&op);
  OpBuilder::InsertionGuard restore(b);
  b.setInsertionPointToStart(loop.getBody());
  Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, k, loop.getUpperBound());
  Value inside = arith::SelectOp::create(b, isInside, k, zero);
  k.replaceUsesWithIf(inside, [&](OpOperand &use) { return ahead.contains(use.getOwner()); });
  for (Operation *op : ahead)
    if (auto wait = dyn_cast<WaitOp>(op))
      wait.getConditionMutable().assign(isInside);
  guard = isInside.getDefiningOp();
  ahead.insert({guard, inside.getDefiningOp()});
  if (stageReads.empty())
    return;
  b.setInsertionPointAfter(stageReads.back());
  auto types = llvm::map_to_vector(stageReads, [](Operation *op) { return op->getResult(0).getType(); });
  auto reads = scf::IfOp::create(b, types, isInside, /*addThenBlock=*/true, /*addElseBlock=*/true);
  ahead.insert(reads);
  b.setInsertionPointToStart(reads.elseBlock());
  scf::YieldOp::create(b, llvm::map_to_vector(types, [&](Type type) { return createZero(type); }));
  b.setInsertionPointToStart(reads.thenBlock());
  auto values = llvm::map_to_vector(stageReads, [](Operation *op) -> Value { return op->getResult(0); });
  auto read = scf::YieldOp::create(b, values);
  for (auto [op, result] : llvm::zip_equal(stageReads, reads.getResults())) {
    op->getResult(0).replaceAllUsesExcept(result, read);
    op->moveBefore(read);
    ahead.erase(op);
  }
}

/// Removes a guard that is always true, and keeps what it guards.
void KLoopPipeliner::dropGuard(Operation *isInside) {
  for (Operation *user : llvm::make_early_inc_range(isInside->getUsers())) {
    if (auto select = dyn_cast<arith::SelectOp>(user)) {
      select.replaceAllUsesWith(select.getTrueValue());
    } else if (auto wait = dyn_cast<WaitOp>(user)) {
      wait.getConditionMutable().clear();
      continue;
    } else if (auto reads = dyn_cast<scf::IfOp>(user)) {
      Operation *yield = reads.thenBlock()->getTerminator();
      reads.replaceAllUsesWith(yield->getOperands());
      yield->erase();
      reads->getBlock()->getOperations().splice(reads->getIterator(), reads.thenBlock()->getOperations());
    }
    user->erase();
  }
}

/// If the guard in the loop is false, the scales keep the values that the loop carries, and reads of global memory take
/// the K block of the mma again. This takes no register.
void KLoopPipeliner::carryInGuard(Operation *isInside, scf::ForOp pipelined) {
  auto yield = cast<scf::YieldOp>(pipelined.getBody()->getTerminator());
  for (Operation *user : isInside->getUsers()) {
    if (auto select = dyn_cast<arith::SelectOp>(user))
      select.getFalseValueMutable().assign(pipelined.getInductionVar());
    auto reads = dyn_cast<scf::IfOp>(user);
    if (!reads)
      continue;
    Operation *otherwise = reads.elseBlock()->getTerminator();
    for (auto [carried, arg] : llvm::zip_equal(yield.getOperands(), pipelined.getRegionIterArgs()))
      if (carried.getDefiningOp() == reads) {
        OpOperand &value = otherwise->getOpOperand(cast<OpResult>(carried).getResultNumber());
        Operation *zero = value.get().getDefiningOp();
        value.set(arg);
        if (zero && isOpTriviallyDead(zero))
          zero->erase();
      }
  }
}

/// The order in the loop: loads from global memory, the mmas up to the start of the last one, the next stage and its
/// scales, and the rest. If nothing runs ahead, the first pipeline stage has only a constant, so that the last K block
/// is peeled.
KLoopPipeliner::Schedule KLoopPipeliner::makeSchedule() {
  enum { Fetch, Start, Open, Read, Finish, NumSlots };
  SmallVector<Operation *> slots[NumSlots];
  bool isStarted = false;
  for (Operation &op : loop.getBody()->without_terminator()) {
    isStarted |= shape.runsAhead && isa<MmaWaitOp>(op);
    if (!ahead.contains(&op))
      slots[isStarted ? Finish : Start].push_back(&op);
    else if (isa<WaitOp, ViewOp>(op))
      slots[Open].push_back(&op);
    else if (readsStage(op) || isa<scf::IfOp>(op))
      slots[Read].push_back(&op);
    else
      slots[Fetch].push_back(&op);
  }
  Schedule schedule;
  for (ArrayRef<Operation *> slot : slots)
    for (Operation *op : slot)
      schedule.emplace_back(op, ahead.contains(op) ? 0 : 1);
  return schedule;
}

/// Folds the index arithmetic between `before` and `after`, also in the body of `pipelined`, and erases dead
/// arithmetic.
void foldArithmetic(Operation *before, Operation *after, Block *block, scf::ForOp pipelined) {
  SmallVector<Operation *> ops;
  Block::iterator first = before ? std::next(before->getIterator()) : block->begin();
  Block::iterator end = after ? after->getIterator() : block->end();
  for (Operation &op : llvm::make_range(first, end)) {
    if (&op == pipelined)
      for (Operation &inner : *pipelined.getBody())
        ops.push_back(&inner);
    ops.push_back(&op);
  }
  SmallVector<Operation *> constants;
  for (Operation *op : ops) {
    if (!isa<arith::ArithDialect>(op->getDialect()) || op->hasTrait<OpTrait::ConstantLike>())
      continue;
    OpBuilder b(op);
    SmallVector<Value> results;
    if (succeeded(b.tryFold(op, results, &constants)) && !results.empty())
      op->replaceAllUsesWith(results);
  }
  constants.append(ops);
  for (Operation *op : llvm::reverse(constants))
    if (isa<arith::ArithDialect>(op->getDialect()) && isOpTriviallyDead(op))
      op->erase();
}

FailureOr<PipelinedKLoop> KLoopPipeliner::run() {
  // The loop would carry constants that a later stage uses.
  for (Operation &op : llvm::make_early_inc_range(loop.getBody()->without_terminator()))
    if (op.hasTrait<OpTrait::ConstantLike>())
      op.moveBefore(loop);
  Block *block = loop->getBlock();
  Operation *before = loop->getPrevNode(), *after = loop->getNextNode();
  if (shape.runsAhead) {
    if (failed(findAhead()))
      return failure();
    MmaOp last;
    for (MmaOp mma : loop.getBody()->getOps<MmaOp>())
      last = mma;
    splitMma(last);
    if (!shape.peelsLast)
      addGuard();
  } else {
    OpBuilder::InsertionGuard restore(b);
    b.setInsertionPointToStart(loop.getBody());
    ahead.insert(arith::ConstantIndexOp::create(b, 0));
  }
  if (shape.peelsLast) {
    // The new loop ends one step before the old bound. K may end inside the last K block, so the bound becomes the end
    // of that block.
    int64_t first = *getConstantIntValue(loop.getLowerBound()), step = *getConstantIntValue(loop.getStep());
    int64_t count = loop.getStaticTripCount()->getSExtValue();
    loop.setUpperBound(arith::ConstantIndexOp::create(b, first + count * step));
  }

  PipelinedKLoop result;
  Operation *firstGuard = nullptr, *nextGuard = nullptr;
  scf::PipeliningOption options;
  options.getScheduleFn = [&](scf::ForOp, Schedule &schedule) { schedule = makeSchedule(); };
  options.peelEpilogue = shape.peelsLast;
  options.supportDynamicLoops = true;
  // Called for the ops that run ahead. The guard covers them already, so they stay as they are.
  options.predicateFn = [](RewriterBase &, Operation *op, Value) {
    return isa<MmaOp, MmaStartOp, MmaWaitOp, ReleaseOp, PromoteOp>(op) ? nullptr : op;
  };
  // Called for the ops in the order of the schedule: the guard comes first.
  options.annotateFn = [&](Operation *op, scf::PipeliningOption::PipelinerPart part, unsigned) {
    if (part == scf::PipeliningOption::PipelinerPart::Prologue)
      firstGuard = firstGuard ? firstGuard : op;
    else if (part == scf::PipeliningOption::PipelinerPart::Kernel)
      nextGuard = nextGuard ? nextGuard : op;
    else if (isa<MmaOp, MmaWaitOp>(op))
      result.lastMmas.push_back(op);
  };
  bool neverEmpty = isNeverEmpty();
  Location loc = loop.getLoc();
  IRRewriter rewriter(loop);
  FailureOr<scf::ForOp> pipelined = scf::pipelineForLoop(rewriter, loop, options);
  if (failed(pipelined))
    return emitError(loc, "expected a K loop that can be pipelined: signed, and with each carried value defined in it");
  result.loop = *pipelined;
  if (guard) {
    if (neverEmpty)
      dropGuard(firstGuard);
    carryInGuard(nextGuard, result.loop);
  }
  foldArithmetic(before, after, block, result.loop);
  return result;
}

} // namespace

FailureOr<PipelinedKLoop> dgemm::pipelineKLoop(scf::ForOp loop, KLoopShape shape) {
  return KLoopPipeliner(loop, shape).run();
}

MmaWaitOp dgemm::splitMma(MmaOp mma) {
  ImplicitLocOpBuilder b(mma.getLoc(), mma);
  Value started = MmaStartOp::create(b, mma.getType(), mma.getLhs(), mma.getRhs(), mma.getOver(), mma.getAcc());
  auto wait = MmaWaitOp::create(b, started.getType(), started, /*pending=*/0);
  mma.replaceAllUsesWith(wait.getResult());
  mma.erase();
  return wait;
}
