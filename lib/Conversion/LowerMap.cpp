//===- LowerMap.cpp - dgemm.map -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// Where the elements of a thread lie in D: two rows, and pairs of columns 8 apart (Fragments.cpp). All indices are
/// i32.
class ElementPositions {
public:
  ElementPositions(NVVMBuilder &b, MapOp op) : b(b), kernel(op->getParentOfType<KernelOp>()) {
    Value thread = b.threadIndexHere();
    firstRow = b.add(b.toI32(op.getM()), getFirstRow(b, thread));
    firstColumn = b.add(b.toI32(op.getN()), b.shiftLeft(b.bitAnd(thread, 3), 1));
    ProblemAttr problem = kernel.getProblem();
    ConfigAttr config = kernel.getConfig();
    auto divides = [](int64_t size, int64_t tile) { return size > 0 && size % tile == 0; };
    // The last CTA of a split may have columns past those of the tile.
    int64_t split = config.getSplitK(), columns = config.getBlockN();
    bool endsWithTile = split == 1 || getSplitColumns(columns, split) * split == columns;
    hasAllRows = divides(problem.getM(), config.getBlockM() * config.getClusterM());
    hasAllColumns = endsWithTile && divides(problem.getN(), columns * config.getClusterN()); // the same for D as for B
  }

  /// Row `half` (0 or 1) of the thread's two rows, or the last row of D if D has no such row.
  Value getRow(OperandAccess &access, unsigned dim, int64_t half) {
    Value row = b.add(firstRow, 8 * half);
    return hasAllRows ? row : limit(row, access, dim, 1);
  }
  Value getFirstColumn() const { return firstColumn; }
  /// Distance (i64) of `count` columns from the first column. It is `column`, or less if these columns would end past
  /// D; then they are the last ones of D.
  Value getColumnDistance(OperandAccess &access, int64_t column, int64_t count) {
    Value distance = b.i32(column);
    if (!hasAllColumns)
      distance = arith::MinSIOp::create(b, distance, arith::SubIOp::create(b, getLast(access, 0, count), firstColumn));
    return arith::ExtSIOp::create(b, b.getI64Type(), distance);
  }

private:
  /// The last index of dimension `dim` from which on there are `count` elements.
  Value getLast(OperandAccess &access, unsigned dim, int64_t count) {
    return b.add(arith::TruncIOp::create(b, b.getI32Type(), access.getExtent(dim)), -count);
  }
  Value limit(Value index, OperandAccess &access, unsigned dim, int64_t count) {
    return arith::MinSIOp::create(b, index, getLast(access, dim, count));
  }

  NVVMBuilder &b;
  KernelOp kernel;
  Value firstRow, firstColumn;
  bool hasAllRows, hasAllColumns;
};

/// Reads an operand of an epilogue for the elements of a thread. The operand may be D itself (docs/epilogues.md), so no
/// load is invariant. As no load is invariant, LLVM hoists none to where it would hold registers through the K loop.
class SourceAccess {
public:
  SourceAccess(NVVMBuilder &b, MapOp op, Value source, ElementPositions &positions)
      : b(b), access(b, op->getParentOfType<KernelOp>(), source), positions(positions),
        along(getRole(op, source).getAlong()) {
    const OperandGeometry &geometry = access.getGeometry();
    isPaired = geometry.getAccessBytes() >= 2 * geometry.getElementBytes();
    SmallVector<Value> indices;
    bool hasRow = along == EpilogueAxisKind::M || along == EpilogueAxisKind::MN;
    bool hasColumn = along == EpilogueAxisKind::N || along == EpilogueAxisKind::MN;
    if (along == EpilogueAxisKind::None)
      indices.push_back(b.i32(0));
    else if (geometry.shape.size() > size_t(hasRow + hasColumn))
      indices.push_back(op.getGroup());
    for (int64_t half = 0; half < (hasRow ? 2 : 1); ++half) {
      SmallVector<Value> own = indices;
      if (hasRow)
        own.push_back(positions.getRow(access, hasColumn ? 1 : 0, half));
      if (hasColumn)
        own.push_back(positions.getFirstColumn());
      bases.push_back(access.getOffset(own));
    }
    if (!hasColumn)
      for (Value base : bases)
        values.push_back(load(base));
  }

