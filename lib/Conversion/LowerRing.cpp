//===- LowerRing.cpp - dgemm-lower-ring -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-assign-stage-phase and dgemm-create-tensor-maps.
//
// full[s] completes a phase when the producer has armed it and all bytes of stage s have landed. If some tiles are
// copied without TMA, all threads of the producer warpgroup must also arrive. If the producer copies scales, the copies
// arrive by themselves once they have landed, or something else arrives in their place. empty[s] completes a phase when
// every math warp that reads stage s has released it. On a fresh barrier, the phase of parity 1 counts as completed
// (PTX ISA 9.0, mbarrier.try_wait). So the producer waits for parity ^ 1 and finds the stages empty in the first round.
//
// In a cluster, full[s] counts the bytes that land in this CTA, whichever CTA loaded them (LoadByTMA.cpp). empty[s]
// counts the warps of all CTAs that this CTA writes to.
//
//===----------------------------------------------------------------------===//

#include "GroupSearch.h"
#include "RingLowering.h"
#include "TensorMaps.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "llvm/ADT/TypeSwitch.h"
#include <utility>

namespace dgemm {
#define GEN_PASS_DEF_LOWERRINGPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Properties of a kernel's ring
//===----------------------------------------------------------------------===//

RingLowering::RingLowering(KernelOp kernel, RingOp ring, WarpSpecializeOp roles)
    : kernel(kernel), ring(ring), roles(roles), shared(kernel) {
  roles.walk([&](ForEachTileOp tiles) {
    ArrayRef<int64_t> cluster = tiles.getCluster();
    clusterM = cluster[0];
    clusterN = cluster[1];
    splitK = cluster.size() > 2 ? cluster[2] : 1;
    searchesGroups = tiles.searchesGroups() && !hasFewGroups(tiles);
  });
  roles.getProducer().walk([&](LoadAsyncOp load) {
    if (!load.getMovement())
      return; // verifyLoad reports it
    fewRows = std::max(fewRows, load.getMovement()->getFewRows());
    hasCopies |= isBy(load, MovementKind::Registers);
    bringsScalesOfB |= isBy(load, MovementKind::CpAsync);
    if (isBy(load, MovementKind::TMA))
      bytes += load.getStage().getType().getTiles()[load.getIndex()].getByteSize();
  });
}

int64_t RingLowering::getCopyingThreads() const {
  return hasCopies ? hopper::kWarpgroupThreads : bringsScalesOfB ? hopper::kWarpThreads : 0;
}

int64_t RingLowering::getThreads() const {
  return std::max(getCopyingThreads(), searchesGroups ? hopper::kWarpThreads : 1);
}

SmallVector<Value> dgemm::getCoordinates(NVVMBuilder &b, ValueRange offsets) {
  return llvm::map_to_vector(llvm::reverse(offsets), [&](Value offset) { return b.toI32(offset); });
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

static LogicalResult verifyLoad(RingLowering &lowering, LoadAsyncOp load) {
  auto acquire = load.getStage().getDefiningOp<AcquireOp>();
  if (!acquire)
    return load.emitOpError("expected a stage that dgemm.acquire gives");
  if (!load.getMovement())
    return load.emitOpError("expected 'by'; run dgemm-choose-data-movement first");
  // The bytes that dgemm.commit expects depend on the rows of this load.
  if (load.getMovement()->getClipRows() && load->getBlock() != load.getStage().getDefiningOp()->getBlock())
    return load.emitOpError("expected a load that clips rows to stand in the block of its dgemm.acquire");
  if (!isBy(load, MovementKind::CpAsync))
    return success();
  if (lowering.hasCopies)
    return load.emitOpError("expected a producer whose other loads are all by TMA");
  if (!acquire.getSlot())
    return load.emitOpError("expected a stage with a slot; run dgemm-assign-stage-phase first");
  return success();
}

static LogicalResult verifyView(RingLowering &lowering, ViewOp view) {
  auto wait = view.getStage().getDefiningOp<WaitOp>();
  if (!wait)
    return view.emitOpError("expected a stage that dgemm.wait gives");
  if (view.getIndex() == kScalesOfB && lowering.bringsScalesOfB && !wait.getSlot())
    return view.emitOpError("expected a stage with the slot of the scales of B");
  return success();
}

static LogicalResult verifyOps(RingLowering &lowering) {
  auto verifyPosition = [](Operation *op, Value index) -> LogicalResult {
    if (!index)
      return op->emitOpError("expected the index of a stage; run dgemm-assign-stage-phase first");
    for (Operation *user : op->getUsers())
      if (!isa<ViewOp, LoadAsyncOp>(user))
        return user->emitOpError("expected a stage to be used by dgemm.load_async and dgemm.view only");
    return success();
  };
  for (Operation *user : lowering.ring.getRing().getUsers())
    if (!isa<AcquireOp, WaitOp, CommitOp, ReleaseOp>(user))
      return user->emitOpError(
          "expected a ring to be used by dgemm.acquire, dgemm.commit, dgemm.wait and dgemm.release "
          "only; dgemm-assign-stage-phase erases dgemm.skip");
  WalkResult result = lowering.roles.walk([&](Operation *op) -> WalkResult {
    return llvm::TypeSwitch<Operation *, LogicalResult>(op)
        .Case<AcquireOp, WaitOp, CommitOp, ReleaseOp>(
            [&](auto ringOp) { return verifyPosition(op, ringOp.getIndex()); })
        .Case([&](LoadAsyncOp load) { return verifyLoad(lowering, load); })
        .Case([&](ViewOp view) { return verifyView(lowering, view); })
        .Default(success());
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Ring operations
//===----------------------------------------------------------------------===//

namespace {

class OpLowering {
public:
  explicit OpLowering(RingLowering &lowering) : lowering(lowering), shared(lowering.shared) {}

  /// Waits until the stage is empty. Where one lane of a warp arrives for all, the lanes meet before it does. Otherwise
  /// a lane could fall one turn of the ring behind and miss a phase.
  void lower(NVVMBuilder &b, AcquireOp acquire) {
    b.waitParity(shared.emptyBarrier(b, acquire.getIndex()), b.bitXor(acquire.getParity(), b.i32(1)));
    if (lowering.leader && !lowering.hasCopies)
      NVVM::SyncWarpOp::create(b, b.i32(-1));
  }
  void lower(NVVMBuilder &b, WaitOp wait) {
    auto waitForStage = [&] { b.waitParity(shared.fullBarrier(b, wait.getIndex()), wait.getParity()); };
    wait.getCondition() ? b.when(wait.getCondition(), waitForStage) : waitForStage();
  }
  LogicalResult lower(NVVMBuilder &b, LoadAsyncOp load);
  void lower(NVVMBuilder &b, CommitOp commit);
  void lower(NVVMBuilder &b, ViewOp view);
  void lower(NVVMBuilder &b, ReleaseOp release);
  LogicalResult lower(NVVMBuilder &b, FetchOp fetch) { return fetched.lower(b, fetch); }
  void lower(NVVMBuilder &b, AwaitOp await) { fetched.lower(b, await); }
  /// The owner of tile 0 finds its barrier fresh, and waits for phases from that of tile 2 on.
  void lower(NVVMBuilder &b, AwaitTurnOp await) {
    Value number = b.toI32(await.getNumber()), owner = b.bitAnd(number, 1);
    Value isFirst = b.bitXor(owner, b.i32(1));
    Value parity = b.bitXor(b.bitAnd(b.shiftRight(number, 1), 1), isFirst);
    b.waitParity(shared.turnBarrier(b, owner), parity);
  }
  /// One lane of each warp arrives.
  void lower(NVVMBuilder &b, PassTurnOp pass) {
    Value next = b.bitAnd(b.add(b.toI32(pass.getNumber()), 1), 1);
    Value barrier = shared.turnBarrier(b, next);
    b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}),
           [&] { NVVM::MBarrierArriveOp::create(b, Type{}, barrier, Value{}); });
  }
  void lower(NVVMBuilder &b, PrefetchOp prefetch) { lowerPrefetch(lowering, b, prefetch); }

private:
  /// M as i32.
  Value getM(NVVMBuilder &b) {
    Value m = lowering.kernel.findSize("M");
    return m ? b.toI32(m) : b.i32(lowering.kernel.getSizes()[0]);
  }
  /// Bytes (i32) of the rows that the last tile along M does not load (getRowsOfLastTile).
  Value countClippedBytes(NVVMBuilder &b, TileType tile) {
    AffineExpr rows = getRowsOfLastTile(lowering.kernel, tile.getRows());
    if (auto known = dyn_cast<AffineConstantExpr>(rows))
      return b.i32((tile.getRows() - known.getValue()) * tile.getRowBytes());
    constexpr int64_t kAtomRows = hopper::kSwizzleAtom / hopper::kSwizzleBytes;
    Value last = arith::RemUIOp::create(b, b.add(getM(b), -1), b.i32(tile.getRows()));
    // Whole swizzle atoms after the one with the last row.
    Value atoms = arith::SubIOp::create(b, b.i32(tile.getRows() / kAtomRows - 1),
                                        arith::DivUIOp::create(b, last, b.i32(kAtomRows)));
    return b.mul(atoms, kAtomRows * tile.getRowBytes());
  }
  /// Loads a tile through the tensor map of whole tiles. If it is the last tile along M and its rows are clipped, loads
  /// it through the map of the last tile.
  LogicalResult loadTile(NVVMBuilder &b, LoadAsyncOp load, Value stage);

  RingLowering &lowering;
  const SharedMemory &shared;
  FetchedRows fetched{lowering};
  /// Bytes (i32) that the current stage does not load because rows are clipped; null if there are none.
  Value clippedBytes;
};

LogicalResult OpLowering::lower(NVVMBuilder &b, LoadAsyncOp load) {
  auto acquire = load.getStage().getDefiningOp<AcquireOp>();
  Value stage = acquire.getIndex();
  if (isBy(load, MovementKind::CpAsync)) {
    copyBlockScales(lowering, b, load, acquire.getSlot(), shared.fullBarrier(b, stage));
    return success();
  }
  if (isBy(load, MovementKind::Registers)) {
    copyTile(lowering, b, load, stage);
    return success();
  }
  Value isFew = load.getMovement()->getFewRows() ? hasFewRows(lowering, b) : Value();
  if (!isFew)
    return loadTile(b, load, stage);
  Value map = findTensorMap(load);
  if (!map)
    return failure();
  auto copyFew = [&](NVVMBuilder &b) {
    lowering.onOneThread(b, [&] {
      copyScalesOfFewRows(lowering, b, load, shared.tileAddress(b, stage, kScalesOfA), shared.fullBarrier(b, stage));
    });
  };
  if (matchPattern(isFew, m_One())) {
    copyFew(b);
    return success();
  }
  auto choice = scf::IfOp::create(b, isFew, /*withElseRegion=*/true);
  NVVMBuilder copy(load.getLoc(), choice.thenBlock()->getTerminator());
  copyFew(copy);
  NVVMBuilder byTMA(load.getLoc(), choice.elseBlock()->getTerminator());
  lowering.onOneThread(
      byTMA, [&] { NVVM::MBarrierArriveOp::create(byTMA, Type{}, shared.fullBarrier(byTMA, stage), Value{}); });
  loadByTMA(lowering, byTMA, load, map, stage);
  return success();
}

LogicalResult OpLowering::loadTile(NVVMBuilder &b, LoadAsyncOp load, Value stage) {
  bool clips = load.getMovement()->getClipRows();
  Value whole = hasWholeTiles(load) ? findTensorMap(load) : Value(), last = clips ? findLastTileMap(load) : Value();
  if ((hasWholeTiles(load) && !whole) || (clips && !last))
    return failure();
  if (!clips) {
    loadByTMA(lowering, b, load, whole, stage);
    return success();
  }
  TileType tile = lowering.getType().getStage().getTiles()[load.getIndex()];
  // Computed before the loops, because each K block of the last tile needs it.
  NVVMBuilder start(load.getLoc(), load.getContext());
  start.setInsertionPointToStart(&lowering.roles.getProducer().front());
  clippedBytes = countClippedBytes(start, tile);
  if (!whole) {
    loadByTMA(lowering, b, load, last, stage);
    return success();
  }
  Value row = load.getOffsets().drop_back().back(); // the group of a batch comes before the row
  Value end = b.add(b.toI32(row), tile.getRows());
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, end, getM(b));
  clippedBytes = arith::SelectOp::create(b, isLast, clippedBytes, b.i32(0));
  auto choice = scf::IfOp::create(b, isLast, /*withElseRegion=*/true);
  NVVMBuilder byLast(load.getLoc(), choice.thenBlock()->getTerminator());
  loadByTMA(lowering, byLast, load, last, stage);
  NVVMBuilder byWhole(load.getLoc(), choice.elseBlock()->getTerminator());
  loadByTMA(lowering, byWhole, load, whole, stage);
  return success();
}

/// Arms the full barrier with the bytes that are on their way. The phase cannot complete before, because it waits for
/// this arrival. If tiles are copied without TMA, a fence makes what each thread has written visible to wgmma (PTX ISA
/// 9.0, fence.proxy.async), and then the thread arrives.
void OpLowering::lower(NVVMBuilder &b, CommitOp commit) {
  Value barrier = shared.fullBarrier(b, commit.getIndex());
  if (lowering.hasCopies) {
    NVVM::FenceProxyOp::create(b, NVVM::ProxyKind::async_shared,
                               NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
    NVVM::MBarrierArriveOp::create(b, Type{}, barrier, Value{});
  }
  lowering.onOneThread(b, [&] {
    Value expected = b.i32(lowering.bytes);
    if (Value isFew = hasFewRows(lowering, b)) {
      int64_t scales = lowering.getType().getStage().getTiles()[kScalesOfA].getByteSize();
      expected = b.createOrFold<arith::SelectOp>(isFew, b.i32(lowering.bytes - scales), expected);
    }
    if (clippedBytes)
      expected = b.createOrFold<arith::SubIOp>(expected, std::exchange(clippedBytes, Value()));
    NVVM::MBarrierArriveExpectTxOp::create(b, Type{}, barrier, expected, NVVM::MemScopeKind::CTA,
                                           /*relaxed=*/false, Value{});
  });
}

void OpLowering::lower(NVVMBuilder &b, ViewOp view) {
  TileType tile = view.getTile().getType();
  int64_t bytes = tile.getRows() == 1 ? tile.getElementType().getIntOrFloatBitWidth() / 8 : tile.getRowBytes();
  auto wait = view.getStage().getDefiningOp<WaitOp>();
  bool isOfSlot = view.getIndex() == kScalesOfB && lowering.bringsScalesOfB;
  Value base = isOfSlot ? shared.blockScaleAddress(b, wait.getSlot(), tile.getColumns())
                        : shared.tileAddress(b, wait.getIndex(), view.getIndex());
  Value address = b.offsetPointer(base, b.mul(b.toI32(view.getOffset()), bytes));
  view.replaceAllUsesWith(Value(TileAtOp::create(b, tile, address)));
}

/// One lane of each warp arrives, here and at the CTAs that write to this stage. Every warp must arrive, because its
/// own wait does not tell whether the other warps have read the stage.
void OpLowering::lower(NVVMBuilder &b, ReleaseOp release) {
  Value barrier = shared.emptyBarrier(b, release.getIndex());
  b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}), [&] {
    NVVM::MBarrierArriveOp::create(b, Type{}, barrier, Value{});
    auto arriveAt = [&](int64_t rankBit) {
      Value peer = b.bitXor(b.clusterRank(), b.i32(rankBit));
      Value remote = NVVM::MapaOp::create(b, b.clusterPointerType(), barrier, peer);
      NVVM::MBarrierArriveOp::create(b, Type{}, remote, Value{});
    };
    if (lowering.clusterN > 1)
      arriveAt(1);
    if (lowering.clusterM > 1)
      arriveAt(lowering.clusterN);
  });
}

} // namespace

