//===- AssignStagePhase.cpp - dgemm-assign-stage-phase -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-warp-specialize. Producer and consumers walk the stages of the ring in order, from the
// first one, and flip the parity at each wrap.
//
//===----------------------------------------------------------------------===//

#include "NVVMBuilder.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "llvm/Support/CheckedArithmetic.h"

namespace dgemm {
#define GEN_PASS_DEF_ASSIGNSTAGEPHASEPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// The position of a role: stage index and phase parity of the ring, and the slot of the scales of B (all i32). The
/// slot is null if the producer does not load these scales.
struct RingPosition {
  Value stage;
  Value parity;
  Value slot;
};

/// Walks one role's region.
class RoleWalk {
public:
  explicit RoleWalk(RingType ring) : ring(ring) {}

  void assign(Block &block, bool hasSlots) {
    NVVMBuilder b(block.getParentOp()->getLoc(), block.getParentOp()->getContext());
    b.setInsertionPointToStart(&block);
    assignBlock(block, {b.i32(0), b.i32(0), hasSlots ? b.i32(0) : Value()});
  }

private:
  RingPosition assignBlock(Block &block, RingPosition position);
  RingPosition assignLoop(LoopLikeOpInterface loop, RingPosition position);
  RingPosition assignBranch(scf::IfOp branch, RingPosition position);
  RingPosition advance(NVVMBuilder &b, RingPosition position);
  RingPosition advance(NVVMBuilder &b, RingPosition position, SkipOp skip);
  void assignWait(NVVMBuilder &b, WaitOp wait, RingPosition position);

  RingType ring;
  /// Number of stages that have been waited for and not yet released.
  int64_t held = 0;
};

bool isRingOp(Operation *op) { return isa<AcquireOp, WaitOp, CommitOp, ReleaseOp, SkipOp>(op); }

bool usesRing(Operation *op) {
  return op->walk([](Operation *inner) { return isRingOp(inner) ? WalkResult::interrupt() : WalkResult::advance(); })
      .wasInterrupted();
}

RingPosition RoleWalk::advance(NVVMBuilder &b, RingPosition position) {
  Value next = b.add(position.stage, 1);
  Value wraps = b.equal(next, ring.getDepth());
  Value stage = arith::SelectOp::create(b, wraps, b.i32(0), next);
  Value parity = b.bitXor(position.parity, arith::ExtUIOp::create(b, b.getI32Type(), wraps));
  Value slot = position.slot ? b.bitAnd(b.add(position.slot, 1), kBlockScaleSlots - 1) : Value();
  return {stage, parity, slot};
}

/// Advances by the stages that `skip` leaves to another warpgroup.
RingPosition RoleWalk::advance(NVVMBuilder &b, RingPosition position, SkipOp skip) {
  int64_t depth = ring.getDepth();
  std::optional<int64_t> known = getConstantIntValue(skip.getCount());
  // A known number of whole rounds only flips the parity. What is left ends in the same round or in the next one.
  Value count = known ? b.i32(*known % depth) : b.toI32(skip.getCount());
  Value next = b.add(position.stage, count);
  Value rounds = arith::DivUIOp::create(b, next, b.i32(depth));
  Value stage = arith::SubIOp::create(b, next, b.mul(rounds, depth));
  Value flips = known && *known / depth % 2 ? b.bitXor(rounds, b.i32(1)) : rounds;
  Value parity = b.bitXor(position.parity, b.bitAnd(flips, 1));
  Value slot = position.slot ? b.bitAnd(b.add(position.slot, known ? b.i32(*known % kBlockScaleSlots) : count),
                                        kBlockScaleSlots - 1)
                             : Value();
  return {stage, parity, slot};
}

/// `position` is that of the oldest stage held. The stage to wait for follows all stages held.
void RoleWalk::assignWait(NVVMBuilder &b, WaitOp wait, RingPosition position) {
  for (int64_t i = 0; i < held; ++i)
    position = advance(b, position);
  ++held;
  wait.setPosition(position.stage, position.parity, position.slot);
}

std::optional<int64_t> countAdvances(Block &block);

/// Number of stages by which one run of `op` advances. Empty if the number is not known statically.
std::optional<int64_t> countAdvances(Operation &op) {
  if (isa<CommitOp, ReleaseOp>(op))
    return 1;
  if (auto skip = dyn_cast<SkipOp>(op))
    return getConstantIntValue(skip.getCount());
  if (!op.getNumRegions() || !usesRing(&op))
    return 0;
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    std::optional<int64_t> each = countAdvances(*branch.thenBlock());
    return countAdvances(*branch.elseBlock()) == each ? each : std::nullopt;
  }
  auto loop = dyn_cast<scf::ForOp>(op);
  std::optional<APInt> trips = loop ? loop.getStaticTripCount() : std::nullopt;
  if (!trips || trips->getActiveBits() > 63)
    return std::nullopt;
  std::optional<int64_t> each = countAdvances(*loop.getBody());
  return each ? llvm::checkedMul(*each, static_cast<int64_t>(trips->getZExtValue())) : std::nullopt;
}

