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

/// What an operand's memref becomes when dgemm-lower-to-nvvm makes the function: a pointer to global memory.
Type getOperandPointerType(MLIRContext *context);
Value getOperandPointer(NVVMBuilder &b, Value memref);

/// A load of an operand of `kernel`. Nothing writes it while the kernel runs, so the load may move and take the
/// non-coherent path (PTX ISA 9.0, ld.global.nc); but with pdl the kernel in front may still write it when this one
/// starts.
LLVM::LoadOp loadOperand(NVVMBuilder &b, KernelOp kernel, Type type, Value address);

/// Reads and writes an operand of a kernel in global memory without TMA. Offsets are 64 bits wide: M x N may pass 2^31.
class OperandAccess {
public:
  /// `memref` is an argument of `kernel`.
  OperandAccess(NVVMBuilder &b, KernelOp kernel, Value memref);

  const OperandGeometry &getGeometry() const { return geometry; }
  /// The extent of dimension `dim` (from the innermost, 0) as i64.
  Value getExtent(unsigned dim) { return expand(geometry.shape[geometry.shape.size() - 1 - dim]); }
  /// Offset in elements (i64) of the element at these indices (index or i64).
  Value getOffset(ValueRange indices);
  /// Address of the element `offset` (i64) elements after the first.
  Value getAddress(Value offset);
  /// What lies there, `offset` (i64) elements after the first.
  LLVM::LoadOp load(Type type, Value offset) { return loadOperand(b, kernel, type, getAddress(offset)); }
  Value toI64(Value value);
  /// `expr` of the sizes as i64.
  Value expand(AffineExpr expr);

private:
  NVVMBuilder &b;
  KernelOp kernel;
  OperandGeometry geometry;
  Value base;
};

/// Address of element i < `count` of what dgemm.load_scales gives of B for `source` at `offsets`: row `n / 128 + i`,
/// no further than the last, at K block `k / 128`.
SmallVector<Value> getBlockScaleAddresses(NVVMBuilder &b, KernelOp kernel, Value source, ValueRange offsets,
                                          int64_t count);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_ADDRESSING_H