/// Rewrites the ops of a role. The ops that define stages are erased last, because loads and views use them.
static LogicalResult lowerRole(RingLowering &lowering, Region &role) {
  OpLowering ops(lowering);
  SmallVector<Operation *> stages, found;
  role.walk<WalkOrder::PreOrder>([&](Operation *op) { found.push_back(op); });
  for (Operation *op : found) {
    NVVMBuilder b(op->getLoc(), op);
    if (isa<AcquireOp, WaitOp>(op)) {
      stages.push_back(op);
      TypeSwitch<Operation *>(op).Case<AcquireOp, WaitOp>([&](auto stage) { ops.lower(b, stage); });
      continue;
    }
    bool isLowered = true;
    TypeSwitch<Operation *>(op)
        .Case<LoadAsyncOp, FetchOp>([&](auto copy) { isLowered = succeeded(ops.lower(b, copy)); })
        .Case<CommitOp, ViewOp, ReleaseOp, AwaitOp, AwaitTurnOp, PassTurnOp, PrefetchOp>(
            [&](auto other) { ops.lower(b, other); })
        .Default([&](Operation *) { op = nullptr; });
    if (!isLowered)
      return failure();
    if (op)
      op->erase();
  }
  for (Operation *stage : stages)
    stage->erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

/// Waits for the previous kernel. Up to this point, only L2 prefetches have touched the operands. LLVM's intrinsic does
/// not say that memory changes during the wait, so an empty asm says it.
static void waitForKernelBefore(NVVMBuilder &b) {
  NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait);
  LLVM::InlineAsmOp::create(b, Type{}, ValueRange{}, "", "~{memory}", /*has_side_effects=*/true,
                            /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{},
                            ArrayAttr{});
}

