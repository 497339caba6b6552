//===- MBarrier.h - mbarrier objects ----------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_MBARRIER_H
#define DGEMM_LIB_EMULATOR_MBARRIER_H

#include "VectorClock.h"
#include <cstdint>
#include <deque>
#include <string>

namespace dgemm::emulator {

/// PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
struct MBarrier {
  /// False after mbarrier.inval; the object stays, because others may still refer to it.
  bool live = true;
  /// Address in its CTA's window, and that CTA's rank.
  uint32_t offset = 0;
  unsigned cta = 0;
  uint32_t count = 0;
  uint32_t pending = 0;
  /// Bytes expected and not yet arrived; below zero while copies are ahead of their expect-tx.
  int64_t tx = 0;
  /// Phases that have completed.
  uint32_t phase = 0;
  /// Bytes of copies that were issued in this phase and have not landed.
  uint64_t inFlight = 0;
  /// Its agent: epoch p + 1 means phase p has completed.
  uint32_t agent = 0;
  /// The warp that initialised it and its epoch then.
  uint32_t initAgent = 0;
  uint32_t initEpoch = 0;
  /// The number of phases that complete with the last copy that signals it, and the line of that copy.
  uint32_t copyPhases = 0;
  unsigned copyLine = 0;
  /// A thread of another CTA has arrived in this phase; in some completed phase.
  bool isGatheringRemote = false, hasCompletedRemote = false;
  bool initFenced = false;
  Clocks gathering, completed;

  struct Entry {
    uint64_t tick;
    std::string text;
  };
  /// Its last few events.
  std::deque<Entry> history;

  /// A copy of this many bytes is in flight.
  void expectCopy(uint64_t bytes, unsigned line) {
    inFlight += bytes;
    copyPhases = phase + 1;
    copyLine = line;
  }

  /// try_wait.parity: the phase with this parity has completed.
  bool passed(uint32_t parity) const { return (phase & 1) != parity; }
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_MBARRIER_H
