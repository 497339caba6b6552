//===- Options.h - Command line of dgemm-run --------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_RUN_OPTIONS_H
#define DGEMM_TOOLS_DGEMM_RUN_OPTIONS_H

#include "dgemm/Driver/Compiler.h"
#include "dgemm/Runtime/Device.h"
#include "dgemm/Runtime/Reference.h"

namespace dgemm::run {

enum class DeviceKind { Auto, Gpu, Emulator };

struct Options {
  /// A compiled kernel, or empty to compile one for `sizes`.
  std::string kernel, launch;
  /// Or a file with a list of kernels.
  std::string cases;
  /// -1: take the size from the launch descriptor.
  GemmSizes sizes{-1, -1, -1};
  /// Rows of each group; empty for random ones.
  std::vector<int64_t> groupRows;
  /// What to compile for.
  GemmShape shape;
  /// For compiling: #dgemm.config overrides, ptxas.
  std::string config, ptxas;
  DeviceKind device = DeviceKind::Auto;
  /// The first given option that has no effect on the emulator; empty if there is none.
  std::string gpuOption;
  /// Of the emulator.
  int64_t multiprocessors = 0;
  /// The machine to compile for; that of the GPU if there is one.
  std::string machine;
  uint64_t seed = 0;
  unsigned seeds = 1;
  Distribution distribution = Distribution::Normal;
  InputFiles inputs;
  std::string saveD, saveScaleD;
  RunOptions run;
  CheckMode check = CheckMode::Auto;
  std::string json;
};

/// "dgemm-run 0.1.0"
llvm::StringRef getToolVersion();

/// Parses the command line; --help, --version and unknown options end the process as in any LLVM tool. Error: options
/// that contradict each other or are missing.
llvm::Expected<Options> parseOptions(int argc, char **argv);

} // namespace dgemm::run

#endif // DGEMM_TOOLS_DGEMM_RUN_OPTIONS_H
