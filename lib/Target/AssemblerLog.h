//===- AssemblerLog.h - What ptxas says -------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the output of `ptxas --version` and `ptxas -v`, and the head of a PTX module.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TARGET_ASSEMBLERLOG_H
#define DGEMM_LIB_TARGET_ASSEMBLERLOG_H

#include "dgemm/Target/Assembler.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <utility>

namespace dgemm {

/// Major and minor.
using Version = std::pair<unsigned, unsigned>;

/// The CUDA release in the output of `--version` of the program `title`; std::nullopt for the output of another
/// program.
std::optional<Version> parseRelease(llvm::StringRef output, llvm::StringRef title);

/// The `.version` of a PTX module; std::nullopt if there is none before the first instruction.
std::optional<Version> parsePTXVersion(llvm::StringRef ptx);

/// The first CUDA release whose ptxas reads PTX of `version`; std::nullopt for an unknown version, which ptxas then
/// checks.
std::optional<Version> getFirstRelease(Version version);

/// Resources of the kernel `entry` in the output of `ptxas -v`; std::nullopt if the output does not have this kernel.
std::optional<KernelResources> parseResources(llvm::StringRef log, llvm::StringRef entry);

/// A loss: a kernel was assembled, but not as written.
struct Complaint {
  /// ptxas' own line(s).
  std::string words;
  /// Its remedy.
  llvm::StringRef remedy;
};

/// All serialised wgmmas, ignored setmaxnregs, spills and uses of local memory in the output of `ptxas -v`, for every
/// function, since each slows the kernel.
llvm::SmallVector<Complaint> findComplaints(llvm::StringRef log);

} // namespace dgemm

#endif // DGEMM_LIB_TARGET_ASSEMBLERLOG_H
