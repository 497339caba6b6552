//===- MBarrier.cpp - mbarrier objects ------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "llvm/ADT/Twine.h"

using namespace dgemm::emulator;
using llvm::Twine;

static constexpr uint32_t kMaxCount = (1u << 20) - 1;

static void remember(Machine &machine, MBarrier &barrier, const Twine &text) {
  barrier.history.push_back({machine.now, text.str()});
  if (barrier.history.size() > 6)
    barrier.history.pop_front();
}

static std::string whoIs(const Cta &cta, const Warp *warp, unsigned line) {
  return "CTA " + std::to_string(cta.index) + (warp ? " warp " + std::to_string(warp->index) : std::string()) +
         ", PTX line " + std::to_string(line);
}

MBarrier *dgemm::emulator::findBarrier(Context &c, const Instruction &inst, const SharedAddress &address,
                                       bool asyncProxy) {
  auto it = address.cta->barriers.find(address.offset);
  if (it == address.cta->barriers.end() || !it->second.live) {
    c.raise(HazardKind::BarrierMisuse, inst,
            "there is no initialised mbarrier at byte " +
                Twine(int64_t(address.offset) - int64_t(c.kernel().dynamicSharedBase)) + " of CTA " +
                Twine(address.cta->index));
    return nullptr;
  }
  MBarrier &barrier = it->second;
  if (c.warp.clocks.order.get(barrier.initAgent) < barrier.initEpoch) {
    c.raise(HazardKind::BarrierMisuse, inst,
            "the mbarrier is used by a warp that has not synchronised with its mbarrier.init");
    return nullptr;
  }
  if (!barrier.initFenced && (asyncProxy || address.cta != &c.cta)) {
    c.raise(HazardKind::MissingProxyFence, inst,
            "no fence.mbarrier_init or fence.proxy.async after mbarrier.init makes it visible to the async proxy and "
            "to the cluster");
    return nullptr;
  }
  return &barrier;
}

/// Calls `body(lane, place, barrier)` for each lane of the instruction with the mbarrier at its operand `address`,
/// until one returns false or the machine stops. False: one did.
template <typename Body>
static bool forEachBarrier(Context &c, const Instruction &inst, unsigned address, Space space, Body body) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    SharedAddress place;
    if (!resolveShared(c, inst, c.address(c.op(inst, address), lane), space, 8, 8, place))
      return false;
    MBarrier *barrier = findBarrier(c, inst, place, false);
    if (!barrier || !body(lane, place, *barrier) || c.machine.stopped())
      return false;
  }
  return true;
}

Step dgemm::emulator::execMBarrierInit(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    SharedAddress place;
    if (!resolveShared(c, inst, c.address(c.op(inst, 0), lane), Space::Shared, 8, 8, place))
      return Step::Stop;
    uint32_t count = c.get(c.op(inst, 1), lane);
    if (count == 0 || count > kMaxCount)
      return c.raise(HazardKind::BarrierMisuse, inst, "mbarrier count is " + Twine(count) + ", must be 1 to 2^20-1");
    auto known = c.cta.barriers.find(place.offset);
    if (known != c.cta.barriers.end() && known->second.live)
      return c.raise(HazardKind::BarrierMisuse, inst, "mbarrier.init of a live mbarrier");
    Access access{AccessKind::GenericWrite, 0, c.warp.agent, c.warp.epoch(), int32_t(c.warp.index), inst.line};
    if (auto violation = c.cta.shared.touch(place.offset, 8, access, c.warp.clocks))
      return c.machine.raiseViolation(c.cta, &c.cta, &c.warp, inst.line, *violation, "mbarrier.init");
    MBarrier &barrier = c.cta.barriers[place.offset];
    barrier = MBarrier();
    barrier.offset = place.offset;
    barrier.cta = c.cta.rank;
    barrier.count = barrier.pending = count;
    barrier.agent = c.cta.cluster->makeAgent({AgentInfo::Barrier, c.cta.rank, place.offset});
    barrier.initAgent = c.warp.agent;
    barrier.initEpoch = c.warp.epoch();
    c.cta.shared.setBarrier(place.offset, true);
  }
  return Step::Next;
}

Step dgemm::emulator::execMBarrierInval(Context &c, const Instruction &inst) {
  auto invalidate = [&](unsigned, const SharedAddress &place, MBarrier &barrier) {
    if (barrier.inFlight) {
      c.raise(HazardKind::BarrierMisuse, inst,
              Twine(barrier.inFlight) + " bytes are still on their way to this mbarrier");
      return false;
    }
    barrier.live = false;
    c.cta.shared.setBarrier(place.offset, false);
    return true;
  };
  return forEachBarrier(c, inst, 0, Space::Shared, invalidate) ? Step::Next : Step::Stop;
}

