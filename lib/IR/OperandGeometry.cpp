//===- OperandGeometry.cpp - Shapes and strides of the operands -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/HopperLimits.h"
#include "llvm/ADT/Sequence.h"
#include <numeric>

using namespace mlir;
using namespace dgemm;

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
                                     ArrayRef<int64_t> strides, DivisorsAttr divisors) {
  SizeExprs size(context, sizes);
  OperandGeometry geometry;
  geometry.divisors = divisors;
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
  geometry.explicitStrides.assign(strides.begin(), strides.end());
  geometry.setStrides(name, strides);
  return geometry;
}

AffineExpr dgemm::getRowsOfLastTile(KernelOp kernel, int64_t tileRows) {
  constexpr int64_t kAtomRows = hopper::kSwizzleAtom / hopper::kSwizzleBytes;
  AffineExpr m = SizeExprs(kernel.getContext(), kernel.getSizes()).m;
  return ((m - 1) % tileRows).floorDiv(kAtomRows) * kAtomRows + kAtomRows;
}

/// The size that the row stride of A, B or D is where it is given at launch.
static AffineExpr getLeadingDimension(MLIRContext *context, StringRef name) {
  unsigned index = name == "a" ? 0 : name == "b" ? 1 : 2;
  return getAffineDimExpr(kFirstLeadingDimension + index, context);
}

/// Rows lie closer together than columns: scales may, in either order.
static bool isRowInnermost(ArrayRef<AffineExpr> shape, ArrayRef<int64_t> strides) {
  int64_t row = strides[strides.size() - 2], column = strides.back();
  if (row == column) // then one of them has the extent 1
    return shape[shape.size() - 2] == 1;
  return row >= 0 && (column < 0 || row < column);
}

/// A stride that is not given is that of the dimension inside, times its extent; the rows of scale_a are padded to a
/// multiple of 16 bytes.
void OperandGeometry::setStrides(StringRef name, ArrayRef<int64_t> given) {
  MLIRContext *context = element.getContext();
  size_t rank = shape.size();
  auto inner = llvm::to_vector(llvm::reverse(llvm::seq<size_t>(0, rank)));
  auto isGiven = [&](size_t dim) { return !given.empty() && given[dim] >= 0; };
  bool isTransposed = !given.empty() && rank > 1 && isRowInnermost(shape, given);
  if (isTransposed)
    std::swap(inner[0], inner[1]);
  bool isMatrix = name == "a" || name == "b" || name == "d";
  strides.resize(rank);
  AffineExpr next = getAffineConstantExpr(1, context);
  for (size_t dim : inner) {
    if (isGiven(dim))
      strides[dim] = getAffineConstantExpr(given[dim], context);
    else if (isMatrix && !given.empty() && dim + 2 == rank)
      strides[dim] = getLeadingDimension(context, name);
    else
      strides[dim] = next;
    bool isPadded = name == "scale_a" && dim == inner[0] && !isTransposed;
    next = strides[dim] * (isPadded ? shape[dim].ceilDiv(4) * 4 : shape[dim]);
  }
}

OperandGeometry OperandGeometry::get(KernelOp kernel, StringRef name) {
  return get(kernel.getContext(), kernel.getLayout(), name, kernel.getSizes(), kernel.getExplicitStridesOf(name),
             kernel.getDivisorsAttr());
}

OperandGeometry OperandGeometry::get(GemmOp gemm, StringRef name) {
  SmallVector<int64_t> sizes = gemm.getSizes(), strides;
  for (int64_t &size : sizes)
    size = ShapedType::isDynamic(size) ? -1 : size;
  for (auto [operand, value] : gemm.getNamedOperands())
    if (operand == name)
      strides = *getExplicitStrides(cast<MemRefType>(value.getType())); // verified to be known
  return get(gemm.getContext(), gemm.getLayout(), name, sizes, strides, gemm.getDivisorsAttr());
}

int64_t OperandGeometry::getKnownDivisor(AffineExpr expr) const {
  if (!divisors)
    return expr.getLargestKnownDivisor();
  SmallVector<AffineExpr> multiples;
  for (auto [i, divisor] : llvm::enumerate(divisors.getAll()))
    multiples.push_back(getAffineDimExpr(i, expr.getContext()) * divisor);
  return expr.replaceDims(multiples).getLargestKnownDivisor();
}

bool OperandGeometry::allowsTMA() const {
  auto innermost = dyn_cast<AffineConstantExpr>(strides.back());
  if (!innermost || innermost.getValue() != 1)
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [&](AffineExpr stride) {
    return getKnownDivisor(stride) * getElementBytes() % hopper::kTmaAlignment == 0;
  });
}

MemRefType OperandGeometry::getType() const {
  SmallVector<int64_t> extents = llvm::map_to_vector(shape, [](AffineExpr extent) {
    auto constant = dyn_cast<AffineConstantExpr>(extent);
    return constant ? constant.getValue() : ShapedType::kDynamic;
  });
  if (explicitStrides.empty())
    return MemRefType::get(extents, element);
  SmallVector<int64_t> given =
      llvm::map_to_vector(explicitStrides, [](int64_t stride) { return stride < 0 ? ShapedType::kDynamic : stride; });
  return MemRefType::get(extents, element, StridedLayoutAttr::get(element.getContext(), /*offset=*/0, given));
}

SmallVector<AffineExpr> OperandGeometry::getMapDims() const { return SmallVector<AffineExpr>(llvm::reverse(shape)); }

SmallVector<AffineExpr> OperandGeometry::getMapStrides() const {
  return llvm::map_to_vector(llvm::drop_begin(llvm::reverse(strides)),
                             [&](AffineExpr stride) { return stride * getElementBytes(); });
}

int64_t OperandGeometry::getAccessBytes() const {
  int64_t bytes = 16;
  auto limit = [&](AffineExpr expr) { bytes = std::gcd(bytes, getKnownDivisor(expr) * getElementBytes()); };
  limit(shape.back());
  llvm::for_each(ArrayRef(strides).drop_back(), limit);
  return bytes;
}

FailureOr<SmallVector<int64_t>> dgemm::getExplicitStrides(MemRefType type) {
  if (type.getLayout().isIdentity())
    return SmallVector<int64_t>();
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || offset ||
      llvm::all_of(ArrayRef(strides).take_back(2), ShapedType::isDynamic))
    return failure();
  for (int64_t &stride : strides)
    stride = ShapedType::isDynamic(stride) ? -1 : stride;
  return strides;
}

bool dgemm::areStridesOf(StringRef operand, ArrayRef<int64_t> strides) {
  if (strides.empty() || llvm::any_of(strides, [](int64_t stride) { return stride == 0 || stride < -1; }))
    return false;
  return operand.starts_with("scale") ? llvm::any_of(strides.take_back(2), [](int64_t stride) { return stride > 0; })
                                      : strides.back() == 1;
}

LogicalResult dgemm::verifyMulticast(Operation *op, ConfigAttr config, const OperandGeometry &a,
                                     const OperandGeometry &b) {
  if (!config.isMulticast())
    return success();
  for (auto [name, geometry] : {std::pair("a", &a), {"b", &b}})
    if (!geometry->allowsTMA())
      return op->emitOpError() << "expected no cluster, as the strides of '" << name
                               << "' are not known to be multiples of 16 bytes, which leaves it without TMA and "
                                  "multicast, but got "
                               << config;
  return success();
}
