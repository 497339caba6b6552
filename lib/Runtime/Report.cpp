//===- Report.cpp - Outcome of one run ------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Report.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <ctime>

using namespace llvm;

namespace dgemm {

static double getTeraflops(const GemmSizes &sizes, double microseconds) {
  return sizes.getFlops() / microseconds * 1e-6;
}
static double getGigabytesPerSecond(const RunReport &run, double microseconds) {
  return run.sizes.getBytes(run.recipe) / microseconds * 1e-3;
}

std::string RunReport::getLine() const {
  std::string text;
  raw_string_ostream os(text);
  os << formatv("{0} {1}x{2}x{3} seed {4}: ", passed() ? "PASS" : "FAIL", sizes.m, sizes.n, sizes.k, seed);
  if (!error.empty()) {
    os << error;
    return text;
  }
  if (timing) {
    double median = timing->getQuantile(0.5);
    os << formatv("{0:f2} us median ({1:f2} min, {2:f2} p10, {3:f2} p90, {4} runs), {5:f0} TFLOPS, {6:f0} GB/s, ",
                  median, timing->getQuantile(0), timing->getQuantile(0.1), timing->getQuantile(0.9),
                  timing->microseconds.size(), getTeraflops(sizes, median), getGigabytesPerSecond(*this, median));
    if (timing->telemetry.smMHz)
      os << formatv("{0} MHz, {1} W, ", timing->telemetry.smMHz, timing->telemetry.milliwatts / 1000);
  }
  os << check.describe() << " [" << kernel << "]";
  if (!note.empty())
    os << " (" << note << ")";
  return text;
}

static json::Object toJSON(const RunReport &run) {
  const Timing &timing = *run.timing;
  double median = timing.getQuantile(0.5);
  const Telemetry &t = timing.telemetry;
  json::Object object{{"repeat", int64_t(timing.microseconds.size())},
                      {"median_us", median},
                      {"min_us", timing.getQuantile(0)},
                      {"p10_us", timing.getQuantile(0.1)},
                      {"p90_us", timing.getQuantile(0.9)},
                      {"empty_us", timing.emptyMicroseconds},
                      {"tflops", getTeraflops(run.sizes, median)},
                      {"gigabytes_per_second", getGigabytesPerSecond(run, median)},
                      {"l2_flush_bytes", int64_t(timing.flushBytes)}};
  if (t.smMHz)
    object["telemetry"] = json::Object{{"sm_mhz", t.smMHz},
                                       {"memory_mhz", t.memoryMHz},
                                       {"max_sm_mhz", t.maxSmMHz},
                                       {"watts", t.milliwatts / 1000.0},
                                       {"celsius", t.celsius}};
  return object;
}

json::Object RunReport::toJSON() const {
  json::Object object{{"kernel", kernel}, {"config", config},      {"m", sizes.m},      {"n", sizes.n},
                      {"k", sizes.k},     {"seed", int64_t(seed)}, {"passed", passed()}};
  if (!error.empty()) {
    object["error"] = error;
    return object;
  }
  object["grid"] = grid;
  object["recipe"] = recipe.toJSON();
  object["check"] = check.toJSON();
  if (!note.empty())
    object["note"] = note;
  if (timing)
    object["timing"] = dgemm::toJSON(*this);
  return object;
}

json::Object makeReport(StringRef generator, const DeviceInfo &device, ArrayRef<RunReport> runs) {
  json::Array array;
  int64_t failed = 0;
  for (const RunReport &run : runs) {
    failed += !run.passed();
    array.push_back(run.toJSON());
  }
  return json::Object{{"date", formatv("{0:%Y-%m-%dT%H:%M:%SZ}", sys::toUtcTime(std::time(nullptr))).str()},
                      {"generator", generator},
                      {"device", json::Object{{"name", device.name},
                                              {"architecture", device.architecture},
                                              {"driver", device.driver},
                                              {"multiprocessors", device.multiprocessors},
                                              {"l2_bytes", device.l2Bytes}}},
                      {"runs", std::move(array)},
                      {"failed", failed}};
}

} // namespace dgemm
