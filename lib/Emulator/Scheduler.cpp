//===- Scheduler.cpp - Who runs when --------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In each round of kQuantum ticks, the ready warps run in a random order, and some do not run, so that seeds try many
// interleavings. Asynchronous work waits in a queue of events; its delays are random too.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace dgemm;
using namespace dgemm::emulator;

static constexpr unsigned kQuantum = 32;

bool Machine::isReady(Cta &cta, Warp &warp, const Split &split) {
  const Wait &wait = split.wait;
  switch (wait.kind) {
  case Wait::None:
    return true;
  case Wait::Phase:
    return !wait.barrier->live || wait.barrier->passed(wait.value);
  case Wait::NamedBarrier:
    return cta.named[wait.value].generation > wait.generation;
  case Wait::ClusterBarrier:
    return cta.cluster->generation > wait.generation;
  case Wait::Wgmma: {
    const Warpgroup &group = cta.warpgroups[warp.index / 4];
    for (const WgmmaOp &op : group.ops)
      if (op.group <= wait.value && !op.executed)
        return false;
    return true;
  }
  case Wait::Bulk:
    return warp.bulk[wait.lane].doneUpTo(wait.read) >= wait.value;
  case Wait::Registers:
    return cta.freeRegisters >= int64_t(wait.value);
  case Wait::Sleep:
    return now >= wait.generation;
  case Wait::Meet:
    return (wait.value & warp.alive() & ~gatherAtSync(warp, split)) == 0;
  }
  return true;
}

static const char *waitName(Wait::Kind kind) {
  static constexpr const char *kNames[] = {"",           "wait mbarrier",   "wait bar.sync",  "wait cluster",
                                           "wait wgmma", "wait bulk store", "wait registers", "sleep",
                                           "wait lanes"};
  return kNames[kind];
}

void Machine::endWait(Cta &cta, Warp &warp, Split &split) {
  if (trace.isEnabled() && now > split.wait.since)
    trace.add(cta.index, warp.index, waitName(split.wait.kind), split.wait.since, now,
              kernel.instructions[split.pc].line);
  split.wait = Wait();
}

/// Ends a run of FP32 arithmetic in the trace; short runs get no slice.
void Machine::closeMath(Cta &cta, Warp &warp) {
  if (trace.isEnabled() && warp.mathCount >= 8)
    trace.add(cta.index, warp.index, "fp32 arithmetic (promotion)", warp.mathSince, now);
  warp.mathCount = 0;
}

/// Checks of instructions that use registers of the tensor core (PTX ISA, "wgmma.fence").
static bool checkAccumulators(Context &c, const Instruction &inst) {
  auto visit = [&](const Operand &operand) {
    if (operand.kind != Operand::Reg32)
      return true;
    int32_t index = c.kernel().accumulatorIndex[operand.slot];
    if (index < 0)
      return true;
    if (c.warp.inFlight[index]) {
      c.raise(HazardKind::AccumulatorInFlight, inst,
              "a register of a wgmma is accessed before wgmma.wait_group has waited for it");
      return false;
    }
    c.warp.lastTouch[index] = c.warp.count;
    c.warp.touchLine[index] = inst.line;
    return true;
  };
  for (const Operand &operand : c.kernel().getOperands(inst)) {
    if (operand.kind != Operand::Vector) {
      if (!visit(operand))
        return false;
      continue;
    }
    for (const Operand &element : c.kernel().getElements(operand))
      if (!visit(element))
        return false;
  }
  return true;
}

LaneMask Machine::gatherAtSync(const Warp &warp, const Split &split) const {
  // Any two bar.warp.sync meet (PTX ISA, "bar.warp.sync"); any other meets only itself.
  auto isWarpSync = [&](const Split &s) { return kernel.instructions[s.pc].handler == execWarpSync; };
  LaneMask lanes = split.mask;
  for (const Split &other : warp.splits)
    if (other.wait.kind == Wait::Meet && (other.pc == split.pc || (isWarpSync(split) && isWarpSync(other))))
      lanes |= other.mask;
  return lanes;
}

