//===- StoreFragments.cpp - dgemm.store_fragment, and dgemm.store from registers -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"

using namespace mlir;
using namespace dgemm;

namespace {

//===----------------------------------------------------------------------===//
// dgemm.store_fragment
//===----------------------------------------------------------------------===//

/// Where this lane's row of stmatrix lies in a panel: the byte offset of the panel row, and the index of the 16-byte
/// chunk, with the XOR of the swizzle. Lanes 8j to 8j+7 address matrix j (PTX ISA 9.0, stmatrix). Matrices 0 and 1 are
/// rows 0-7 and 8-15 of the warp's 16, and matrices 2 and 3 are the same rows of the next 8 columns.
struct StoreMatrixLane {
  Value rowOffset;
  Value chunk;

  static StoreMatrixLane get(NVVMBuilder &b, TileType tile) {
    Value thread = b.threadIndexHere();
    Value lane = b.bitAnd(thread, 31);
    Value warp = b.bitAnd(b.shiftRight(thread, 5), 3);
    Value row = b.add(b.shiftLeft(warp, 4), b.bitAnd(lane, 15));
    Value chunk = b.shiftRight(lane, 4);
    // A swizzle of W bytes permutes the W / 16 chunks of a row by (row * row bytes / 128) mod (W / 16).
    if (int64_t swizzle = tile.getSwizzle())
      chunk = b.bitXor(chunk, b.bitAnd(b.shiftRight(row, llvm::Log2_64(128 / swizzle)), swizzle / 16 - 1));
    return {b.mul(row, tile.getRowBytes()), chunk};
  }
};

struct LowerStoreFragment : OpConversionPattern<StoreFragmentOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(StoreFragmentOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    TileType tile = op.getTile().getType();
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    StoreMatrixLane lane = StoreMatrixLane::get(b, tile);
    auto shape = NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8);
    // Each step stores two 8-column groups, which are four 8x8 matrices. A panel of 8 columns has only two matrices.
    for (int64_t group = 0; group < tile.getColumns() / 8; group += 2) {
      SmallVector<Value> matrices;
      for (int64_t g = group; g < std::min(group + 2, tile.getColumns() / 8); ++g) {
        int64_t first = (static_cast<int64_t>(op.getColumn()) / 8 + g) * 4;
        matrices.push_back(packHalves(b, tile.getElementType(), values[first], values[first + 1]));
        matrices.push_back(packHalves(b, tile.getElementType(), values[first + 2], values[first + 3]));
      }
      Value chunk = matrices.size() == 4 ? b.bitXor(lane.chunk, b.i32(group)) : b.i32(0);
      Value address = b.offsetPointer(adaptor.getTile(), b.add(lane.rowOffset, b.shiftLeft(chunk, 4)));
      NVVM::StMatrixOp::create(b, address, matrices, NVVM::MMALayout::row, shape, NVVM::LdStMatrixEltType::B16);
    }
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// dgemm.store without TMA
//===----------------------------------------------------------------------===//

struct LowerStore : OpConversionPattern<StoreOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(StoreOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    OperandAccess access(b, op->getParentOfType<KernelOp>(), op.getDest());
    SmallVector<Value> values = unpack(b, adaptor.getValue()), indices(op.getOffsets());
    // The thread's first row and column (i64), and the ends of the rows and columns that it may write.
    Value thread = b.threadIndexHere();
    Value row =
        arith::AddIOp::create(b, access.toI64(indices[indices.size() - 2]), access.toI64(getFirstRow(b, thread)));
    Value column =
        arith::AddIOp::create(b, access.toI64(indices.back()), access.toI64(b.shiftLeft(b.bitAnd(thread, 3), 1)));
    Value limit = access.getExtent(1);
    if (op.getRows())
      limit = arith::MinUIOp::create(b, limit, access.toI64(op.getRows()));
    Value end = access.getExtent(0);
    if (op.getColumns())
      end = arith::MinUIOp::create(b, end, access.toI64(op.getColumns()));
    Value columns = arith::SubIOp::create(b, end, column);
    indices.back() = column;
    for (int64_t half = 0; half < 2; ++half) {
      Value own = half ? arith::AddIOp::create(b, row, i64(b, 8)) : row;
      indices[indices.size() - 2] = own;
      b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, own, limit),
             [&] { storeRow(b, access, op, values, half, access.getOffset(indices), columns); });
    }
    rewriter.eraseOp(op);
    return success();
  }

private:
  static Value i64(NVVMBuilder &b, int64_t value) { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); }

  /// Two adjacent elements of a row of D.
  static Value makePair(NVVMBuilder &b, Type element, Value low, Value high) {
    if (!element.isF32())
      return packHalves(b, element, low, high);
    Value pair = LLVM::UndefOp::create(b, VectorType::get(2, element));
    pair = LLVM::InsertElementOp::create(b, pair, low, b.i32(0));
    return LLVM::InsertElementOp::create(b, pair, high, b.i32(1));
  }
  static Value getLane(NVVMBuilder &b, Type element, Value pair, int64_t lane) {
    if (element.isF32())
      return LLVM::ExtractElementOp::create(b, pair, b.i32(lane));
    return LLVM::TruncOp::create(b, b.getI16Type(), b.shiftRight(pair, 16 * lane));
  }

  /// Adds `value` in memory, so that no thread waits for the old value (PTX ISA 9.0, red).
  static void addTo(NVVMBuilder &b, Type element, Value address, Value value, bool isPaired) {
    bool isF32 = element.isF32();
    std::string type = isF32 ? "f32" : element.isBF16() ? "bf16" : "f16", code = "red.global.add.";
    SmallVector<Value> operands = {address};
    if (isF32 && isPaired) {
      code += "v2.f32 [$0], {$1, $2};";
      for (int64_t lane = 0; lane < 2; ++lane)
        operands.push_back(getLane(b, element, value, lane));
    } else {
      code += (isF32 ? "" : "noftz.") + type + (isPaired ? "x2" : "") + " [$0], $1;";
      operands.push_back(value);
    }
    StringRef constraints = isF32 ? (isPaired ? "l,f,f" : "l,f") : isPaired ? "l,r" : "l,h";
    LLVM::InlineAsmOp::create(b, Type{}, operands, code, constraints, /*has_side_effects=*/true,
                              /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{},
                              ArrayAttr{});
  }

  /// Stores pairs of columns at once if rows and their ends are known to be even, else each column by itself.
  static void storeRow(NVVMBuilder &b, OperandAccess &access, StoreOp op, ArrayRef<Value> values, int64_t half,
                       Value offset, Value columns) {
    Type element = access.getGeometry().element;
    bool isPaired = access.getGeometry().getAccessBytes() >= 2 * access.getGeometry().getElementBytes();
    int64_t first = op.getFirstColumn() / 8, last = first + op.getNumColumns() / 8;
    for (int64_t i = first; i < last; ++i) {
      Value pair = makePair(b, element, values[4 * i + 2 * half], values[4 * i + 2 * half + 1]);
      for (int64_t lane = 0; lane < (isPaired ? 1 : 2); ++lane) {
        int64_t column = 8 * i + lane;
        Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, columns, i64(b, column));
        b.when(inside, [&] {
          Value value = isPaired ? pair : getLane(b, element, pair, lane);
          Value address = access.getAddress(arith::AddIOp::create(b, offset, i64(b, column)));
          if (op.getAccumulate())
            addTo(b, element, address, value, isPaired);
          else
            LLVM::StoreOp::create(b, value, address);
        });
      }
    }
  }
};

} // namespace

void dgemm::populateStoreFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerStoreFragment, LowerStore>(converter, patterns.getContext());
}
