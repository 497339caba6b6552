//===- InstructionTable.h - The PTX that the emulator knows -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_INSTRUCTIONTABLE_H
#define DGEMM_LIB_EMULATOR_INSTRUCTIONTABLE_H

#include "Kernel.h"
#include "llvm/Support/Error.h"

namespace dgemm::emulator {

/// One form of an instruction.
///
/// `pattern`: the dot-separated parts of the opcode, a space between them: a literal, `$class` (a set of literals that
/// fill a field, InstructionTable.cpp), `[...]` for one that may be left out; `a|b` for literals that mean the same.
///
/// `operands`, in order:
///   d s      destination, source of the type
///   d2 s2    ... of the second type
///   dw sw    ... of twice the width
///   dT sT    ... of the type T named after it (du32, sb64, ...)
///   dq sq    predicate; iq: one or a literal; pq: two predicates with '|', the second optional
///   dp       destination, and a predicate after '|' if there is one
///   vd vs    vector as the vector modifier says
///   rd rs    braced list of b32 registers of any length
///   md ms    register or braced pieces of one (mov)
///   a        [register or symbol + offset]
///   t        [address, {coordinates}]: two operands
///   i        literal; L label
///   hint     sb64 if .L2::cache_hint; mask: sb16 if .multicast::cluster
///   W        matrix A of wgmma: sb64 descriptor, or rs
///   A        of mbarrier.arrive: destination or _ or nothing, then [address], then what its form asks
///   S        state or parity of an mbarrier wait, as its form says
///   X?       operand X if the statement has another one
struct InstructionRow {
  const char *pattern;
  const char *operands;
  /// The handler for these modifiers; null if their combination does not exist.
  Handler (*select)(const Modifiers &);
};

/// Matches `opcode` (with modifiers). Null row: nothing matches; `reason` is the longest match.
struct Match {
  const InstructionRow *row = nullptr;
  Handler handler = nullptr;
  Modifiers mods;
  std::string reason;
};
Match matchOpcode(llvm::StringRef opcode);

/// Number of forms in the table; for tests.
size_t getNumInstructionForms();

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_INSTRUCTIONTABLE_H
