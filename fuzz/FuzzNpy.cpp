//===- FuzzNpy.cpp - Fuzzes the reader of NumPy files -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"
#include "dgemm/Runtime/Npy.h"

using namespace dgemm;
using namespace dgemm::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MemoryFile file(toText(data, size));
  for (ElementType type : kElementTypes)
    for (const std::vector<int64_t> &shape : {std::vector<int64_t>{2, 3}, {6}, {0, 3}, {}})
      llvm::consumeError(readNpy(file.getPath(), "a", type, shape).takeError());
  return 0;
}
