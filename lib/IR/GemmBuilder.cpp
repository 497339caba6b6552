//===- GemmBuilder.cpp - Builds a dgemm.gemm by parts -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/GemmBuilder.h"
#include "dgemm/IR/Epilogue.h"

using namespace dgemm;

GemmBuilder &GemmBuilder::lhs(Value value, Value scale, ArrayRef<int64_t> granularity) {
  a = value;
  scaleA = scale;
  lhsGranularity.assign(granularity.begin(), granularity.end());
  return *this;
}

GemmBuilder &GemmBuilder::rhs(Value value, Value scale, ArrayRef<int64_t> granularity) {
  b = value;
  scaleB = scale;
  rhsGranularity.assign(granularity.begin(), granularity.end());
  return *this;
}

GemmBuilder &GemmBuilder::out(Value value) {
  d = value;
  return *this;
}

GemmBuilder &GemmBuilder::quantized(Value scale, ArrayRef<int64_t> granularity) {
  scaleD = scale;
  outGranularity.assign(granularity.begin(), granularity.end());
  return *this;
}

GemmBuilder &GemmBuilder::contiguous(Value mIndices, int64_t rows) {
  layout = Layout::Contiguous;
  groups = mIndices;
  alignment = rows;
  return *this;
}

GemmBuilder &GemmBuilder::masked(Value maskedM) {
  layout = Layout::Masked;
  groups = maskedM;
  alignment.reset();
  return *this;
}

GemmBuilder &GemmBuilder::offsets(Value ends, int64_t rows) {
  layout = Layout::Offsets;
  groups = ends;
  alignment = rows;
  return *this;
}

GemmBuilder &GemmBuilder::kGrouped(Value ends, int64_t columns) {
  layout = Layout::KGrouped;
  groups = ends;
  alignment = columns;
  return *this;
}

GemmBuilder &GemmBuilder::batched() {
  layout = Layout::Batched;
  groups = Value();
  alignment.reset();
  return *this;
}

GemmBuilder &GemmBuilder::accumulate(bool wanted) {
  accumulates = wanted;
  return *this;
}

GemmBuilder &GemmBuilder::expectRows(int64_t rows) {
  expectedRows = rows;
  return *this;
}

GemmBuilder &GemmBuilder::divisible(DivisorsAttr attr) {
  divisors = attr;
  return *this;
}

GemmBuilder &GemmBuilder::accuracy(AccuracyKind kind) {
  accuracyKind = kind;
  return *this;
}

GemmBuilder &GemmBuilder::pdl(bool wanted) {
  isDependent = wanted;
  return *this;
}

GemmBuilder &GemmBuilder::epilogue(EpilogueAttr attr, mlir::ValueRange operands) {
  fused = attr;
  epilogueOperands.assign(operands.begin(), operands.end());
  return *this;
}

GemmBuilder &GemmBuilder::config(ConfigAttr attr) {
  chosen = attr;
  return *this;
}

GemmOp GemmBuilder::create() {
  auto toAttr = [&](std::optional<int64_t> value) {
    return value ? builder.getI64IntegerAttr(*value) : mlir::IntegerAttr();
  };
  auto toBlock = [&](Value scale, ArrayRef<int64_t> block) {
    return scale ? builder.getDenseI64ArrayAttr(block) : mlir::DenseI64ArrayAttr();
  };
  mlir::ArrayAttr roles;
  if (fused && !epilogueOperands.empty())
    roles = builder.getArrayAttr(llvm::to_vector_of<mlir::Attribute>(fused.getOperands()));
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(d.getType());
  auto gemm = GemmOp::create(builder, location, tensor ? mlir::TypeRange(tensor) : mlir::TypeRange(), a, scaleA, b,
                             scaleB, d, groups, epilogueOperands, scaleD, layout, toAttr(alignment),
                             toAttr(expectedRows), divisors, accuracyKind, accumulates, isDependent,
                             toBlock(scaleA, lhsGranularity), toBlock(scaleB, rhsGranularity),
                             toBlock(scaleD, outGranularity), roles, fused && fused.getGated(), chosen);
  if (fused)
    buildEpilogue(builder, location, fused, gemm.getEpilogue());
  return gemm;
}
