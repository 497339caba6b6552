//===- Raise.h - Parts of dgemm-raise ---------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_RAISE_H
#define DGEMM_LIB_TRANSFORMS_RAISE_H

#include "dgemm/IR/DGemm.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {

/// How the scale tensor of an operand becomes [K blocks, rows] or [row blocks, K blocks]. The dimension of a batch
/// stays in front.
enum class ScaleForm { AsIs, Transposed, Expanded, Flattened };

/// A (lhs) or B (rhs) of a product; in a batch, its rank is 3.
struct RaisedOperand {
  Value value;
  /// Null for a scale of 1.
  Value scale;
  llvm::SmallVector<int64_t, 2> granularity = {ScaledAttr::kFull, ScaledAttr::kFull};
  ScaleForm form = ScaleForm::AsIs;
};

/// Builds the gemm of the two operands, and its scales in the shape that it takes. The gemm may be illegal.
GemmOp buildRaised(mlir::ImplicitLocOpBuilder &b, const RaisedOperand &lhs, const RaisedOperand &rhs, Value out);

/// Raises the scaled dots of StableHLO in `root`. They are known by the names of their ops. If one is left alone, a
/// remark says why.
void raiseScaledDots(Operation *root);

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_RAISE_H
