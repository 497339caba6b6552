//===- TMAPipeline.cpp - The ring of stages on mbarriers -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// full[s] completes a phase when the producer has armed it and all bytes of stage s have landed (and, where some tiles
// are copied without TMA, when all threads of the producer warpgroup have arrived; where it copies scales, when these
// have landed, which then arrive by themselves, or something has arrived in their place); empty[s] when every math warp
// has released it.
// Producer and consumers walk the stages in order and flip the parity at each wrap. On a fresh barrier the phase of
// parity 1 counts as completed (PTX ISA 9.0, mbarrier.try_wait), so the producer waits for parity ^ 1 and finds the
// first round of stages empty.
//
// In a cluster each CTA fetches a slice of what it shares with the CTAs of its row (A) or column (B), and multicasts it
// to the same place in all of them. full[s] counts the bytes that land here, whoever fetched them; empty[s] counts the
// warps of all CTAs that this one writes to.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "TMALowering.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// Where a role stands: stage index and phase parity of the ring, and the slot of the scales of B, null where the
/// producer does not bring these; all i32.
struct RingPosition {
  Value stage;
  Value parity;
  Value slot;
};

/// Rewrites one role's region.
class RoleLowering {
public:
  /// `bytes` of a stage come by TMA; `hasCopies`: other tiles do not.
  RoleLowering(TMALowering &lowering, RingType ring, int64_t bytes, bool hasCopies)
      : lowering(lowering), ring(ring), bytes(bytes), hasCopies(hasCopies) {}

  void lower(Block &block, bool isProducer) {
    NVVMBuilder b(lowering.kernel.getLoc(), lowering.kernel.getContext());
    b.setInsertionPointToStart(&block);
    if (isProducer && hasCopies)
      leader = b.isFirstOfWarpgroup();
    else if (isProducer && lowering.bringsScalesOfB)
      leader = NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{});
    lowerBlock(block, {b.i32(0), b.i32(0), lowering.bringsScalesOfB ? b.i32(0) : Value()});
    // A view may have been moved away from its wait.
    block.walk([&](ViewOp view) {
      NVVMBuilder at(view.getLoc(), view);
      lowerView(at, view);
      view.erase();
    });
    for (Operation *op : stages)
      op->erase();
  }

private:
  RingPosition lowerBlock(Block &block, RingPosition position);
  RingPosition lowerLoop(LoopLikeOpInterface loop, RingPosition position);
  RingPosition lowerBranch(scf::IfOp branch, RingPosition position);
  RingPosition advance(NVVMBuilder &b, RingPosition position);
  void lowerAcquire(NVVMBuilder &b, RingPosition position);
  void lowerWait(NVVMBuilder &b, WaitOp wait, RingPosition position);
  void fetch(NVVMBuilder &b, LoadAsyncOp load, RingPosition position, Value slice, Value mask);
  void lowerLoad(NVVMBuilder &b, LoadAsyncOp load, RingPosition position);
  Value getMulticastMask(NVVMBuilder &b, bool isRow);
  void lowerView(NVVMBuilder &b, ViewOp view);
  void lowerRelease(NVVMBuilder &b, RingPosition position);

  void lowerCommit(NVVMBuilder &b, RingPosition position);
  /// Runs `body` on one thread of the producer.
  void onOneThread(NVVMBuilder &b, function_ref<void()> body) { leader ? b.when(leader, body) : body(); }

  TMALowering &lowering;
  RingType ring;
  int64_t bytes;
  bool hasCopies;
  /// Holds on one thread of the producer; null where it has only one.
  Value leader;
  /// Acquires and waits whose stage value is replaced op by op; erased last.
  SmallVector<Operation *> stages;
  /// Of the stages that have been waited for.
  llvm::DenseMap<Value, RingPosition> positions;
  /// How many have been waited for and not released here.
  int64_t held = 0;
};

