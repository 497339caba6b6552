//===- Subprocess.h - Run a program and keep what it prints -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TARGET_SUBPROCESS_H
#define DGEMM_LIB_TARGET_SUBPROCESS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileUtilities.h"
#include <string>

namespace dgemm {

/// A file in the system's temporary directory, removed with this object.
class TemporaryFile {
public:
  /// Error: the directory cannot be written; the message names it.
  static llvm::Expected<TemporaryFile> create(llvm::StringRef suffix);
  TemporaryFile(TemporaryFile &&other) : path(other.path), remover(std::move(other.remover)) {
    other.remover.releaseFile();
  }

  llvm::StringRef getPath() const { return path; }
  llvm::Error write(llvm::StringRef content) const;
  llvm::Expected<std::string> read() const;

private:
  explicit TemporaryFile(llvm::StringRef path) : path(path), remover(path) {}

  llvm::SmallString<128> path;
  llvm::FileRemover remover;
};

struct ProcessResult {
  /// Exit code; -1 when the program could not be started, -2 when a signal ended it.
  int exitCode = 0;
  /// Standard output and standard error, interleaved as written.
  std::string output;
  /// The reason why it did not start, or the signal that ended it; else empty.
  std::string reason;
};

/// Runs `program` with an empty standard input and waits for it. Error: no temporary file for the output.
llvm::Expected<ProcessResult> runProcess(llvm::StringRef program, llvm::ArrayRef<llvm::StringRef> arguments);

} // namespace dgemm

#endif // DGEMM_LIB_TARGET_SUBPROCESS_H