static void createLeader(RingLowering &lowering) {
  NVVMBuilder b(lowering.kernel.getLoc(), lowering.kernel.getContext());
  b.setInsertionPointToStart(&lowering.roles.getProducer().front());
  if (lowering.hasCopies)
    lowering.leader = b.isFirstOfWarpgroup();
  else if (lowering.getThreads() > 1)
    lowering.leader = NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{});
}

static LogicalResult lowerKernel(KernelOp kernel) {
  auto rings = llvm::to_vector(kernel.getBody().getOps<RingOp>());
  auto roles = llvm::to_vector(kernel.getBody().getOps<WarpSpecializeOp>());
  if (rings.size() != 1 || roles.size() != 1)
    return kernel.emitOpError("expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first");
  RingLowering lowering(kernel, rings.front(), roles.front());
  if (failed(verifyOps(lowering)) || failed(createPrologue(lowering)))
    return failure();
  lowering.roles.setProducerThreads(lowering.getThreads());

  NVVMBuilder start(lowering.ring.getLoc(), lowering.ring);
  int64_t readers = lowering.clusterM + lowering.clusterN - 1;
  initBarriers(lowering, start, readers * kernel.getConfig().getTileWarpgroups() * hopper::kWarpgroupWarps,
               1 + lowering.getCopyingThreads());
  if (kernel.getPdl())
    waitForKernelBefore(start);
  createLeader(lowering);
  if (failed(lowerRole(lowering, lowering.roles.getProducer())) ||
      failed(lowerRole(lowering, lowering.roles.getConsumer())))
    return failure();
  if (lowering.isMulticast()) {
    // No CTA may end while others still arrive at its barriers.
    NVVMBuilder end(lowering.roles.getLoc(), kernel.getContext());
    end.setInsertionPointAfter(lowering.roles);
    end.clusterBarrier(UnitAttr());
  }
  lowering.ring.erase();
  return success();
}

namespace {
struct LowerRing : dgemm::impl::LowerRingPassBase<LowerRing> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(lowerKernel(kernel)))
        return signalPassFailure();
  }
};
} // namespace