bool Machine::meet(Cta &cta, Warp &warp, size_t &index) {
  const Instruction &inst = kernel.instructions[warp.splits[index].pc];
  LaneMask mask = warp.splits[index].mask;
  if (inst.guard >= 0)
    mask &= inst.guardNegated ? ~warp.preds[inst.guard] : warp.preds[inst.guard];
  Context context{*this, cta, warp, index, mask};
  LaneMask members = inst.memberOperand < 0
                         ? kAllLanes
                         : LaneMask(context.get(context.op(inst, inst.memberOperand), context.leader()));
  if (LaneMask passing = warp.splits[index].mask & ~mask) {
    if (members & passing)
      return raise(HazardKind::DivergentWarp, &cta, &warp, inst.line,
                   "lanes 0x" + llvm::utohexstr(members & passing) + " pass by, as the predicate is false for them"),
             false;
    warp.splits.push_back(Split{warp.splits[index].pc + 1, passing, -1, {}, 0, false});
    warp.splits[index].mask = mask;
  }
  Split &split = warp.splits[index];
  if (members & warp.alive() & ~gatherAtSync(warp, split)) {
    split.wait.kind = Wait::Meet;
    split.wait.value = members;
    split.wait.since = now;
    return false;
  }
  for (size_t i = warp.splits.size(); i-- > 0;) {
    Split &other = warp.splits[i];
    if (i == index || other.wait.kind != Wait::Meet)
      continue;
    if (other.pc == warp.splits[index].pc) {
      warp.splits[index].mask |= other.mask;
      warp.splits.erase(warp.splits.begin() + i);
      index -= i < index;
    } else if (inst.handler == execWarpSync && kernel.instructions[other.pc].handler == execWarpSync) {
      other.wait = Wait();
      ++other.pc;
    }
  }
  return true;
}

/// A predicate that was never written has an undefined value on a GPU.
static bool checkPredicates(Context &c, const Instruction &inst) {
  auto isWritten = [&](const Operand &operand) {
    return !operand.isSource || !(c.mask & ~c.warp.predsWritten[operand.slot]);
  };
  if (llvm::all_of(c.kernel().getOperands(inst), isWritten))
    return true;
  c.raise(HazardKind::UninitialisedPredicate, inst, "the instruction reads a predicate that was never written");
  return false;
}

void Machine::runWarp(Cta &cta, Warp &warp) {
  size_t index = warp.splits.size() == 1 ? 0 : random(0, warp.splits.size() - 1);
  if (!isReady(cta, warp, warp.splits[index]))
    return;
  unsigned quantum = unsigned(random(1, kQuantum));
  if (warp.splits[index].wait.kind != Wait::None)
    endWait(cta, warp, warp.splits[index]);
  while (quantum--) {
    const Instruction &inst = kernel.instructions[warp.splits[index].pc];
    LaneMask mask = warp.splits[index].mask;
    if (inst.guard >= 0) {
      if (mask & ~warp.predsWritten[inst.guard]) {
        raise(HazardKind::UninitialisedPredicate, &cta, &warp, inst.line, "its predicate was never written");
        return;
      }
      mask &= inst.guardNegated ? ~warp.preds[inst.guard] : warp.preds[inst.guard];
    }
    if (inst.isSync && warp.meetsAtSync && mask && (warp.splits.size() > 1 || mask != warp.splits[index].mask)) {
      if (!meet(cta, warp, index))
        return closeMath(cta, warp);
      mask = warp.splits[index].mask;
    }
    Split &split = warp.splits[index];
    ++warp.count;
    ++report.warpInstructions;
    report.threadInstructions += __builtin_popcount(mask);
    Context context{*this, cta, warp, index, mask};
    if (!mask) {
      ++split.pc;
      if (split.frame >= 0 && warp.gather(index))
        return;
      continue;
    }
    if (inst.touchesAccumulator && !checkAccumulators(context, inst))
      return;
    if (inst.readsPredicate && !checkPredicates(context, inst))
      return;
    switch (inst.handler(context, inst)) {
    case Step::Next:
      ++warp.splits[index].pc;
      if (warp.splits[index].frame >= 0 && warp.gather(index))
        return;
      break;
    case Step::Jumped:
      // A uniform branch does not change the splits, unless it reaches a point where they meet.
      if (index >= warp.splits.size() || warp.splits.size() > 1)
        return;
      break;
    case Step::Blocked:
      ++warp.splits[index].pc;
      if (warp.splits[index].frame >= 0)
        warp.gather(index);
      closeMath(cta, warp);
      return;
    case Step::Retry:
      closeMath(cta, warp);
      return;
    case Step::Stop:
      return;
    }
  }
}

