//===- Hazard.h - What the emulator found wrong with a kernel ---*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_EMULATOR_HAZARD_H
#define DGEMM_EMULATOR_HAZARD_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace dgemm::emulator {

/// docs/emulator.md has the meaning and the usual cause of each.
enum class HazardKind {
  Deadlock,               ///< nothing can go on; the text says who waits for what
  ReadBeforeWritten,      ///< shared memory read that nobody wrote, or whose writer the reader has not waited for
  OverwriteInUse,         ///< shared memory written while a wgmma, bulk store or another warp may still use it
  MissingProxyFence,      ///< generic write, asynchronous read, no fence.proxy.async between
  AccumulatorInFlight,    ///< accumulator register touched between wgmma and its wait
  MissingWgmmaFence,      ///< register touched before wgmma with no wgmma.fence between
  TransactionOverrun,     ///< an mbarrier got more bytes than were expected of it
  PhaseLapped,            ///< a waiter fell two phases behind its mbarrier
  BarrierMisuse,          ///< not initialised, more arrivals than its count, participants that disagree, ...
  OutOfBounds,            ///< access outside of every allocation
  Misaligned,             ///< address not aligned as the instruction asks
  IllegalDescriptor,      ///< wgmma matrix descriptor that the hardware does not take
  IllegalTensorMap,       ///< cuTensorMapEncodeTiled would refuse it, or it does not fit the instruction
  PeerExited,             ///< a CTA was gone while a peer still used its shared memory
  ExitInFlight,           ///< a thread or CTA ended before asynchronous work on its shared memory was waited for
  MissingGridWait,        ///< global memory touched before griddepcontrol.wait by a kernel that overlaps the one before
  UninitialisedPredicate, ///< a predicate register read that was never written
  InsufficientScope,      ///< .cta scope where the other side is in another CTA
  RegisterBudget,         ///< setmaxnreg asks for more than the CTA has, or is used against its rules
  OutputNotWritten,       ///< an element of an output was never written
  OutputWrittenTwice,     ///< an element of an output was written twice
  SharedMemoryLimit,      ///< more shared memory than a CTA can have
  DivergentWarp,          ///< a .aligned instruction reached by part of a warp, or warps of a warpgroup that disagree
  IllegalLaunch,          ///< grid, cluster or threads that cannot be launched
  IllegalInstruction,     ///< an operand outside of what the instruction takes, found while running
  Trap                    ///< the kernel ran trap
};

/// "deadlock", "read-before-written", ...
llvm::StringRef toString(HazardKind kind);
std::optional<HazardKind> parseHazardKind(llvm::StringRef name);

struct Hazard {
  HazardKind kind = HazardKind::Deadlock;
  /// -1 where none applies.
  int64_t cta = -1;
  int64_t warp = -1;
  /// Line of the PTX, from 1; 0 where none applies.
  unsigned line = 0;
  /// Text of that line.
  std::string source;
  /// One sentence: what happened.
  std::string message;
  /// Its causes, one a line.
  std::string context;

  /// The complete text of the report.
  std::string str() const;
};

} // namespace dgemm::emulator

#endif // DGEMM_EMULATOR_HAZARD_H
