//===- ProgramSearch.h - Find a program of the CUDA toolkit -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TARGET_PROGRAMSEARCH_H
#define DGEMM_LIB_TARGET_PROGRAMSEARCH_H

#include "AssemblerLog.h"
#include "llvm/Support/Error.h"

namespace dgemm {

struct CudaProgram {
  /// File name.
  llvm::StringLiteral name;
  /// What `--version` says of a right one.
  llvm::StringLiteral title;
  /// The option and the environment variable that name one to use.
  llvm::StringLiteral option;
  llvm::StringLiteral variable;
  /// The requirement to install with pip.
  llvm::StringLiteral wheel;
};

struct FoundProgram {
  std::string path;
  Version release;
};

/// Looks in `explicitPath` (final when not empty), the program's variable (final when set), $PATH, the wheel of the
/// active virtual environment ($VIRTUAL_ENV), for a program that runs in its build tree the checkout's .venv, and
/// /usr/local/cuda/bin. Error: nothing found, or not that program; the message says where it looked and how to get one.
llvm::Expected<FoundProgram> findProgram(const CudaProgram &program, llvm::StringRef explicitPath);

/// The .venv of the checkout (scripts/setup.sh makes it) if `executable` is `<build tree of this project>/bin/...`,
/// else empty. CMake's cache says which checkout that is: what is installed carries no path of the machine that built
/// it.
std::string findVirtualEnvironmentOfBuildTree(llvm::StringRef executable);

} // namespace dgemm

#endif // DGEMM_LIB_TARGET_PROGRAMSEARCH_H