/// Number of stages by which one run of `block` advances; each iteration of a nested loop counts.
std::optional<int64_t> countAdvances(Block &block) {
  std::optional<int64_t> count = 0;
  for (Operation &op : block) {
    std::optional<int64_t> each = countAdvances(op);
    count = each ? llvm::checkedAdd(*count, *each) : std::nullopt;
    if (!count)
      return std::nullopt;
  }
  return count;
}

/// A loop carries only the parts of the position that an iteration changes. The stage does not change if each iteration
/// walks whole rounds of the ring, and the parity does not change if it walks an even number of them. A part that does
/// not change stays a constant, and so do the addresses computed from it.
RingPosition RoleWalk::assignLoop(LoopLikeOpInterface loop, RingPosition position) {
  std::optional<int64_t> each = countAdvances(loop.getLoopRegions().front()->front());
  SmallVector<Value RingPosition::*> carried;
  auto carry = [&](Value RingPosition::*part, int64_t period) {
    if (position.*part && (!each || *each % period))
      carried.push_back(part);
  };
  carry(&RingPosition::stage, ring.getDepth());
  carry(&RingPosition::parity, 2 * ring.getDepth());
  carry(&RingPosition::slot, kBlockScaleSlots);
  SmallVector<Value> inits = llvm::map_to_vector(carried, [&](auto part) { return position.*part; });
  IRRewriter rewriter(loop.getContext());
  // The yielded position is known only after the body is walked: yield the arguments for now.
  auto yieldArguments = [](OpBuilder &, Location, ArrayRef<BlockArgument> args) {
    return SmallVector<Value>(args.begin(), args.end());
  };
  LoopLikeOpInterface widened =
      *loop.replaceWithAdditionalYields(rewriter, inits, /*replaceInitOperandUsesInLoop=*/false, yieldArguments);
  auto take = [&](ValueRange values) {
    RingPosition taken = position;
    for (auto [part, value] : llvm::zip_equal(carried, values.take_back(carried.size())))
      taken.*part = value;
    return taken;
  };
  SmallVector<Value> args(widened.getRegionIterArgs().begin(), widened.getRegionIterArgs().end());
  int64_t heldBefore = held;
  RingPosition last = assignBlock(widened.getLoopRegions().front()->front(), take(args));
  held = heldBefore;
  for (auto [part, yielded] : llvm::zip_equal(carried, widened.getYieldedValuesMutable()->take_back(carried.size())))
    yielded.set(last.*part);
  return take(widened->getResults());
}

/// A branch yields the parts of the position that its sides change. Both sides advance by the same number of stages.
RingPosition RoleWalk::assignBranch(scf::IfOp branch, RingPosition position) {
  int64_t heldBefore = held;
  SmallVector<RingPosition, 2> ends;
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    ends.push_back(assignBlock(*block, position));
    held = heldBefore;
  }
  SmallVector<Value RingPosition::*> changed;
  for (auto part : {&RingPosition::stage, &RingPosition::parity, &RingPosition::slot})
    if (ends[0].*part != position.*part || ends[1].*part != position.*part)
      changed.push_back(part);
  NVVMBuilder b(branch.getLoc(), branch);
  SmallVector<Type> types(branch.getResultTypes());
  types.append(changed.size(), b.getI32Type());
  auto widened = scf::IfOp::create(b, types, branch.getCondition(), /*addThenBlock=*/false, /*addElseBlock=*/false);
  for (auto [region, old, end] : llvm::zip_equal(widened->getRegions(), branch->getRegions(), ends)) {
    region.takeBody(old);
    for (auto part : changed)
      region.front().getTerminator()->insertOperands(region.front().getTerminator()->getNumOperands(), end.*part);
  }
  branch.replaceAllUsesWith(widened.getResults().take_front(branch.getNumResults()));
  for (auto [part, result] : llvm::zip_equal(changed, widened.getResults().take_back(changed.size())))
    position.*part = result;
  branch.erase();
  return position;
}

RingPosition RoleWalk::assignBlock(Block &block, RingPosition position) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    NVVMBuilder b(op.getLoc(), &op);
    if (auto acquire = dyn_cast<AcquireOp>(op)) {
      acquire.setPosition(position.stage, position.parity, position.slot);
    } else if (auto wait = dyn_cast<WaitOp>(op)) {
      assignWait(b, wait, position);
    } else if (auto commit = dyn_cast<CommitOp>(op)) {
      commit.getIndexMutable().assign(position.stage);
      b.setInsertionPointAfter(&op);
      position = advance(b, position);
    } else if (auto release = dyn_cast<ReleaseOp>(op)) {
      release.getIndexMutable().assign(position.stage);
      b.setInsertionPointAfter(&op);
      position = advance(b, position);
      --held;
    } else if (auto skip = dyn_cast<SkipOp>(op)) {
      position = advance(b, position, skip);
      skip.erase();
    } else if (op.getNumRegions() && usesRing(&op)) {
      auto branch = dyn_cast<scf::IfOp>(op);
      position = branch ? assignBranch(branch, position) : assignLoop(cast<LoopLikeOpInterface>(op), position);
    }
  }
  return position;
}

