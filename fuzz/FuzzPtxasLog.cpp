//===- FuzzPtxasLog.cpp - Fuzzes the readers of what ptxas prints -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AssemblerLog.h"
#include "FuzzInput.h"

using namespace dgemm;
using namespace dgemm::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef text = toText(data, size);
  (void)parseRelease(text, "Cuda compilation tools");
  if (std::optional<Version> version = parsePTXVersion(text))
    (void)getFirstRelease(*version);
  (void)parseResources(text, "kernel");
  (void)findComplaints(text);
  return 0;
}