bool usesRing(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        return isa<AcquireOp, WaitOp, CommitOp, ReleaseOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

RingPosition RoleLowering::advance(NVVMBuilder &b, RingPosition position) {
  Value next = b.add(position.stage, 1);
  Value wraps = b.equal(next, ring.getDepth());
  Value stage = arith::SelectOp::create(b, wraps, b.i32(0), next);
  Value parity = b.bitXor(position.parity, arith::ExtUIOp::create(b, b.getI32Type(), wraps));
  return {stage, parity, position.slot ? advanceBlockScaleSlot(b, position.slot, b.i32(1)) : Value()};
}

/// Waits until the stage is empty.
void RoleLowering::lowerAcquire(NVVMBuilder &b, RingPosition position) {
  b.waitParity(lowering.emptyBarrier(b, position.stage), b.bitXor(position.parity, b.i32(1)));
}

/// `position` is that of the oldest stage held; the one waited for comes behind all that are.
void RoleLowering::lowerWait(NVVMBuilder &b, WaitOp wait, RingPosition position) {
  for (int64_t i = 0; i < held; ++i)
    position = advance(b, position);
  ++held;
  positions[wait.getStage()] = position;
  auto waitForStage = [&] { b.waitParity(lowering.fullBarrier(b, position.stage), position.parity); };
  wait.getCondition() ? b.when(wait.getCondition(), waitForStage) : waitForStage();
}

/// Arms the full barrier with the bytes that are on their way: the phase lasts at least until then, as it waits for
/// this arrival. Copies without TMA: what a thread has written becomes visible to wgmma (PTX ISA 9.0,
/// fence.proxy.async), then it arrives.
void RoleLowering::lowerCommit(NVVMBuilder &b, RingPosition position) {
  Value barrier = lowering.fullBarrier(b, position.stage);
  if (hasCopies) {
    NVVM::FenceProxyOp::create(b, NVVM::ProxyKind::async_shared,
                               NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
    NVVM::MBarrierArriveOp::create(b, Type{}, barrier, Value{});
  }
  onOneThread(b, [&] {
    Value expected = b.i32(bytes);
    if (Value isFew = hasFewRows(lowering, b)) {
      int64_t scales = ring.getStage().getTiles()[kScalesOfA].getByteSize();
      expected = b.createOrFold<arith::SelectOp>(isFew, b.i32(bytes - scales), expected);
    }
    NVVM::MBarrierArriveExpectTxOp::create(b, Type{}, barrier, expected, NVVM::MemScopeKind::CTA,
                                           /*relaxed=*/false, Value{});
  });
}

/// Bit r is CTA r of the cluster: those in this one's row (they share A) or column (B).
Value RoleLowering::getMulticastMask(NVVMBuilder &b, bool isRow) {
  int64_t rows = lowering.kernel.getConfig().getClusterM(), columns = lowering.kernel.getConfig().getClusterN();
  int64_t first = 0;
  for (int64_t i = 0; i < (isRow ? columns : rows); ++i)
    first |= int64_t(1) << (isRow ? i : i * columns);
  Value shift = isRow ? b.mul(lowering.clusterRow, columns) : lowering.clusterColumn;
  return LLVM::TruncOp::create(b, b.getI16Type(), Value(arith::ShLIOp::create(b, b.i32(first), shift)));
}

/// One slice of a tile, counted along its rows, for the CTAs of `mask`; without a mask the whole tile for this one.
void RoleLowering::fetch(NVVMBuilder &b, LoadAsyncOp load, RingPosition position, Value slice, Value mask) {
  TileType tile = ring.getStage().getTiles()[load.getIndex()];
  // Coordinates go innermost first.
  SmallVector<Value> coordinates;
  for (Value offset : llvm::reverse(load.getOffsets()))
    coordinates.push_back(b.toI32(offset));
  Value dest = lowering.tileAddress(b, position.stage, load.getIndex());
  if (mask) {
    int64_t slices = lowering.getSlices(load);
    coordinates[1] = b.add(coordinates[1], b.mul(slice, tile.getRows() / slices));
    dest = b.offsetPointer(dest, b.mul(slice, tile.getByteSize() / slices));
  }
  dest = LLVM::AddrSpaceCastOp::create(b, b.clusterPointerType(), dest);
  Value map = lowering.tensorMaps.lookup({load.getSource(), tile.getColumns()});
  Value barrier = lowering.fullBarrier(b, position.stage);
  Value hint = lowering.getCacheHint(b, load);
  onOneThread(b, [&] {
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(b, dest, map, coordinates, barrier, ValueRange{}, mask, hint,
                                                           NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
                                                           NVVM::CTAGroupKindAttr{}, Value{});
  });
}

void RoleLowering::lowerLoad(NVVMBuilder &b, LoadAsyncOp load, RingPosition position) {
  if (!isBy(load, MovementKind::TMA))
    return copyTile(lowering, b, load, position.stage);
  Value isFew = load.getMovement()->getFewRows() ? hasFewRows(lowering, b) : Value();
  auto copyFew = [&](NVVMBuilder &b) {
    onOneThread(b, [&] {
      copyScalesOfFewRows(lowering, b, load, lowering.tileAddress(b, position.stage, kScalesOfA),
                          lowering.fullBarrier(b, position.stage));
    });
  };
  if (isFew && matchPattern(isFew, m_One()))
    return copyFew(b);
  if (isFew) {
    auto choice = scf::IfOp::create(b, isFew, /*withElseRegion=*/true);
    NVVMBuilder copy(load.getLoc(), choice.thenBlock()->getTerminator());
    copyFew(copy);
    NVVMBuilder byTMA(load.getLoc(), choice.elseBlock()->getTerminator());
    onOneThread(byTMA, [&] {
      NVVM::MBarrierArriveOp::create(byTMA, Type{}, lowering.fullBarrier(byTMA, position.stage), Value{});
    });
    return fetch(byTMA, load, position, Value{}, Value{});
  }
  if (lowering.getSlices(load) == 1)
    return fetch(b, load, position, Value{}, Value{});
  bool isA = load.getMovement()->getMulticast() == Multicast::Row;
  Value slice = isA ? lowering.clusterColumn : lowering.clusterRow, mask = getMulticastMask(b, isA);
  auto tiles = load->getParentOfType<ForEachTileOp>();
  Value peer = isA ? Value() : tiles.getPeerGroup();
  if (!peer)
    return fetch(b, load, position, slice, mask);
  // Where a group ends inside of the cluster, each row of it has a B of its own: the same bytes land here.
  Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, tiles.getGroup(), peer);
  Value own = LLVM::TruncOp::create(b, b.getI16Type(), Value(arith::ShLIOp::create(b, b.i32(1), b.clusterRank())));
  fetch(b, load, position, slice, arith::SelectOp::create(b, isShared, mask, own));
  Value isAlone = arith::XOrIOp::create(b, isShared, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  b.when(isAlone, [&] { fetch(b, load, position, b.bitXor(slice, b.i32(1)), own); });
}

void RoleLowering::lowerView(NVVMBuilder &b, ViewOp view) {
  TileType tile = view.getTile().getType();
  int64_t bytes = tile.getRows() == 1 ? tile.getElementType().getIntOrFloatBitWidth() / 8 : tile.getRowBytes();
  RingPosition position = positions.lookup(view.getStage());
  Value base = view.getIndex() == kScalesOfB ? lowering.blockScaleAddress(b, position.slot, tile.getColumns())
                                             : lowering.tileAddress(b, position.stage, view.getIndex());
  Value address = b.offsetPointer(base, b.mul(b.toI32(view.getOffset()), bytes));
  view.replaceAllUsesWith(Value(TileAtOp::create(b, tile, address)));
}

/// One lane of each warp arrives, here and at the CTAs that write to this stage: a warp's own wait does not tell that
/// the others have read it.
void RoleLowering::lowerRelease(NVVMBuilder &b, RingPosition position) {
  Value barrier = lowering.emptyBarrier(b, position.stage);
  ConfigAttr config = lowering.kernel.getConfig();
  b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}), [&] {
    NVVM::MBarrierArriveOp::create(b, Type{}, barrier, Value{});
    auto arriveAt = [&](int64_t rankBit) {
      Value peer = b.bitXor(b.clusterRank(), b.i32(rankBit));
      Value remote = NVVM::MapaOp::create(b, b.clusterPointerType(), barrier, peer);
      NVVM::MBarrierArriveOp::create(b, Type{}, remote, Value{});
    };
    if (config.getClusterN() > 1)
      arriveAt(1);
    if (config.getClusterM() > 1)
      arriveAt(config.getClusterN());
  });
}

