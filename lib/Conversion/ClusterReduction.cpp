//===- ClusterReduction.cpp - K divided between the CTAs of a cluster -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each CTA sums some columns of the tile. The threads that hold the same rows in all CTAs exchange their values: thread
// t writes 16 bytes, its four values of 8 columns, to where thread t of the other CTA reads them, so that a warp always
// moves 512 contiguous bytes. Data and signal are one instruction, st.async: a barrier of the cluster, or a remote
// arrive, with release semantics would put a MEMBAR.ALL.GPU behind the last byte.
//
// received[s] (64 rows s of the tile) completes a phase when all that this CTA is sent of a tile has landed. drained[s]
// completes one when all warps of the other CTAs have read what this one sent them of the tile before; it is waited for
// before the next is sent. A CTA arrives there only when it begins another tile, and so do all of its cluster; hence
// nothing is written to a CTA that may have ended.
//
//===----------------------------------------------------------------------===//

#include "ClusterReduction.h"
#include "TMALowering.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// How the columns of a fragment are divided, in groups of 8.
struct Split {
  int64_t ctas, groups, each;

  Split(FragType frag, int64_t ctas)
      : ctas(ctas), groups(frag.getColumns() / hopper::kWgmmaNStep),
        each(getSplitColumns(frag.getColumns(), ctas) / hopper::kWgmmaNStep) {}
  bool isEven() const { return each * ctas == groups; }
  /// Bytes from one sender.
  int64_t getBytes() const { return getSplitBytes(groups * hopper::kWgmmaNStep, ctas); }
  /// Groups that the CTA of rank `rank` sums, i32.
  Value getGroupsOf(NVVMBuilder &b, Value rank) const {
    if (isEven())
      return b.i32(each);
    Value left = arith::SubIOp::create(b, b.i32(groups), b.mul(rank, each));
    return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, left, b.i32(each)), b.i32(0));
  }
};

/// Bytes that a thread moves at a time, and a warpgroup.
constexpr int64_t kThreadBytes = 16;
constexpr int64_t kGroupBytes = kThreadBytes * hopper::kWarpgroupThreads;

/// The place of `pointer` in the CTA of rank `rank` (i32).
Value mapToCTA(NVVMBuilder &b, Value pointer, Value rank) {
  return NVVM::MapaOp::create(b, b.clusterPointerType(), pointer, rank);
}

//===----------------------------------------------------------------------===//
// dgemm.reduce_cluster
//===----------------------------------------------------------------------===//

/// Rewrites the sums of one tile loop.
class ReductionLowering {
public:
  ReductionLowering(TMALowering &lowering, Value warpgroup, MutableArrayRef<ReduceClusterOp> slices)
      : lowering(lowering), warpgroup(warpgroup), slices(slices) {}

  void lower();

private:
  /// Index of a 64-row slice of this warpgroup in the tile, i32.
  Value getSlice(NVVMBuilder &b, size_t index) { return b.add(b.mul(b.toI32(warpgroup), slices.size()), index); }
  void arriveDrained(NVVMBuilder &b);
  void lower(ReduceClusterOp op, size_t index, Value round);

  TMALowering &lowering;
  Value warpgroup;
  MutableArrayRef<ReduceClusterOp> slices;
};

/// One lane of each warp tells all other CTAs that the warp has read what they sent.
void ReductionLowering::arriveDrained(NVVMBuilder &b) {
  int64_t ctas = lowering.kernel.getConfig().getSplitK();
  b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}), [&] {
    Value rank = b.clusterRank();
    for (int64_t i = 1; i < ctas; ++i) {
      Value next = b.add(rank, i);
      Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, next, b.i32(ctas));
      Value peer = arith::SelectOp::create(b, wraps, b.add(next, -ctas), next);
      for (size_t slice = 0; slice < slices.size(); ++slice)
        NVVM::MBarrierArriveOp::create(b, Type{}, mapToCTA(b, lowering.drainedBarrier(b, getSlice(b, slice)), peer),
                                       Value{});
    }
  });
}

/// Bytes that the CTA receives of 64 rows.
Value getReceivedBytes(NVVMBuilder &b, const Split &split) {
  return b.mul(split.getGroupsOf(b, b.clusterRank()), kGroupBytes * (split.ctas - 1));
}

