//===- GpuKernel.h - A kernel on the GPU and its parameters -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_GPUKERNEL_H
#define DGEMM_LIB_RUNTIME_GPUKERNEL_H

#include "GpuContext.h"
#include "KernelModule.h"
#include <deque>

namespace dgemm {

/// A loaded module, launched with its launch descriptor.
class GpuKernel {
public:
  /// Error: the driver refuses the image, or the descriptor needs more than the GPU has.
  static llvm::Expected<std::unique_ptr<GpuKernel>> load(GpuContext &context, const KernelImage &image);
  ~GpuKernel();
  GpuKernel(const GpuKernel &) = delete;
  GpuKernel &operator=(const GpuKernel &) = delete;

  /// Makes grid and parameters for `sizes`; `findAddress` gives the device address of an operand.
  llvm::Error prepare(const Sizes &sizes, llvm::function_ref<cuda::DevicePtr(llvm::StringRef)> findAddress);
  /// Queues one launch; none if there are no tiles.
  llvm::Error launch();
  int64_t getGrid() const { return grid; }

private:
  GpuKernel(GpuContext &context, const LaunchDescriptor &descriptor, KernelModule module)
      : context(context), descriptor(descriptor), module(module) {}
  llvm::Error addTensorMap(const ParameterInfo &parameter, const Sizes &sizes, cuda::DevicePtr address);

  GpuContext &context;
  const LaunchDescriptor &descriptor;
  KernelModule module;
  int64_t grid = 0;
  /// Values of the parameters; a deque does not move them, and `parameters` points to them in order.
  std::deque<cuda::TensorMap> tensorMaps;
  std::deque<cuda::DevicePtr> pointers;
  std::deque<int32_t> sizeValues;
  std::vector<void *> parameters;
};

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_GPUKERNEL_H
