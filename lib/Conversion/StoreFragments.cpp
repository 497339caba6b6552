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

/// The chunk of 16 bytes in which chunk `chunk` of a row lies. A swizzle of W bytes permutes the W / 16 chunks of a row
/// by (row * row bytes / 128) mod (W / 16).
static Value swizzleChunk(NVVMBuilder &b, TileType tile, Value row, Value chunk) {
  int64_t swizzle = tile.getSwizzle();
  if (!swizzle)
    return chunk;
  return b.bitXor(chunk, b.bitAnd(b.shiftRight(row, llvm::Log2_64(128 / swizzle)), swizzle / 16 - 1));
}

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
    Value chunk = swizzleChunk(b, tile, row, b.shiftRight(lane, 4));
    return {b.mul(row, tile.getRowBytes()), chunk};
  }
};

/// Writes a fragment of f32, two columns at a time. Lane L has columns 2 (L mod 4) and the next of rows L / 4 and
/// L / 4 + 8 of each group of 8 columns (PTX ISA 9.0, wgmma D fragment).
///
/// A half-warp writes 4 rows at once, 2 chunks of each. With the swizzle of 128 bytes, rows 2i and 2i + 1 would use
/// the same banks. So the odd row writes the groups of the panel in another order: 2, 3, 0, 1.
class StoreWords {
public:
  StoreWords(NVVMBuilder &b, TileType tile, Value address)
      : b(b), groups(tile.getColumns() / 8), alternates(groups == 4) {
    Value thread = b.threadIndexHere(), lane = b.bitAnd(thread, 31);
    Value row = b.add(b.shiftLeft(b.bitAnd(b.shiftRight(thread, 5), 3), 4), b.shiftRight(lane, 2));
    Value odd = b.bitAnd(row, 1);
    isOdd = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, odd, b.i32(0));
    chunk = b.bitAnd(b.shiftRight(lane, 1), 1);
    if (alternates)
      chunk = b.add(chunk, b.shiftLeft(odd, 2));
    chunk = swizzleChunk(b, tile, row, chunk);
    start = b.offsetPointer(address, b.add(b.mul(row, tile.getRowBytes()), b.shiftLeft(b.bitAnd(lane, 1), 3)));
    halfBytes = 8 * tile.getRowBytes();
  }

  /// `values` are those of the panel's columns.
  void store(ArrayRef<Value> values) {
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t group = 0; group < groups; ++group)
        storePair(group, half, select(values, group, half, 0), select(values, group, half, 1));
  }

private:
  Value select(ArrayRef<Value> values, int64_t group, int64_t half, int64_t lane) {
    auto get = [&](int64_t group) { return values[4 * group + 2 * half + lane]; };
    return alternates ? arith::SelectOp::create(b, isOdd, get(group ^ 2), get(group)).getResult() : get(group);
  }
  void storePair(int64_t group, int64_t half, Value low, Value high) {
    Value pair = LLVM::UndefOp::create(b, VectorType::get(2, b.getF32Type()));
    pair = LLVM::InsertElementOp::create(b, pair, low, b.i32(0));
    pair = LLVM::InsertElementOp::create(b, pair, high, b.i32(1));
    Value offset = b.add(b.shiftLeft(b.bitXor(chunk, b.i32(2 * group)), 4), half * halfBytes);
    LLVM::StoreOp::create(b, pair, b.offsetPointer(start, offset), /*alignment=*/8);
  }

  NVVMBuilder &b;
  int64_t groups;
  bool alternates;
  int64_t halfBytes;
  Value isOdd, chunk, start;
};

/// Writes a fragment as bytes of FP8, the pairs of columns of a thread one by one. The swizzle of 128 bytes puts the
/// same columns of 8 rows into different banks.
void storeBytes(NVVMBuilder &b, TileType tile, Type element, Value address, ArrayRef<Value> values) {
  Value thread = b.threadIndexHere(), row = getFirstRow(b, thread);
  Value start = b.offsetPointer(address, b.add(b.mul(row, tile.getRowBytes()), b.shiftLeft(b.bitAnd(thread, 3), 1)));
  Value chunk = swizzleChunk(b, tile, row, b.i32(0));
  for (int64_t group = 0; group < tile.getColumns() / 8; ++group) {
    Value offset = b.add(b.shiftLeft(b.bitXor(chunk, b.i32(group / 2)), 4), group % 2 * 8);
    for (int64_t half = 0; half < 2; ++half) {
      size_t first = 4 * group + 2 * half;
      LLVM::StoreOp::create(b, packBytes(b, element, values[first], values[first + 1]),
                            b.offsetPointer(start, b.add(offset, half * 8 * tile.getRowBytes())));
    }
  }
}

struct LowerStoreFragment : OpConversionPattern<StoreFragmentOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(StoreFragmentOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    TileType tile = op.getTile().getType();
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    if (tile.getElementType().isF32()) {
      ArrayRef<Value> own = ArrayRef(values).slice(op.getColumn() / 2, tile.getColumns() / 2);
      StoreWords(b, tile, adaptor.getTile()).store(own);
      rewriter.eraseOp(op);
      return success();
    }
    if (tile.getElementType().isInteger(8)) {
      ArrayRef<Value> own = ArrayRef(values).slice(op.getColumn() / 2, tile.getColumns() / 2);
      storeBytes(b, tile, op->getParentOfType<KernelOp>().getProblem().getOut(), adaptor.getTile(), own);
      rewriter.eraseOp(op);
      return success();
    }
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
    if (isFP8(element))
      return packBytes(b, element, low, high);
    if (!element.isF32())
      return packHalves(b, element, low, high);
    Value pair = LLVM::UndefOp::create(b, VectorType::get(2, element));
    pair = LLVM::InsertElementOp::create(b, pair, low, b.i32(0));
    return LLVM::InsertElementOp::create(b, pair, high, b.i32(1));
  }
  static Value getLane(NVVMBuilder &b, Type element, Value pair, int64_t lane) {
    if (element.isF32())
      return LLVM::ExtractElementOp::create(b, pair, b.i32(lane));
    if (isFP8(element)) {
      Value shift = LLVM::ConstantOp::create(b, b.getI16Type(), b.getI16IntegerAttr(8 * lane));
      return LLVM::TruncOp::create(b, b.getI8Type(), LLVM::LShrOp::create(b, pair, shift));
    }
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
