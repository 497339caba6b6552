//===- Cases.h - What dgemm-run is to run -----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_RUN_CASES_H
#define DGEMM_TOOLS_DGEMM_RUN_CASES_H

#include "Options.h"

namespace dgemm::run {

/// One kernel on one input.
struct Case {
  /// Empty: compile for `sizes`.
  std::string kernel, launch;
  /// -1: that of the launch descriptor.
  GemmSizes sizes;
  uint64_t seed = 0;
};

/// The cases of the options. Error: the file of --cases is unreadable, or has a bad line, which is named.
llvm::Expected<std::vector<Case>> makeCases(const Options &options);

} // namespace dgemm::run

#endif // DGEMM_TOOLS_DGEMM_RUN_CASES_H
