//===- ProblemOps.cpp - dgemm.gemm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/OperandGeometry.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace dgemm;

static std::string describe(int64_t extent) { return ShapedType::isDynamic(extent) ? "?" : std::to_string(extent); }

SmallVector<int64_t> GemmOp::getSizes() {
  SmallVector<int64_t> sizes = {getM(), getN(), getK()};
  if (getLayout() != Layout::Dense)
    sizes.push_back(getNumGroups());
  return sizes;
}

SmallVector<StringRef> GemmOp::getDynamicLeadingDimensions() {
  SmallVector<StringRef> names;
  Value matrices[] = {getLhs(), getRhs(), getOut()};
  for (auto [value, name] : llvm::zip_equal(matrices, ArrayRef(kSizeNames).drop_front(kFirstLeadingDimension)))
    if (FailureOr<SmallVector<int64_t>> strides = getExplicitStrides(cast<MemRefType>(value.getType()));
        succeeded(strides) && hasDynamicLeadingDimension(*strides))
      names.push_back(name);
  return names;
}

SmallVector<std::pair<StringRef, Value>> GemmOp::getNamedOperands() {
  SmallVector<std::pair<StringRef, Value>> operands = {
      {"a", getLhs()}, {"scale_a", getLhsScale()}, {"b", getRhs()}, {"scale_b", getRhsScale()}, {"d", getOut()}};
  if (getGroups())
    operands.emplace_back(getLayout() == Layout::Masked ? "masked_m" : "m_indices", getGroups());
  return operands;
}

/// What messages call an operand.
static StringRef getDiagnosticName(StringRef operand) {
  return llvm::StringSwitch<StringRef>(operand)
      .Case("a", "lhs")
      .Case("scale_a", "lhs scale")
      .Case("b", "rhs")
      .Case("scale_b", "rhs scale")
      .Case("d", "out")
      .Default(operand);
}

/// C1 and C5, for one operand, and its rank.
static LogicalResult verifyOperand(GemmOp op, StringRef operand, Value value, const OperandGeometry &geometry) {
  auto type = cast<MemRefType>(value.getType());
  StringRef name = getDiagnosticName(operand);
  if (type.getElementType() != geometry.element)
    return op.emitOpError() << "expected '" << name << "' elements of type " << geometry.element << ", but got "
                            << type.getElementType();
  int64_t rank = geometry.shape.size();
  if (type.getRank() != rank)
    return op.emitOpError() << "expected '" << name << "' to have rank " << rank << ", but got " << type.getRank();
  SmallVector<int64_t> anyStrides;
  int64_t offset = 0;
  if (succeeded(type.getStridesAndOffset(anyStrides, offset)) && offset)
    return op.emitOpError() << "expected '" << name
                            << "' to have no offset, as its first element is at the base address, "
                            << "but got " << type;
  FailureOr<SmallVector<int64_t>> strides = getExplicitStrides(type);
  if (failed(strides))
    return op.emitOpError() << "expected '" << name
                            << "' to be packed or to have strides of which the innermost is static, but got " << type;
  bool isScale = operand.starts_with("scale");
  if (!isScale && !strides->empty() && strides->back() != 1)
    return op.emitOpError() << "expected '" << name << "' rows to be contiguous (innermost stride 1), but got " << type;
  if (!strides->empty() && !areStridesOf(operand, *strides))
    return op.emitOpError() << "expected '" << name << "' to have strides of at least 1, but got " << type;
  return success();
}

/// C3, for one operand.
static LogicalResult verifyExtents(GemmOp op, StringRef operand, Value value, const OperandGeometry &geometry) {
  MLIRContext *context = op.getContext();
  OperandGeometry symbolic = OperandGeometry::get(context, op.getLayout(), operand, {-1, -1, -1, -1});
  for (auto [i, given] : llvm::enumerate(cast<MemRefType>(value.getType()).getShape())) {
    auto constant = dyn_cast<AffineConstantExpr>(geometry.shape[i]);
    int64_t expected = constant ? constant.getValue() : ShapedType::kDynamic;
    if (given == expected)
      continue;
    std::string meaning;
    if (auto dim = dyn_cast<AffineDimExpr>(symbolic.shape[i]))
      meaning = kSizeNames[dim.getPosition()];
    else
      meaning = ("ceil(" +
                 kSizeNames[cast<AffineDimExpr>(cast<AffineBinaryOpExpr>(symbolic.shape[i]).getLHS()).getPosition()] +
                 " / 128)")
                    .str();
    return op.emitOpError() << "expected dimension " << i << " of '" << getDiagnosticName(operand) << "' to be "
                            << meaning << " = " << describe(expected) << ", but got " << describe(given);
  }
  return success();
}

