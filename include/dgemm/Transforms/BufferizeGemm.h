//===- BufferizeGemm.h - dgemm.gemm in one-shot bufferization ---*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TRANSFORMS_BUFFERIZEGEMM_H
#define DGEMM_TRANSFORMS_BUFFERIZEGEMM_H

#include "mlir/IR/DialectRegistry.h"

namespace dgemm {

/// Gives `dgemm.gemm` the BufferizableOpInterface once its dialect is loaded. `dgemm::registerDialects` also does so.
void registerBufferizableGemm(mlir::DialectRegistry &registry);

} // namespace dgemm

#endif // DGEMM_TRANSFORMS_BUFFERIZEGEMM_H
