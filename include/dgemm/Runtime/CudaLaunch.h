//===- CudaLaunch.h - Launch kernels inside another program -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Launches on memory and streams that a framework in the same process owns. Devices have the numbers of the CUDA driver
// and runtime. Kernels run in a device's primary context, as those of torch, CuPy and JAX. (Device.h runs a kernel on
// its own memory, to check and time it.) Everything here may be called from several threads.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_CUDALAUNCH_H
#define DGEMM_RUNTIME_CUDALAUNCH_H

#include "dgemm/Runtime/Device.h"
#include "llvm/ADT/ArrayRef.h"
#include <memory>

namespace dgemm {

struct CudaDeviceInfo {
  std::string name;
  /// Compute capability.
  int major = 0, minor = 0;
  int multiprocessors = 0;
  /// Dynamic shared memory that a CTA can have, in bytes.
  int maxSharedMemory = 0;
};

/// 13000 for a driver of CUDA 13.0. Error: there is no driver, or it is too old.
llvm::Expected<int> getCudaDriverVersion();
llvm::Expected<int> countCudaDevices();
/// Error: no such device.
llvm::Expected<CudaDeviceInfo> getCudaDeviceInfo(int device);
/// Waits for all work of `stream`, a CUstream, on `device`.
llvm::Error synchronizeCudaStream(int device, void *stream);
/// Queues a write of zeros on `stream`: `rows` rows of `rowBytes` bytes, at a pitch of `pitchBytes`.
llvm::Error zeroCudaMemory(int device, uint64_t address, uint64_t rows, uint64_t rowBytes, uint64_t pitchBytes,
                           void *stream);

class CudaKernel;

/// A kernel with grid, sizes and tensor maps for one combination of sizes.
class CudaLaunch {
public:
  ~CudaLaunch();
  CudaLaunch(const CudaLaunch &) = delete;
  CudaLaunch &operator=(const CudaLaunch &) = delete;

  /// Queues one launch on `stream`, a CUstream of the device. `addresses` are those of the descriptor's operands, in
  /// its order. Encodes the tensor maps again whose address has changed since the last call. Does not allocate or wait,
  /// so it can be captured into a CUDA graph. Error: an address is not aligned as the operand's tensor map requires, or
  /// the driver refuses.
  llvm::Error launch(llvm::ArrayRef<uint64_t> addresses, void *stream);

  int64_t getGrid() const;
  int getDevice() const;

private:
  friend class CudaKernel;
  struct Impl;
  explicit CudaLaunch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// A compiled kernel, loaded into each device that uses it. It stays loaded until the process ends, because unloading
/// would wait for the device.
class CudaKernel {
public:
  explicit CudaKernel(KernelImage image);
  ~CudaKernel();

  const KernelImage &getImage() const { return image; }
  /// Loads the kernel into `device` unless it is loaded. Error: the device is not a Hopper GPU (the message names it),
  /// or the driver refuses the image.
  llvm::Error load(int device);
  /// Loads, and prepares launches with `sizes` (bound as LaunchDescriptor::bindSizes does) on at most
  /// `maxMultiprocessors` multiprocessors; 0 for all. The result does not outlive this kernel.
  llvm::Expected<std::unique_ptr<CudaLaunch>> prepare(int device, const Sizes &sizes, int64_t maxMultiprocessors = 0);

private:
  struct Loaded;
  llvm::Expected<const Loaded *> find(int device);

  KernelImage image;
  struct Devices;
  std::unique_ptr<Devices> devices;
};

} // namespace dgemm

#endif // DGEMM_RUNTIME_CUDALAUNCH_H
