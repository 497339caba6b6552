//===- OutputFile.h - Files that are written whole --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A regular file is replaced when the new content is complete, and keeps its permissions; after a failure it is
// unchanged. A symbolic link is followed. Other files, such as a device or a FIFO, are opened and written, never
// replaced.
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

/// Writes the output of `write` to `path`, - for standard output. Error: names the path and the reason.
llvm::Error writeFile(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream &)> write);

/// Writes contents to paths. Error: as above; no file has changed unless the last renames fail.
llvm::Error writeFiles(llvm::ArrayRef<std::pair<std::string, llvm::StringRef>> files);

} // namespace dgemm

#endif // DGEMM_SUPPORT_OUTPUTFILE_H
