//===- WGMMAPatterns.cpp - Fragments in registers, wgmma, promotion, stmatrix -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WGMMAPatterns.h"
#include "Addressing.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include <numeric>

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Fragments
//
// Thread t of a warpgroup (w = t / 32, g = t % 32 / 4, q = t % 4) holds of a 64xN accumulator, for i < N/8:
//   d[4i], d[4i+1]: row 16w + g, columns 8i + 2q and + 1;  d[4i+2], d[4i+3]: the same of row 16w + g + 8
// (PTX ISA 9.0, "Register Fragments and Shared Memory Matrix Layouts" of wgmma). A 64x1 fragment: both rows' values.
//===----------------------------------------------------------------------===//

static unsigned getThreadValues(FragType frag) { return frag.getColumns() == 1 ? 2 : frag.getColumns() / 2; }

/// Of a tile that wgmma reads only the descriptor is wanted; of any other the address.
static bool isMmaOperand(TileType tile) { return isa<Float8E4M3FNType>(tile.getElementType()); }

void dgemm::addFragmentConversions(TypeConverter &converter) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion([](FragType frag) -> std::optional<Type> {
    if (frag.getRows() != hopper::kWgmmaM)
      return Type(); // no warpgroup holds it
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

/// The values of a thread that belong to one of its rows: pairs alternate between the two.
static int64_t rowOfValue(int64_t value) { return value / 2 % 2; }

Value dgemm::getFirstRow(NVVMBuilder &b, Value thread) {
  return b.add(b.shiftLeft(b.bitAnd(b.shiftRight(thread, 5), 3), 4), b.bitAnd(b.shiftRight(thread, 2), 7));
}

namespace {

//===----------------------------------------------------------------------===//
// dgemm.zero, dgemm.tile_at, dgemm.load_scales
//===----------------------------------------------------------------------===//

struct LowerZero : OpConversionPattern<ZeroOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(ZeroOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    Value zero = LLVM::ConstantOp::create(b, b.getF32Type(), b.getF32FloatAttr(0));
    rewriter.replaceOp(op, pack(b, SmallVector<Value>(getThreadValues(op.getResult().getType()), zero)));
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
    // Held here by an empty asm: a K loop that carries it would otherwise carry the stage and work it out again, where
    // the tensor cores wait for it.
    Value low = b.shiftRight(b.addressOf(adaptor.getAddress()), 4);
    rewriter.replaceOpWithNewOp<LLVM::InlineAsmOp>(op, b.getI32Type(), low, "", "=r,0", /*has_side_effects=*/false,
                                                   /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                                   LLVM::AsmDialectAttr{}, ArrayAttr{});
    return success();
  }
};

struct LowerLoadScales : OpConversionPattern<LoadScalesOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LoadScalesOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    if (op.isOfRows())
      rewriter.replaceOp(op, op.isFromTile() ? readRows(b, adaptor.getSource()) : loadRows(b, op));
    else
      rewriter.replaceOp(op, op.isFromTile() ? readColumns(b, op, adaptor.getSource()) : loadColumns(b, op));
    return success();
  }

private:
  /// Scales of A in shared memory from `tile` on: those of the two rows of the thread.
  static Value readRows(NVVMBuilder &b, Value tile) {
    Value row = getFirstRow(b, b.threadIndex());
    SmallVector<Value> values;
    for (int64_t half = 0; half < 2; ++half) {
      Value address = b.offsetPointer(tile, b.mul(b.add(row, 8 * half), 4));
      values.push_back(LLVM::LoadOp::create(b, b.getF32Type(), address));
    }
    return pack(b, values);
  }

  static Value loadRows(NVVMBuilder &b, LoadScalesOp op) {
    OperandAccess access(b, op->getParentOfType<KernelOp>(), op.getSource());
    Value row = getFirstRow(b, b.threadIndex());
    Value zero = LLVM::ConstantOp::create(b, b.getF32Type(), b.getF32FloatAttr(0));
    Value none = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
    SmallVector<Value> values, indices(op.getOffsets());
    Value first = access.toI64(indices.back());
    for (int64_t half = 0; half < 2; ++half) {
      indices.back() = arith::AddIOp::create(b, first, access.toI64(b.add(row, 8 * half)));
      Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, indices.back(), access.getExtent(0));
      Value offset = arith::SelectOp::create(b, inside, access.getOffset(indices), none);
      Value scale = access.load(b.getF32Type(), offset);
      values.push_back(arith::SelectOp::create(b, inside, scale, zero));
    }
    return pack(b, values);
  }

  static Value readColumns(NVVMBuilder &b, LoadScalesOp op, Value tile) {
    Value vector = LLVM::UndefOp::create(b, op.getScales().getType());
    for (int64_t i = 0, e = cast<VectorType>(op.getScales().getType()).getNumElements(); i < e; ++i) {
      Value element = LLVM::LoadOp::create(b, b.getF32Type(), b.offsetPointer(tile, b.i32(4 * i)));
      vector = LLVM::InsertElementOp::create(b, vector, element, b.i32(i));
    }
    return vector;
  }

  static Value loadColumns(NVVMBuilder &b, LoadScalesOp op) {
    auto type = cast<VectorType>(op.getScales().getType());
    auto kernel = op->getParentOfType<KernelOp>();
    Value vector = LLVM::UndefOp::create(b, type);
    for (auto [i, address] :
         llvm::enumerate(getBlockScaleAddresses(b, kernel, op.getSource(), op.getOffsets(), type.getNumElements()))) {
      Value load = loadOperand(b, kernel, b.getF32Type(), address);
      vector = LLVM::InsertElementOp::create(b, vector, load, b.i32(i));
    }
    return vector;
  }
};

