//===- ElementPositions.h - Where the elements of a thread lie in D -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_ELEMENTPOSITIONS_H
#define DGEMM_LIB_CONVERSION_ELEMENTPOSITIONS_H

#include "Addressing.h"
#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Where the elements of a thread lie in D: two rows, and pairs of columns 8 apart (Fragments.cpp). All indices are
/// i32.
class ElementPositions {
public:
  /// Of a fragment that starts at row `m`, null if rows do not matter, and column `n`.
  ElementPositions(NVVMBuilder &b, KernelOp kernel, Value m, Value n);

  /// Row `half` (0 or 1) of the thread's two rows, or the last row of D if D has no such row.
  Value getRow(OperandAccess &access, unsigned dim, int64_t half);
  Value getFirstColumn() const { return firstColumn; }
  /// Distance (i64) of `count` columns from the first column. It is `column`, or less if these columns would end past
  /// D; then they are the last ones of D.
  Value getColumnDistance(OperandAccess &access, int64_t column, int64_t count) {
    return getColumnDistance(access, b.i32(column), count);
  }
  Value getColumnDistance(OperandAccess &access, Value distance, int64_t count);

private:
  /// The last index of dimension `dim` from which on there are `count` elements.
  Value getLast(OperandAccess &access, unsigned dim, int64_t count);
  Value limit(Value index, OperandAccess &access, unsigned dim, int64_t count);

  NVVMBuilder &b;
  KernelOp kernel;
  Value firstRow, firstColumn;
  bool hasAllRows, hasAllColumns;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_ELEMENTPOSITIONS_H