/// Stages that a run of `block` walks on by, those of loops inside counted as often as they run; none if that is not
/// known.
std::optional<int64_t> countAdvances(Block &block) {
  int64_t count = 0;
  for (Operation &op : block) {
    if (isa<CommitOp, ReleaseOp>(op)) {
      ++count;
    } else if (op.getNumRegions() && usesRing(&op)) {
      if (auto branch = dyn_cast<scf::IfOp>(op)) {
        std::optional<int64_t> each = countAdvances(*branch.thenBlock());
        if (!each || !branch.elseBlock() || countAdvances(*branch.elseBlock()) != each)
          return std::nullopt;
        count += *each;
        continue;
      }
      auto loop = dyn_cast<scf::ForOp>(op);
      std::optional<APInt> trips = loop ? loop.getStaticTripCount() : std::nullopt;
      std::optional<int64_t> each = trips ? countAdvances(*loop.getBody()) : std::nullopt;
      if (!each)
        return std::nullopt;
      count += *each * trips->getSExtValue();
    }
  }
  return count;
}

/// A loop carries of the position what an iteration changes: the stage stays where each walks whole rounds of the ring,
/// the parity where they are even in number. What stays is a constant then, and so are addresses.
RingPosition RoleLowering::lowerLoop(LoopLikeOpInterface loop, RingPosition position) {
  Block &block = loop.getLoopRegions().front()->front();
  std::optional<int64_t> each = countAdvances(block);
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
  // The yielded position is known only after the body is lowered: yield the arguments for now.
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
  RingPosition last = lowerBlock(widened.getLoopRegions().front()->front(), take(args));
  for (auto [part, yielded] : llvm::zip_equal(carried, widened.getYieldedValuesMutable()->take_back(carried.size())))
    yielded.set(last.*part);
  return take(widened->getResults());
}

