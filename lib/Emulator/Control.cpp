//===- Control.cpp - Branches, and what the threads of a warp do together --===//
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

Step dgemm::emulator::execBra(Context &c, const Instruction &inst) {
  Split &split = c.split();
  if (c.mask == split.mask) {
    split.pc = inst.target;
    if (split.frame >= 0)
      c.warp.gather(c.splitIndex);
    return Step::Jumped;
  }
  c.warp.branch(c.splitIndex, c.mask, inst.target, split.pc + 1, inst.reconverge);
  return Step::Jumped;
}

/// Before it ends, a thread has to wait for its bulk stores, which read its CTA's shared memory, and its warp has to
/// run each setmaxnreg of its warpgroup.
static bool checkExit(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    const BulkGroups &groups = c.warp.bulk[__builtin_ctz(m)];
    if (groups.issued <= groups.waited)
      continue;
    c.raise(HazardKind::ExitInFlight, inst,
            "lane " + Twine(__builtin_ctz(m)) +
                " ends without cp.async.bulk.wait_group for the bulk store of PTX line " + Twine(groups.line) +
                ", which may still read shared memory");
    return false;
  }
  const Warpgroup &group = c.cta.warpgroups[c.warp.index / 4];
  if (!group.changes.empty() && c.converged() && !group.changes.back().epochs[c.warp.index % 4]) {
    c.raise(HazardKind::DivergentWarp, inst,
            "the warp ends without the setmaxnreg of PTX line " + Twine(group.changes.back().instruction->line) +
                ", which other warps of its warpgroup have run");
    return false;
  }
  return true;
}

Step dgemm::emulator::execExit(Context &c, const Instruction &inst) {
  if (!checkExit(c, inst))
    return Step::Stop;
  Split &split = c.split();
  bool all = c.mask == split.mask;
  if (!all)
    ++split.pc;
  c.warp.exit(c.splitIndex, c.mask);
  if (c.warp.done()) {
    // barrier.cluster counts threads that have ended as arrived.
    Cluster &cluster = *c.cta.cluster;
    if (!c.warp.clusterArrived)
      ++cluster.exited;
    uint32_t total = 0;
    for (auto &cta : cluster.ctas)
      total += cta->warps.size();
    if (cluster.arrived && cluster.arrived + cluster.exited >= total) {
      cluster.passed = cluster.gathering;
      cluster.gathering.clear();
      cluster.arrived = 0;
      ++cluster.generation;
    }
    if (c.cta.done() && !c.machine.checkEnd(c.cta, c.warp, inst.line))
      return Step::Stop;
  }
  c.machine.progressed();
  return Step::Jumped;
}

Step dgemm::emulator::execGridWait(Context &c, const Instruction &inst) {
  c.warp.clocks.order.raise(c.cta.cluster->gridAgent, 1);
  return Step::Next;
}

Step dgemm::emulator::execTrap(Context &c, const Instruction &inst) {
  return c.raise(HazardKind::Trap, inst, "the kernel ran trap");
}

Step dgemm::emulator::execNanosleep(Context &c, const Instruction &inst) {
  Wait wait;
  wait.kind = Wait::Sleep;
  wait.generation = c.machine.now + 1 + c.get(c.op(inst, 0), c.leader());
  c.block(wait);
  return Step::Blocked;
}

/// Exactly the threads of the member mask that have not ended have to be here together.
static bool checkMembers(Context &c, const Instruction &inst, const Operand &mask) {
  uint32_t members = c.get(mask, c.leader()), missing = members & c.warp.alive() & ~c.mask;
  if (missing)
    c.raise(HazardKind::DivergentWarp, inst,
            "lanes 0x" + Twine::utohexstr(missing) + " of the member mask are not here");
  else if (c.mask & ~members)
    c.raise(HazardKind::DivergentWarp, inst,
            "lanes 0x" + Twine::utohexstr(c.mask & ~members) + " are here and not in the member mask");
  return !missing && !(c.mask & ~members);
}

/// PTX ISA, "shfl.sync": c holds the clamp in bits 0-4 and the segment mask in bits 8-12.
Step dgemm::emulator::execShfl(Context &c, const Instruction &inst) {
  if (!checkMembers(c, inst, c.op(inst, 5)))
    return Step::Stop;
  uint32_t values[kLanes], result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    values[lane] = result[lane] = c.get(c.op(inst, 2), lane);
  LaneMask valid = 0;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint32_t b = c.get(c.op(inst, 3), lane) & 0x1f, control = c.get(c.op(inst, 4), lane);
    uint32_t clamp = control & 0x1f, segment = (control >> 8) & 0x1f;
    uint32_t maxLane = (lane & segment) | (clamp & ~segment), minLane = lane & segment;
    int64_t from = 0;
    bool ok = false;
    switch (inst.mods[Field::Mode]) {
    case 0:
      from = minLane | (b & ~segment);
      ok = from <= int64_t(maxLane);
      break;
    case 1:
      from = int64_t(lane) - b;
      ok = from >= int64_t(maxLane);
      break;
    case 2:
      from = lane + b;
      ok = from <= int64_t(maxLane);
      break;
    default:
      from = lane ^ b;
      ok = from <= int64_t(maxLane);
      break;
    }
    if (!ok)
      from = lane;
    if (!((c.mask >> from) & 1))
      return c.raise(HazardKind::DivergentWarp, inst,
                     "lane " + Twine(lane) + " reads from lane " + Twine(from) + ", which does not take part");
    result[lane] = values[from];
    valid |= LaneMask(ok) << lane;
  }
  if (c.op(inst, 0).kind != Operand::None)
    for (LaneMask m = c.mask; m; m &= m - 1)
      c.set(c.op(inst, 0), __builtin_ctz(m), result[__builtin_ctz(m)]);
  if (c.op(inst, 1).kind == Operand::Pred)
    c.setPred(c.op(inst, 1), valid);
  return Step::Next;
}

