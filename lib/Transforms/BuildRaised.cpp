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

/// A scale of 1 for each product; `matrix` is an operand.
static Value makeOnes(ImplicitLocOpBuilder &b, Value matrix, int64_t front) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), matrix);
  sizes.resize(front);
  sizes.resize(front + 2, b.getIndexAttr(1));
  if (std::optional<SmallVector<int64_t>> shape = getConstantIntValues(sizes))
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(RankedTensorType::get(*shape, b.getF32Type()), b.getF32FloatAttr(1)));
  Value one = arith::ConstantOp::create(b, b.getF32FloatAttr(1));
  return linalg::FillOp::create(b, one, tensor::EmptyOp::create(b, sizes, b.getF32Type()).getResult()).getResult(0);
}

/// Groups of dimensions for a reshape: each batch dimension is a group, and the others are one group.
static SmallVector<ReassociationIndices> groupBehind(int64_t front, int64_t rank) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < rank; ++i)
    if (i <= front || groups.empty())
      groups.push_back({i});
    else
      groups.back().push_back(i);
  return groups;
}

/// The scales of `operand` in the shape that the gemm takes; ones if there are none.
static Value arrangeScale(ImplicitLocOpBuilder &b, const RaisedOperand &operand) {
  Value scale = operand.scale;
  int64_t front = cast<RankedTensorType>(operand.value.getType()).getRank() - 2;
  if (!scale)
    return makeOnes(b, operand.value, front);
  auto type = cast<RankedTensorType>(scale.getType());
  if (operand.form == ScaleForm::AsIs)
    return scale;
  if (operand.form == ScaleForm::Transposed) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), scale);
    auto permutation = llvm::to_vector(llvm::seq<int64_t>(sizes.size()));
    std::swap(sizes[front], sizes[front + 1]);
    std::swap(permutation[front], permutation[front + 1]);
    Value empty = tensor::EmptyOp::create(b, sizes, type.getElementType());
    return linalg::TransposeOp::create(b, scale, empty, permutation)->getResult(0);
  }
  if (operand.form == ScaleForm::Flattened) {
    scale = tensor::CollapseShapeOp::create(b, scale, groupBehind(front, type.getRank()));
    type = cast<RankedTensorType>(scale.getType());
  }
  // [G,] or [G,] rows.
  SmallVector<int64_t> shape(type.getShape());
  bool hasRows = type.getRank() > front;
  shape.insert(shape.begin() + front, hasRows ? 1 : 2, 1);
  auto groups = groupBehind(hasRows ? front : front - 1, front + 2);
  if (type.getRank() == 0)
    groups.clear();
  return tensor::ExpandShapeOp::create(b, RankedTensorType::get(shape, type.getElementType()), scale, groups);
}

GemmOp dgemm::buildRaised(ImplicitLocOpBuilder &b, const RaisedOperand &lhs, const RaisedOperand &rhs, Value out) {
  Value scaleA = arrangeScale(b, lhs), scaleB = arrangeScale(b, rhs);
  GemmBuilder builder(b, b.getLoc());
  builder.lhs(lhs.value, scaleA, lhs.granularity).rhs(rhs.value, scaleB, rhs.granularity).out(out);
  if (cast<RankedTensorType>(lhs.value.getType()).getRank() == 3)
    builder.batched();
  return builder.create();
}
