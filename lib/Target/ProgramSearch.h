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
  /// The title in the output of `--version`.
  llvm::StringLiteral title;
  /// The option and the environment variable that name the program.
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
/// active virtual environment ($VIRTUAL_ENV), the checkout's .venv (for a tool in its build tree), and
/// /usr/local/cuda/bin. Error: nothing found, or not that program; the message says where it looked and how to install
/// one.
llvm::Expected<FoundProgram> findProgram(const CudaProgram &program, llvm::StringRef explicitPath);

/// The .venv of the checkout (scripts/setup.sh makes it) if `executable` is `<build tree of this project>/bin/...`,
/// else empty. CMake's cache names the checkout, because installed tools have no path of the build machine.
std::string findVirtualEnvironmentOfBuildTree(llvm::StringRef executable);

} // namespace dgemm

#endif // DGEMM_LIB_TARGET_PROGRAMSEARCH_H
