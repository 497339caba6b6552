//===- Machine.h - The emulated GPU -----------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_MACHINE_H
#define DGEMM_LIB_EMULATOR_MACHINE_H

#include "GlobalMemory.h"
#include "Kernel.h"
#include "MBarrier.h"
#include "SharedMemory.h"
#include "TensorMap.h"
#include "Trace.h"
#include "Warp.h"
#include "Wgmma.h"
#include "dgemm/Emulator/Emulator.h"
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <random>

namespace dgemm::emulator {

/// bar.sync and bar.arrive.
struct NamedBarrier {
  uint32_t expected = 0;
  uint32_t arrived = 0;
  uint64_t generation = 0;
  Clocks gathering;
  /// Clocks of the generation that passed last.
  Clocks passed;
  /// Line of the first arrival, for a disagreement about the count.
  unsigned line = 0;
  /// Arrivals since then: without a number of threads; by bar.arrive.
  bool isBare = false, hasArrivals = false;
};

struct Cluster;

struct Cta {
  /// Linear index in the grid, and its coordinates.
  uint64_t index = 0;
  std::array<uint32_t, 3> id = {0, 0, 0};
  unsigned rank = 0;
  Cluster *cluster = nullptr;
  SharedMemory shared;
  std::vector<Warp> warps;
  std::map<uint32_t, MBarrier> barriers;
  std::array<NamedBarrier, 16> named;
  std::vector<Warpgroup> warpgroups;
  /// Registers that setmaxnreg can still allocate, in units of one register of a warp.
  int64_t freeRegisters = 0;
  bool done() const;
};

/// The meaning of an agent's epoch, for reports.
struct AgentInfo {
  enum Kind : uint8_t { Warp, TensorCore, Bulk, Barrier, Grid } kind;
  unsigned cta;
  unsigned index;
};

struct Cluster {
  std::array<uint32_t, 3> id = {0, 0, 0};
  std::vector<std::unique_ptr<Cta>> ctas;
  std::vector<AgentInfo> agents;
  /// The previous kernel in the stream: epoch 1 is its end, which griddepcontrol.wait waits for.
  uint32_t gridAgent = 0;
  /// barrier.cluster: warps that have arrived, and their clocks.
  uint32_t arrived = 0;
  uint32_t exited = 0;
  uint64_t generation = 0;
  Clocks gathering, passed;
  /// Pending asynchronous work in it.
  uint64_t pending = 0;

  uint32_t makeAgent(AgentInfo info) {
    agents.push_back(info);
    return agents.size() - 1;
  }
};

/// An event at a later time.
struct Event {
  uint64_t time;
  uint64_t order;
  Cluster *cluster;
  std::function<void()> action;
  bool operator<(const Event &other) const { return time != other.time ? time > other.time : order > other.order; }
};

/// Fixed facts of a launch.
struct Launch {
  std::array<uint32_t, 3> grid = {1, 1, 1};
  std::array<uint32_t, 3> block = {1, 1, 1};
  std::array<uint32_t, 3> cluster = {1, 1, 1};
  uint32_t dynamicShared = 0;
  /// Starts before the previous kernel in the stream has ended.
  bool overlapsPrevious = false;
  std::vector<uint8_t> parameters;
  /// Tensor maps by byte offset in the parameters.
  std::map<uint32_t, TensorMap> maps;
};

class Machine {
public:
  Machine(const Kernel &kernel, const Launch &launch, GlobalMemory &memory, const Options &options, Trace &trace);

  /// Runs to the end or to the first hazard. Error: out of time, or stopped by the progress callback.
  llvm::Error run();

  const Kernel &kernel;
  const Launch &launch;
  GlobalMemory &memory;
  const Options &options;
  Trace &trace;
  Report report;
  uint64_t now = 0;

  /// Records a hazard (the first counts) and returns Step::Stop.
  Step raise(HazardKind kind, const Cta *cta, const Warp *warp, unsigned line, const llvm::Twine &message,
             const llvm::Twine &context = "");
  bool stopped() const { return report.hazard.has_value(); }

  void schedule(Cluster &cluster, uint64_t delay, std::function<void()> action);
  /// Uniform in [low, high].
  uint64_t random(uint64_t low, uint64_t high) { return low + rng() % (high - low + 1); }
  /// Records progress that may let others continue: no livelock.
  void progressed() { lastProgress = report.warpInstructions; }

  /// Text for reports: "CTA 3 warp 2".
  std::string describe(const Cta &cta, const Access &access) const;
  Step raiseViolation(Cta &owner, const Cta *cta, const Warp *warp, unsigned line, const Violation &violation,
                      const llvm::Twine &what);

