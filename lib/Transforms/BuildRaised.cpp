//===- BuildRaised.cpp - The gemm that dgemm-raise makes -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Raise.h"
#include "dgemm/IR/GemmBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace dgemm;

/// The scales of `operand` in the shape that the gemm takes; a constant 1 if there are none.
static Value arrangeScale(ImplicitLocOpBuilder &b, const RaisedOperand &operand) {
  Value scale = operand.scale;
  if (!scale)
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(RankedTensorType::get({1, 1}, b.getF32Type()), b.getF32FloatAttr(1)));
  auto type = cast<RankedTensorType>(scale.getType());
  if (operand.form == ScaleForm::AsIs)
    return scale;
  if (operand.form == ScaleForm::Transposed) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), scale);
    std::swap(sizes[0], sizes[1]);
    Value empty = tensor::EmptyOp::create(b, sizes, type.getElementType());
    return linalg::TransposeOp::create(b, scale, empty, ArrayRef<int64_t>{1, 0})->getResult(0);
  }
  if (operand.form == ScaleForm::Flattened) {
    scale = tensor::CollapseShapeOp::create(b, scale, SmallVector<ReassociationIndices>{{0, 1}});
    type = cast<RankedTensorType>(scale.getType());
  }
  int64_t extent = type.getRank() ? type.getDimSize(0) : 1;
  SmallVector<ReassociationIndices> indices;
  if (type.getRank())
    indices.push_back({0, 1});
  return tensor::ExpandShapeOp::create(b, RankedTensorType::get({1, extent}, type.getElementType()), scale, indices);
}

GemmOp dgemm::buildRaised(ImplicitLocOpBuilder &b, const RaisedOperand &lhs, const RaisedOperand &rhs, Value out) {
  Value scaleA = arrangeScale(b, lhs), scaleB = arrangeScale(b, rhs);
  return GemmBuilder(b, b.getLoc())
      .lhs(lhs.value, scaleA, lhs.granularity)
      .rhs(rhs.value, scaleB, rhs.granularity)
      .out(out)
      .create();
}
