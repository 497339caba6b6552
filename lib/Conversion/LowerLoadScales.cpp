//===- LowerLoadScales.cpp - dgemm.load_scales -*- C++ -*-===//
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

/// Reads the scales of rows of A at one K block from the operand.
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

  /// The scale of the row `row` (i32) rows after the first one; zero if there is no such row.
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

/// Reads a scale for each of a thread's columns at one K block from the operand. All addresses are small offsets from
/// one address, because there are no registers for more.
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

  /// The scales of this thread's columns among `columns` columns; zero where B has no such row.
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
    // The load is not invariant, so that it stays where it is. LLVM would otherwise keep in registers what should be
    // read again for each mma, and read after the K loop what should be loaded during the loop.
    load.setInvariant(false);
    scf::YieldOp::create(b, load.getResult());
    return choice.getResult(0);
  }

  NVVMBuilder &b;
  OperandAccess access;
  /// The offset of the first column in elements (i64), and the number of columns from it on (i32).
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
      rewriter.replaceOp(op, op.isFromTile() ? readRows(b, op, adaptor.getSource()) : loadRows(b, op));
    else if (op.isForEachRow())
      rewriter.replaceOp(op,
                         op.isFromTile() ? readForEachColumn(b, op, adaptor.getSource()) : loadForEachColumn(b, op));
    else
      rewriter.replaceOp(op, op.isFromTile() ? readColumns(b, op, adaptor.getSource()) : loadColumns(b, op));
    return success();
  }

private:
  /// Reads the scales of A for the two rows of the thread from shared memory at `tile`.
  static Value readRows(NVVMBuilder &b, LoadScalesOp op, Value tile) {
    Value row = getFirstRow(b, b.threadIndex());
    for (Value first : op.getOffsets())
      row = b.add(row, b.toI32(first));
    SmallVector<Value> values;
    for (int64_t half = 0; half < 2; ++half) {
      Value address = b.offsetPointer(tile, b.mul(b.add(row, 8 * half), 4));
      values.push_back(LLVM::LoadOp::create(b, b.getF32Type(), address));
    }
    return pack(b, values);
  }

  /// Loads the scales of A for the two rows of the thread from the operand.
  static Value loadRows(NVVMBuilder &b, LoadScalesOp op) {
    ScaleAccess access(b, op);
    Value row = getFirstRow(b, b.threadIndex());
    SmallVector<Value> values;
    for (int64_t half = 0; half < 2; ++half)
      values.push_back(access.load(b.add(row, 8 * half)));
    return pack(b, values);
  }

  /// Reads the scales of B for the columns of the thread from shared memory at `tile`. The columns are pairs of
  /// neighbours.
  static Value readForEachColumn(NVVMBuilder &b, LoadScalesOp op, Value tile) {
    int64_t columns = cast<FragType>(op.getScales().getType()).getColumns();
    Value first = b.offsetPointer(tile, b.shiftLeft(b.bitAnd(b.threadIndex(), 3), 3));
    SmallVector<Value> values;
    for (int64_t column = 0; column < columns; column += 8) {
      Value address = b.offsetPointer(first, b.i32(4 * column));
      Value pair = LLVM::LoadOp::create(b, VectorType::get(2, b.getF32Type()), address);
      for (int64_t i : {0, 1})
        values.push_back(LLVM::ExtractElementOp::create(b, pair, b.i32(i)));
    }
    return pack(b, values);
  }

  /// Loads the scales of B for the columns of the thread from the operand.
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

} // namespace

void dgemm::populateLoadScalesPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerLoadScales>(converter, patterns.getContext());
}
