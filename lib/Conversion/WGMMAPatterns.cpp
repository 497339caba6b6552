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
// (PTX ISA 9.0, "Register Fragments and Shared Memory Matrix Layouts" of wgmma). A 64x1 fragment: both rows' values. A
// 1xN fragment: d[2i], d[2i+1] are those of columns 8i + 2q and + 1.
//===----------------------------------------------------------------------===//

static unsigned getThreadValues(FragType frag) {
  if (frag.getRows() == 1)
    return frag.getColumns() / 4;
  return frag.getColumns() == 1 ? 2 : frag.getColumns() / 2;
}

/// Of a tile that wgmma reads only the descriptor is wanted; of any other the address.
static bool isMmaOperand(TileType tile) { return isa<Float8E4M3FNType, Float8E5M2Type>(tile.getElementType()); }

void dgemm::addFragmentConversions(TypeConverter &converter) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion([](FragType frag) -> std::optional<Type> {
    if (frag.getRows() != hopper::kWgmmaM && frag.getRows() != 1)
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

/// Reads the scales of rows of A from the operand, at one K block.
class ScaleAccess {
public:
  ScaleAccess(NVVMBuilder &b, LoadScalesOp op)
      : b(b), access(b, op->getParentOfType<KernelOp>(), op.getSource()), offsets(op.getOffsets()),
        scaled(op->getParentOfType<KernelOp>().getProblem().getLhs()) {
    if (scaled.variesAlongK())
      kBlock = arith::DivUIOp::create(b, offsets.back(), b.index(scaled.getK()));
    else
      kBlock = b.index(0);
    first = access.toI64(offsets[offsets.size() - 2]);
    zero = LLVM::ConstantOp::create(b, b.getF32Type(), b.getF32FloatAttr(0));
    none = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
  }

  /// That of row `row` (i32) from the first one on; zero for one that does not exist.
  Value load(Value row) {
    SmallVector<Value> indices(offsets.drop_back(2));
    if (scaled.getRows() == ScaledAttr::kFull) {
      indices.append({none, kBlock});
      return access.load(b.getF32Type(), access.getOffset(indices));
    }
    Value own = arith::AddIOp::create(b, first, access.toI64(row));
    Value extent = access.getExtent(scaled.isForEachRow() ? 0 : 1);
    if (!scaled.isForEachRow())
      own = arith::DivUIOp::create(b, own, arith::ConstantOp::create(b, b.getI64IntegerAttr(scaled.getRows())));
    indices.append({kBlock, own});
    if (!scaled.isForEachRow())
      std::swap(indices.back(), indices[indices.size() - 2]);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, own, extent);
    Value offset = arith::SelectOp::create(b, inside, access.getOffset(indices), none);
    return arith::SelectOp::create(b, inside, access.load(b.getF32Type(), offset), zero);
  }

private:
  NVVMBuilder &b;
  OperandAccess access;
  ValueRange offsets;
  ScaledAttr scaled;
  Value kBlock, first, zero, none;
};

/// Reads a scale for each of a thread's columns from the operand, at one K block. All addresses are a few bytes from
/// one: there are no registers for others.
class ColumnScaleAccess {
public:
  ColumnScaleAccess(NVVMBuilder &b, LoadScalesOp op)
      : b(b), access(b, op->getParentOfType<KernelOp>(), op.getSource()) {
    ScaledAttr scaled = op->getParentOfType<KernelOp>().getProblem().getRhs();
    ValueRange offsets = op.getOffsets();
    Value first =
        access.toI64(b.add(b.toI32(offsets[offsets.size() - 2]), b.shiftLeft(b.bitAnd(b.threadIndex(), 3), 1)));
    SmallVector<Value> indices(offsets.drop_back(2));
    indices.push_back(scaled.variesAlongK() ? arith::DivUIOp::create(b, offsets.back(), b.index(scaled.getK()))
                                            : Value(b.index(0)));
    indices.push_back(first);
    base = access.getOffset(indices);
    left = arith::TruncIOp::create(b, b.getI32Type(), arith::SubIOp::create(b, access.getExtent(0), first));
    const OperandGeometry &geometry = access.getGeometry();
    stride = geometry.strides.back();
    auto one = dyn_cast<AffineConstantExpr>(stride);
    isPaired = one && one.getValue() == 1 && geometry.getAccessBytes() >= 2 * geometry.getElementBytes();
  }

  /// Those of `columns` columns; zero where B has no such row.
  SmallVector<Value> load(int64_t columns) {
    SmallVector<Value> values;
    for (int64_t group = 0; group < columns; group += 8) {
      if (isPaired) {
        Value pair = loadInside(VectorType::get(2, b.getF32Type()), group);
        values.push_back(LLVM::ExtractElementOp::create(b, pair, b.i32(0)));
        values.push_back(LLVM::ExtractElementOp::create(b, pair, b.i32(1)));
        continue;
      }
      values.push_back(loadInside(b.getF32Type(), group));
      values.push_back(loadInside(b.getF32Type(), group + 1));
    }
    return values;
  }

private:
  Value loadInside(Type type, int64_t column) {
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, left, b.i32(column));
    auto choice = scf::IfOp::create(b, type, inside, /*addThenBlock=*/true, /*addElseBlock=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, LLVM::ZeroOp::create(b, type).getResult());
    b.setInsertionPointToStart(choice.thenBlock());
    Value offset = arith::AddIOp::create(b, base, access.expand(stride * column));
    LLVM::LoadOp load = access.load(type, offset);
    // It stays where it is: LLVM would keep in registers what is read anew for each mma, and read behind the K loop
    // what is to be on its way in it.
    load.setInvariant(false);
    scf::YieldOp::create(b, load.getResult());
    return choice.getResult(0);
  }

  NVVMBuilder &b;
  OperandAccess access;
  /// Of the first column, in elements; how many columns there are from it on (i32).
  Value base, left;
  AffineExpr stride;
  bool isPaired;
};

struct LowerLoadScales : OpConversionPattern<LoadScalesOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LoadScalesOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    if (op.isOfRows())
      rewriter.replaceOp(op, op.isFromTile() ? readRows(b, adaptor.getSource()) : loadRows(b, op));
    else if (op.isForEachRow())
      rewriter.replaceOp(op, loadForEachColumn(b, op));
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

  /// Scales of A from the operand: those of the two rows of the thread.
  static Value loadRows(NVVMBuilder &b, LoadScalesOp op) {
    ScaleAccess access(b, op);
    Value row = getFirstRow(b, b.threadIndex());
    SmallVector<Value> values;
    for (int64_t half = 0; half < 2; ++half)
      values.push_back(access.load(b.add(row, 8 * half)));
    return pack(b, values);
  }

  /// Scales of B from the operand: those of the columns of the thread.
  static Value loadForEachColumn(NVVMBuilder &b, LoadScalesOp op) {
    return pack(b, ColumnScaleAccess(b, op).load(cast<FragType>(op.getScales().getType()).getColumns()));
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

NVVM::WGMMATypes getWGMMAType(TileType tile) {
  return isa<Float8E5M2Type>(tile.getElementType()) ? NVVM::WGMMATypes::e5m2 : NVVM::WGMMATypes::e4m3;
}

/// fence, wgmmas over the depth of the tiles, commit; the result is theirs, complete after a wait. `over` and `sum`, to
/// which they add, may be null.
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
    Value result = startMma(b, adaptor.getLhs(), adaptor.getRhs(), adaptor.getOver(), adaptor.getAcc(), fragment,
                            op.getLhs().getType(), op.getRhs().getType());
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

/// The scale products of blocks of B with the two rows of a thread, for each 8-column group of a tile. Without row
/// scales they are the scales of B.
class ScaleProducts {
public:
  /// The largest n % `extent` (columns of a scale block) of a tile of a problem, all of which are `columns` wide. The
  /// first tile has 0.
  static int64_t getLastStart(ProblemAttr problem, int64_t columns) {
    int64_t size = problem.getN(), extent = problem.getRhs().getRows();
    if (extent == ScaledAttr::kFull)
      return 0;
    int64_t period = extent / std::gcd(columns, extent);
    bool isDynamic = size < 0;
    int64_t tiles = isDynamic ? period : std::min(period, llvm::divideCeilSigned(size, columns)), last = 0;
    for (int64_t tile = 0; tile < tiles; ++tile)
      last = std::max(last, tile * columns % extent);
    return last;
  }

  ScaleProducts(NVVMBuilder &b, ProblemAttr problem, Value rowScales, Value columnScales, Value n, int64_t columns)
      : b(b), extent(problem.getRhs().getRows()), lastStart(getLastStart(problem, columns)) {
    if (extent == ScaledAttr::kFull)
      extent = columns;
    SmallVector<Value> rows = rowScales ? unpack(b, rowScales) : SmallVector<Value>();
    int64_t blocks = cast<VectorType>(columnScales.getType()).getNumElements();
    for (int64_t block = 0; block < blocks; ++block) {
      Value column = LLVM::ExtractElementOp::create(b, columnScales, b.i32(block));
      if (rows.empty())
        products.push_back({column, column});
      else
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

/// What a partial sum is multiplied by: row and column scales, either of which may be none.
class PromotionScales {
public:
  PromotionScales(NVVMBuilder &b, PromoteOp op, Value rowScales, Value columnScales) : b(b) {
    auto kernel = op->getParentOfType<KernelOp>();
    if (op.getColumnScales() && isa<VectorType>(op.getColumnScales().getType())) {
      blocks.emplace(b, kernel.getProblem(), rowScales, columnScales, op.getN(), op.getAcc().getType().getColumns());
      return;
    }
    if (rowScales)
      rows = unpack(b, rowScales);
    if (columnScales)
      columns = unpack(b, columnScales);
  }

  /// That of value `i` of a fragment; null for 1.
  Value get(int64_t i) {
    int64_t row = rowOfValue(i);
    if (blocks)
      return blocks->get(i / 4 * 8, row);
    if (columns.empty())
      return rows.empty() ? Value() : rows[row];
    Value column = columns[i / 4 * 2 + i % 2];
    return rows.empty() ? column : LLVM::FMulOp::create(b, rows[row], column);
  }

private:
  NVVMBuilder &b;
  std::optional<ScaleProducts> blocks;
  SmallVector<Value> rows, columns;
};

struct LowerPromote : OpConversionPattern<PromoteOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(PromoteOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    PromotionScales scales(b, op, adaptor.getRowScales(), adaptor.getColumnScales());
    SmallVector<Value> parts = unpack(b, adaptor.getPart()), sums = unpack(b, adaptor.getAcc());
    size_t first = op.getColumn() / 2;
    for (size_t i = first; i < first + parts.size(); ++i)
      sums[i] = addScaled(b, parts[i - first], scales.get(i), sums[i]);
    // Held here: LLVM would sink the multiply-adds to the end of the loop, and with them a second partial accumulator
    // would stay live under the next wgmma.
    Value held = createAccumulatorFence(b, pack(b, ArrayRef(sums).slice(first, parts.size())));
    llvm::copy(unpack(b, held), sums.begin() + first);
    rewriter.replaceOp(op, pack(b, sums));
    return success();
  }

private:
  /// `scale` is null for 1.
  static Value addScaled(NVVMBuilder &b, Value part, Value scale, Value sum) {
    if (!scale)
      return LLVM::FAddOp::create(b, part, sum);
    return LLVM::FMAOp::create(b, part, scale, sum);
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

/// Two f32 values as a pair of `type`, bf16 or f16, `low` in the lower half.
Value packHalves(NVVMBuilder &b, Type type, Value low, Value high) {
  if (type.isF16()) {
    Value pair = NVVM::ConvertF32x2ToF16x2Op::create(b, VectorType::get(2, b.getF16Type()), high, low, Value{},
                                                     NVVM::FPRoundingMode::RN);
    return LLVM::BitcastOp::create(b, b.getI32Type(), pair);
  }
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

  /// Two neighbours of a row of D.
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

  /// Pairs of columns at once where rows and their ends are even, else each by itself.
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
