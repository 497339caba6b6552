//===- ProblemOps.cpp - dgemm.gemm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::dgemm;

static std::string describe(int64_t extent) { return ShapedType::isDynamic(extent) ? "?" : std::to_string(extent); }

/// ceil(extent / block), or dynamic.
static int64_t blocksOf(int64_t extent, int64_t block) {
  return ShapedType::isDynamic(extent) ? extent : llvm::divideCeil(extent, block);
}

/// C1 and C5, for one operand.
static LogicalResult verifyOperand(GemmOp op, StringRef name, Value operand, Type element) {
  auto type = cast<MemRefType>(operand.getType());
  if (type.getElementType() != element)
    return op.emitOpError() << "expected '" << name << "' elements of type " << element << ", but got "
                            << type.getElementType();
  if (type.getRank() != 2)
    return op.emitOpError() << "expected '" << name << "' to have rank 2, but got " << type.getRank();
  if (!type.getLayout().isIdentity())
    return op.emitOpError() << "expected '" << name << "' rows to be contiguous (identity layout), but got " << type;
  return success();
}

/// C3, for one dimension.
static LogicalResult verifyExtent(GemmOp op, StringRef name, int64_t dim, Value operand, int64_t expected,
                                  StringRef meaning) {
  int64_t given = cast<MemRefType>(operand.getType()).getDimSize(dim);
  if (given == expected)
    return success();
  return op.emitOpError() << "expected dimension " << dim << " of '" << name << "' to be " << meaning << " = "
                          << describe(expected) << ", but got " << describe(given);
}

/// C4, for one size.
static LogicalResult verifyMultiple(GemmOp op, StringRef name, int64_t size, int64_t multiple) {
  if (ShapedType::isDynamic(size))
    return success();
  if (size < 1 || size % multiple)
    return op.emitOpError() << "expected " << name << " to be a positive multiple of " << multiple
                            << " (TMA wants rows of whole 16 bytes), but got " << size;
  if (size > INT32_MAX)
    return op.emitOpError() << "expected " << name << " to be below 2^31, but got " << size;
  return success();
}

LogicalResult GemmOp::verify() {
  MLIRContext *context = getContext();
  Type f8 = Float8E4M3FNType::get(context), f32 = Float32Type::get(context), bf16 = BFloat16Type::get(context);
  if (failed(verifyOperand(*this, "lhs", getLhs(), f8)) ||
      failed(verifyOperand(*this, "lhs scale", getLhsScale(), f32)) ||
      failed(verifyOperand(*this, "rhs", getRhs(), f8)) ||
      failed(verifyOperand(*this, "rhs scale", getRhsScale(), f32)) ||
      failed(verifyOperand(*this, "out", getOut(), bf16)))
    return failure();

  // C2.
  if (getLhsGranularity() != ArrayRef<int64_t>{1, kScaleBlock})
    return emitOpError() << "expected 'lhs' to be scaled by [1, 128], but got [" << getLhsGranularity() << "]";
  if (getRhsGranularity() != ArrayRef<int64_t>{kScaleBlock, kScaleBlock})
    return emitOpError() << "expected 'rhs' to be scaled by [128, 128], but got [" << getRhsGranularity() << "]";

  int64_t m = getM(), n = getN(), k = getK();
  int64_t kBlocks = blocksOf(k, kScaleBlock), nBlocks = blocksOf(n, kScaleBlock);
  if (failed(verifyExtent(*this, "lhs", 0, getLhs(), m, "M")) ||
      failed(verifyExtent(*this, "rhs", 0, getRhs(), n, "N")) ||
      failed(verifyExtent(*this, "rhs", 1, getRhs(), k, "K")) ||
      failed(verifyExtent(*this, "lhs scale", 0, getLhsScale(), kBlocks, "ceil(K / 128)")) ||
      failed(verifyExtent(*this, "lhs scale", 1, getLhsScale(), m, "M")) ||
      failed(verifyExtent(*this, "rhs scale", 0, getRhsScale(), nBlocks, "ceil(N / 128)")) ||
      failed(verifyExtent(*this, "rhs scale", 1, getRhsScale(), kBlocks, "ceil(K / 128)")))
    return failure();
  if (failed(verifyMultiple(*this, "M", m, 8)) || failed(verifyMultiple(*this, "N", n, 8)) ||
      failed(verifyMultiple(*this, "K", k, 16)))
    return failure();
  return success();
}