//===----------------------------------------------------------------------===//
// dgemm.mma, dgemm.mma_start, dgemm.mma_wait
//===----------------------------------------------------------------------===//

/// The wgmma descriptor of a K-major tile with 128-byte swizzle, `bytes` into its rows (PTX ISA 9.0, "Matrix Descriptor
/// Format"): start address / 16 in bits 0-13, which is what `tile` is lowered to, the 1024 bytes between groups of 8
/// rows in bits 32-45, layout 1 (128-byte swizzle) in bits 62-63. The leading-dimension offset is not used in this
/// layout.
Value createDescriptor(NVVMBuilder &b, Value tile, int64_t bytes) {
  constexpr uint64_t kHigh = (uint64_t(1) << 62) | (uint64_t(hopper::kSwizzleAtom >> 4) << 32);
  Value wide = arith::ExtUIOp::create(b, b.getI64Type(), b.add(tile, bytes >> 4));
  return arith::OrIOp::create(b, wide, arith::ConstantOp::create(b, b.getI64IntegerAttr(kHigh)));
}

/// An empty asm that reads and writes every value: LLVM moves no use of the results before it, nor their making behind.
Value createAccumulatorFence(NVVMBuilder &b, Value fragment) {
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

/// fence, wgmmas over the depth of the tiles, commit; the result is theirs, complete after a wait. `over` may be null.
Value startMma(NVVMBuilder &b, Value lhs, Value rhs, Value over, Type fragment, int64_t columns, int64_t depth) {
  auto shape = NVVM::MMAShapeAttr::get(b.getContext(), hopper::kWgmmaM, columns, hopper::kWgmmaK);
  Value acc = over ? over : Value(LLVM::UndefOp::create(b, fragment));
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (int64_t k = 0; k < depth; k += hopper::kWgmmaK)
    acc = NVVM::WgmmaMmaAsyncOp::create(b, fragment, acc, createDescriptor(b, lhs, k), createDescriptor(b, rhs, k),
                                        shape, NVVM::WGMMATypes::e4m3, NVVM::WGMMATypes::e4m3, NVVM::WGMMATypes::f32,
                                        k ? NVVM::WGMMAScaleOut::one : NVVM::WGMMAScaleOut::zero,
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
    Value result = startMma(b, adaptor.getLhs(), adaptor.getRhs(), adaptor.getOver(), fragment, type.getColumns(),
                            op.getLhs().getType().getColumns());
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

//===----------------------------------------------------------------------===//
// dgemm.promote
//===----------------------------------------------------------------------===//

/// The two rows' scale products for each 8-column group of a tile.
class ScaleProducts {
public:
  /// The largest n % `extent` (columns of a scale block) of a tile of a problem, all of which are `columns` wide. The
  /// first tile has 0.
  static int64_t getLastStart(ProblemAttr problem, int64_t columns) {
    int64_t size = problem.getN(), extent = problem.getRhs().getRows(), period = extent / std::gcd(columns, extent);
    bool isDynamic = size < 0;
    int64_t tiles = isDynamic ? period : std::min(period, llvm::divideCeilSigned(size, columns)), last = 0;
    for (int64_t tile = 0; tile < tiles; ++tile)
      last = std::max(last, tile * columns % extent);
    return last;
  }

  ScaleProducts(NVVMBuilder &b, ProblemAttr problem, Value rowScales, Value columnScales, Value n, int64_t columns)
      : b(b), extent(problem.getRhs().getRows()), lastStart(getLastStart(problem, columns)) {
    SmallVector<Value> rows = unpack(b, rowScales);
    int64_t blocks = cast<VectorType>(columnScales.getType()).getNumElements();
    for (int64_t block = 0; block < blocks; ++block) {
      Value column = LLVM::ExtractElementOp::create(b, columnScales, b.i32(block));
      products.push_back({LLVM::FMulOp::create(b, rows[0], column), LLVM::FMulOp::create(b, rows[1], column)});
    }
    step = std::gcd(columns, extent);
    if (blocks > 1)
      columnInBlock = b.toI32(arith::RemUIOp::create(b, n, b.index(extent)));
  }

  /// Columns [column, column + 8) lie in scale block (n % extent + column) / extent, and n % extent is a multiple of
  /// `step`: at most two blocks to choose from, and one choice for each `step` columns.
  Value get(int64_t column, int64_t row) {
    int64_t chunk = column / step * step;
    int64_t low = chunk / extent, high = (lastStart + chunk) / extent;
    if (low == high)
      return products[low][row];
    auto [entry, isNew] = selected.try_emplace(chunk);
    if (isNew) {
      Value isHigh = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, columnInBlock, b.i32(high * extent - chunk));
      for (int64_t r = 0; r < 2; ++r)
        entry->second[r] = arith::SelectOp::create(b, isHigh, products[high][r], products[low][r]);
    }
    return entry->second[row];
  }

private:
  NVVMBuilder &b;
  int64_t extent;
  int64_t lastStart;
  SmallVector<std::array<Value, 2>> products;
  int64_t step;
  Value columnInBlock;
  llvm::DenseMap<int64_t, std::array<Value, 2>> selected;
};

struct LowerPromote : OpConversionPattern<PromoteOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(PromoteOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    int64_t columns = op.getAcc().getType().getColumns();
    ScaleProducts products(b, op->getParentOfType<KernelOp>().getProblem(), adaptor.getRowScales(),
                           adaptor.getColumnScales(), op.getN(), columns);
    SmallVector<Value> parts = unpack(b, adaptor.getPart()), sums = unpack(b, adaptor.getAcc());
    size_t first = op.getColumn() / 2;
    for (size_t i = first; i < first + parts.size(); ++i)
      sums[i] = LLVM::FMAOp::create(b, parts[i - first], products.get(i / 4 * 8, rowOfValue(i)), sums[i]);
    // Held here: LLVM would sink the multiply-adds to the end of the loop, and with them a second partial accumulator
    // would stay live under the next wgmma.
    Value held = createAccumulatorFence(b, pack(b, ArrayRef(sums).slice(first, parts.size())));
    llvm::copy(unpack(b, held), sums.begin() + first);
    rewriter.replaceOp(op, pack(b, sums));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// dgemm.store_fragment
//===----------------------------------------------------------------------===//

/// Byte offset in an unswizzled panel row of this lane's row of stmatrix, and the XOR that the swizzle puts on the
/// 16-byte chunk index. Lanes 8j to 8j+7 address matrix j (PTX ISA 9.0, stmatrix): rows 0-7 and 8-15 of the warp's 16,
/// then the same of the next 8 columns.
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

/// Two f32 values as bf16x2, `low` in the lower half.
Value packBF16(NVVMBuilder &b, Value low, Value high) {
  Value pair = NVVM::ConvertF32x2ToBF16x2Op::create(b, VectorType::get(2, b.getBF16Type()), high, low, Value{},
                                                    NVVM::FPRoundingMode::RN);
  return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
}

struct LowerStoreFragment : OpConversionPattern<StoreFragmentOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(StoreFragmentOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    TileType tile = op.getTile().getType();
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    StoreMatrixLane lane = StoreMatrixLane::get(b, tile);
    auto shape = NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8);
    // Two 8-column groups, four 8x8 matrices, at a time; a panel of 8 columns has two.
    for (int64_t group = 0; group < tile.getColumns() / 8; group += 2) {
      SmallVector<Value> matrices;
      for (int64_t g = group; g < std::min(group + 2, tile.getColumns() / 8); ++g) {
        int64_t first = (static_cast<int64_t>(op.getColumn()) / 8 + g) * 4;
        matrices.push_back(packBF16(b, values[first], values[first + 1]));
        matrices.push_back(packBF16(b, values[first + 2], values[first + 3]));
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
    // Rows and columns that are left of D from this thread's first on, as i64.
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

  /// Pairs of columns as one word where rows and their ends are even, else each by itself.
  static void storeRow(NVVMBuilder &b, OperandAccess &access, StoreOp op, ArrayRef<Value> values, int64_t half,
                       Value offset, Value columns) {
    bool isPaired = access.getGeometry().getAccessBytes() >= 4;
    int64_t first = op.getFirstColumn() / 8, last = first + op.getNumColumns() / 8;
    for (int64_t i = first; i < last; ++i) {
      Value pair = packBF16(b, values[4 * i + 2 * half], values[4 * i + 2 * half + 1]);
      for (int64_t lane = 0; lane < (isPaired ? 1 : 2); ++lane) {
        int64_t column = 8 * i + lane;
        Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, columns, i64(b, column));
        b.when(inside, [&] {
          Value value = pair;
          if (!isPaired)
            value = LLVM::TruncOp::create(b, b.getI16Type(), b.shiftRight(pair, 16 * lane));
          LLVM::StoreOp::create(b, value, access.getAddress(arith::AddIOp::create(b, offset, i64(b, column))));
        });
      }
    }
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
    // The new block is empty: a loop that carries values comes without a terminator.
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

void dgemm::populateWGMMAPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerZero, LowerTileAt, LowerLoadScales, LowerMma<MmaOp>, LowerMma<MmaStartOp>, LowerMmaWait,
               LowerPromote, LowerStoreFragment, LowerStore, ConvertForEachTile, ConvertYield>(converter,
                                                                                               patterns.getContext());
}