void ReductionLowering::lower(ReduceClusterOp op, size_t index, Value round) {
  NVVMBuilder b(op.getLoc(), op);
  FragType frag = op.getValue().getType();
  Split split(frag, op.getSplit());
  Value slice = getSlice(b, index), parity = b.bitAnd(round, 1);
  Value received = lowering.receivedBarrier(b, slice);
  Value buffer = b.offsetPointer(
      lowering.shared, b.add(b.mul(slice, (split.ctas - 1) * split.getBytes()), lowering.layout.outputOffset));
  b.waitParity(lowering.drainedBarrier(b, slice), b.bitXor(parity, b.i32(1)));
  b.when(b.isFirstOfWarpgroup(), [&] {
    NVVM::MBarrierArriveExpectTxOp::create(b, Type{}, received, getReceivedBytes(b, split), NVVM::MemScopeKind::CTA,
                                           /*relaxed=*/false, Value{});
  });
  SendFragmentOp::create(b, op.getValue(), buffer, received, op.getSplit());
  b.waitParity(received, parity);
  Value sum = AddReceivedOp::create(b, op.getSum().getType(), op.getValue(), buffer, op.getSplit());
  Value column = b.toIndex(b.mul(b.clusterRank(), op.getSum().getType().getColumns()));
  op.replaceAllUsesWith(ValueRange{sum, column});
  op.erase();
}

void ReductionLowering::lower() {
  ReduceClusterOp first = slices.front();
  NVVMBuilder b(first.getLoc(), first);
  auto tiles = first->getParentOfType<ForEachTileOp>();
  b.setInsertionPoint(tiles);
  Value zero = b.i32(0);
  auto countTile = [](OpBuilder &builder, Location loc, ArrayRef<BlockArgument> args) -> SmallVector<Value> {
    return {NVVMBuilder(loc, builder).add(args.front(), 1)};
  };
  IRRewriter rewriter(b.getContext());
  LoopLikeOpInterface loop =
      *tiles.replaceWithAdditionalYields(rewriter, zero, /*replaceInitOperandUsesInLoop=*/false, countTile);
  Value round = loop.getRegionIterArgs().back();
  b.setInsertionPointToStart(&loop.getLoopRegions().front()->front());
  Value isLater = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, round, zero);
  b.when(isLater, [&] { arriveDrained(b); });
  for (auto [index, slice] : llvm::enumerate(slices))
    lower(slice, index, round);
}

//===----------------------------------------------------------------------===//
// Values of a thread
//===----------------------------------------------------------------------===//

/// Where this thread's values lie in a group, in bytes.
Value getThreadOffset(NVVMBuilder &b, Value thread) {
  return b.mul(b.bitAnd(thread, hopper::kWarpgroupThreads - 1), kThreadBytes);
}

struct LowerSendFragment : OpConversionPattern<SendFragmentOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SendFragmentOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    Split split(op.getValue().getType(), op.getSplit());
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    Value thread = b.threadIndexHere();
    Value rank = b.clusterRank(), offset = getThreadOffset(b, thread);
    SmallVector<Value> places, barriers;
    for (int64_t cta = 0; cta < split.ctas; ++cta) {
      Value isBehind = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, rank, b.i32(cta));
      Value place = arith::SubIOp::create(b, rank, arith::ExtUIOp::create(b, b.getI32Type(), isBehind));
      Value own = b.offsetPointer(op.getBuffer(), b.add(b.mul(place, split.getBytes()), offset));
      places.push_back(addressIn(b, own, cta));
      barriers.push_back(addressIn(b, op.getBarrier(), cta));
    }
    // In turn, so that no CTA gets it all at once.
    for (int64_t group = 0; group < split.each; ++group)
      for (int64_t cta = 0; cta < split.ctas && cta * split.each + group < split.groups; ++cta)
        send(b, ArrayRef(values).slice(4 * (cta * split.each + group), 4), b.add(places[cta], group * kGroupBytes),
             barriers[cta], rank, cta);
    rewriter.eraseOp(op);
    return success();
  }

private:
  static Value addressIn(NVVMBuilder &b, Value pointer, int64_t cta) {
    return b.addressOf(mapToCTA(b, pointer, b.i32(cta)));
  }
  /// Four f32 to `address`, and their bytes to `barrier`, both of the CTA of rank `cta`; nothing if that is `rank`.
  static void send(NVVMBuilder &b, ArrayRef<Value> values, Value address, Value barrier, Value rank, int64_t cta) {
    SmallVector<Value> operands = {address, barrier, rank};
    llvm::append_range(operands, values);
    LLVM::InlineAsmOp::create(b, Type{}, operands,
                              "{\n\t.reg .pred p;\n\tsetp.ne.s32 p, $2, " + std::to_string(cta) +
                                  ";\n\t@p st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [$0], "
                                  "{$3, $4, $5, $6}, [$1];\n\t}",
                              "r,r,r,f,f,f,f,~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
                              LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{}, ArrayAttr{});
  }
};

