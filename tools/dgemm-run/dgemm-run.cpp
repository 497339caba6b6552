//===- dgemm-run.cpp - Runs, checks and times a kernel --------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/OutOfMemory.h"
#include "Options.h"
#include "Runner.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace llvm;

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  dgemm::exitWhereMemoryRunsOut("dgemm-run");
  Expected<dgemm::run::Options> options = dgemm::run::parseOptions(argc, argv);
  Error error = options ? dgemm::run::runAll(*options) : options.takeError();
  outs().flush();
  if (!error)
    return 0;

  bool hangs = false;
  handleAllErrors(std::move(error), [&](const ErrorInfoBase &info) {
    if (info.isA<dgemm::DeviceLostError>())
      hangs = static_cast<const dgemm::DeviceLostError &>(info).isHanging();
    errs() << "dgemm-run: error: " << info.message() << '\n';
  });
  // The driver's exit handlers would wait for a kernel that never ends.
  if (hangs)
    std::_Exit(1);
  return 1;
}
