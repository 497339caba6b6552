//===- Fragments.cpp - Fragments in registers, and the tile loop that carries them -*- C++ -*-===//
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

//===----------------------------------------------------------------------===//
// Fragments
//
// Thread t of a warpgroup (w = t / 32, g = t % 32 / 4, q = t % 4) holds these values of a 64xN accumulator, i < N/8:
//   d[4i], d[4i+1]: row 16w + g, columns 8i + 2q and + 1;  d[4i+2], d[4i+3]: row 16w + g + 8, the same columns
// (PTX ISA 9.0, "Register Fragments and Shared Memory Matrix Layouts" of wgmma). For a 64x1 fragment,
// a thread holds the values of both its rows. For a 1xN fragment, d[2i], d[2i+1] are columns 8i + 2q and + 1.
//===----------------------------------------------------------------------===//

unsigned dgemm::getThreadValues(FragType frag) {
  if (frag.getRows() == 1)
    return frag.getColumns() / 4;
  return frag.getColumns() == 1 ? 2 : frag.getColumns() / 2;
}

bool dgemm::isMmaOperand(TileType tile) { return isa<Float8E4M3FNType, Float8E5M2Type>(tile.getElementType()); }

void dgemm::addFragmentConversions(TypeConverter &converter) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion([](FragType frag) -> std::optional<Type> {
    if (frag.getRows() != hopper::kWgmmaM && frag.getRows() != 1)
      return Type(); // a warpgroup cannot hold it
    SmallVector<Type> values(getThreadValues(frag), Float32Type::get(frag.getContext()));
    return LLVM::LLVMStructType::getLiteral(frag.getContext(), values);
  });
  converter.addConversion([](TileType tile) -> Type {
    if (isMmaOperand(tile))
      return IntegerType::get(tile.getContext(), 32);
    return LLVM::LLVMPointerType::get(tile.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
  });
}

SmallVector<Value> dgemm::unpack(NVVMBuilder &b, Value fragment) {
  SmallVector<Value> values;
  for (size_t i = 0, e = cast<LLVM::LLVMStructType>(fragment.getType()).getBody().size(); i < e; ++i)
    values.push_back(LLVM::ExtractValueOp::create(b, fragment, i));
  return values;
}

Value dgemm::pack(NVVMBuilder &b, ArrayRef<Value> values) {
  SmallVector<Type> types(values.size(), b.getF32Type());
  Value fragment = LLVM::UndefOp::create(b, LLVM::LLVMStructType::getLiteral(b.getContext(), types));
  for (auto [i, value] : llvm::enumerate(values))
    fragment = LLVM::InsertValueOp::create(b, fragment, value, i);
  return fragment;
}

Value dgemm::getFirstRow(NVVMBuilder &b, Value thread) {
  return b.add(b.shiftLeft(b.bitAnd(b.shiftRight(thread, 5), 3), 4), b.bitAnd(b.shiftRight(thread, 2), 7));
}

Value dgemm::createAccumulatorFence(NVVMBuilder &b, Value fragment) {
  SmallVector<Value> values = unpack(b, fragment);
  std::string constraints;
  for (size_t i = 0; i < values.size(); ++i)
    constraints += "=f,";
  for (size_t i = 0; i < values.size(); ++i)
    constraints += std::to_string(i) + ",";
  constraints.pop_back();
  return LLVM::InlineAsmOp::create(b, fragment.getType(), values, "", constraints, /*has_side_effects=*/true,
                                   /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                   LLVM::AsmDialectAttr{}, ArrayAttr{})
      .getResult(0);
}

Value dgemm::packHalves(NVVMBuilder &b, Type type, Value low, Value high) {
  if (type.isF16()) {
    Value pair = NVVM::ConvertF32x2ToF16x2Op::create(b, VectorType::get(2, b.getF16Type()), high, low, Value{},
                                                     NVVM::FPRoundingMode::RN);
    return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
  }
  Value pair = NVVM::ConvertF32x2ToBF16x2Op::create(b, VectorType::get(2, b.getBF16Type()), high, low, Value{},
                                                    NVVM::FPRoundingMode::RN);
  return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
}

Value dgemm::packBytes(NVVMBuilder &b, Type type, Value low, Value high) {
  return NVVM::ConvertF32x2ToF8x2Op::create(b, b.getI16Type(), high, low, NVVM::FPRoundingMode::RN,
                                            NVVM::SaturationMode::SATFINITE, /*relu=*/false, type);
}

namespace {

struct LowerZero : OpConversionPattern<ZeroOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(ZeroOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    Value zero = LLVM::ConstantOp::create(b, b.getF32Type(), b.getF32FloatAttr(0));
    rewriter.replaceOp(op, pack(b, SmallVector<Value>(getThreadValues(op.getResult().getType()), zero)));
    return success();
  }
};

struct LowerColumns : OpConversionPattern<ColumnsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(ColumnsOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    size_t first = op.getFirst() / 2, count = getThreadValues(op.getResult().getType());
    rewriter.replaceOp(op, pack(b, ArrayRef(values).slice(first, count)));
    return success();
  }
};

struct LowerTileAt : OpConversionPattern<TileAtOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(TileAtOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    if (!isMmaOperand(op.getTile().getType())) {
      rewriter.replaceOp(op, adaptor.getAddress());
      return success();
    }
    // The empty asm makes a K loop carry this value. The loop would otherwise carry the stage and compute the value
    // again while the tensor cores wait for it.
    Value low = b.shiftRight(b.addressOf(adaptor.getAddress()), 4);
    rewriter.replaceOpWithNewOp<LLVM::InlineAsmOp>(op, b.getI32Type(), low, "", "=r,0", /*has_side_effects=*/false,
                                                   /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                                   LLVM::AsmDialectAttr{}, ArrayAttr{});
    return success();
  }
};

//===----------------------------------------------------------------------===//
// dgemm.for_each_tile that carries fragments
//===----------------------------------------------------------------------===//

struct ConvertForEachTile : OpConversionPattern<ForEachTileOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(ForEachTileOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto loop = ForEachTileOp::create(rewriter, op.getLoc(), adaptor.getM(), adaptor.getN(), op.getLayout(),
                                      adaptor.getGroups(), op.getTile(), op.getGroupM(), op.getCluster(),
                                      adaptor.getInitArgs());
    // ForEachTileOp::create adds an empty block, because a loop that carries values is built without a terminator.
    rewriter.eraseBlock(&loop.getBody().front());
    rewriter.inlineRegionBefore(op.getBody(), loop.getBody(), loop.getBody().end());
    if (failed(rewriter.convertRegionTypes(&loop.getBody(), *getTypeConverter())))
      return failure();
    rewriter.replaceOp(op, loop.getResults());
    return success();
  }
};

struct ConvertYield : OpConversionPattern<YieldOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(YieldOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<YieldOp>(op, adaptor.getValues());
    return success();
  }
};

} // namespace

void dgemm::populateFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerZero, LowerColumns, LowerTileAt, ConvertForEachTile, ConvertYield>(converter,
                                                                                       patterns.getContext());
}
