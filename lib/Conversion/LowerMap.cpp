//===- LowerMap.cpp - dgemm.map -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SourceReader.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace dgemm;

namespace {

struct LowerLoadColumns : OpConversionPattern<LoadColumnsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(LoadColumnsOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    auto kernel = op->getParentOfType<KernelOp>();
    ValueRange offsets = op.getOffsets();
    ElementPositions positions(b, kernel, /*m=*/Value(), offsets.back());
    std::unique_ptr<SourceReader> reader = createOperandReader(
        b, kernel, op.getSource(), kernel.getProblem().getEpilogueOperand(*kernel.getOperandOf(op.getSource())),
        offsets.size() > 1 ? offsets.front() : Value(), positions);
    SmallVector<Value> values;
    for (int64_t column = 0; column < op.getValues().getType().getColumns(); column += 8) {
      reader->advance(column);
      for (int64_t lane : {0, 1})
        values.push_back(reader->get(/*half=*/0, lane));
    }
    rewriter.replaceOp(op, pack(b, values));
    return success();
  }
};

struct LowerMap : OpConversionPattern<MapOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MapOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    NVVMBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> values = unpack(b, adaptor.getValue());
    auto kernel = op->getParentOfType<KernelOp>();
    std::optional<ElementPositions> positions;
    if (llvm::any_of(op.getSources(), [](Value source) { return isa<MemRefType>(source.getType()); }))
      positions.emplace(b, kernel, op.getM(), op.getN());
    SmallVector<std::unique_ptr<SourceReader>> sources;
    for (auto [i, converted] : llvm::enumerate(adaptor.getSources()))
      sources.push_back(createSourceReader(b, op, i, converted, positions ? &*positions : nullptr));
    // In a gated epilogue, each element of the first half is paired with the element at the same place in the second
    // half.
    size_t distance = op.isGated() ? values.size() / 2 : 0;
    int64_t end = op.getFirstColumn() + op.getNumColumns();
    for (int64_t column = op.getFirstColumn(); column < end; column += 8) {
      for (auto &source : sources)
        source->advance(column);
      for (int64_t half : {0, 1})
        for (int64_t lane : {0, 1}) {
          size_t index = column / 2 + 2 * half + lane;
          Value &value = values[index];
          SmallVector<Value> arguments = {value};
          if (op.isGated())
            arguments.push_back(values[index + distance]);
          for (auto &source : sources)
            arguments.push_back(source->get(half, lane));
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
  patterns.add<LowerMap, LowerLoadColumns>(converter, patterns.getContext());
}
