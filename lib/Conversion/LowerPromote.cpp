//===- LowerPromote.cpp - dgemm.promote -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include <numeric>

using namespace mlir;
using namespace dgemm;

/// The row, 0 or 1 of the thread's two, that value `value` belongs to: pairs of values alternate between the rows.
static int64_t rowOfValue(int64_t value) { return value / 2 % 2; }

namespace {

/// The products of the block scales of B with the scales of a thread's two rows, for each 8-column group of a tile.
/// Without row scales, they are the scales of B.
class ScaleProducts {
public:
  /// The largest n % extent of the tiles of a problem, where n is the first column of a tile and extent the columns of
  /// a scale block. All tiles are `columns` wide. The first tile has 0, and so has each half of a gated tile.
  static int64_t getLastStart(ProblemAttr problem, int64_t columns) {
    int64_t size = problem.getN(), extent = problem.getRhs().getRows();
    if (extent == ScaledAttr::kFull || problem.isGated())
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
    else if (problem.isGated()) // a scale for each half
      extent = columns / 2;
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

  /// Columns [column, column + 8) lie in scale block (n % extent + column) / extent. There are at most two blocks to
  /// choose from. As n % extent is a multiple of `step`, one choice serves `step` columns.
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

/// The factors of a partial sum: row scales and column scales, either of which may be absent.
class PromotionScales {
public:
  PromotionScales(NVVMBuilder &b, PromoteOp op, Value rowScales, Value columnScales)
      : b(b), first(static_cast<int64_t>(op.getColumn()) / 2) {
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

  /// `part`, which is value `i` of a fragment, times its factor, plus `sum`. With `partFirst`, no product needs a
  /// register of its own while it waits for the part.
  Value addScaled(int64_t i, Value part, Value sum, bool partFirst) {
    if (partFirst && !rows.empty() && !columns.empty())
      return LLVM::FMAOp::create(b, LLVM::FMulOp::create(b, part, getColumn(i)), rows[rowOfValue(i)], sum);
    Value scale = get(i);
    if (!scale)
      return LLVM::FAddOp::create(b, part, sum);
    return LLVM::FMAOp::create(b, part, scale, sum);
  }

private:
  Value getColumn(int64_t i) const { return columns[(i - first) / 4 * 2 + i % 2]; }
  /// The factor of value `i` of a fragment; null if it is 1.
  Value get(int64_t i) {
    int64_t row = rowOfValue(i);
    if (blocks)
      return blocks->get(i / 4 * 8, row);
    if (columns.empty())
      return rows.empty() ? Value() : rows[row];
    return rows.empty() ? getColumn(i) : LLVM::FMulOp::create(b, rows[row], getColumn(i));
  }

  NVVMBuilder &b;
  /// Index of the fragment value with which the part begins. A fragment of column scales has only the columns of the
  /// part.
  int64_t first;
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
      sums[i] = scales.addScaled(i, parts[i - first], sums[i], /*partFirst=*/scalesSum(op));
    // The empty asm holds the sums here. LLVM would otherwise sink the multiply-adds to the end of the loop, and a
    // second partial accumulator would stay live during the next wgmma.
    Value held = createAccumulatorFence(b, pack(b, ArrayRef(sums).slice(first, parts.size())));
    llvm::copy(unpack(b, held), sums.begin() + first);
    rewriter.replaceOp(op, pack(b, sums));
    return success();
  }

private:
  /// Whether the op scales a complete sum from the tensor cores, to which nothing has been added yet.
  static bool scalesSum(PromoteOp op) {
    Value acc = op.getAcc();
    while (auto other = acc.getDefiningOp<PromoteOp>())
      acc = other.getAcc();
    return acc.getDefiningOp<ZeroOp>();
  }
};

} // namespace

void dgemm::populatePromotePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPromote>(converter, patterns.getContext());
}
