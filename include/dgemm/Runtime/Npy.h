//===- Npy.h - NumPy files --------------------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_NPY_H
#define DGEMM_RUNTIME_NPY_H

#include "dgemm/Runtime/HostTensor.h"

namespace dgemm {

/// Reads a .npy file (format 1, 2 or 3, C or Fortran order) that must hold `type` and `shape`. The file has FP8 as |u1,
/// |i1 or |V1 and bf16 as <u2, <i2 or <V2, since NumPy knows neither. Error: unreadable, not .npy, another type, shape
/// or byte order, or truncated.
llvm::Expected<HostTensor> readNpy(llvm::StringRef path, llvm::StringRef name, ElementType type,
                                   llvm::ArrayRef<int64_t> shape);

/// Writes `tensor` as .npy format 1.0, FP8 as |u1 and bf16 as <u2. A failure leaves no file behind.
llvm::Error writeNpy(llvm::StringRef path, const HostTensor &tensor);

} // namespace dgemm

#endif // DGEMM_RUNTIME_NPY_H
