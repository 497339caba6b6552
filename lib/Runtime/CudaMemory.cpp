//===- CudaMemory.cpp - Memory of another program's GPU -------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/CudaMemory.h"
#include "PrimaryContext.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace dgemm {

Expected<std::optional<int>> findCudaDeviceOf(uint64_t address) {
  Expected<const cuda::Driver *> driver = getDriver();
  if (!driver)
    return driver.takeError();
  auto get = [&](auto &value, int attribute) { return (*driver)->pointerGetAttribute(&value, attribute, address); };
  // The driver knows nothing of memory that was not allocated by it, and says so by an error.
  unsigned type = 0, isManaged = 0;
  if (cuda::Result result = get(type, cuda::kPointerMemoryType); result == cuda::kErrorInvalidValue)
    return std::nullopt;
  else if (Error error = (*driver)->check(result, "cuPointerGetAttribute"))
    return std::move(error);
  if (Error error = (*driver)->check(get(isManaged, cuda::kPointerIsManaged), "cuPointerGetAttribute"))
    return std::move(error);
  if (type != cuda::kMemoryTypeDevice && !isManaged)
    return std::nullopt;
  int device = 0;
  if (Error error = (*driver)->check(get(device, cuda::kPointerDeviceOrdinal), "cuPointerGetAttribute"))
    return std::move(error);
  return device;
}

Expected<CudaBuffer> CudaBuffer::allocate(int device, uint64_t bytes) {
  cuda::DevicePtr address = 0;
  if (Error error = withDevice(device, [&](const cuda::Driver &driver) {
        return driver.check(driver.memAlloc(&address, std::max<uint64_t>(bytes, 1)),
                            formatv("cuMemAlloc of {0} bytes", bytes));
      }))
    return std::move(error);
  return CudaBuffer(device, address, bytes);
}

CudaBuffer::CudaBuffer(CudaBuffer &&other)
    : device(other.device), address(std::exchange(other.address, 0)), bytes(other.bytes) {}

CudaBuffer::~CudaBuffer() {
  if (!address)
    return;
  // After a fault nothing can be freed, and whoever waited for the kernel has said so.
  consumeError(withDevice(device, [&](const cuda::Driver &driver) {
    driver.memFree(address);
    return Error::success();
  }));
}

Error CudaBuffer::copyFrom(const void *host) {
  return withDevice(device, [&](const cuda::Driver &driver) {
    return bytes ? driver.check(driver.memcpyHtoD(address, host, bytes), "cuMemcpyHtoD") : Error::success();
  });
}

Error CudaBuffer::copyTo(void *host) const {
  return withDevice(device, [&](const cuda::Driver &driver) {
    return bytes ? driver.check(driver.memcpyDtoH(host, address, bytes), "cuMemcpyDtoH") : Error::success();
  });
}

} // namespace dgemm
