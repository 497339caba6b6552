//===- Tuner.h - Measures the configs of a problem --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_TUNE_TUNER_H
#define DGEMM_TOOLS_DGEMM_TUNE_TUNER_H

#include "Journal.h"
#include "Problem.h"
#include "dgemm/Runtime/Device.h"
#include "dgemm/Runtime/Reference.h"

namespace dgemm::tune {

struct Options {
  /// ptxas; multiprocessors if there is no GPU.
  CompileOptions compile;
  /// Sets of config fields.
  std::vector<std::string> fields = {""};
  /// Configs to try for each set: the best by the cost model with these fields.
  unsigned best = 40;
  /// Number of rounds in which the neighbours of the best are tried.
  unsigned neighbourRounds = 1;
  /// Configs that are measured again to choose among.
  unsigned finalists = 5;
  /// Timed launches in the first round and in the last.
  unsigned screenRepeat = 5, finalRepeat = 30;
  /// Parallel compilations; 0 for one on each core.
  unsigned jobs = 0;
  uint64_t seed = 0;
};

/// For each set of fields, the best legal configs by the cost model, at most `limit`. Error: the problem or a field is
/// not valid.
llvm::Expected<std::vector<std::string>> listBest(const Problem &problem, const Options &options, size_t limit);

/// Compiles all of `configs` in parallel, up to `last`; the results are in their order.
std::vector<llvm::Expected<CompiledKernel>> compileAll(const Problem &problem, llvm::ArrayRef<std::string> configs,
                                                       const Options &options, Stage last = Stage::Cubin);

/// Unit of the times of `device`.
inline llvm::StringRef getTimeUnit(const DeviceInfo &device) { return device.isEmulator ? "ticks" : "us"; }

/// Works through problems on one device, with progress on stderr.
class Tuner {
public:
  Tuner(Device &device, Journal &journal, const Options &options)
      : device(device), journal(journal), options(options) {}

  /// The fastest correct config. Error: there is none; the device is lost; the journal cannot be written.
  llvm::Expected<dgemm::TunedEntry> tune(const Problem &problem);

private:
  /// Inputs, and the reference result.
  llvm::Error prepare(const Problem &problem);
  /// Measures the `configs` that are not in the journal.
  llvm::Error screen(const Problem &problem, llvm::ArrayRef<std::string> configs);
  /// Runs one compiled kernel and records the outcome. Error: the device is lost, or the journal cannot be written.
  llvm::Error tryKernel(const Problem &problem, llvm::StringRef config, llvm::Expected<CompiledKernel> kernel,
                        unsigned repeat);
  /// Microseconds, or ticks of the emulator. Error: the result is wrong, or an error of the device.
  llvm::Expected<double> measure(CompiledKernel kernel, unsigned repeat);
  /// The timed configs, the fastest first, at most `limit`.
  std::vector<std::string> rank(const Problem &problem, size_t limit) const;
  /// Measures the best again, with more samples.
  llvm::Expected<dgemm::TunedEntry> choose(const Problem &problem, llvm::ArrayRef<std::string> configs);
  /// The emulator needs no cubin and no ptxas.
  Stage getLastStage() const { return device.getInfo().isEmulator ? Stage::PTX : Stage::Cubin; }

  Device &device;
  Journal &journal;
  const Options &options;
  std::vector<std::string> legal;
  std::optional<GemmInputs> inputs;
  Reference reference;
};

} // namespace dgemm::tune

#endif // DGEMM_TOOLS_DGEMM_TUNE_TUNER_H
