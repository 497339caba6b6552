//===- GpuTiming.h - Times a kernel on the GPU ------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_GPUTIMING_H
#define DGEMM_LIB_RUNTIME_GPUTIMING_H

#include "GpuKernel.h"

namespace dgemm {

/// Times options.repeat launches of `kernel`, each with a cold L2.
llvm::Expected<Timing> measure(GpuContext &context, GpuKernel &kernel, const RunOptions &options);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_GPUTIMING_H
