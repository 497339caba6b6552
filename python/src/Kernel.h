//===- Kernel.h - A compiled kernel as seen from Python ---------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PYTHON_KERNEL_H
#define DGEMM_PYTHON_KERNEL_H

#include "dgemm/Emulator/Emulator.h"
#include "dgemm/Runtime/CudaLaunch.h"
#include <mutex>
#include <optional>

namespace dgemm::python {

/// Runs on GPUs and on the emulator.
struct Kernel {
  explicit Kernel(KernelImage image) : cuda(std::move(image)) {}

  CudaKernel cuda;
  /// Parsed on first use, under the mutex.
  std::mutex mutex;
  std::optional<emulator::Program> program;
};

/// A prepared launch, and the kernel that it belongs to.
struct Launch {
  std::shared_ptr<Kernel> kernel;
  std::unique_ptr<CudaLaunch> cuda;
};

} // namespace dgemm::python

#endif // DGEMM_PYTHON_KERNEL_H
