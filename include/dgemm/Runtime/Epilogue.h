//===- Epilogue.h - Operations behind the sum, on the host ------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes the epilogue of a launch descriptor in double precision, and bounds for the values of a kernel that computes
// it in f32 from a sum that is not exact.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_EPILOGUE_H
#define DGEMM_RUNTIME_EPILOGUE_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "dgemm/Runtime/HostTensor.h"
#include "llvm/ADT/ArrayRef.h"

namespace dgemm {

/// All numbers from `low` to `high`. An unbounded interval also includes NaN.
struct Interval {
  double low = 0, high = 0;

  static Interval getUnbounded();
  bool isUnbounded() const;
};

struct EpilogueOp;

/// The operations of an epilogue.
class EpilogueFunction {
public:
  /// Error: an op or a predicate that is unknown, or a wrong number of arguments.
  static llvm::Expected<EpilogueFunction> create(const EpilogueInfo &info);

  /// The result for `arguments`, which are the sum and the operands. It may be NaN.
  double evaluate(llvm::ArrayRef<double> arguments) const;
  /// The results that a kernel may have for arguments in these intervals. Each op adds its error in f32.
  Interval bound(llvm::ArrayRef<Interval> arguments) const;

private:
  /// An op with the numbers of its arguments.
  struct Step {
    const EpilogueOp *op;
    llvm::SmallVector<int64_t, 3> args;
    double constant;
    bool isApproximate;
  };
  int64_t numArguments = 0, result = 0;
  std::vector<Step> steps;
};

/// An epilogue and its operands.
class Epilogue {
public:
  /// An epilogue with operands of normally distributed values, rounded to their types. Error: as
  /// EpilogueFunction::create, or an operand's shape cannot be evaluated or is not allowed for its axis.
  static llvm::Expected<Epilogue> makeRandom(const LaunchDescriptor &launch, const Sizes &sizes, uint64_t seed);

  const EpilogueInfo &getInfo() const { return info; }
  llvm::ArrayRef<HostTensor> getOperands() const { return operands; }
  llvm::MutableArrayRef<HostTensor> getOperands() { return operands; }

  /// The element of D in a row (counted over all groups) and a column. `sums` has one sum; gated: two.
  double evaluate(llvm::ArrayRef<double> sums, int64_t group, int64_t row, int64_t column, int64_t columns) const;
  Interval bound(llvm::ArrayRef<Interval> sums, int64_t group, int64_t row, int64_t column, int64_t columns) const;

private:
  Epilogue(EpilogueInfo info, EpilogueFunction function) : info(std::move(info)), function(std::move(function)) {}
  double getOperand(size_t index, int64_t group, int64_t row, int64_t column, int64_t columns) const;

  EpilogueInfo info;
  EpilogueFunction function;
  std::vector<HostTensor> operands;
};

} // namespace dgemm

#endif // DGEMM_RUNTIME_EPILOGUE_H
