//===- CudaMemory.h - Memory of another program's GPU -----------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For launches (CudaLaunch.h) on operands of which some lie in host memory.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_CUDAMEMORY_H
#define DGEMM_RUNTIME_CUDAMEMORY_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>

namespace dgemm {

/// The device that `address` is memory of, managed memory among it; nullopt for memory of the host.
llvm::Expected<std::optional<int>> findCudaDeviceOf(uint64_t address);

/// A block of device memory, freed with its owner.
class CudaBuffer {
public:
  static llvm::Expected<CudaBuffer> allocate(int device, uint64_t bytes);
  CudaBuffer(CudaBuffer &&other);
  CudaBuffer &operator=(CudaBuffer &&) = delete;
  ~CudaBuffer();

  /// A multiple of 256.
  uint64_t getAddress() const { return address; }
  /// Copies all of it from and to host memory, and returns when that is done. Work on other streams is not waited for.
  llvm::Error copyFrom(const void *host);
  llvm::Error copyTo(void *host) const;

private:
  CudaBuffer(int device, uint64_t address, uint64_t bytes) : device(device), address(address), bytes(bytes) {}
  int device;
  uint64_t address, bytes;
};

} // namespace dgemm

#endif // DGEMM_RUNTIME_CUDAMEMORY_H