/// One round. True if some warp was ready.
bool Machine::round() {
  order.clear();
  for (auto &cluster : running)
    for (auto &cta : cluster->ctas)
      for (Warp &warp : cta->warps)
        if (llvm::any_of(warp.splits, [&](const Split &split) { return isReady(*cta, warp, split); }))
          order.push_back({cta.get(), &warp});
  if (order.empty())
    return false;
  for (size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[random(0, i)]);
  for (auto [cta, warp] : order) {
    if (random(0, 255) == 0)
      warp->slowness = 1u << random(0, 3);
    if (warp->slowness > 1 && random(0, warp->slowness - 1))
      continue;
    if (!warp->splits.empty())
      runWarp(*cta, *warp);
    if (stopped())
      return true;
  }
  return true;
}

uint64_t Machine::nextWakeUp() const {
  uint64_t time = events.empty() ? UINT64_MAX : events.top().time;
  for (auto &cluster : running)
    for (auto &cta : cluster->ctas)
      for (const Warp &warp : cta->warps)
        for (const Split &split : warp.splits)
          if (split.wait.kind == Wait::Sleep)
            time = std::min(time, split.wait.generation);
  return time;
}

llvm::Error Machine::checkHost() {
  auto time = std::chrono::steady_clock::now();
  double seconds = std::chrono::duration<double>(time - hostBegin).count();
  uint64_t ctas = numClusters * launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  if (options.timeoutSeconds > 0 && seconds > options.timeoutSeconds)
    return llvm::createStringError(llvm::formatv(
        "kernel '{0}' did not end within {1} s on the emulator: {2} of {3} CTAs were done after {4} warp instructions",
        kernel.name, options.timeoutSeconds, ctasDone, ctas, report.warpInstructions));
  if (!options.progress || time < nextReport)
    return llvm::Error::success();
  nextReport = time + std::chrono::milliseconds(100);
  if (!options.progress({ctasDone, ctas, report.warpInstructions, now}))
    return llvm::createStringError("stopped");
  return llvm::Error::success();
}

llvm::Error Machine::run() {
  while (!stopped()) {
    while (!events.empty() && events.top().time <= now && !stopped()) {
      Event event = events.top();
      events.pop();
      event.action();
      --event.cluster->pending;
      progressed();
    }
    if (stopped())
      break;
    uint64_t resident = 0;
    for (auto &cluster : running)
      resident += cluster->ctas.size();
    if (nextCluster < numClusters && (running.empty() || resident < options.residentCtas)) {
      admit();
      continue;
    }
    // Finished clusters make room.
    if (++rounds % 16 == 0) {
      retire();
      if (llvm::Error error = checkHost())
        return error;
    }
    bool ran = round();
    now += kQuantum;
    if (ran && report.warpInstructions - lastProgress < options.livelockInstructions)
      continue;
    if (stopped())
      break;
    if (retire()) {
      progressed();
    } else if (uint64_t wakeUp = nextWakeUp(); !ran && wakeUp != UINT64_MAX) {
      now = std::max(now, wakeUp);
    } else if (nextCluster < numClusters) {
      admit();
      progressed();
    } else if (running.empty()) {
      break;
    } else {
      raiseDeadlock(ran ? "no store, barrier or copy for a long time: the kernel spins" : "no warp can continue");
    }
  }
  report.ticks = now;
  return llvm::Error::success();
}