/// PTX ISA, "Phase of the mbarrier object": completes when no arrivals and no bytes are pending.
static void tryComplete(Machine &machine, const Cta &from, const Warp *warp, unsigned line, MBarrier &barrier) {
  if (barrier.pending || barrier.tx)
    return;
  if (barrier.inFlight) {
    machine.raise(HazardKind::TransactionOverrun, &from, warp, line,
                  "phase " + Twine(barrier.phase) + " of the mbarrier completes while " + Twine(barrier.inFlight) +
                      " bytes of its copies are still on their way: fewer were expected than come");
    return;
  }
  ++barrier.phase;
  barrier.pending = barrier.count;
  barrier.completed.join(barrier.gathering);
  barrier.completed.order.raise(barrier.agent, barrier.phase);
  barrier.gathering.clear();
  barrier.hasCompletedRemote |= barrier.isGatheringRemote;
  barrier.isGatheringRemote = false;
  remember(machine, barrier, "phase " + Twine(barrier.phase - 1) + " completed");
  machine.progressed();
}

static bool arrive(Machine &machine, Cta &from, Warp *warp, unsigned line, MBarrier &barrier, uint32_t count) {
  if (count == 0 || count > barrier.pending) {
    machine.raise(HazardKind::BarrierMisuse, &from, warp, line,
                  Twine(count) + " arrivals at an mbarrier that waits for " + Twine(barrier.pending) +
                      " more in this phase (its count is " + Twine(barrier.count) + ")");
    return false;
  }
  barrier.pending -= count;
  remember(machine, barrier, "arrival by " + whoIs(from, warp, line));
  return true;
}

static bool expectTx(Machine &machine, Cta &from, Warp *warp, unsigned line, MBarrier &barrier, uint64_t bytes) {
  barrier.tx += int64_t(bytes);
  remember(machine, barrier, Twine(bytes) + " bytes expected by " + whoIs(from, warp, line));
  if (barrier.tx <= int64_t(kMaxCount))
    return true;
  machine.raise(HazardKind::TransactionOverrun, &from, warp, line,
                "the transaction count becomes " + Twine(barrier.tx) + ", the limit is 2^20-1");
  return false;
}

void dgemm::emulator::completeTransaction(Machine &machine, Cta &cta, MBarrier &barrier, uint64_t bytes,
                                          uint32_t issuePhase, const Cta &from, const Warp *warp, unsigned line) {
  barrier.inFlight -= std::min(bytes, barrier.inFlight);
  barrier.tx -= int64_t(bytes);
  remember(machine, barrier, Twine(bytes) + " bytes landed, issued by " + whoIs(from, warp, line));
  if (barrier.tx < -int64_t(kMaxCount) || (barrier.tx < 0 && barrier.pending == 0) || barrier.phase != issuePhase) {
    std::string context;
    for (const MBarrier::Entry &entry : barrier.history)
      context += "  tick " + std::to_string(entry.tick) + ": " + entry.text + "\n";
    machine.raise(HazardKind::TransactionOverrun, &from, warp, line,
                  "phase " + Twine(barrier.phase) + " of the mbarrier at byte " +
                      Twine(barrier.offset - machine.kernel.dynamicSharedBase) + " of CTA " + Twine(cta.index) +
                      " got " + Twine(-barrier.tx) + " bytes more than were expected",
                  context);
    return;
  }
  tryComplete(machine, from, warp, line, barrier);
}

/// The common end of all kinds of arrival.
static Step finishArrivals(Context &c, bool allArrived) {
  if (!allArrived)
    return Step::Stop;
  c.warp.advance();
  c.machine.progressed();
  return Step::Next;
}

/// mbarrier.arrive and arrive.expect_tx; the expect-tx comes first (PTX ISA, "mbarrier.arrive").
Step dgemm::emulator::execMBarrierArrive(Context &c, const Instruction &inst) {
  bool expect = inst.mods[Field::Count];
  Space space = inst.mods.space() == Space::Shared ? Space::Shared : Space::SharedCluster;
  bool relaxed = Order(inst.mods[Field::Order]) == Order::Relaxed;
  const Clocks &released = Scope(inst.mods[Field::Scope]) == Scope::Cluster ? c.warp.released : c.warp.releasedInCta;
  auto arriveLane = [&](unsigned lane, const SharedAddress &place, MBarrier &barrier) {
    if (!c.reaches(inst, *place.cta))
      return false;
    barrier.isGatheringRemote |= place.cta != &c.cta;
    uint32_t operand = c.op(inst, 2).kind == Operand::Reg32 ? uint32_t(c.get(c.op(inst, 2), lane)) : 1;
    if (expect && !expectTx(c.machine, c.cta, &c.warp, inst.line, barrier, operand))
      return false;
    if (c.op(inst, 0).kind == Operand::Reg64)
      c.set(c.op(inst, 0), lane, barrier.phase);
    barrier.gathering.join(relaxed ? released : c.warp.clocks);
    if (!arrive(c.machine, c.cta, &c.warp, inst.line, barrier, expect ? 1 : operand))
      return false;
    tryComplete(c.machine, c.cta, &c.warp, inst.line, barrier);
    return true;
  };
  return finishArrivals(c, forEachBarrier(c, inst, 1, space, arriveLane));
}

