//===- EpilogueOps.h - What the ops of an epilogue compute ------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_EPILOGUEOPS_H
#define DGEMM_LIB_RUNTIME_EPILOGUEOPS_H

#include "dgemm/Runtime/Epilogue.h"

namespace dgemm {

/// An op on numbers; truth values are 0 and 1.
struct EpilogueOp {
  /// How an op takes intervals.
  enum class Kind {
    Plain,    ///< least and largest of its values at the ends and in the middle
    Divide,   ///< nothing is known where the last argument may be 0
    Power,    ///< nothing is known where the first argument may be negative or 0
    Periodic, ///< from -1 to 1 where the interval is wide
    Compare,  ///< both truth values where the intervals meet
    Select    ///< both arguments where the condition is not known
  };
  llvm::StringRef name;
  unsigned numArgs;
  double (*apply)(const double *args);
  /// Of the result, of its magnitude.
  double error = 0;
  /// The same of the hardware's approximation.
  double approximateError = 0;
  Kind kind = Kind::Plain;
};

/// Error: there is no such op.
llvm::Expected<const EpilogueOp *> findEpilogueOp(const EpilogueOpInfo &info);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_EPILOGUEOPS_H