  /// Reads what the 8 columns from `column` on need.
  void advance(int64_t column) {
    if (along != EpilogueAxisKind::N && along != EpilogueAxisKind::MN)
      return;
    values.clear();
    for (Value base : bases) {
      if (isPaired) {
        loadPair(arith::AddIOp::create(b, base, positions.getColumnDistance(access, column, 2)));
        continue;
      }
      for (int64_t lane : {0, 1})
        values.push_back(load(arith::AddIOp::create(b, base, positions.getColumnDistance(access, column + lane, 1))));
    }
  }

  /// The value for row `half` and column `lane` of the pair.
  Value get(int64_t half, int64_t lane) const {
    switch (along) {
    case EpilogueAxisKind::N:
      return values[lane];
    case EpilogueAxisKind::M:
      return values[half];
    case EpilogueAxisKind::MN:
      return values[2 * half + lane];
    default:
      return values.front();
    }
  }

private:
  static EpilogueOperandAttr getRole(MapOp op, Value source) {
    auto kernel = op->getParentOfType<KernelOp>();
    return kernel.getProblem().getEpilogueOperand(*kernel.getOperandOf(source));
  }
  Value loadBits(Type type, Value offset) {
    LLVM::LoadOp load = access.load(type, offset);
    load.setInvariant(false);
    return load;
  }
  Value toF32(Value element) {
    return element.getType().isF32() ? element : Value(LLVM::FPExtOp::create(b, b.getF32Type(), element));
  }
  Value load(Value offset) { return toF32(loadBits(access.getGeometry().element, offset)); }
  void loadPair(Value offset) {
    Type element = access.getGeometry().element;
    if (element.isBF16()) { // bf16 is the upper half of an f32
      Value bits = loadBits(b.getI32Type(), offset);
      values.push_back(LLVM::BitcastOp::create(b, b.getF32Type(), b.shiftLeft(bits, 16)));
      values.push_back(LLVM::BitcastOp::create(b, b.getF32Type(), b.bitAnd(bits, 0xffff0000)));
      return;
    }
    Value pair = loadBits(VectorType::get(2, element), offset);
    for (int64_t lane : {0, 1})
      values.push_back(toF32(LLVM::ExtractElementOp::create(b, pair, b.i32(lane))));
  }

  NVVMBuilder &b;
  OperandAccess access;
  ElementPositions &positions;
  EpilogueAxisKind along;
  bool isPaired;
  /// Offsets (i64) of the first column in each row, or of the only element.
  SmallVector<Value, 2> bases;
  SmallVector<Value, 4> values;
};

struct LowerMap : OpConversionPattern<MapOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MapOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    std::optional<ElementPositions> positions;
    if (!op.getSources().empty())
      positions.emplace(b, op);
    std::vector<SourceAccess> sources;
    for (Value source : op.getSources())
      sources.emplace_back(b, op, source, *positions);
    // In a gated epilogue, each element of the first half is paired with the element at the same place in the second
    // half.
    size_t distance = op.isGated() ? values.size() / 2 : 0;
    int64_t end = op.getFirstColumn() + op.getNumColumns();
    for (int64_t column = op.getFirstColumn(); column < end; column += 8) {
      for (SourceAccess &source : sources)
        source.advance(column);
      for (int64_t half : {0, 1})
        for (int64_t lane : {0, 1}) {
          size_t index = column / 2 + 2 * half + lane;
          Value &value = values[index];
          SmallVector<Value> arguments = {value};
          if (op.isGated())
            arguments.push_back(values[index + distance]);
          for (SourceAccess &source : sources)
            arguments.push_back(source.get(half, lane));
          value = apply(b, op.getBody().front(), arguments);
        }
    }
    values.resize(values.size() - distance);
    rewriter.replaceOp(op, pack(b, values));
    return success();
  }

private:
  /// Clones the body of an epilogue for one element.
  static Value apply(NVVMBuilder &b, Block &body, ArrayRef<Value> arguments) {
    IRMapping map;
    map.map(body.getArguments(), arguments);
    for (Operation &nested : body.without_terminator())
      b.clone(nested, map);
    return map.lookup(body.getTerminator()->getOperand(0));
  }
};

} // namespace

void dgemm::populateMapPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMap>(converter, patterns.getContext());
}
