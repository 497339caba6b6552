//===- PrimaryContext.h - The driver and the contexts of devices *- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_PRIMARYCONTEXT_H
#define DGEMM_LIB_RUNTIME_PRIMARYCONTEXT_H

#include "CudaDriver.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace dgemm {

/// The driver, loaded on first use and never unloaded. A failure is not remembered: the next call tries again.
llvm::Expected<const cuda::Driver *> getDriver();

/// Calls `function` with the driver, while the primary context of `device` is current.
llvm::Error withDevice(int device, llvm::function_ref<llvm::Error(const cuda::Driver &)> function);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_PRIMARYCONTEXT_H
