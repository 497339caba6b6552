//===- OperandGeometry.h - Shapes and strides of the operands ---*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layout of each operand as a function of the sizes. Tensor maps, addresses and the launch descriptor are all made
// from it.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_OPERANDGEOMETRY_H
#define DGEMM_IR_OPERANDGEOMETRY_H

#include "dgemm/IR/DGemm.h"
#include "mlir/IR/AffineExpr.h"

namespace dgemm {

/// Arguments of cuTensorMapEncodeTiled, innermost dimension first: extents in elements, strides in bytes without the
/// innermost, and the bytes from the operand to the first element, null if there are none.
struct MapGeometry {
  SmallVector<AffineExpr> dims, strides;
  AffineExpr offset;
};

/// Extents and strides in elements, outermost first, as expressions of kSizeNames; static sizes are constants.
struct OperandGeometry {
  Type element;
  SmallVector<AffineExpr> shape, strides;
  /// Known divisors of the sizes; null if there are none.
  DivisorsAttr divisors;
  /// The given strides; empty for a packed operand.
  SmallVector<int64_t> explicitStrides;

  static OperandGeometry get(ProblemAttr problem, Operand operand);
  static OperandGeometry get(KernelOp kernel, Operand operand) { return get(kernel.getProblem(), operand); }

  /// True if TMA can load the operand: the innermost stride is one element, and the others are known to be multiples of
  /// 16 bytes (cuda.h, cuTensorMapEncodeTiled).
  bool allowsTMA() const;
  /// The largest power of two, up to 16 bytes, that is known to divide the innermost extent and all outer strides in
  /// bytes.
  int64_t getAccessBytes() const;
  /// True if the strides are those of a packed memref: elements follow each other without gaps.
  bool isPacked() const;
  int64_t getElementBytes() const { return element.getIntOrFloatBitWidth() / 8; }
  /// The type of the memref; `?` for dynamic values.
  MemRefType getType() const;
  MapGeometry getMap() const;
  /// The rows seen through windows. Window `w` is the `rows` rows that end before row w. So a box that begins at row
  /// `rows` - n of window w + n has the n rows from w on, and TMA does not write past them. The first windows begin
  /// before the operand.
  MapGeometry getWindowMap(int64_t rows) const;

private:
  void setStrides(Operand operand, bool padsRows);
  /// `expr` with each size replaced by a multiple of its known divisor.
  AffineExpr insertDivisors(AffineExpr expr) const;
  /// The largest known divisor of `expr`, in elements.
  int64_t getKnownDivisor(AffineExpr expr) const;
};

/// The number of rows to load for the last tile along M if rows past the end are skipped: the existing rows, rounded up
/// to the 8 rows of a swizzle atom. It is at most `tileRows`, the rows of a tile. It is an expression of M
/// (kSizeNames[0]).
AffineExpr getRowsOfLastTile(KernelOp kernel, int64_t tileRows);

/// Explicit strides of a memref, in elements, -1 for `?`; empty for a packed memref and for a tensor. Failure: the
/// layout has no strides, or neither of the two innermost is static.
FailureOr<SmallVector<int64_t>> getExplicitStrides(ShapedType type);
/// True if the first element is not, or may not be, at the base address.
bool hasOffset(MemRefType type);
/// True if an operand may have these explicit strides: each is dynamic or at least 1; the innermost is static for
/// scales, and 1 for other operands.
bool areStridesOf(Operand operand, ArrayRef<int64_t> strides);
/// Emits an error unless B may have `n` rows, or that dynamic number of rows, in a problem with a gated epilogue (C6 of
/// #dgemm.problem).
LogicalResult verifyGatedColumns(function_ref<InFlightDiagnostic()> emitError, ScaledAttr rhs, int64_t n,
                                 DivisorsAttr divisors);
/// Emits an error at `op` unless a kernel of `problem` can have `config`. A cluster that multicasts requires A and B by
/// TMA. A K block is as deep as a block of scales. If each K block has a scale for each row of B, stages hold these
/// too.
LogicalResult verifyConfigFor(Operation *op, ConfigAttr config, ProblemAttr problem);
/// Emits an error unless D, which the error calls `name`, may have this type and these scales (C4 and C9 of
/// #dgemm.problem).
LogicalResult verifyOut(function_ref<InFlightDiagnostic()> emitError, StringRef name, Type out, QuantizedAttr quantized,
                        Layout layout, bool accumulate);
/// True if a kernel with a quantised D may have `config`: a tile has whole blocks of the scales of D, and one CTA has
/// all columns of it.
bool allowsQuantized(ConfigAttr config, bool isGated);
/// True if a gated epilogue may have `config`: a tile has two halves, each of which lies inside a scale block of B.
bool allowsGated(ConfigAttr config);
/// True if the row stride among these explicit strides of A, B or D is given at launch.
inline bool hasDynamicLeadingDimension(ArrayRef<int64_t> strides) {
  return strides.size() > 1 && strides[strides.size() - 2] < 0;
}

} // namespace dgemm

#endif // DGEMM_IR_OPERANDGEOMETRY_H