struct LowerAddReceived : OpConversionPattern<AddReceivedOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(AddReceivedOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    Split split(op.getValue().getType(), op.getSplit());
    Value rank = b.clusterRank(), thread = b.threadIndexHere();
    SmallVector<Value> sums = selectOwn(b, split, unpack(b, adaptor.getValue()), rank);
    Value buffer = b.offsetPointer(op.getBuffer(), getThreadOffset(b, thread));
    if (split.isEven()) {
      addGroups(b, split, buffer, 0, sums);
    } else {
      Value groups = split.getGroupsOf(b, rank);
      for (int64_t group = 0; group < split.each; ++group) {
        Value isOwn = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, groups, b.i32(group));
        addGroupsWhere(b, isOwn, split, buffer, group, MutableArrayRef(sums).slice(4 * group, 4));
      }
    }
    rewriter.replaceOp(op, pack(b, sums));
    return success();
  }

private:
  /// This CTA's own part of its columns: registers have no index.
  static SmallVector<Value> selectOwn(NVVMBuilder &b, const Split &split, ArrayRef<Value> values, Value rank) {
    SmallVector<Value> own(values.take_front(4 * split.each));
    for (int64_t cta = 1; cta < split.ctas; ++cta) {
      Value isThis = b.equal(rank, cta);
      for (size_t i = 0; i < own.size() && 4 * cta * split.each + i < values.size(); ++i)
        own[i] = arith::SelectOp::create(b, isThis, values[4 * cta * split.each + i], own[i]);
    }
    return own;
  }

  /// Adds to `sums`, the values of the groups from `first` on, what all others have sent.
  static void addGroups(NVVMBuilder &b, const Split &split, Value buffer, int64_t first, MutableArrayRef<Value> sums) {
    for (int64_t place = 0; place + 1 < split.ctas; ++place)
      for (size_t i = 0; i < sums.size(); i += 4) {
        Value address = b.offsetPointer(buffer, b.i32(place * split.getBytes() + (first + i / 4) * kGroupBytes));
        Value part = LLVM::LoadOp::create(b, VectorType::get(4, b.getF32Type()), address, /*alignment=*/kThreadBytes);
        for (size_t v = 0; v < 4; ++v)
          sums[i + v] = LLVM::FAddOp::create(b, sums[i + v], LLVM::ExtractElementOp::create(b, part, b.i32(v)));
      }
  }

  static void addGroupsWhere(NVVMBuilder &b, Value condition, const Split &split, Value buffer, int64_t first,
                             MutableArrayRef<Value> sums) {
    SmallVector<Type> types(sums.size(), b.getF32Type());
    auto branch = scf::IfOp::create(b, types, condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(branch.elseBlock());
    scf::YieldOp::create(b, ValueRange(ArrayRef<Value>(sums)));
    b.setInsertionPointToEnd(branch.thenBlock());
    addGroups(b, split, buffer, first, sums);
    scf::YieldOp::create(b, ValueRange(ArrayRef<Value>(sums)));
    llvm::copy(branch.getResults(), sums.begin());
  }
};

} // namespace

void dgemm::initReductionBarriers(TMALowering &lowering, NVVMBuilder &b, Value slice) {
  int64_t senderWarps = (lowering.kernel.getConfig().getSplitK() - 1) * hopper::kWarpgroupWarps;
  NVVM::MBarrierInitOp::create(b, lowering.receivedBarrier(b, slice), b.i32(1), Value{});
  NVVM::MBarrierInitOp::create(b, lowering.drainedBarrier(b, slice), b.i32(senderWarps), Value{});
}

void dgemm::lowerReductions(TMALowering &lowering, WarpSpecializeOp roles) {
  SmallVector<ReduceClusterOp> slices;
  roles.getConsumer().walk([&](ReduceClusterOp op) { slices.push_back(op); });
  if (slices.empty())
    return;
  // Before anything is sent all CTAs must have initialised their barriers.
  NVVMBuilder b(roles.getLoc(), roles.getContext());
  b.setInsertionPointToStart(&roles.getConsumer().front());
  NVVM::ClusterWaitOp::create(b, b.getUnitAttr());
  ReductionLowering(lowering, roles.getWarpgroup(), slices).lower();
}

void dgemm::populateClusterReductionPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerSendFragment, LowerAddReceived>(converter, patterns.getContext());
}

/// Rank r of S takes the blocks from floor(r * blocks / S) on.
void dgemm::lowerKRange(KRangeOp op) {
  NVVMBuilder b(op.getLoc(), op);
  Value block = b.index(kScaleBlock), split = b.index(op.getSplit());
  Value blocks = arith::DivUIOp::create(b, b.add(op.getK(), b.index(kScaleBlock - 1)), block);
  Value rank = b.toIndex(b.clusterRank());
  auto beginOf = [&](Value position) -> Value {
    Value first = arith::DivUIOp::create(b, arith::MulIOp::create(b, position, blocks), split);
    return arith::MulIOp::create(b, first, block);
  };
  Value begin = beginOf(rank), end = beginOf(b.add(rank, b.index(1)));
  op.replaceAllUsesWith(ValueRange{begin, end});
  op.erase();
}