std::string Machine::describeWait(Cta &cta, Warp &warp, const Split &split) {
  const Instruction &inst = kernel.instructions[split.pc];
  std::string text;
  switch (split.wait.kind) {
  case Wait::None:
    text = "runs";
    break;
  case Wait::Phase:
    text = "waits for parity " + std::to_string(split.wait.value) + " of the mbarrier at byte " +
           std::to_string(split.wait.barrier->offset - kernel.dynamicSharedBase);
    break;
  case Wait::NamedBarrier: {
    const NamedBarrier &named = cta.named[split.wait.value];
    text = "waits at barrier " + std::to_string(split.wait.value) + " (" + std::to_string(named.arrived) + " of " +
           std::to_string(named.expected) + " threads there)";
    break;
  }
  case Wait::ClusterBarrier:
    text = "waits for the cluster barrier (" + std::to_string(cta.cluster->arrived) + " warps there)";
    break;
  case Wait::Wgmma:
    text = "waits for a wgmma that some of the four warps have not issued";
    break;
  case Wait::Bulk:
    text = "waits for its bulk stores";
    break;
  case Wait::Registers:
    text = "waits for " + std::to_string(split.wait.value) + " registers a thread (" +
           std::to_string(cta.freeRegisters) + " free)";
    break;
  case Wait::Sleep:
    text = "sleeps";
    break;
  case Wait::Meet:
    text = "waits for lanes 0x" + llvm::utohexstr(split.wait.value & warp.alive()) + " of the warp";
    break;
  }
  return (split.mask == kAllLanes ? "" : "lanes 0x" + llvm::utohexstr(split.mask) + " ") + text + ", PTX line " +
         std::to_string(inst.line) + ": " + kernel.getLine(inst.line).trim().substr(0, 80).str();
}

std::string Machine::describeBarriers(Cta &cta) {
  std::string text;
  for (auto &[offset, barrier] : cta.barriers) {
    text += "  mbarrier of CTA " + std::to_string(cta.index) + " at byte " +
            std::to_string(offset - kernel.dynamicSharedBase) + ": phase " + std::to_string(barrier.phase) + ", " +
            std::to_string(barrier.pending) + " of " + std::to_string(barrier.count) + " arrivals missing, " +
            std::to_string(barrier.tx) + " bytes missing\n";
    for (const MBarrier::Entry &entry : barrier.history)
      text += "    tick " + std::to_string(entry.tick) + ": " + entry.text + "\n";
  }
  return text;
}

/// A line for each run of warps that wait for the same event.
std::string Machine::describeWarps(Cta &cta) {
  std::string text, last;
  unsigned first = 0;
  auto flush = [&](unsigned end) {
    if (!last.empty())
      text += "  CTA " + std::to_string(cta.index) + " warp" +
              (end - first > 1 ? "s " + std::to_string(first) + " to " + std::to_string(end - 1)
                               : " " + std::to_string(first)) +
              ": " + last + "\n";
  };
  for (Warp &warp : cta.warps) {
    std::string mine;
    for (const Split &split : warp.splits)
      mine += (mine.empty() ? "" : "; ") + describeWait(cta, warp, split);
    if (mine == last)
      continue;
    flush(warp.index);
    last = mine;
    first = warp.index;
  }
  flush(cta.warps.size());
  return text;
}

void Machine::raiseDeadlock(llvm::StringRef why) {
  std::string context;
  const Cta *firstCta = nullptr;
  const Warp *firstWarp = nullptr;
  unsigned line = 0;
  bool registers = false;
  for (auto &cluster : running)
    for (auto &cta : cluster->ctas) {
      if (cta->done())
        continue;
      for (const Warp &warp : cta->warps)
        for (const Split &split : warp.splits) {
          bool wantsRegisters = split.wait.kind == Wait::Registers;
          if (firstCta && !(wantsRegisters && !registers))
            continue;
          registers |= wantsRegisters;
          firstCta = cta.get();
          firstWarp = &warp;
          line = kernel.instructions[split.pc].line;
        }
      // A few CTAs are enough.
      if (context.size() < 12000)
        context += describeWarps(*cta) + describeBarriers(*cta);
    }
  raise(registers ? HazardKind::RegisterBudget : HazardKind::Deadlock, firstCta, firstWarp, line, why, context);
}
