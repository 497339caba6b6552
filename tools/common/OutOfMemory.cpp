//===- OutOfMemory.cpp - Memory that runs out is an error -----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutOfMemory.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Signals.h"
#include <cstring>
#include <new>
#include <unistd.h>

namespace dgemm {

static const char *toolName = "";

/// Allocates nothing.
[[noreturn]] static void exitOutOfMemory() {
  for (const char *text : {toolName, ": error: out of memory\n"})
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0)
      break;
  llvm::sys::RunInterruptHandlers(); // removes temporary files
  _exit(1);
}

void exitWhereMemoryRunsOut(const char *tool) {
  toolName = tool;
  std::set_new_handler([] { exitOutOfMemory(); });
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { exitOutOfMemory(); });
}

} // namespace dgemm
