//===- Addressing.cpp - Addresses of operand elements -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"

using namespace mlir;
using namespace dgemm;

Type dgemm::getOperandPointerType(MLIRContext *context) {
  return LLVM::LLVMPointerType::get(context, static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
}

Value dgemm::getOperandPointer(NVVMBuilder &b, Value memref) {
  return UnrealizedConversionCastOp::create(b, getOperandPointerType(b.getContext()), memref).getResult(0);
}

OperandAccess::OperandAccess(NVVMBuilder &b, KernelOp kernel, Value memref)
    : b(b), kernel(kernel), geometry(OperandGeometry::get(kernel, *kernel.getOperandOf(memref))),
      base(getOperandPointer(b, memref)) {}

Value OperandAccess::toI64(Value value) {
  if (value.getType().isInteger(64))
    return value;
  // Sizes and offsets are not negative and below 2^31.
  Value narrow = value.getType().isIndex() ? b.toI32(value) : value;
  return arith::ExtUIOp::create(b, b.getI64Type(), narrow);
}

Value OperandAccess::expand(AffineExpr expr) {
  auto constant = [&](int64_t value) -> Value { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); };
  if (auto value = dyn_cast<AffineConstantExpr>(expr))
    return constant(value.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return toI64(kernel.findSize(kSizeNames[dim.getPosition()]));
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = expand(binary.getLHS()), rhs = expand(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return arith::AddIOp::create(b, lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(b, lhs, rhs);
  case AffineExprKind::CeilDiv: {
    Value last = arith::SubIOp::create(b, rhs, constant(1));
    return arith::DivUIOp::create(b, arith::AddIOp::create(b, lhs, last), rhs);
  }
  case AffineExprKind::FloorDiv:
    return arith::DivUIOp::create(b, lhs, rhs);
  default:
    llvm_unreachable("operand geometry has no other expressions");
  }
}

Value OperandAccess::getOffset(ValueRange indices) {
  Value offset;
  for (auto [index, stride] : llvm::zip_equal(indices, geometry.strides)) {
    auto constant = dyn_cast<AffineConstantExpr>(stride);
    Value term = toI64(index);
    if (!constant || constant.getValue() != 1)
      term = arith::MulIOp::create(b, term, expand(stride));
    offset = offset ? Value(arith::AddIOp::create(b, offset, term)) : term;
  }
  return offset;
}

Value OperandAccess::getAddress(Value offset) {
  Type element = geometry.element;
  if (isa<Float8E4M3FNType, Float8E5M2Type>(element)) // LLVM has no FP8 types
    element = b.getI8Type();
  return LLVM::GEPOp::create(b, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{offset});
}

LLVM::LoadOp dgemm::loadOperand(NVVMBuilder &b, KernelOp kernel, Type type, Value address) {
  auto load = LLVM::LoadOp::create(b, type, address);
  load.setInvariant(!kernel.getPdl());
  return load;
}

SmallVector<Value> dgemm::getBlockScaleAddresses(NVVMBuilder &b, KernelOp kernel, Value source, ValueRange offsets,
                                                 int64_t count) {
  OperandAccess access(b, kernel, source);
  bool mayStartPastN = kernel.getConfig().getClusterN() > 1;
  ScaledAttr scaled = kernel.getProblem().getRhs();
  SmallVector<Value> indices(offsets);
  Value &row = indices[indices.size() - 2];
  Value firstRow = arith::DivUIOp::create(b, row, b.index(scaled.getRows()));
  indices.back() = arith::DivUIOp::create(b, indices.back(), b.index(scaled.getK()));
  Value one = arith::ConstantOp::create(b, b.getI64IntegerAttr(1));
  // In a gated kernel, the second scale belongs to the second half of B.
  Value half;
  if (kernel.getProblem().isGated())
    half = arith::DivUIOp::create(b, access.getExtent(1), arith::ConstantOp::create(b, b.getI64IntegerAttr(2)));
  SmallVector<Value> addresses;
  for (int64_t i = 0; i < count; ++i) {
    row = firstRow;
    if (i && half)
      row = arith::MinUIOp::create(b, arith::AddIOp::create(b, access.toI64(firstRow), half),
                                   arith::SubIOp::create(b, access.getExtent(1), one));
    else if (i || mayStartPastN)
      row = arith::MinUIOp::create(b, access.toI64(b.add(firstRow, b.index(i))),
                                   arith::SubIOp::create(b, access.getExtent(1), one));
    addresses.push_back(access.getAddress(access.getOffset(indices)));
  }
  return addresses;
}
