//===- GpuMemory.cpp - Memory and events of a GPU -------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuContext.h"
#include "llvm/Support/FormatVariadic.h"
#include <chrono>
#include <thread>

using namespace llvm;

namespace dgemm {

Error GpuContext::check(cuda::Result result, const Twine &call) { return note(driver.check(result, call)); }

Error GpuContext::note(Error error) {
  lost |= error.isA<DeviceLostError>();
  return error;
}

Error GpuContext::wait(cuda::Event event, double timeoutSeconds, const Twine &what) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
  // Polls, because cuEventSynchronize never returns if the kernel hangs.
  for (cuda::Result result; (result = driver.eventQuery(event)) != cuda::kSuccess;) {
    if (result != cuda::kErrorNotReady)
      return check(result, what);
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (seconds > timeoutSeconds) {
      lost = true;
      return make_error<DeviceLostError>(
          formatv("{0} did not end within {1} s; it probably hangs at a barrier", what.str(), timeoutSeconds),
          /*hangs=*/true);
    }
    // A short kernel should not wait for a sleep; a long one should not keep a core busy.
    if (seconds > 0.002)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return Error::success();
}

Expected<DeviceBuffer> DeviceBuffer::allocate(GpuContext &context, uint64_t bytes) {
  DeviceBuffer buffer;
  buffer.context = &context;
  buffer.bytes = bytes;
  if (Error error = context.check(context.driver.memAlloc(&buffer.address, std::max<uint64_t>(bytes, 1)),
                                  formatv("cuMemAlloc of {0} bytes", bytes)))
    return error;
  return buffer;
}

DeviceBuffer &DeviceBuffer::operator=(DeviceBuffer &&other) {
  if (this != &other) {
    release();
    context = other.context;
    address = std::exchange(other.address, 0);
    bytes = other.bytes;
  }
  return *this;
}

void DeviceBuffer::release() {
  if (address && !context->lost)
    context->driver.memFree(address);
  address = 0;
}

Error DeviceBuffer::upload(uint64_t offset, ArrayRef<uint8_t> from) {
  assert(offset + from.size() <= bytes && "out of the buffer");
  if (from.empty())
    return Error::success();
  return context->check(context->driver.memcpyHtoD(address + offset, from.data(), from.size()), "cuMemcpyHtoD");
}

Error DeviceBuffer::download(uint64_t offset, MutableArrayRef<uint8_t> to) {
  assert(offset + to.size() <= bytes && "out of the buffer");
  if (to.empty())
    return Error::success();
  return context->check(context->driver.memcpyDtoH(to.data(), address + offset, to.size()), "cuMemcpyDtoH");
}

Error DeviceBuffer::fill(uint64_t offset, uint64_t count, uint8_t value) {
  assert(offset + count <= bytes && "out of the buffer");
  if (count == 0)
    return Error::success();
  return context->check(context->driver.memsetD8Async(address + offset, value, count, kStream), "cuMemsetD8Async");
}

Expected<GpuEvent> GpuEvent::create(GpuContext &context) {
  cuda::Event event = nullptr;
  if (Error error = context.check(context.driver.eventCreate(&event, 0), "cuEventCreate"))
    return error;
  return GpuEvent(context, event);
}

GpuEvent::~GpuEvent() {
  if (event && !context->lost)
    context->driver.eventDestroy(event);
}

Error GpuEvent::record() { return context->check(context->driver.eventRecord(event, kStream), "cuEventRecord"); }

Expected<double> GpuEvent::getMicrosecondsSince(const GpuEvent &start) const {
  float milliseconds = 0;
  if (Error error =
          context->check(context->driver.eventElapsedTime(&milliseconds, start.event, event), "cuEventElapsedTime"))
    return error;
  return double(milliseconds) * 1e3;
}

} // namespace dgemm
