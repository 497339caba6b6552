//===- Addressing.h - Addresses of operand elements -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_ADDRESSING_H
#define DGEMM_LIB_CONVERSION_ADDRESSING_H

#include "NVVMBuilder.h"
#include "dgemm/IR/OperandGeometry.h"

namespace dgemm {

/// The type to which dgemm-lower-to-nvvm converts the memref of an operand: a pointer to global memory.
Type getOperandPointerType(MLIRContext *context);
/// Casts the memref of an operand to that pointer.
Value getOperandPointer(NVVMBuilder &b, Value memref);

/// Loads a `type` at `address`, which lies in an operand of `kernel`. Nothing writes the operand while the kernel runs,
/// so the load is invariant: it may move and take the non-coherent path (PTX ISA 9.0, ld.global.nc). With pdl it is not
/// invariant, because the previous kernel may still write the operand when this one starts.
LLVM::LoadOp loadOperand(NVVMBuilder &b, KernelOp kernel, Type type, Value address);

/// Reads and writes an operand of a kernel in global memory without TMA. Offsets are 64 bits wide because M x N may
/// exceed 2^31.
class OperandAccess {
public:
  /// `memref` is an argument of `kernel`.
  OperandAccess(NVVMBuilder &b, KernelOp kernel, Value memref);

  const OperandGeometry &getGeometry() const { return geometry; }
  /// Extent of dimension `dim` as i64. Dimension 0 is the innermost.
  Value getExtent(unsigned dim) { return expand(geometry.shape[geometry.shape.size() - 1 - dim]); }
  /// Offset in elements (i64) of the element at these indices (index or i64).
  Value getOffset(ValueRange indices);
  /// Address of the element `offset` (i64) elements after the first.
  Value getAddress(Value offset);
  /// Loads a `type` from the address `offset` (i64) elements after the first.
  LLVM::LoadOp load(Type type, Value offset) { return loadOperand(b, kernel, type, getAddress(offset)); }
  /// `value` (index, i32 or i64) as i64. An index or an i32 must not be negative.
  Value toI64(Value value);
  /// The value of `expr`, an expression of the sizes, as i64.
  Value expand(AffineExpr expr);

private:
  NVVMBuilder &b;
  KernelOp kernel;
  OperandGeometry geometry;
  Value base;
};

/// Addresses of the `count` scales of B that dgemm.load_scales gives for `source` at `offsets`. Scale i is in row n /
/// 128 + i (the last row if that is past the end), at K block k / 128. In a gated kernel, scale 1 is that of the second
/// half of B.
SmallVector<Value> getBlockScaleAddresses(NVVMBuilder &b, KernelOp kernel, Value source, ValueRange offsets,
                                          int64_t count);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_ADDRESSING_H
