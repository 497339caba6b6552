//===- OperandBytes.h - Sizes and strides in bytes --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LAUNCH_OPERANDBYTES_H
#define DGEMM_LAUNCH_OPERANDBYTES_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/ArrayRef.h"

namespace dgemm {

/// Bytes from the first element of `operand` to the end of its last row's padding, with extents and strides in
/// elements, outermost first; 0 if an extent is 0. Every count of bytes comes from here. Error: an extent or a stride
/// is negative, or the bytes do not fit 63 bits.
llvm::Expected<uint64_t> countBytes(llvm::StringRef operand, ElementType type, llvm::ArrayRef<int64_t> shape,
                                    llvm::ArrayRef<int64_t> strides);
/// The same for a dense operand.
llvm::Expected<uint64_t> countBytes(llvm::StringRef operand, ElementType type, llvm::ArrayRef<int64_t> shape);

} // namespace dgemm

#endif // DGEMM_LAUNCH_OPERANDBYTES_H
