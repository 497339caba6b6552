//===- Nvml.cpp - Clocks and power of a GPU -------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Nvml.h"
#include "llvm/Support/DynamicLibrary.h"

using namespace llvm;

namespace dgemm {

// nvml.h: nvmlReturn_t NVML_SUCCESS, nvmlClockType_t, nvmlTemperatureSensors_t.
static constexpr int kSuccess = 0;
static constexpr int kClockSM = 1;
static constexpr int kClockMemory = 2;
static constexpr int kTemperatureGpu = 0;

void *Nvml::find(const char *symbol) const {
  std::string why;
  sys::DynamicLibrary library = sys::DynamicLibrary::getPermanentLibrary("libnvidia-ml.so.1", &why);
  return library.isValid() ? library.getAddressOfSymbol(symbol) : nullptr;
}

void Nvml::open(StringRef pciBusId) {
  auto init = reinterpret_cast<int (*)()>(find("nvmlInit_v2"));
  auto getHandle = reinterpret_cast<int (*)(const char *, void **)>(find("nvmlDeviceGetHandleByPciBusId_v2"));
  if (!init || !getHandle || init() != kSuccess || getHandle(pciBusId.str().c_str(), &device) != kSuccess)
    device = nullptr;
}

std::string Nvml::getDriverVersion() const {
  auto get = reinterpret_cast<int (*)(char *, unsigned)>(find("nvmlSystemGetDriverVersion"));
  char version[80] = {};
  return device && get && get(version, sizeof(version)) == kSuccess ? version : "";
}

Telemetry Nvml::read() const {
  Telemetry telemetry;
  if (!device)
    return telemetry;
  auto query = [&](const char *symbol, unsigned &out) {
    auto get = reinterpret_cast<int (*)(void *, unsigned *)>(find(symbol));
    if (!get || get(device, &out) != kSuccess)
      out = 0;
  };
  auto queryKind = [&](const char *symbol, int kind, unsigned &out) {
    auto get = reinterpret_cast<int (*)(void *, int, unsigned *)>(find(symbol));
    if (!get || get(device, kind, &out) != kSuccess)
      out = 0;
  };
  queryKind("nvmlDeviceGetClockInfo", kClockSM, telemetry.smMHz);
  queryKind("nvmlDeviceGetClockInfo", kClockMemory, telemetry.memoryMHz);
  queryKind("nvmlDeviceGetMaxClockInfo", kClockSM, telemetry.maxSmMHz);
  queryKind("nvmlDeviceGetTemperature", kTemperatureGpu, telemetry.celsius);
  query("nvmlDeviceGetPowerUsage", telemetry.milliwatts);
  return telemetry;
}

} // namespace dgemm