  bool isReady(Cta &cta, Warp &warp, const Split &split);
  unsigned entryRegisters() const { return entryRegs; }
  /// The lane of `members` that elect.sync elects: any, but always the same (PTX ISA, "elect").
  unsigned elect(LaneMask members) const;
  /// Checks at the end of a CTA's last thread: no thread will wait for a copy into its shared memory any more.
  bool checkEnd(Cta &cta, const Warp &warp, unsigned line);
  /// Asynchronous work of `from` may not reach a CTA that has ended.
  bool checkAlive(const Cta &target, const Cta &from, const Warp *warp, unsigned line, llvm::StringRef what);

private:
  void admit();
  bool retire();
  bool round();
  /// The tick of the next event or end of a sleep; the largest value if there is none.
  uint64_t nextWakeUp() const;
  void runWarp(Cta &cta, Warp &warp);
  /// Lanes of `warp` that are at the .sync instruction of `split`, including those of `split`.
  LaneMask gatherAtSync(const Warp &warp, const Split &split) const;
  /// Diverged lanes wait for each other at a .sync instruction and continue as one split. False: they are not all here,
  /// or a hazard was raised. `index` follows the split.
  bool meet(Cta &cta, Warp &warp, size_t &index);
  void raiseDeadlock(llvm::StringRef why);
  std::string describeWait(Cta &cta, Warp &warp, const Split &split);
  std::string describeWarps(Cta &cta);
  std::string describeBarriers(Cta &cta);
  void endWait(Cta &cta, Warp &warp, Split &split);
  void closeMath(Cta &cta, Warp &warp);
  void initCta(Cta &cta);
  void setSpecials(Cta &cta, Warp &warp);
  /// Error: out of time, or stopped by the progress callback.
  llvm::Error checkHost();

  std::mt19937_64 rng;
  std::priority_queue<Event> events;
  uint64_t nextOrder = 0, rounds = 0;
  std::deque<std::unique_ptr<Cluster>> running;
  uint64_t nextCluster = 0, numClusters = 0, ctasDone = 0;
  uint64_t lastProgress = 0;
  /// Times of the host's clock, read by checkHost.
  using HostTime = std::chrono::steady_clock::time_point;
  HostTime hostBegin = std::chrono::steady_clock::now(), nextReport = hostBegin;
  unsigned entryRegs = 0;
  std::vector<std::pair<Cta *, Warp *>> order;
};

/// The arguments of a handler.
struct Context {
  Machine &machine;
  Cta &cta;
  Warp &warp;
  size_t splitIndex;
  /// Threads for which the instruction runs.
  LaneMask mask;

  const Kernel &kernel() const { return machine.kernel; }
  Split &split() const { return warp.splits[splitIndex]; }
  const Operand &op(const Instruction &inst, unsigned index) const {
    return machine.kernel.operands[inst.firstOperand + index];
  }
  uint32_t *r32(const Operand &operand) const { return &warp.reg32[size_t(operand.slot) * kLanes]; }
  uint64_t *r64(const Operand &operand) const { return &warp.reg64[size_t(operand.slot) * kLanes]; }
  LaneMask &pred(const Operand &operand) const { return warp.preds[operand.slot]; }
  LaneMask predSource(const Operand &operand) const {
    return operand.negated ? ~warp.preds[operand.slot] : warp.preds[operand.slot];
  }
  void setPred(const Operand &operand, LaneMask value) const {
    LaneMask &p = warp.preds[operand.slot];
    p = (p & ~mask) | (value & mask);
    warp.predsWritten[operand.slot] |= mask;
  }
  uint64_t get(const Operand &operand, unsigned lane) const {
    return operand.kind == Operand::Reg64 ? r64(operand)[lane] : r32(operand)[lane];
  }
  void set(const Operand &operand, unsigned lane, uint64_t value) const {
    if (operand.kind == Operand::Reg64)
      r64(operand)[lane] = value;
    else
      r32(operand)[lane] = uint32_t(value);
  }
  /// Base plus offset; a 32-bit base stays in 32 bits.
  uint64_t address(const Operand &operand, unsigned lane) const {
    if (operand.kind == Operand::Reg64)
      return r64(operand)[lane] + uint64_t(operand.imm);
    return r32(operand)[lane] + uint32_t(operand.imm);
  }
  Step raise(HazardKind kind, const Instruction &inst, const llvm::Twine &message,
             const llvm::Twine &context = "") const {
    return machine.raise(kind, &cta, &warp, inst.line, message, context);
  }
  /// True if global memory may be accessed. False: a hazard was raised.
  bool mayTouchGlobal(const Instruction &inst) const;
  /// True if the scope of `inst` reaches the CTA. False: a hazard was raised.
  bool reaches(const Instruction &inst, const Cta &other) const;
  /// The first active lane.
  unsigned leader() const { return __builtin_ctz(mask); }
  /// True if all threads of the warp that have not ended take part.
  bool converged() const { return warp.splits.size() == 1 && mask == split().mask && noFrames(); }
  bool noFrames() const;
  Step block(Wait wait) const;
};

/// A shared-memory address, resolved.
struct SharedAddress {
  Cta *cta = nullptr;
  uint32_t offset = 0;
};
/// Generic windows. Shared addresses are offsets in the CTA's own window; addresses of a peer in the cluster have the
/// rank plus one in bits 24 and up (mapa makes these).
constexpr uint64_t kSharedWindow = 0x7e00000000000000ull;
constexpr uint64_t kParamWindow = 0x7d00000000000000ull;

/// Resolves an address of shared::cta, shared::cluster or generic form. False: a hazard was raised.
bool resolveShared(Context &c, const Instruction &inst, uint64_t address, Space space, uint64_t size, uint64_t align,
                   SharedAddress &result);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_MACHINE_H
