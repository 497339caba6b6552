//===- Nvml.h - Clocks and power of a GPU -----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_NVML_H
#define DGEMM_LIB_RUNTIME_NVML_H

#include "dgemm/Runtime/Device.h"

namespace dgemm {

/// Reads NVML, which comes with the driver but may be missing in containers; everything is then unknown. Changes
/// nothing on the GPU.
class Nvml {
public:
  /// `pciBusId` is that of cuDeviceGetPCIBusId.
  void open(llvm::StringRef pciBusId);
  /// "580.159.04", or empty.
  std::string getDriverVersion() const;
  Telemetry read() const;

private:
  /// The library's symbol, or null.
  void *find(const char *symbol) const;
  void *device = nullptr;
};

} // namespace dgemm

#endif // DGEMM_LIB_RUNTIME_NVML_H
