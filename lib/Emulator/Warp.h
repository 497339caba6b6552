//===- Warp.h - Registers and control flow of a warp ------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_WARP_H
#define DGEMM_LIB_EMULATOR_WARP_H

#include "Kernel.h"
#include "VectorClock.h"
#include <array>
#include <vector>

namespace dgemm::emulator {

struct MBarrier;

/// What a split waits for.
struct Wait {
  enum Kind : uint8_t { None, Phase, NamedBarrier, ClusterBarrier, Wgmma, Bulk, Registers, Sleep, Meet };
  Kind kind = None;
  MBarrier *barrier = nullptr;
  /// Phase: parity. Wgmma, Bulk: groups that may still be in flight. NamedBarrier: id. Registers: number. Meet: lanes.
  uint32_t value = 0;
  /// NamedBarrier, ClusterBarrier: generation that has to pass. Sleep: tick.
  uint64_t generation = 0;
  /// Bulk: waits only for reads of the source.
  bool read = false;
  /// Bulk: the lane of the groups.
  uint8_t lane = 0;
  /// Tick at which the wait began, for the trace.
  uint64_t since = 0;
};

/// Threads of a warp that run together. Splits of a warp run in any order, as threads do since Volta.
struct Split {
  uint32_t pc = 0;
  LaneMask mask = 0;
  /// Innermost divergent branch whose sides have not met, or -1.
  int32_t frame = -1;
  Wait wait;
  /// try_wait has given up once already.
  unsigned polls = 0;
  /// Has arrived at its current named barrier.
  bool atBarrier = false;
};

/// A divergent branch: its threads reconverge at `pc`, the immediate post-dominator.
struct Frame {
  uint32_t pc = 0;
  int32_t parent = -1;
  LaneMask expected = 0;
  LaneMask arrived = 0;
  bool live = false;
};

/// Groups of bulk copies of one thread (cp.async.bulk.commit_group).
struct BulkGroups {
  struct Group {
    uint32_t reads = 0;
    uint32_t writes = 0;
  };
  uint32_t agent = 0;
  /// Group that the next commit closes, counted from 1.
  uint32_t open = 1;
  /// Copies in flight by group, from `first` on.
  uint32_t first = 1;
  std::vector<Group> groups;
  /// Group and line of the last copy, and the last group for whose reads of the source the thread has waited.
  uint32_t issued = 0, waited = 0;
  unsigned line = 0;
  Group &get(uint32_t group);
  /// All groups up to this one are done.
  uint32_t doneUpTo(bool read) const;
};

struct Warp {
  unsigned index = 0;
  unsigned cta = 0;
  std::vector<uint32_t> reg32;
  std::vector<uint64_t> reg64;
  std::vector<LaneMask> preds;
  /// Lanes of each predicate that were ever written.
  std::vector<LaneMask> predsWritten;
  /// Lanes meet only at .sync instructions: there are no frames.
  bool meetsAtSync = false;
  std::vector<Split> splits;
  std::vector<Frame> frames;

  uint32_t agent = 0;
  Clocks clocks;
  /// The clocks that a relaxed arrive releases: all before the last fence. The clocks of relaxed waits, which a fence
  /// acquires.
  Clocks released, observed;
  /// The same within the CTA, for which a .cta fence is enough.
  Clocks releasedInCta, observedInCta;
  /// By lane; agent 0 if the thread never used bulk groups.
  std::array<BulkGroups, kLanes> bulk;

  /// Warp instructions run; the clock of lastTouch and lastFence.
  uint64_t count = 0;
  /// By accumulator index: its last access by other instructions than wgmma, and the wgmmas in flight that use it.
  std::vector<uint64_t> lastTouch;
  std::vector<uint32_t> touchLine;
  std::vector<uint16_t> inFlight;
  uint64_t lastWgmmaFence = 0;
  std::vector<uint16_t> inFlightShape;
  /// wgmma of this warp: issued, and the group that the next commit closes, counted from 1.
  uint64_t wgmmaIssued = 0;
  uint32_t wgmmaOpen = 1;

  unsigned registers = 0;
  bool clusterArrived = false;
  uint64_t clusterGeneration = 0;
  /// Schedule: this warp runs in one of this many rounds.
  unsigned slowness = 1;
  /// Trace: where a run of FP32 arithmetic began.
  uint64_t mathSince = 0;
  unsigned mathCount = 0;

  uint32_t epoch() const { return clocks.order.get(agent); }
  /// Starts a new epoch: earlier releases do not cover what follows.
  void advance() { clocks.order.raise(agent, epoch() + 1); }
  bool done() const { return splits.empty(); }
  /// Lanes that have not ended.
  LaneMask alive() const;

  void start(const Kernel &kernel, LaneMask lanes);
  /// Splits `split` at a branch that `taken` of its threads take.
  void branch(size_t split, LaneMask taken, uint32_t target, uint32_t next, uint32_t reconverge);
  /// Joins splits that have reached their meeting point. True if splits changed.
  bool gather(size_t split);
  /// Ends threads.
  void exit(size_t split, LaneMask lanes);

private:
  int32_t makeFrame(uint32_t pc, int32_t parent, LaneMask expected);
  bool completeFrame(int32_t frame);
  void arrive(int32_t frame, LaneMask lanes);
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_WARP_H
