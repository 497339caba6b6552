//===- Journal.h - What has been measured so far ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One JSON object a line, written before and after a kernel is launched. A kernel that hangs or faults ends the
// process, and the next process does not try it again.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_TUNE_JOURNAL_H
#define DGEMM_TOOLS_DGEMM_TUNE_JOURNAL_H

#include "llvm/Support/Error.h"
#include <map>
#include <optional>
#include <string>

namespace dgemm::tune {

struct Trial {
  enum class State {
    Started, ///< launched, and never heard of again if the journal ends so
    Failed,
    Timed
  };
  State state = State::Started;
  double microseconds = 0;
  /// Why it failed.
  std::string error;
};

class Journal {
public:
  /// Reads the existing file. Error: it cannot be read.
  static llvm::Expected<Journal> open(llvm::StringRef path);

  /// Error: it cannot be written.
  llvm::Error add(llvm::StringRef problem, llvm::StringRef config, const Trial &trial);
  /// Null if the config was not tried. A config that an earlier process started but did not finish counts as failed.
  const Trial *find(llvm::StringRef problem, llvm::StringRef config) const;

private:
  std::string path;
  std::map<std::pair<std::string, std::string>, Trial> trials;
};

} // namespace dgemm::tune

#endif // DGEMM_TOOLS_DGEMM_TUNE_JOURNAL_H
