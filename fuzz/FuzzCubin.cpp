//===- FuzzCubin.cpp - Fuzzes the reader and rewriter of cubins -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"
#include "dgemm/Sass/Cubin.h"
#include "dgemm/Sass/Interleave.h"
#include "dgemm/Sass/LoopStats.h"
#include "llvm/ADT/STLExtras.h"

using namespace dgemm::fuzz;
using namespace dgemm::sass;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::Expected<Cubin> cubin = Cubin::parse(toText(data, size));
  if (!cubin) {
    llvm::consumeError(cubin.takeError());
    return 0;
  }
  require(cubin->write() == toText(data, size), "an unchanged cubin is written differently");
  for (KernelCode &kernel : cubin->getKernels()) {
    for (const Instruction &instruction : kernel.instructions) {
      instruction.print(llvm::nulls());
      llvm::nulls() << instruction.getControl();
    }
    (void)findMainLoops(kernel.instructions);
    std::vector<Instruction> before = kernel.instructions;
    for (InterleavePolicy policy : {InterleavePolicy::Alternate, InterleavePolicy::AlternateNineSixteenths,
                                    InterleavePolicy::All, InterleavePolicy::Never}) {
      llvm::Expected<InterleaveChanges> changes = interleave(kernel.instructions, policy);
      require(!changes || !checkHintsOnly(before, kernel.instructions), "a policy changed more than hints");
      llvm::consumeError(changes.takeError());
    }
  }
  std::string rewritten = cubin->write();
  llvm::Expected<Cubin> again = Cubin::parse(rewritten);
  require(bool(again), "a rewritten cubin cannot be read");
  return 0;
}
