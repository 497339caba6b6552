//===- LowerQuantize.cpp - dgemm.quantize -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The four threads of a quad have the elements of two rows. Each thread finds the largest magnitude of its own elements
// of a block, and the quad exchanges these. Every thread computes the scale; the first one writes it.
//
// The scale is that of per_token_cast_to_fp8 of the Python package, bit for bit: all operations round to nearest, and
// NaN goes through each of them.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// The least magnitude for which a scale is computed, so that the scale of a block of zeros is not zero.
constexpr float kLeastAmax = 1e-4f;

/// The largest number of `type`.
float getLargest(Type type) { return isa<Float8E4M3FNType>(type) ? 448.0f : 57344.0f; }

/// True if N is known to have whole blocks of scales of D.
bool hasWholeBlocks(ProblemAttr problem) {
  int64_t known = problem.getDivisors() ? problem.getDivisors().getN() : 1;
  return problem.getColumnsOfD(problem.getN() > 0 ? problem.getN() : known) % kScaleBlock == 0;
}

/// Quantises the elements of a thread.
class Quantizer {
public:
  Quantizer(NVVMBuilder &b, QuantizeOp op, Value fragment)
      : b(b), op(op), problem(op->getParentOfType<KernelOp>().getProblem()),
        access(b, op->getParentOfType<KernelOp>(), op.getDest()), values(unpack(b, fragment)),
        thread(b.threadIndexHere()) {
    if (!hasWholeBlocks(problem))
      columnsLeft = countColumnsLeft();
  }

  Value run() {
    SmallVector<SmallVector<Value>> scales(2);
    int64_t first = op.getFirstColumn();
    for (int64_t column = first; column < first + op.getNumColumns(); column += kScaleBlock)
      for (int64_t half : {0, 1})
        scales[half].push_back(scaleBlock(column, half));
    b.when(b.equal(b.bitAnd(thread, 3), 0), [&] { store(scales); });
    return pack(b, values);
  }

private:
  Value f32(float value) { return arith::ConstantOp::create(b, b.getF32FloatAttr(value)); }
  Value maximum(Value lhs, Value rhs) { return arith::MaximumFOp::create(b, lhs, rhs); }
  /// The element of row `half` in column `column` + `lane`, for an even lane of the thread's first column.
  Value &getValue(int64_t column, int64_t half, int64_t lane) { return values[column / 2 + 2 * half + lane]; }
  Value countColumnsLeft();
  Value getMagnitude(int64_t column, int64_t half, int64_t lane);
  Value scaleBlock(int64_t first, int64_t half);
  void store(ArrayRef<SmallVector<Value>> scales);

  NVVMBuilder &b;
  QuantizeOp op;
  ProblemAttr problem;
  OperandAccess access;
  SmallVector<Value> values;
  Value thread;
  /// Columns of D from the thread's first one on (i32); null if all blocks inside D are whole.
  Value columnsLeft;
};

Value Quantizer::countColumnsLeft() {
  AffineExpr columns = OperandGeometry::get(problem, Operand::D).shape.back();
  Value all = arith::TruncIOp::create(b, b.getI32Type(), access.expand(columns));
  Value first = b.add(b.toI32(op.getOffsets().back()), b.shiftLeft(b.bitAnd(thread, 3), 1));
  return arith::SubIOp::create(b, all, first);
}

/// The magnitude of an element; zero outside D, where an epilogue may have made any number.
Value Quantizer::getMagnitude(int64_t column, int64_t half, int64_t lane) {
  Value magnitude = math::AbsFOp::create(b, getValue(column, half, lane));
  if (!columnsLeft)
    return magnitude;
  Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, columnsLeft, b.i32(column + lane));
  return arith::SelectOp::create(b, isInside, magnitude, f32(0));
}

/// Divides the block from column `first` on by its scale, in row `half` of the thread. Returns the scale.
Value Quantizer::scaleBlock(int64_t first, int64_t half) {
  Value amax;
  for (int64_t column = first; column < first + kScaleBlock; column += 8)
    for (int64_t lane : {0, 1}) {
      Value magnitude = getMagnitude(column, half, lane);
      amax = amax ? maximum(amax, magnitude) : magnitude;
    }
  for (int64_t distance : {1, 2})
    amax = maximum(amax, NVVM::ShflOp::create(b, b.getF32Type(), b.i32(-1), amax, b.i32(distance), b.i32(31),
                                              NVVM::ShflKind::bfly, UnitAttr{}));
  Value scale = arith::MulFOp::create(b, maximum(amax, f32(kLeastAmax)), f32(1 / getLargest(problem.getOut())));
  Value factor = arith::DivFOp::create(b, f32(1), scale);
  for (int64_t column = first; column < first + kScaleBlock; column += 8)
    for (int64_t lane : {0, 1}) {
      Value &value = getValue(column, half, lane);
      value = arith::MulFOp::create(b, value, factor);
    }
  return scale;
}

/// Writes the scales of both rows of the thread, `scales[half]` in the order of the blocks.
void Quantizer::store(ArrayRef<SmallVector<Value>> scales) {
  SmallVector<Value> indices(op.getOffsets());
  // Scales have the row innermost, and the block of columns before it.
  Value column = indices.pop_back_val(), row = indices.pop_back_val();
  Value block =
      b.add(arith::DivUIOp::create(b, b.toI32(column), b.i32(kScaleBlock)), op.getFirstColumn() / kScaleBlock);
  Value firstRow = arith::AddIOp::create(b, access.toI64(row), access.toI64(getFirstRow(b, thread)));
  Value endRow = access.getExtent(0), endBlock = access.getExtent(1);
  if (op.getRows())
    endRow = arith::MinUIOp::create(b, endRow, access.toI64(op.getRows()));
  size_t rank = indices.size() + 2;
  indices.resize(rank);
  for (int64_t half : {0, 1}) {
    indices[rank - 1] = arith::AddIOp::create(b, firstRow, access.toI64(b.i32(8 * half)));
    Value isRow = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, indices[rank - 1], endRow);
    for (size_t i = 0; i < scales[half].size(); ++i) {
      indices[rank - 2] = access.toI64(b.add(block, i));
      Value isBlock = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, indices[rank - 2], endBlock);
      b.when(arith::AndIOp::create(b, isRow, isBlock),
             [&] { LLVM::StoreOp::create(b, scales[half][i], access.getAddress(access.getOffset(indices))); });
    }
  }
}

struct LowerQuantize : OpConversionPattern<QuantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(QuantizeOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, Quantizer(b, op, adaptor.getValue()).run());
    return success();
  }
};

} // namespace

void dgemm::populateQuantizePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerQuantize>(converter, patterns.getContext());
}
