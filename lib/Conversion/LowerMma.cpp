//===- LowerMma.cpp - dgemm.mma, dgemm.mma_start and dgemm.mma_wait -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// The wgmma descriptor of a K-major tile with 128-byte swizzle, `bytes` into its rows (PTX ISA 9.0, "Matrix Descriptor
/// Format"). Bits 0-13 hold start address / 16, which is what `tile` is lowered to. Bits 32-45 hold the stride between
/// groups of 8 rows, 1024 bytes / 16. Bits 62-63 hold layout 1 (128-byte swizzle). The leading-dimension offset is not
/// used in this layout.
Value createDescriptor(NVVMBuilder &b, Value tile, int64_t bytes) {
  constexpr uint64_t kHigh = (uint64_t(1) << 62) | (uint64_t(hopper::kSwizzleAtom >> 4) << 32);
  Value wide = arith::ExtUIOp::create(b, b.getI64Type(), b.add(tile, bytes >> 4));
  return arith::OrIOp::create(b, wide, arith::ConstantOp::create(b, b.getI64IntegerAttr(kHigh)));
}

NVVM::WGMMATypes getWGMMAType(TileType tile) {
  return isa<Float8E5M2Type>(tile.getElementType()) ? NVVM::WGMMATypes::e5m2 : NVVM::WGMMATypes::e4m3;
}

/// Creates a fence, the wgmmas over the depth of the tiles, and a commit. The result is complete only after a wait. The
/// wgmmas add to `sum`. If `sum` is null, they start from zero, in the registers of `over` if that is not null.
Value startMma(NVVMBuilder &b, Value lhs, Value rhs, Value over, Value sum, Type fragment, TileType lhsType,
               TileType rhsType) {
  int64_t columns = rhsType.getRows(), depth = lhsType.getColumns();
  auto shape = NVVM::MMAShapeAttr::get(b.getContext(), hopper::kWgmmaM, columns, hopper::kWgmmaK);
  Value acc = sum ? sum : over ? over : Value(LLVM::UndefOp::create(b, fragment));
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (int64_t k = 0; k < depth; k += hopper::kWgmmaK)
    acc = NVVM::WgmmaMmaAsyncOp::create(b, fragment, acc, createDescriptor(b, lhs, k), createDescriptor(b, rhs, k),
                                        shape, getWGMMAType(lhsType), getWGMMAType(rhsType), NVVM::WGMMATypes::f32,
                                        k || sum ? NVVM::WGMMAScaleOut::one : NVVM::WGMMAScaleOut::zero,
                                        NVVM::WGMMAScaleIn::one, NVVM::WGMMAScaleIn::one, NVVM::MMALayout::row,
                                        NVVM::MMALayout::col, NVVM::MMAIntOverflowAttr{});
  NVVM::WgmmaGroupSyncAlignedOp::create(b);
  return acc;
}

/// dgemm.mma and dgemm.mma_start.
template <typename OpTy>
struct LowerMma : OpConversionPattern<OpTy> {
  using OpConversionPattern<OpTy>::OpConversionPattern;
  LogicalResult matchAndRewrite(OpTy op, typename OpTy::Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    FragType type = op.getResult().getType();
    Type fragment = this->getTypeConverter()->convertType(type);
    if (!fragment)
      return rewriter.notifyMatchFailure(op, "expected a fragment of 64 rows");
    // LLVM would write the zeros of a sum that starts here after the fence. Between the fence and the wgmma, nothing
    // else may touch these registers.
    bool startsSum = op.getAcc() && op.getAcc().template getDefiningOp<ZeroOp>();
    Value result =
        startMma(b, adaptor.getLhs(), adaptor.getRhs(), adaptor.getOver(), startsSum ? Value() : adaptor.getAcc(),
                 fragment, op.getLhs().getType(), op.getRhs().getType());
    if constexpr (std::is_same_v<OpTy, MmaOp>) {
      NVVM::WgmmaWaitGroupSyncOp::create(b, 0);
      result = createAccumulatorFence(b, result);
    }
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct LowerMmaWait : OpConversionPattern<MmaWaitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MmaWaitOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    NVVM::WgmmaWaitGroupSyncOp::create(b, op.getPending());
    rewriter.replaceOp(op, createAccumulatorFence(b, adaptor.getStarted()));
    return success();
  }
};

struct LowerMmaWaitReads : OpConversionPattern<MmaWaitReadsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MmaWaitReadsOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::WgmmaWaitGroupSyncOp>(op, op.getPending());
    return success();
  }
};

} // namespace

void dgemm::populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMma<MmaOp>, LowerMma<MmaStartOp>, LowerMmaWait, LowerMmaWaitReads>(converter,
                                                                                       patterns.getContext());
}
