//===- RuntimeLaunch.h - Kernels of host code on a device -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CAPI_RUNTIMELAUNCH_H
#define DGEMM_LIB_CAPI_RUNTIMELAUNCH_H

#include "dgemm/Emulator/Emulator.h"
#include "dgemm/Runtime/CudaLaunch.h"
#include <mutex>
#include <optional>

namespace dgemm {

/// Memory of one operand, which lies on the host or on a GPU.
struct OperandMemory {
  void *data;
  uint64_t bytes;
};

/// What the runtime makes of a dgemm_kernel. Functions may be called from several threads.
class RuntimeKernel {
public:
  explicit RuntimeKernel(KernelImage image) : cuda(std::move(image)) {}

  const LaunchDescriptor &getLaunch() const { return cuda.getImage().launch; }
  /// Runs on the emulator; D is complete when this returns.
  llvm::Error emulate(const Sizes &sizes, llvm::ArrayRef<OperandMemory> operands);
  /// Queues a launch on `stream`. Operands in host memory are copied to the GPU, and D is copied back. With such
  /// copies, or without a stream, D is complete when this returns.
  llvm::Error launchOnGpu(const Sizes &sizes, llvm::ArrayRef<OperandMemory> operands, void *stream);

private:
  llvm::Expected<CudaLaunch *> getLaunch(int device, const Sizes &sizes);

  CudaKernel cuda;
  /// Guards what follows.
  std::mutex mutex;
  std::optional<emulator::Program> program;
  /// By device and sizes.
  std::map<std::pair<int, std::map<std::string, int64_t>>, std::unique_ptr<CudaLaunch>> launches;
};

/// Whether kernels run on a GPU: if GPU 0 is a Hopper GPU, unless DGEMM_RUNTIME_DEVICE is "gpu" or "emulator". Error:
/// it has another value.
llvm::Expected<bool> usesGpu();

} // namespace dgemm

#endif // DGEMM_LIB_CAPI_RUNTIMELAUNCH_H
