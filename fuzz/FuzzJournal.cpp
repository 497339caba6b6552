//===- FuzzJournal.cpp - Fuzzes the reader of the tuner's journal -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"
#include "Journal.h"

using namespace dgemm;
using namespace dgemm::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MemoryFile file(toText(data, size));
  llvm::Expected<tune::Journal> journal = tune::Journal::open(file.getPath());
  if (journal)
    (void)journal->find("4096x7168x2048", "<stages = 5>");
  llvm::consumeError(journal.takeError());
  return 0;
}