/// A role walks the ring in order, through loops and through branches with two sides only.
LogicalResult verifyRingUse(WarpSpecializeOp roles) {
  WalkResult result = roles.walk([&](Operation *op) {
    if (!isRingOp(op))
      return WalkResult::advance();
    for (Operation *parent = op->getParentOp(); parent != roles; parent = parent->getParentOp()) {
      auto branch = dyn_cast<scf::IfOp>(parent);
      if (isa<scf::ForOp, ForEachTileOp>(parent) || (branch && branch.elseBlock()))
        continue;
      op->emitOpError("expected to stand in tile loops, scf.for and scf.if with two sides, and in nothing else")
              .attachNote(parent->getLoc())
          << "it stands in this";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// The stages that a role holds: those that it has waited for and not yet released. The newest `optional` of them are
/// of waits with a condition, and may not be held.
struct HeldStages {
  int64_t count = 0;
  int64_t optional = 0;
};

LogicalResult verifyHeld(Block &block, RingType ring, HeldStages &held);

/// A loop or branch ends with as many stages held as it begins with, because nothing else says how many there are then.
LogicalResult verifyHeldInside(Operation &op, RingType ring, HeldStages &held) {
  HeldStages after = held;
  for (Region &region : op.getRegions()) {
    HeldStages end = held;
    // What an iteration starts with is there.
    if (isa<LoopLikeOpInterface>(op))
      end.optional = 0;
    if (failed(verifyHeld(region.front(), ring, end)))
      return failure();
    int64_t more = end.count - held.count;
    if (more < 0 || more > end.optional)
      return op.emitOpError("expected to end with as many stages held as it begins with, ")
             << held.count << ", but got " << end.count;
    after.optional = std::max(after.optional, end.optional - more);
  }
  held = after;
  return success();
}

/// The position is that of the oldest stage held, so it has to be known at each op how many are held.
LogicalResult verifyHeld(Block &block, RingType ring, HeldStages &held) {
  for (Operation &op : block) {
    if (auto wait = dyn_cast<WaitOp>(op)) {
      if (held.count == ring.getDepth())
        return op.emitOpError("expected a stage to be released first, as all ") << held.count << " are held";
      ++held.count;
      // Stages come in order: all before one that is waited for are there.
      held.optional = wait.getCondition() ? held.optional + 1 : 0;
    } else if (isa<ReleaseOp>(op)) {
      if (!held.count)
        return op.emitOpError("expected a dgemm.wait before it, as no stage is held");
      --held.count;
      held.optional = std::min(held.optional, held.count);
    } else if (auto skip = dyn_cast<SkipOp>(op)) {
      if (held.count)
        return skip.emitOpError("expected no stage to be held, but got ") << held.count;
      std::optional<int64_t> count = getConstantIntValue(skip.getCount());
      if (count && !llvm::isUInt<31>(*count))
        return skip.emitOpError("expected a count of 0 to 2147483647, but got ") << *count;
    } else if (op.getNumRegions() && usesRing(&op) && failed(verifyHeldInside(op, ring, held))) {
      return failure();
    }
  }
  return success();
}

LogicalResult assign(KernelOp kernel) {
  auto rings = llvm::to_vector(kernel.getBody().getOps<RingOp>());
  auto roles = llvm::to_vector(kernel.getBody().getOps<WarpSpecializeOp>());
  if (rings.size() != 1 || roles.size() != 1)
    return kernel.emitOpError("expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first");
  if (failed(verifyRingUse(roles.front())))
    return failure();
  RingType ring = rings.front().getRing().getType();
  bool hasSlots = false;
  roles.front().getProducer().walk([&](LoadAsyncOp load) { hasSlots |= isBy(load, MovementKind::CpAsync); });
  for (Region *region : {&roles.front().getProducer(), &roles.front().getConsumer()})
    if (HeldStages held; failed(verifyHeld(region->front(), ring, held)))
      return failure();
  for (Region *region : {&roles.front().getProducer(), &roles.front().getConsumer()})
    RoleWalk(ring).assign(region->front(), hasSlots);
  return success();
}

struct AssignStagePhase : dgemm::impl::AssignStagePhasePassBase<AssignStagePhase> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk(
        [](KernelOp kernel) { return failed(assign(kernel)) ? WalkResult::interrupt() : WalkResult::skip(); });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