/// A branch gives back what its sides change of the position. They walk on by as many stages as each other.
RingPosition RoleLowering::lowerBranch(scf::IfOp branch, RingPosition position) {
  int64_t heldBefore = held;
  SmallVector<RingPosition, 2> ends;
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    ends.push_back(lowerBlock(*block, position));
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

RingPosition RoleLowering::lowerBlock(Block &block, RingPosition position) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    NVVMBuilder b(op.getLoc(), &op);
    if (isa<AcquireOp>(op)) {
      lowerAcquire(b, position);
      stages.push_back(&op);
      continue;
    }
    if (auto wait = dyn_cast<WaitOp>(op)) {
      lowerWait(b, wait, position);
      stages.push_back(&op);
      continue;
    }
    if (auto loop = dyn_cast<LoopLikeOpInterface>(op)) {
      if (usesRing(loop))
        position = lowerLoop(loop, position);
      continue;
    }
    if (auto branch = dyn_cast<scf::IfOp>(op)) {
      if (usesRing(branch))
        position = lowerBranch(branch, position);
      continue;
    }
    if (auto load = dyn_cast<LoadAsyncOp>(op))
      lowerLoad(b, load, position);
    else if (auto scales = dyn_cast<LoadBlockScalesAsyncOp>(op))
      copyBlockScales(lowering, b, scales, position.slot, lowering.fullBarrier(b, position.stage), leader);
    else if (isa<CommitOp>(op)) {
      lowerCommit(b, position);
      position = advance(b, position);
    } else if (isa<ReleaseOp>(op)) {
      lowerRelease(b, position);
      position = advance(b, position);
      --held;
    } else
      continue;
    op.erase();
  }
  return position;
}

} // namespace

