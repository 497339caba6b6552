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

/// The CUDA release in the output of `--version` of a program that says there to be `title`; nothing when it is not
/// that program's output.
std::optional<Version> parseRelease(llvm::StringRef output, llvm::StringRef title);

/// The `.version` of a PTX module; nothing when there is none before the first instruction.
std::optional<Version> parsePTXVersion(llvm::StringRef ptx);

/// The first CUDA release whose ptxas reads PTX of `version`; nothing for a version unknown here, which is then left to
/// ptxas.
std::optional<Version> getFirstRelease(Version version);

/// Resources of the kernel `entry` in the output of `ptxas -v`; nothing when it says nothing of such a kernel.
std::optional<KernelResources> parseResources(llvm::StringRef log, llvm::StringRef entry);

/// A way in which a kernel assembled, but not as written.
struct Complaint {
  /// ptxas' own line(s).
  std::string words;
  /// What to do about it.
  llvm::StringRef remedy;
};

/// All serialised wgmmas, ignored setmaxnregs, spills and uses of local memory in the output of `ptxas -v`, of any
/// function: each is paid for by the kernel.
llvm::SmallVector<Complaint> findComplaints(llvm::StringRef log);

} // namespace dgemm

#endif // DGEMM_LIB_TARGET_ASSEMBLERLOG_H
