//===- OperandGeometry.cpp - Shapes and strides of the operands -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/HopperLimits.h"
#include <numeric>

using namespace mlir;
using namespace mlir::dgemm;

namespace {
/// M, N, K and G: constants where static.
struct SizeExprs {
  AffineExpr m, n, k, g;

  SizeExprs(MLIRContext *context, ArrayRef<int64_t> sizes) {
    AffineExpr *fields[] = {&m, &n, &k, &g};
    for (auto [i, size] : llvm::enumerate(sizes))
      *fields[i] = size < 0 ? getAffineDimExpr(i, context) : getAffineConstantExpr(size, context);
  }
};
} // namespace

/// Extents without the group.
static SmallVector<AffineExpr> getMatrixShape(StringRef name, const SizeExprs &size) {
  if (name == "a")
    return {size.m, size.k};
  if (name == "b")
    return {size.n, size.k};
  if (name == "d")
    return {size.m, size.n};
  if (name == "scale_a")
    return {size.k.ceilDiv(kScaleBlock), size.m};
  if (name == "scale_b")
    return {size.n.ceilDiv(kScaleBlock), size.k.ceilDiv(kScaleBlock)};
  return {name == "m_indices" ? size.m : size.g};
}

OperandGeometry OperandGeometry::get(MLIRContext *context, Layout layout, StringRef name, ArrayRef<int64_t> sizes,
                                     ArrayRef<int64_t> strides) {
  SizeExprs size(context, sizes);
  OperandGeometry geometry;
  Builder builder(context);
  if (name == "a" || name == "b")
    geometry.element = Float8E4M3FNType::get(context);
  else if (name == "d")
    geometry.element = builder.getBF16Type();
  else
    geometry.element = name.starts_with("scale") ? Type(builder.getF32Type()) : Type(builder.getI32Type());
  geometry.shape = getMatrixShape(name, size);
  bool isMatrix = geometry.shape.size() == 2;
  if (isMatrix && (layout == Layout::Masked || (layout == Layout::Contiguous && (name == "b" || name == "scale_b"))))
    geometry.shape.insert(geometry.shape.begin(), size.g);
  if (!strides.empty()) {
    for (int64_t stride : strides)
      geometry.strides.push_back(builder.getAffineConstantExpr(stride));
    return geometry;
  }
  // Packed, but for the M stride of scale_a: a multiple of 16 bytes.
  AffineExpr stride = builder.getAffineConstantExpr(1);
  for (AffineExpr extent : llvm::reverse(geometry.shape)) {
    geometry.strides.insert(geometry.strides.begin(), stride);
    bool isPadded = name == "scale_a" && geometry.strides.size() == 1;
    stride = stride * (isPadded ? extent.ceilDiv(4) * 4 : extent);
  }
  return geometry;
}

OperandGeometry OperandGeometry::get(KernelOp kernel, StringRef name) {
  ArrayRef<int64_t> strides;
  if (DictionaryAttr all = kernel.getStridesAttr())
    if (auto own = all.getAs<DenseI64ArrayAttr>(name))
      strides = own.asArrayRef();
  return get(kernel.getContext(), kernel.getLayout(), name, kernel.getSizes(), strides);
}

OperandGeometry OperandGeometry::get(GemmOp gemm, StringRef name) {
  SmallVector<int64_t> sizes = gemm.getSizes(), strides;
  for (int64_t &size : sizes)
    size = ShapedType::isDynamic(size) ? -1 : size;
  for (auto [operand, value] : gemm.getNamedOperands())
    if (operand == name)
      strides = *getExplicitStrides(cast<MemRefType>(value.getType())); // the problem verified that there are any
  return get(gemm.getContext(), gemm.getLayout(), name, sizes, strides);
}

bool OperandGeometry::allowsTMA() const {
  auto innermost = dyn_cast<AffineConstantExpr>(strides.back());
  if (!innermost || innermost.getValue() != 1)
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [&](AffineExpr stride) {
    auto constant = dyn_cast<AffineConstantExpr>(stride);
    return !constant || constant.getValue() * getElementBytes() % hopper::kTmaAlignment == 0;
  });
}

int64_t OperandGeometry::getAccessBytes() const {
  int64_t bytes = 16;
  auto limit = [&](AffineExpr expr) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    bytes = std::gcd(bytes, constant ? constant.getValue() * getElementBytes() : getElementBytes());
  };
  limit(shape.back());
  llvm::for_each(ArrayRef(strides).drop_back(), limit);
  return bytes;
}

FailureOr<SmallVector<int64_t>> mlir::dgemm::getExplicitStrides(MemRefType type) {
  if (type.getLayout().isIdentity())
    return SmallVector<int64_t>();
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || offset || llvm::any_of(strides, ShapedType::isDynamic))
    return failure();
  return strides;
}