Step dgemm::emulator::execElect(Context &c, const Instruction &inst) {
  if (!checkMembers(c, inst, c.op(inst, 2)))
    return Step::Stop;
  unsigned leader = c.machine.elect(c.mask);
  if (c.op(inst, 0).kind != Operand::None)
    for (LaneMask m = c.mask; m; m &= m - 1)
      c.set(c.op(inst, 0), __builtin_ctz(m), leader);
  if (c.op(inst, 1).kind == Operand::Pred)
    c.setPred(c.op(inst, 1), 1u << leader);
  return Step::Next;
}

Step dgemm::emulator::execVote(Context &c, const Instruction &inst) {
  if (!checkMembers(c, inst, c.op(inst, 2)))
    return Step::Stop;
  LaneMask set = c.predSource(c.op(inst, 1)) & c.mask;
  unsigned mode = inst.mods[Field::Mode];
  if (mode == 3) {
    for (LaneMask m = c.mask; m; m &= m - 1)
      c.set(c.op(inst, 0), __builtin_ctz(m), set);
    return Step::Next;
  }
  bool result = mode == 0 ? set == c.mask : mode == 1 ? set != 0 : set == c.mask || set == 0;
  c.setPred(c.op(inst, 0), result ? kAllLanes : 0);
  return Step::Next;
}

Step dgemm::emulator::execActivemask(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1)
    c.set(c.op(inst, 0), __builtin_ctz(m), c.mask);
  return Step::Next;
}

Step dgemm::emulator::execRedux(Context &c, const Instruction &inst) {
  if (!checkMembers(c, inst, c.op(inst, 2)))
    return Step::Stop;
  uint64_t result = c.get(c.op(inst, 1), c.leader());
  for (LaneMask m = c.mask & (c.mask - 1); m; m &= m - 1)
    result = reduceBits(AtomicOp(inst.mods[Field::Atomic]), inst.mods.type(), result,
                        c.get(c.op(inst, 1), __builtin_ctz(m)));
  for (LaneMask m = c.mask; m; m &= m - 1)
    c.set(c.op(inst, 0), __builtin_ctz(m), result);
  return Step::Next;
}

/// PTX ISA, "setmaxnreg": all warps of a warpgroup run the same, and they synchronise between two of them.
static bool recordRegisterChange(Context &c, const Instruction &inst) {
  std::vector<RegisterChange> &changes = c.cta.warpgroups[c.warp.index / 4].changes;
  unsigned mine = c.warp.index % 4, first = c.warp.index - mine;
  size_t index = 0;
  while (index < changes.size() && changes[index].epochs[mine])
    ++index;
  if (index < changes.size() && changes[index].instruction != &inst)
    return c.raise(HazardKind::DivergentWarp, inst,
                   "other warps of the warpgroup have run the setmaxnreg of PTX line " +
                       Twine(changes[index].instruction->line) + " in its place"),
           false;
  for (unsigned i = 0; i < 4 && first + i < c.cta.warps.size(); ++i) {
    const Warp &other = c.cta.warps[first + i];
    if (other.done() && (index == changes.size() || !changes[index].epochs[i]))
      return c.raise(HazardKind::DivergentWarp, inst,
                     "warp " + Twine(other.index) + " of the warpgroup has ended without this setmaxnreg"),
             false;
    uint32_t before = index ? changes[index - 1].epochs[i] : 0;
    if (index && i != mine && (!before || c.warp.clocks.order.get(other.agent) < before))
      return c.raise(HazardKind::RegisterBudget, inst,
                     "the warpgroup has not synchronised since its setmaxnreg of PTX line " +
                         Twine(changes[index - 1].instruction->line)),
             false;
  }
  if (index == changes.size())
    changes.push_back({&inst, {}});
  return true;
}

/// PTX ISA, "setmaxnreg", and facts.md section 3: one warpgroup may take what another releases; .inc waits for it.
Step dgemm::emulator::execSetmaxnreg(Context &c, const Instruction &inst) {
  int64_t wanted = c.op(inst, 0).imm, current = c.warp.registers;
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "setmaxnreg by a part of the warp");
  if (wanted < 24 || wanted > 256 || wanted % 8)
    return c.raise(HazardKind::RegisterBudget, inst,
                   "register count is " + Twine(wanted) + ", must be a multiple of 8 from 24 to 256");
  bool increase = inst.mods[Field::Mode];
  if (increase ? wanted < current : wanted > current)
    return c.raise(HazardKind::RegisterBudget, inst,
                   "the warp has " + Twine(current) + " registers a thread; setmaxnreg." +
                       (increase ? "inc cannot lower" : "dec cannot raise") + " that to " + Twine(wanted));
  if (!recordRegisterChange(c, inst))
    return Step::Stop;
  if (increase && c.cta.freeRegisters < wanted - current) {
    Wait wait;
    wait.kind = Wait::Registers;
    wait.value = uint32_t(wanted - current);
    return c.block(wait);
  }
  c.cta.freeRegisters -= wanted - current;
  c.warp.registers = unsigned(wanted);
  for (RegisterChange &change : c.cta.warpgroups[c.warp.index / 4].changes)
    if (uint32_t &epoch = change.epochs[c.warp.index % 4]; !epoch)
      epoch = c.warp.epoch();
  c.machine.progressed();
  return Step::Next;
}