/// What belongs to grouped layouts only.
static LogicalResult verifyLayout(GemmOp op) {
  Layout layout = op.getLayout();
  if ((layout == Layout::Dense) != !op.getGroups())
    return op.emitOpError() << "expected " << (layout == Layout::Dense ? "no group operand" : "a group operand")
                            << " for a " << stringifyLayout(layout) << " layout";
  if (op.getAlignment() && (layout != Layout::Contiguous || op.getRowAlignment() < 1))
    return op.emitOpError() << "expected 'aligned' to be positive, of a contiguous layout, but got "
                            << op.getRowAlignment() << " of a " << stringifyLayout(layout) << " one";
  return success();
}

/// C4: promises are about what is not known.
static LogicalResult verifyDivisors(GemmOp op) {
  if (!op.getDivisors())
    return success();
  SmallVector<int64_t> sizes = op.getSizes();
  SmallVector<StringRef> leading = op.getDynamicLeadingDimensions();
  for (auto [i, divisor] : llvm::enumerate(op.getDivisors()->getAll())) {
    StringRef name = kSizeNames[i];
    bool isDynamic = i < sizes.size() ? ShapedType::isDynamic(sizes[i]) : llvm::is_contained(leading, name);
    if (divisor != 1 && !isDynamic)
      return op.emitOpError() << "expected only dynamic sizes to be 'divisible', but " << name << " is not";
  }
  return success();
}

/// What a config may do depends on the problem.
static LogicalResult verifyConfig(GemmOp op, ConfigAttr config) {
  int64_t rows = config.getBlockM();
  if (op.getLayout() == Layout::Contiguous && op.getRowAlignment() % rows)
    return op.emitOpError() << "expected block M to divide the alignment of groups, " << op.getRowAlignment()
                            << ", so that no tile has rows of two groups, but got " << rows;
  return verifyMulticast(op, config, OperandGeometry::get(op, "a"), OperandGeometry::get(op, "b"));
}

LogicalResult GemmOp::verify() {
  if (failed(verifyLayout(*this)))
    return failure();
  SmallVector<std::pair<StringRef, Value>> operands = getNamedOperands();
  for (auto [name, value] : operands)
    if (failed(
            verifyOperand(*this, name, value, OperandGeometry::get(getContext(), getLayout(), name, {-1, -1, -1, -1}))))
      return failure();

  // C2.
  if (getLhsGranularity() != ArrayRef<int64_t>{1, kScaleBlock})
    return emitOpError() << "expected 'lhs' to be scaled by [1, 128], but got [" << getLhsGranularity() << "]";
  if (getRhsGranularity() != ArrayRef<int64_t>{kScaleBlock, kScaleBlock})
    return emitOpError() << "expected 'rhs' to be scaled by [128, 128], but got [" << getRhsGranularity() << "]";

  SmallVector<int64_t> sizes = getSizes();
  // C4.
  for (auto [name, size] : llvm::zip(kSizeNames, sizes))
    if (!ShapedType::isDynamic(size) && (size < 1 || size > INT32_MAX))
      return emitOpError() << "expected " << name << " to be 1 to 2147483647, but got " << size;
  for (int64_t &size : sizes)
    size = ShapedType::isDynamic(size) ? -1 : size;
  for (auto [name, value] : operands)
    if (failed(verifyExtents(*this, name, value, OperandGeometry::get(getContext(), getLayout(), name, sizes))))
      return failure();
  if (failed(verifyDivisors(*this)))
    return failure();
  return getConfig() ? verifyConfig(*this, *getConfig()) : success();
}