/// cp.async.mbarrier.arrive.noinc: an arrival after this thread's cp.async have completed, which they have here.
Step dgemm::emulator::execCpAsyncArrive(Context &c, const Instruction &inst) {
  auto arriveLane = [&](unsigned, const SharedAddress &, MBarrier &barrier) {
    barrier.gathering.join(c.warp.clocks);
    if (!arrive(c.machine, c.cta, &c.warp, inst.line, barrier, 1))
      return false;
    tryComplete(c.machine, c.cta, &c.warp, inst.line, barrier);
    return true;
  };
  return finishArrivals(c, forEachBarrier(c, inst, 0, Space::Shared, arriveLane));
}

Step dgemm::emulator::execMBarrierExpectTx(Context &c, const Instruction &inst) {
  auto expectLane = [&](unsigned lane, const SharedAddress &, MBarrier &barrier) {
    return expectTx(c.machine, c.cta, &c.warp, inst.line, barrier, c.get(c.op(inst, 1), lane));
  };
  return forEachBarrier(c, inst, 0, Space::SharedCluster, expectLane) ? Step::Next : Step::Stop;
}

Step dgemm::emulator::execMBarrierCompleteTx(Context &c, const Instruction &inst) {
  auto completeLane = [&](unsigned lane, const SharedAddress &place, MBarrier &barrier) {
    completeTransaction(c.machine, *place.cta, barrier, c.get(c.op(inst, 1), lane), barrier.phase, c.cta, &c.warp,
                        inst.line);
    return true;
  };
  return forEachBarrier(c, inst, 0, Space::SharedCluster, completeLane) ? Step::Next : Step::Stop;
}

/// The phase of a waiter: the first with this parity that it does not know to be complete. Two phases later, the parity
/// would mean another phase.
static bool checkLapped(Context &c, const Instruction &inst, const MBarrier &barrier, uint32_t parity) {
  uint32_t known = c.warp.clocks.order.get(barrier.agent);
  uint32_t meant = (known & 1) == parity ? known : known + 1;
  if (known == 0 && parity == 1)
    return true; // a fresh barrier passes parity 1: the producer's first lap
  if (barrier.phase < meant + 2)
    return true;
  c.raise(HazardKind::PhaseLapped, inst,
          "waits for phase " + Twine(meant) + " of an mbarrier that has gone on to phase " + Twine(barrier.phase) +
              ": the parity does not tell them apart");
  return false;
}

Step dgemm::emulator::execMBarrierWait(Context &c, const Instruction &inst) {
  bool byParity = inst.mods[Field::Parity], test = inst.mods[Field::Mode];
  Split &split = c.split();
  LaneMask passed = 0;
  MBarrier *blocker = nullptr;
  uint32_t blockedParity = 0;
  // The thread may not yet see that the phase is complete, so each wait needs a loop.
  bool unseen = !split.polls && c.machine.random(0, 7) == 0;
  bool relaxed = Order(inst.mods[Field::Order]) == Order::Relaxed,
       inCta = Scope(inst.mods[Field::Scope]) != Scope::Cluster;
  Clocks &known = !relaxed ? c.warp.clocks : inCta ? c.warp.observedInCta : c.warp.observed;
  auto testLane = [&](unsigned lane, const SharedAddress &, MBarrier &barrier) {
    uint64_t which = c.get(c.op(inst, 2), lane);
    if (byParity && which > 1) {
      c.raise(HazardKind::IllegalInstruction, inst, "parity is " + Twine(which) + ", must be 0 or 1");
      return false;
    }
    uint32_t parity = which & 1;
    if (byParity && !checkLapped(c, inst, barrier, parity))
      return false;
    if (unseen)
      return true;
    if (barrier.passed(parity)) {
      if (barrier.hasCompletedRemote && Scope(inst.mods[Field::Scope]) == Scope::Cta) {
        c.raise(HazardKind::InsufficientScope, inst,
                "scope .cta does not reach the threads of other CTAs that have arrived at the mbarrier");
        return false;
      }
      passed |= 1u << lane;
      if (barrier.phase)
        known.join(barrier.completed);
    } else {
      blocker = &barrier;
      blockedParity = parity;
    }
    return true;
  };
  if (!forEachBarrier(c, inst, 1, Space::Shared, testLane))
    return Step::Stop;
  // try_wait may give up after a time limit, so it needs a loop. Sometimes it gives up immediately.
  if (blocker && passed == 0 && !test && (split.polls || c.machine.random(0, 3))) {
    split.polls = 0;
    Wait wait;
    wait.kind = Wait::Phase;
    wait.barrier = blocker;
    wait.value = blockedParity;
    return c.block(wait);
  }
  split.polls = blocker || unseen ? 1 : 0;
  c.setPred(c.op(inst, 0), passed);
  return Step::Next;
}
