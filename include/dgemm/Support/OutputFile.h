//===- OutputFile.h - Files that are written whole --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A regular file appears under its name when it is complete, or stays as it was; it keeps its permissions. A symbolic
// link is followed. What is no regular file, such as a device or a FIFO, is opened and written, never replaced.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SUPPORT_OUTPUTFILE_H
#define DGEMM_SUPPORT_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <string>
#include <utility>

namespace dgemm {

/// Writes what `write` prints to `path`, - for standard output. Error: names the path and the reason.
llvm::Error writeFile(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream &)> write);

/// Writes contents to paths. Error: as above, and none of the files has changed unless the last renames fail.
llvm::Error writeFiles(llvm::ArrayRef<std::pair<std::string, llvm::StringRef>> files);

} // namespace dgemm

#endif // DGEMM_SUPPORT_OUTPUTFILE_H