/// A role walks the ring in order, through loops and through branches of two sides.
static LogicalResult verifyRingUse(WarpSpecializeOp roles) {
  WalkResult result = roles.walk([&](Operation *op) {
    if (!isa<AcquireOp, WaitOp, CommitOp, ReleaseOp>(op))
      return WalkResult::advance();
    for (Operation *user : op->getUsers())
      if (!isa<ViewOp, LoadAsyncOp, LoadBlockScalesAsyncOp>(user))
        return user->emitOpError("expected a stage to be loaded or viewed, and no more"), WalkResult::interrupt();
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

LogicalResult dgemm::lowerRing(TMALowering &lowering, RingOp ring, WarpSpecializeOp roles) {
  if (failed(verifyRingUse(roles)))
    return failure();
  RingType type = ring.getRing().getType();
  ArrayRef<TileType> tiles = type.getStage().getTiles();
  int64_t bytes = type.getStage().getByteSize();
  bool hasCopies = false;
  roles.getProducer().walk([&](LoadAsyncOp load) {
    lowering.fewRows = std::max(lowering.fewRows, load.getMovement()->getFewRows());
    if (isBy(load, MovementKind::TMA))
      return;
    hasCopies = true;
    bytes -= tiles[load.getIndex()].getByteSize();
  });
  WalkResult scales = roles.getProducer().walk([&](LoadBlockScalesAsyncOp load) {
    if (hasCopies)
      return load.emitOpError("expected a producer whose other loads are all by TMA"), WalkResult::interrupt();
    lowering.bringsScalesOfB = true;
    bytes -= tiles[load.getIndex()].getByteSize();
    return WalkResult::advance();
  });
  if (scales.wasInterrupted())
    return failure();
  if (hasCopies)
    roles.setProducerThreads(hopper::kWarpgroupThreads);
  else if (lowering.bringsScalesOfB)
    roles.setProducerThreads(hopper::kWarpThreads);
  WalkResult views = roles.walk([](ViewOp view) {
    if (view.getStage().getDefiningOp<WaitOp>())
      return WalkResult::advance();
    return view.emitOpError("expected a stage that dgemm.wait gives"), WalkResult::interrupt();
  });
  if (views.wasInterrupted())
    return failure();
  ConfigAttr config = lowering.kernel.getConfig();
  int64_t readers = config.getClusterM() + config.getClusterN() - 1;
  NVVMBuilder start(ring.getLoc(), ring);
  initBarriers(lowering, start, roles.getConsumers(), readers * roles.getConsumers() * hopper::kWarpgroupWarps,
               1 + (hasCopies                  ? hopper::kWarpgroupThreads
                    : lowering.bringsScalesOfB ? hopper::kWarpThreads
                                               : 0));
  // Until here only L2 prefetches have touched the operands. LLVM's intrinsic does not say that memory changes
  // meanwhile.
  if (config.getPdl()) {
    NVVM::GriddepcontrolOp::create(start, NVVM::GridDepActionKind::wait);
    LLVM::InlineAsmOp::create(start, Type{}, ValueRange{}, "", "~{memory}", /*has_side_effects=*/true,
                              /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{},
                              ArrayAttr{});
  }
  RoleLowering(lowering, type, bytes, hasCopies).lower(roles.getProducer().front(), /*isProducer=*/true);
  RoleLowering(lowering, type, bytes, hasCopies).lower(roles.getConsumer().front(), /*isProducer=*/false);
  if (config.isMulticast()) {
    // No CTA may end while others still arrive at its barriers.
    NVVMBuilder b(roles.getLoc(), roles.getContext());
    b.setInsertionPointAfter(roles);
    b.clusterBarrier(UnitAttr());
  }
  ring.erase();
  return success();
}
