//===- Barriers.cpp - Named barriers, cluster barrier, fences -------------===//
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

/// The barrier and its number of threads, for bar.arrive (`isArrival`) or bar.sync. Null: a hazard was raised.
static NamedBarrier *findNamed(Context &c, const Instruction &inst, bool isArrival, uint32_t &id, uint32_t &threads) {
  id = c.get(c.op(inst, 0), c.leader());
  threads = c.cta.warps.size() * kLanes;
  if (inst.numOperands > 1)
    threads = c.get(c.op(inst, 1), c.leader());
  if (id >= 16) {
    c.raise(HazardKind::BarrierMisuse, inst, "barrier " + Twine(id) + " does not exist; there are 0 to 15");
    return nullptr;
  }
  if (threads == 0 || threads % kLanes || threads > c.cta.warps.size() * kLanes) {
    c.raise(HazardKind::BarrierMisuse, inst,
            "barrier of " + Twine(threads) + " threads; must be a multiple of 32 up to the threads of the CTA");
    return nullptr;
  }
  NamedBarrier &barrier = c.cta.named[id];
  if (barrier.arrived && barrier.expected != threads) {
    c.raise(HazardKind::BarrierMisuse, inst,
            "barrier " + Twine(id) + " with " + Twine(threads) + " threads; PTX line " + Twine(barrier.line) +
                " came to it with " + Twine(barrier.expected));
    return nullptr;
  }
  // An H100 (driver 580.159.04) reports an illegal instruction, even if both mean all threads of the CTA.
  bool isBare = inst.numOperands == 1;
  if (barrier.arrived && (isBare || barrier.isBare) && (isArrival || barrier.hasArrivals)) {
    c.raise(HazardKind::BarrierMisuse, inst,
            "barrier " + Twine(id) +
                " has bar.arrive, and bar.sync without a number of threads: here and in PTX line " +
                Twine(barrier.line));
    return nullptr;
  }
  return &barrier;
}

/// The barrier counts whole warps (PTX ISA, "barrier").
static void arriveNamed(Context &c, const Instruction &inst, bool isArrival, NamedBarrier &barrier, uint32_t threads) {
  if (!barrier.arrived) {
    barrier.line = inst.line;
    barrier.isBare = barrier.hasArrivals = false;
  }
  barrier.isBare |= inst.numOperands == 1;
  barrier.hasArrivals |= isArrival;
  barrier.expected = threads;
  barrier.arrived += kLanes;
  barrier.gathering.join(c.warp.clocks);
  c.warp.advance();
  if (barrier.arrived < threads)
    return;
  barrier.passed = barrier.gathering;
  barrier.gathering.clear();
  barrier.arrived = 0;
  ++barrier.generation;
  c.machine.progressed();
}

Step dgemm::emulator::execBarSync(Context &c, const Instruction &inst) {
  Split &split = c.split();
  uint32_t id, threads;
  if (split.atBarrier) {
    // The warp continues after the barrier has passed.
    split.atBarrier = false;
    c.warp.clocks.join(c.cta.named[c.get(c.op(inst, 0), c.leader())].passed);
    return Step::Next;
  }
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "a barrier reached by a part of the warp");
  NamedBarrier *barrier = findNamed(c, inst, /*isArrival=*/false, id, threads);
  if (!barrier)
    return Step::Stop;
  uint64_t generation = barrier->generation;
  arriveNamed(c, inst, /*isArrival=*/false, *barrier, threads);
  split.atBarrier = true;
  Wait wait;
  wait.kind = Wait::NamedBarrier;
  wait.value = id;
  wait.generation = generation;
  return c.block(wait);
}

Step dgemm::emulator::execBarArrive(Context &c, const Instruction &inst) {
  uint32_t id, threads;
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "bar.arrive by a part of the warp");
  NamedBarrier *barrier = findNamed(c, inst, /*isArrival=*/true, id, threads);
  if (!barrier)
    return Step::Stop;
  arriveNamed(c, inst, /*isArrival=*/true, *barrier, threads);
  return Step::Next;
}

/// bar.warp.sync: the splits of a warp in the mask meet; they share their clocks anyway.
Step dgemm::emulator::execWarpSync(Context &c, const Instruction &inst) {
  uint32_t members = c.get(c.op(inst, 0), c.leader());
  // Machine::meet has ensured that they are at some bar.warp.sync.
  if (c.warp.meetsAtSync)
    return Step::Next;
  if (members & c.warp.alive() & ~c.mask)
    return c.raise(HazardKind::DivergentWarp, inst, "bar.warp.sync by a part of the threads that its mask names");
  return Step::Next;
}

Step dgemm::emulator::execClusterArrive(Context &c, const Instruction &inst) {
  Cluster &cluster = *c.cta.cluster;
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "barrier.cluster.arrive by a part of the warp");
  if (c.warp.clusterArrived)
    return c.raise(HazardKind::BarrierMisuse, inst, "barrier.cluster.arrive twice without a wait between");
  c.warp.clusterArrived = true;
  c.warp.clusterGeneration = cluster.generation;
  cluster.gathering.join(Order(inst.mods[Field::Order]) == Order::Relaxed ? c.warp.released : c.warp.clocks);
  c.warp.advance();
  uint32_t total = 0;
  for (auto &cta : cluster.ctas)
    total += cta->warps.size();
  if (++cluster.arrived + cluster.exited < total)
    return Step::Next;
  cluster.passed = cluster.gathering;
  cluster.gathering.clear();
  cluster.arrived = 0;
  ++cluster.generation;
  c.machine.progressed();
  return Step::Next;
}

Step dgemm::emulator::execClusterWait(Context &c, const Instruction &inst) {
  Cluster &cluster = *c.cta.cluster;
  if (!c.warp.clusterArrived)
    return c.raise(HazardKind::BarrierMisuse, inst, "barrier.cluster.wait without barrier.cluster.arrive");
  if (cluster.generation == c.warp.clusterGeneration) {
    Wait wait;
    wait.kind = Wait::ClusterBarrier;
    wait.generation = c.warp.clusterGeneration;
    return c.block(wait);
  }
  c.warp.clusterArrived = false;
  c.warp.clocks.join(cluster.passed);
  return Step::Next;
}

/// A fence with a later relaxed arrive is a release pattern; with an earlier relaxed wait, it is an acquire pattern.
static void fence(Warp &warp, Scope scope) {
  warp.clocks.join(warp.observedInCta);
  if (scope != Scope::Cta)
    warp.clocks.join(warp.observed);
  warp.releasedInCta = warp.clocks;
  if (scope != Scope::Cta)
    warp.released = warp.clocks;
  warp.advance();
}

Step dgemm::emulator::execFence(Context &c, const Instruction &inst) {
  fence(c.warp, Scope(inst.mods[Field::Scope]));
  return Step::Next;
}

/// The warp's generic writes so far become visible to async-proxy accesses that are ordered after this.
Step dgemm::emulator::execProxyFence(Context &c, const Instruction &inst) {
  c.warp.clocks.fenced.raise(c.warp.agent, c.warp.epoch());
  for (auto &cta : c.cta.cluster->ctas)
    for (auto &[offset, barrier] : cta->barriers)
      barrier.initFenced |= barrier.initAgent == c.warp.agent;
  c.warp.advance();
  return Step::Next;
}

Step dgemm::emulator::execMBarrierInitFence(Context &c, const Instruction &inst) {
  for (auto &[offset, barrier] : c.cta.barriers)
    barrier.initFenced |= barrier.initAgent == c.warp.agent;
  fence(c.warp, Scope::Cluster);
  return Step::Next;
}
