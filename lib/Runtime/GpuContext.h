//===- GpuContext.h - One opened GPU, its memory and its events -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_GPUCONTEXT_H
#define DGEMM_LIB_RUNTIME_GPUCONTEXT_H

#include "CudaDriver.h"
#include "Nvml.h"
#include "dgemm/Runtime/Device.h"

namespace dgemm {

/// Everything runs on the null stream, so that copies, sets and launches happen in program order.
constexpr cuda::Stream kStream = nullptr; // NOLINT(misc-misplaced-const)

struct GpuContext {
  cuda::Driver driver;
  cuda::Device device = 0;
  int maxSharedMemory = 0;
  DeviceInfo info;
  Nvml nvml;
  /// Set after a kernel hangs or faults: freeing memory would then wait forever or fail.
  bool lost = false;

  /// driver.check, which also records a lost device.
  llvm::Error check(cuda::Result result, const llvm::Twine &call);
  /// Returns `error`, after checking whether the device is lost.
  llvm::Error note(llvm::Error error);
  /// Waits for `event`. Error: it did not happen within `timeoutSeconds`, or work before it failed; the message names
  /// `what`.
  llvm::Error wait(cuda::Event event, double timeoutSeconds, const llvm::Twine &what);
};

/// Device memory, freed with its owner.
class DeviceBuffer {
public:
  static llvm::Expected<DeviceBuffer> allocate(GpuContext &context, uint64_t bytes);
  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer &&other) { *this = std::move(other); }
  DeviceBuffer &operator=(DeviceBuffer &&other);
  ~DeviceBuffer() { release(); }

  cuda::DevicePtr getAddress() const { return address; }
  uint64_t getNumBytes() const { return bytes; }
  llvm::Error upload(uint64_t offset, llvm::ArrayRef<uint8_t> from);
  llvm::Error download(uint64_t offset, llvm::MutableArrayRef<uint8_t> to);
  llvm::Error fill(uint64_t offset, uint64_t count, uint8_t value);

private:
  void release();
  GpuContext *context = nullptr;
  cuda::DevicePtr address = 0;
  uint64_t bytes = 0;
};

/// A timing event, destroyed with its owner.
class GpuEvent {
public:
  static llvm::Expected<GpuEvent> create(GpuContext &context);
  GpuEvent(GpuEvent &&other) : context(other.context), event(std::exchange(other.event, nullptr)) {}
  GpuEvent &operator=(GpuEvent &&) = delete;
  ~GpuEvent();

  llvm::Error record();
  llvm::Error wait(double timeoutSeconds, const llvm::Twine &what) {
    return context->wait(event, timeoutSeconds, what);
  }
  /// Microseconds since `start`; both must have happened.
  llvm::Expected<double> getMicrosecondsSince(const GpuEvent &start) const;

private:
  GpuEvent(GpuContext &context, cuda::Event event) : context(&context), event(event) {}
  GpuContext *context;
  cuda::Event event;
};

/// Opens the driver's first GPU of compute capability 9.0.
llvm::Expected<std::unique_ptr<GpuContext>> openContext(cuda::Driver driver);

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_GPUCONTEXT_H
