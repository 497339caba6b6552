//===- KernelModule.h - A kernel in a CUDA context --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_KERNELMODULE_H
#define DGEMM_LIB_RUNTIME_KERNELMODULE_H

#include "CudaDriver.h"
#include "dgemm/Runtime/Device.h"
#include "dgemm/Runtime/LaunchPlan.h"

namespace dgemm {

/// The module of one kernel, loaded into the current context. Launching is thread-safe. The destructor does not unload
/// it; call unload() if the context still works.
class KernelModule {
public:
  /// `launch` must outlive the module. Error: the driver refuses the image, or the descriptor needs more than the
  /// `maxSharedMemory` bytes of `deviceName`.
  static llvm::Expected<KernelModule> load(const cuda::Driver &driver, const KernelImage &image, int maxSharedMemory,
                                           llvm::StringRef deviceName);
  void unload();

  /// CTAs that a device with this number of multiprocessors runs at a time.
  llvm::Expected<int64_t> countConcurrent(int64_t multiprocessors) const;
  /// Queues one launch; none for a grid of 0. `parameters` are the addresses of the values, in order.
  llvm::Error launch(int64_t grid, cuda::Stream stream, void **parameters) const;

private:
  KernelModule(const cuda::Driver &driver, const LaunchDescriptor &descriptor)
      : driver(&driver), descriptor(&descriptor) {}
  llvm::Error configure() const;
  int64_t getClusterSize() const;
  using LaunchAttributes = std::array<cuda::LaunchAttribute, 2>;
  /// `attributes` must live as long as the result.
  cuda::LaunchConfig makeLaunchConfig(int64_t ctas, cuda::Stream stream, LaunchAttributes &attributes) const;

  const cuda::Driver *driver;
  const LaunchDescriptor *descriptor;
  cuda::Module module = nullptr;
  cuda::Function function = nullptr;
};

/// Encodes `map` for the memory at `address`. Error: the address is not aligned, or the driver refuses the map.
llvm::Error encodeTensorMap(const cuda::Driver &driver, const TensorMapValues &map, cuda::DevicePtr address,
                            cuda::TensorMap &encoded);
/// The value of a Size parameter. Error: names the parameter.
llvm::Expected<int32_t> evaluateSize(const ParameterInfo &parameter, const Sizes &sizes);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_KERNELMODULE_H
