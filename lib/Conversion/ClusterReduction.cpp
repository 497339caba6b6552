//===- ClusterReduction.cpp - K divided between the CTAs of a cluster -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each CTA sums some columns of the tile. The threads that hold the same rows in all CTAs exchange their values. Thread
// t writes 16 bytes, its four values of 8 columns, to the place from which thread t of the other CTA reads them, so a
// warp always moves 512 contiguous bytes. Data and signal are one instruction, st.async. A cluster barrier or a remote
// arrive with release semantics would put a MEMBAR.ALL.GPU behind the last byte.
//
//===----------------------------------------------------------------------===//

#include "ClusterReduction.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

Value ColumnSplit::getGroupsOf(NVVMBuilder &b, Value rank) const {
  if (isEven())
    return b.i32(each);
  Value left = arith::SubIOp::create(b, b.i32(groups), b.mul(rank, each));
  return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, left, b.i32(each)), b.i32(0));
}

namespace {

//===----------------------------------------------------------------------===//
// Values of a thread
//===----------------------------------------------------------------------===//

/// Byte offset of the values of `thread` in a group.
Value getThreadOffset(NVVMBuilder &b, Value thread) {
  return b.mul(b.bitAnd(thread, hopper::kWarpgroupThreads - 1), kSentThreadBytes);
}

struct LowerSendFragment : OpConversionPattern<SendFragmentOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(SendFragmentOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    ColumnSplit split(op.getValue().getType(), op.getSplit());
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
    // Send to the CTAs in turn, so that no CTA receives everything at once.
    for (int64_t group = 0; group < split.each; ++group)
      for (int64_t cta = 0; cta < split.ctas && cta * split.each + group < split.groups; ++cta)
        send(b, ArrayRef(values).slice(4 * (cta * split.each + group), 4), b.add(places[cta], group * kSentGroupBytes),
             barriers[cta], rank, cta);
    rewriter.eraseOp(op);
    return success();
  }

private:
  static Value addressIn(NVVMBuilder &b, Value pointer, int64_t cta) {
    return b.addressOf(mapToCTA(b, pointer, b.i32(cta)));
  }
  /// Sends four f32 to `address` and signals their bytes to `barrier`, both in the CTA of rank `cta`. Sends nothing if
  /// `cta` is `rank`, the rank of this CTA.
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
    ColumnSplit split(op.getValue().getType(), op.getSplit());
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
  /// The values of the columns that this CTA sums. Registers cannot be indexed by the rank, so selects choose them.
  static SmallVector<Value> selectOwn(NVVMBuilder &b, const ColumnSplit &split, ArrayRef<Value> values, Value rank) {
    SmallVector<Value> own(values.take_front(4 * split.each));
    for (int64_t cta = 1; cta < split.ctas; ++cta) {
      Value isThis = b.equal(rank, cta);
      for (size_t i = 0; i < own.size() && 4 * cta * split.each + i < values.size(); ++i)
        own[i] = arith::SelectOp::create(b, isThis, values[4 * cta * split.each + i], own[i]);
    }
    return own;
  }

  /// Adds what all other CTAs have sent to `sums`, the values of the groups from `first` on.
  static void addGroups(NVVMBuilder &b, const ColumnSplit &split, Value buffer, int64_t first,
                        MutableArrayRef<Value> sums) {
    for (int64_t place = 0; place + 1 < split.ctas; ++place)
      for (size_t i = 0; i < sums.size(); i += 4) {
        Value address = b.offsetPointer(buffer, b.i32(place * split.getBytes() + (first + i / 4) * kSentGroupBytes));
        Value part =
            LLVM::LoadOp::create(b, VectorType::get(4, b.getF32Type()), address, /*alignment=*/kSentThreadBytes);
        for (size_t v = 0; v < 4; ++v)
          sums[i + v] = LLVM::FAddOp::create(b, sums[i + v], LLVM::ExtractElementOp::create(b, part, b.i32(v)));
      }
  }

  static void addGroupsWhere(NVVMBuilder &b, Value condition, const ColumnSplit &split, Value buffer, int64_t first,
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

void dgemm::populateClusterReductionPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerSendFragment, LowerAddReceived>(converter, patterns.getContext());
}

/// Rank r of S takes the K blocks from floor(r * blocks / S) to floor((r + 1) * blocks / S), exclusive.
void dgemm::lowerKRange(KRangeOp op) {
  NVVMBuilder b(op.getLoc(), op);
  int64_t blockK = op->getParentOfType<KernelOp>().getConfig().getBlockK();
  Value block = b.index(blockK), split = b.index(op.getSplit());
  Value blocks = arith::DivUIOp::create(b, b.add(op.getK(), b.index(blockK - 1)), block);
  Value rank = b.toIndex(b.clusterRank());
  auto beginOf = [&](Value position) -> Value {
    Value first = arith::DivUIOp::create(b, arith::MulIOp::create(b, position, blocks), split);
    return arith::MulIOp::create(b, first, block);
  };
  Value begin = beginOf(rank), end = beginOf(b.add(rank, b.index(1)));
  op.replaceAllUsesWith(ValueRange{begin, end});
  op.erase();
}
