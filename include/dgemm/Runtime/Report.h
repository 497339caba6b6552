//===- Report.h - Outcome of one run ----------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_REPORT_H
#define DGEMM_RUNTIME_REPORT_H

#include "dgemm/Runtime/Device.h"
#include "dgemm/Runtime/Reference.h"

namespace dgemm {

struct RunReport {
  /// What was run: a file, or the config.
  std::string kernel;
  std::string config;
  GemmSizes sizes;
  Recipe recipe;
  uint64_t seed = 0;
  int64_t grid = 0;
  CheckResult check;
  std::optional<Timing> timing;
  /// Additional output of the device.
  std::string note;
  /// The error; empty if there is a result.
  std::string error;

  bool passed() const { return error.empty() && check.passed(); }
  /// One line without a newline.
  std::string getLine() const;
  llvm::json::Object toJSON() const;
};

/// The complete document: date, tool, device and `runs`.
llvm::json::Object makeReport(llvm::StringRef generator, const DeviceInfo &device, llvm::ArrayRef<RunReport> runs);

} // namespace dgemm

#endif // DGEMM_RUNTIME_REPORT_H
