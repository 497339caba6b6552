//===- GpuTiming.cpp - Times a kernel on the GPU --------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuTiming.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace dgemm {

namespace {
/// Launches queued ahead: enough that the GPU never waits for the CPU, but so few that queueing never blocks, since a
/// blocked thread would not notice a hanging kernel.
constexpr size_t kInFlight = 8;
constexpr size_t kWarmUps = 3;
constexpr size_t kEmptyRepeats = 9;

struct Span {
  GpuEvent start, end;
};

class Stopwatch {
public:
  Stopwatch(GpuContext &context, const RunOptions &options, DeviceBuffer flush)
      : context(context), options(options), flush(std::move(flush)) {}

  /// Times `body` `repeat` times; `halfway` is called in the middle, while the GPU is busy.
  Expected<std::vector<double>> run(size_t repeat, function_ref<Error()> body, function_ref<void()> halfway) {
    std::vector<Span> spans;
    std::vector<double> times;
    for (size_t i = 0; i < repeat + kInFlight; ++i) {
      if (i < repeat)
        if (Error error = queue(spans, body))
          return error;
      if (i < kInFlight || i - kInFlight >= repeat)
        continue;
      if (i - kInFlight == repeat / 2)
        halfway();
      Span &span = spans[i - kInFlight];
      if (Error error = span.end.wait(options.timeoutSeconds.value_or(kLaunchTimeoutSeconds), "a timed launch"))
        return error;
      Expected<double> time = span.end.getMicrosecondsSince(span.start);
      if (!time)
        return time.takeError();
      times.push_back(*time);
    }
    llvm::sort(times);
    return times;
  }

private:
  Error queue(std::vector<Span> &spans, function_ref<Error()> body) {
    Expected<GpuEvent> start = GpuEvent::create(context);
    if (!start)
      return start.takeError();
    Expected<GpuEvent> end = GpuEvent::create(context);
    if (!end)
      return end.takeError();
    spans.push_back({std::move(*start), std::move(*end)});
    // Writing more than the size of the L2 evicts the operands.
    if (Error error = context.check(
            context.driver.memsetD32Async(flush.getAddress(), unsigned(spans.size()), flush.getNumBytes() / 4, kStream),
            "cuMemsetD32Async"))
      return error;
    if (Error error = spans.back().start.record())
      return error;
    if (Error error = body())
      return error;
    return spans.back().end.record();
  }

  GpuContext &context;
  const RunOptions &options;
  DeviceBuffer flush;
};
} // namespace

Expected<Timing> measure(GpuContext &context, GpuKernel &kernel, const RunOptions &options) {
  Timing timing;
  timing.flushBytes = options.flushBytes;
  if (timing.flushBytes == 0)
    timing.flushBytes = std::max<uint64_t>(4 * uint64_t(context.info.l2Bytes), uint64_t(256) << 20);
  Expected<DeviceBuffer> flush = DeviceBuffer::allocate(context, timing.flushBytes);
  if (!flush)
    return flush.takeError();
  Stopwatch stopwatch(context, options, std::move(*flush));

  auto launch = [&] { return kernel.launch(); };
  Expected<std::vector<double>> warmUp = stopwatch.run(kWarmUps, launch, [] {});
  if (!warmUp)
    return warmUp.takeError();
  Expected<std::vector<double>> empty = stopwatch.run(kEmptyRepeats, [] { return Error::success(); }, [] {});
  if (!empty)
    return empty.takeError();
  timing.emptyMicroseconds = (*empty)[kEmptyRepeats / 2];
  Expected<std::vector<double>> times =
      stopwatch.run(options.repeat, launch, [&] { timing.telemetry = context.nvml.read(); });
  if (!times)
    return times.takeError();
  timing.microseconds = std::move(*times);
  return timing;
}

} // namespace dgemm
