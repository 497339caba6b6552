//===- GemmBuilder.h - Builds a dgemm.gemm by parts -------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_GEMMBUILDER_H
#define DGEMM_IR_GEMMBUILDER_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Builds a `dgemm.gemm`. lhs, rhs and out are required. The verifier checks the op. With tensors, the result of the op
/// is D.
///
///   GemmOp gemm = GemmBuilder(b, loc).lhs(a, scaleA).rhs(b, scaleB).out(d).masked(maskedM).create();
class GemmBuilder {
public:
  GemmBuilder(mlir::OpBuilder &builder, mlir::Location location) : builder(builder), location(location) {}

  /// `granularity` is the block of elements that has one scale, [rows, k]; the default is [1, 128] for A and [128, 128]
  /// for B. Without `scale` the operand has no scales.
  GemmBuilder &lhs(Value a, Value scale = {}, ArrayRef<int64_t> granularity = {1, kScaleBlock});
  GemmBuilder &rhs(Value b, Value scale = {}, ArrayRef<int64_t> granularity = {kScaleBlock, kScaleBlock});
  GemmBuilder &out(Value d);
  /// D is quantised, and `scale` are its scales.
  GemmBuilder &quantized(Value scale, ArrayRef<int64_t> granularity = {1, kScaleBlock});
  /// `mIndices` gives the group of each row; groups start at multiples of `alignment` rows.
  GemmBuilder &contiguous(Value mIndices, int64_t alignment = 128);
  /// `maskedM` gives the number of rows of each group.
  GemmBuilder &masked(Value maskedM);
  /// `ends` gives the row after the last one of each group; groups start at multiples of `alignment` rows.
  GemmBuilder &offsets(Value ends, int64_t alignment = 128);
  /// `ends` gives the column of K after the last one of each group; groups start at multiples of `alignment` columns.
  GemmBuilder &kGrouped(Value ends, int64_t alignment = 128);
  /// Each group has an A, a B and a D, whose types say how many there are.
  GemmBuilder &batched();
  /// The product is added to what D holds.
  GemmBuilder &accumulate(bool wanted = true);
  /// A hint: the expected value of a dynamic M, or the expected number of rows of a masked group.
  GemmBuilder &expectRows(int64_t rows);
  /// Promised divisors of dynamic sizes; null for none.
  GemmBuilder &divisible(DivisorsAttr divisors);
  /// The default is Exact.
  GemmBuilder &accuracy(AccuracyKind kind);
  /// Programmatic dependent launch.
  GemmBuilder &pdl(bool wanted = true);
  /// The computation on the sums before they are stored, and its operands.
  GemmBuilder &epilogue(EpilogueAttr epilogue, mlir::ValueRange operands);
  GemmBuilder &config(ConfigAttr config);

  GemmOp create();

private:
  mlir::OpBuilder &builder;
  mlir::Location location;
  Layout layout = Layout::Dense;
  Value a, scaleA, b, scaleB, d, groups, scaleD;
  llvm::SmallVector<int64_t, 2> lhsGranularity, rhsGranularity, outGranularity;
  std::optional<int64_t> alignment, expectedRows;
  DivisorsAttr divisors;
  AccuracyKind accuracyKind = AccuracyKind::Exact;
  bool accumulates = false, isDependent = false;
  EpilogueAttr fused;
  llvm::SmallVector<Value> epilogueOperands;
  ConfigAttr chosen;
};

} // namespace dgemm

#endif // DGEMM_IR_GEMMBUILDER_H
