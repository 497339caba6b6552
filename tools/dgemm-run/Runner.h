//===- Runner.h - Runs, checks and reports cases ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_RUN_RUNNER_H
#define DGEMM_TOOLS_DGEMM_RUN_RUNNER_H

#include "Cases.h"
#include "dgemm/Runtime/Report.h"

namespace dgemm::run {

/// Runs one case after another on one device. Successive cases share the kernel, or the inputs of equal sizes and seed.
class Runner {
public:
  static llvm::Expected<std::unique_ptr<Runner>> create(const Options &options);

  /// The report has the error, if any.
  RunReport run(const Case &entry);
  /// Set once nothing more can be run.
  const DeviceLostError *getDeviceLost() const { return deviceLost.get(); }
  const DeviceInfo &getDeviceInfo() const { return device->getInfo(); }

private:
  Runner(const Options &options, std::unique_ptr<Device> device) : options(options), device(std::move(device)) {}
  llvm::Error runInto(const Case &entry, RunReport &report);
  llvm::Error loadKernel(const Case &entry);
  llvm::Error makeProblem(const GemmSizes &sizes, const Sizes &bound, const Recipe &recipe, uint64_t seed);

  const Options &options;
  std::unique_ptr<Device> device;
  /// The last kernel and the case that it was made for.
  std::optional<KernelImage> image;
  Case imageCase;
  /// The last inputs with their result.
  std::optional<GemmInputs> inputs;
  Reference reference;
  uint64_t inputSeed = 0;
  int64_t inputAlignment = 1;
  std::unique_ptr<DeviceLostError> deviceLost;
};

/// Runs all cases, prints a line for each, and writes the report. Error: a case failed.
llvm::Error runAll(const Options &options);

} // namespace dgemm::run

#endif // DGEMM_TOOLS_DGEMM_RUN_RUNNER_H
