//===- DataMovement.cpp - mov, loads, stores, atomics ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "llvm/ADT/Twine.h"
#include <cstring>

using namespace dgemm::emulator;
using llvm::Twine;

Step dgemm::emulator::execMovPred(Context &c, const Instruction &inst) {
  const Operand &from = c.op(inst, 1);
  bool isLiteral = from.kind == Operand::Immediate;
  c.setPred(c.op(inst, 0), !isLiteral ? c.predSource(from) : from.imm ? ~LaneMask(0) : LaneMask(0));
  return Step::Next;
}

/// Pieces of a register, lowest first.
static uint64_t gatherPieces(Context &c, const Operand &operand, unsigned lane) {
  if (operand.kind == Operand::Immediate)
    return c.machine.now; // a clock
  if (operand.kind != Operand::Vector)
    return c.get(operand, lane);
  uint64_t value = 0, shift = 0;
  uint64_t mask = (uint64_t(1) << (8 * operand.imm)) - 1;
  for (const Operand &element : c.kernel().getElements(operand)) {
    value |= (c.get(element, lane) & mask) << shift;
    shift += 8 * operand.imm;
  }
  return value;
}

Step dgemm::emulator::execMov(Context &c, const Instruction &inst) {
  const Operand &to = c.op(inst, 0), &from = c.op(inst, 1);
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t value = gatherPieces(c, from, lane);
    if (to.kind != Operand::Vector) {
      c.set(to, lane, value);
      continue;
    }
    uint64_t mask = (uint64_t(1) << (8 * to.imm)) - 1;
    for (const Operand &element : c.kernel().getElements(to)) {
      if (element.kind != Operand::None)
        c.set(element, lane, value & mask);
      value >>= 8 * to.imm;
    }
  }
  return Step::Next;
}

/// Generic addresses of global memory are the addresses themselves; shared and param have a window each.
Step dgemm::emulator::execCvta(Context &c, const Instruction &inst) {
  uint64_t window = 0;
  Space space = inst.mods.space();
  if (space == Space::Shared || space == Space::SharedCluster)
    window = kSharedWindow;
  if (space == Space::Param)
    window = kParamWindow;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t value = c.get(c.op(inst, 1), lane);
    c.set(c.op(inst, 0), lane, inst.mods[Field::Mode] ? value - window : value + window);
  }
  return Step::Next;
}

bool dgemm::emulator::checkGlobalRead(Context &c, const Instruction &inst, const Allocation &allocation,
                                      uint64_t offset, uint64_t size) {
  if (!c.mayTouchGlobal(inst))
    return false;
  std::optional<uint64_t> writer = GlobalMemory::findOtherWriter(allocation, offset, size, c.cta.index);
  if (!writer)
    return true;
  c.raise(HazardKind::ReadBeforeWritten, inst,
          GlobalMemory::describe(allocation, offset) + " is read, which CTA " + Twine(*writer) +
              " writes in the same launch; global memory gives no order between CTAs in the emulator");
  return false;
}

bool dgemm::emulator::checkGlobalRead(Context &c, const Instruction &inst, uint64_t address, uint64_t size) {
  const Allocation *allocation = c.machine.memory.find(address);
  return checkGlobalRead(c, inst, *allocation, address - allocation->address, size);
}

/// A value of `bytes` at `from`, into a register; narrow signed ones fill it with their sign.
static void loadValue(Context &c, const Operand &to, unsigned lane, const uint8_t *from, Type type) {
  uint64_t value = 0;
  std::memcpy(&value, from, getByteWidth(type));
  if (type == Type::S8)
    value = uint64_t(int64_t(int8_t(value)));
  if (type == Type::S16)
    value = uint64_t(int64_t(int16_t(value)));
  if (type == Type::S32)
    value = uint64_t(int64_t(int32_t(value)));
  c.set(to, lane, value);
}

namespace {

/// One memory instruction: registers, size, and what kind of access.
struct Transfer {
  Context &c;
  const Instruction &inst;
  bool isStore;
  llvm::SmallVector<Operand, 4> registers;
  unsigned elementBytes;
  uint64_t bytes;

  Transfer(Context &c, const Instruction &inst, bool isStore, const Operand &value)
      : c(c), inst(inst), isStore(isStore), elementBytes(getByteWidth(inst.mods.type())) {
    if (value.kind == Operand::Vector)
      for (const Operand &element : c.kernel().getElements(value))
        registers.push_back(element);
    else
      registers.push_back(value);
    bytes = uint64_t(elementBytes) * registers.size();
  }

  void copy(unsigned lane, uint8_t *memory) {
    for (const Operand &reg : registers) {
      if (isStore) {
        uint64_t value = c.get(reg, lane);
        std::memcpy(memory, &value, elementBytes);
      } else {
        loadValue(c, reg, lane, memory, inst.mods.type());
      }
      memory += elementBytes;
    }
  }

  Step shared(unsigned lane, uint64_t address, Space space) {
    SharedAddress place;
    if (!resolveShared(c, inst, address, space, bytes, bytes, place) || !c.reaches(inst, *place.cta))
      return Step::Stop;
    Access access{isStore ? AccessKind::GenericWrite : AccessKind::GenericRead,
                  0,
                  c.warp.agent,
                  c.warp.epoch(),
                  int32_t(c.warp.index),
                  inst.line};
    if (auto violation = place.cta->shared.touch(place.offset, bytes, access, c.warp.clocks))
      return c.machine.raiseViolation(*place.cta, &c.cta, &c.warp, inst.line, *violation, "the access");
    copy(lane, place.cta->shared.data() + place.offset);
    return Step::Next;
  }

  Step global(unsigned lane, uint64_t address) {
    uint8_t *memory = c.machine.memory.resolve(address, bytes);
    Allocation *allocation = c.machine.memory.find(address);
    if (!c.mayTouchGlobal(inst))
      return Step::Stop;
    if (!memory)
      return c.raise(HazardKind::OutOfBounds, inst,
                     "lane " + Twine(lane) + " touches " + Twine(bytes) + " bytes at " +
                         (allocation ? "byte " + Twine(int64_t(address - allocation->address)) + " of operand '" +
                                           allocation->name + "', which has " + Twine(allocation->bytes)
                                     : "0x" + Twine::utohexstr(address) + ", where nothing is"));
    if (address % bytes)
      return c.raise(HazardKind::Misaligned, inst,
                     "global address is " + Twine(address % bytes) + " bytes past a multiple of " + Twine(bytes));
    uint64_t offset = address - allocation->address;
    if (isStore) {
      if (auto twice = GlobalMemory::markWritten(*allocation, offset, bytes, c.cta.index, false))
        return c.raise(HazardKind::OutputWrittenTwice, inst,
                       GlobalMemory::describe(*allocation, *twice) + " is written a second time");
    } else if (!checkGlobalRead(c, inst, *allocation, offset, bytes)) {
      return Step::Stop;
    }
    copy(lane, memory);
    return Step::Next;
  }

  Step parameter(unsigned lane, uint64_t offset) {
    const std::vector<uint8_t> &parameters = c.machine.launch.parameters;
    if (isStore || bytes > parameters.size() || offset > parameters.size() - bytes)
      return c.raise(HazardKind::OutOfBounds, inst, "access outside of the kernel's parameters");
    if (offset % bytes)
      return c.raise(HazardKind::Misaligned, inst, "parameter address is not aligned to " + Twine(bytes));
    for (const Operand &reg : registers) {
      loadValue(c, reg, lane, parameters.data() + offset, inst.mods.type());
      offset += elementBytes;
    }
    return Step::Next;
  }

  Step run(const Operand &address) {
    for (LaneMask m = c.mask; m; m &= m - 1) {
      unsigned lane = __builtin_ctz(m);
      uint64_t at = c.address(address, lane);
      Space space = inst.mods.space();
      bool inShared = at >= kSharedWindow && at < kSharedWindow + (uint64_t(1) << 32);
      Step step;
      if (space == Space::Shared || space == Space::SharedCluster || (space == Space::Generic && inShared))
        step = shared(lane, at, space == Space::Shared ? Space::Shared : Space::SharedCluster);
      else if (space == Space::Generic && at >= kParamWindow && at < kParamWindow + (uint64_t(1) << 20))
        step = parameter(lane, at - kParamWindow);
      else
        step = global(lane, at);
      if (step == Step::Stop)
        return step;
    }
    if (isStore)
      c.machine.progressed();
    return Step::Next;
  }
};

} // namespace

Step dgemm::emulator::execLoad(Context &c, const Instruction &inst) {
  return Transfer(c, inst, false, c.op(inst, 0)).run(c.op(inst, 1));
}
Step dgemm::emulator::execStore(Context &c, const Instruction &inst) {
  return Transfer(c, inst, true, c.op(inst, 1)).run(c.op(inst, 0));
}

Step dgemm::emulator::execLoadParam(Context &c, const Instruction &inst) {
  Transfer transfer(c, inst, false, c.op(inst, 0));
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    if (transfer.parameter(lane, c.address(c.op(inst, 1), lane)) == Step::Stop)
      return Step::Stop;
  }
  return Step::Next;
}

/// A sum that depends on the order in which it is made.
static bool isFloatSum(AtomicOp op, Type type) {
  return op == AtomicOp::Add && (type == Type::F32 || type == Type::F16 || type == Type::BF16);
}

/// Read, combine, write, one lane after the other. `result` null for red.
static Step atomic(Context &c, const Instruction &inst, const Operand *result, unsigned first) {
  Type type = inst.mods.type();
  unsigned bytes = getByteWidth(type);
  AtomicOp op = AtomicOp(inst.mods[Field::Atomic]);
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t address = c.address(c.op(inst, first), lane);
    uint8_t *memory = nullptr;
    Space space = inst.mods.space();
    if (space == Space::Shared || space == Space::SharedCluster ||
        (space == Space::Generic && address >= kSharedWindow)) {
      SharedAddress place;
      if (!resolveShared(c, inst, address, space, bytes, bytes, place))
        return Step::Stop;
      if (!c.reaches(inst, *place.cta))
        return Step::Stop;
      Access access{AccessKind::GenericAtomic, 0, c.warp.agent, c.warp.epoch(), int32_t(c.warp.index), inst.line};
      if (auto violation = place.cta->shared.touch(place.offset, bytes, access, c.warp.clocks))
        return c.machine.raiseViolation(*place.cta, &c.cta, &c.warp, inst.line, *violation, "the atomic");
      memory = place.cta->shared.data() + place.offset;
    } else {
      if (!c.mayTouchGlobal(inst))
        return Step::Stop;
      memory = c.machine.memory.resolve(address, bytes);
      if (!memory)
        return c.raise(HazardKind::OutOfBounds, inst,
                       "atomic at 0x" + Twine::utohexstr(address) + ", outside of every operand");
      if (address % bytes)
        return c.raise(HazardKind::Misaligned, inst, "atomic at an address that is not a multiple of " + Twine(bytes));
      Allocation *allocation = c.machine.memory.find(address);
      bool isOpen = isFloatSum(op, type);
      if (auto twice =
              GlobalMemory::markWritten(*allocation, address - allocation->address, bytes, c.cta.index, !isOpen))
        return c.raise(HazardKind::OutputWrittenTwice, inst,
                       GlobalMemory::describe(*allocation, *twice) +
                           " is added to a second time, so that the result depends on an order that is open");
    }
    uint64_t old = 0, value = c.get(c.op(inst, first + 1), lane);
    std::memcpy(&old, memory, bytes);
    uint64_t next = reduceBits(op, type, old, value);
    if (op == AtomicOp::Cas)
      next = old == value ? c.get(c.op(inst, first + 2), lane) : old;
    std::memcpy(memory, &next, bytes);
    if (result && result->kind != Operand::None)
      c.set(*result, lane, old);
  }
  c.machine.progressed();
  return Step::Next;
}

Step dgemm::emulator::execAtomic(Context &c, const Instruction &inst) { return atomic(c, inst, &c.op(inst, 0), 1); }
Step dgemm::emulator::execReduction(Context &c, const Instruction &inst) { return atomic(c, inst, nullptr, 0); }

/// PTX ISA, "red": several elements one after the other in global memory, of as many registers or packed in one. Each
/// is added by itself.
Step dgemm::emulator::execVectorReduction(Context &c, const Instruction &inst) {
  Type type = inst.mods.type();
  bool isPacked = type == Type::BF16x2 || type == Type::F16x2;
  Type element = type == Type::BF16x2 ? Type::BF16 : type == Type::F16x2 ? Type::F16 : type;
  unsigned width = getByteWidth(element), perRegister = isPacked ? 2 : 1;
  llvm::SmallVector<Operand, 4> registers;
  const Operand &value = c.op(inst, 1);
  if (value.kind == Operand::Vector)
    llvm::append_range(registers, c.kernel().getElements(value));
  else
    registers.push_back(value);
  uint64_t bytes = uint64_t(width) * perRegister * registers.size();
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t address = c.address(c.op(inst, 0), lane);
    if (!c.mayTouchGlobal(inst))
      return Step::Stop;
    uint8_t *memory = c.machine.memory.resolve(address, bytes);
    if (!memory)
      return c.raise(HazardKind::OutOfBounds, inst,
                     "reduction at 0x" + Twine::utohexstr(address) + ", outside of every operand");
    if (address % bytes)
      return c.raise(HazardKind::Misaligned, inst, "reduction at an address that is no multiple of " + Twine(bytes));
    Allocation *allocation = c.machine.memory.find(address);
    if (auto twice = GlobalMemory::markWritten(*allocation, address - allocation->address, bytes, c.cta.index,
                                               /*reduction=*/false))
      return c.raise(HazardKind::OutputWrittenTwice, inst,
                     GlobalMemory::describe(*allocation, *twice) +
                         " is added to a second time, so that the result depends on an order that is open");
    for (const Operand &reg : registers) {
      uint64_t bits = c.get(reg, lane);
      for (unsigned i = 0; i < perRegister; ++i, memory += width, bits >>= 8 * width) {
        uint64_t old = 0, own = bits & ((uint64_t(1) << (8 * width)) - 1);
        std::memcpy(&old, memory, width);
        old = reduceBits(AtomicOp::Add, element, old, own);
        std::memcpy(memory, &old, width);
      }
    }
  }
  c.machine.progressed();
  return Step::Next;
}

/// PTX ISA, "mapa": the same place in another CTA of the cluster.
Step dgemm::emulator::execMapa(Context &c, const Instruction &inst) {
  bool generic = inst.mods.space() == Space::Generic;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t address = c.get(c.op(inst, 1), lane);
    uint32_t rank = c.get(c.op(inst, 2), lane);
    if (rank >= c.cta.cluster->ctas.size())
      return c.raise(HazardKind::OutOfBounds, inst,
                     "mapa to rank " + Twine(rank) + " of a cluster of " + Twine(c.cta.cluster->ctas.size()));
    uint64_t window = generic ? kSharedWindow : 0;
    c.set(c.op(inst, 0), lane, window + (uint64_t(rank + 1) << 24) + ((address - window) & 0xffffff));
  }
  return Step::Next;
}

Step dgemm::emulator::execPrefetch(Context &c, const Instruction &inst) { return Step::Next; }
Step dgemm::emulator::execIgnore(Context &c, const Instruction &inst) { return Step::Next; }

Step dgemm::emulator::execPrefetchMap(Context &c, const Instruction &inst) {
  uint64_t address = c.address(c.op(inst, 0), c.leader());
  if (address >= kParamWindow)
    address -= kParamWindow;
  if (address >> 32 || !c.machine.launch.maps.count(uint32_t(address)))
    return c.raise(HazardKind::IllegalTensorMap, inst, "the address is not that of a tensor map parameter");
  return Step::Next;
}

Step dgemm::emulator::execCreatePolicy(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1)
    c.set(c.op(inst, 0), __builtin_ctz(m), 0x1000000000000000ull);
  return Step::Next;
}

/// cp.async dst, src, size[, source size]: generic-proxy writes, which complete immediately here. Another warp may rely
/// on them only after this one has waited, which is also the rule for its own stores.
Step dgemm::emulator::execCpAsync(Context &c, const Instruction &inst) {
  uint64_t size = uint64_t(c.op(inst, 2).imm);
  if (size != 4 && size != 8 && size != 16)
    return c.raise(HazardKind::IllegalInstruction, inst, "cp.async copies 4, 8 or 16 bytes, not " + Twine(size));
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t from = c.address(c.op(inst, 1), lane), count = size;
    if (inst.numOperands > 3 && c.op(inst, 3).kind == Operand::Reg32)
      count = std::min<uint64_t>(c.get(c.op(inst, 3), lane), size);
    SharedAddress place;
    if (!resolveShared(c, inst, c.address(c.op(inst, 0), lane), Space::Shared, size, size, place))
      return Step::Stop;
    uint8_t *memory = count ? c.machine.memory.resolve(from, count) : place.cta->shared.data();
    if (!memory)
      return c.raise(HazardKind::OutOfBounds, inst, "cp.async reads outside of every operand");
    if (count && from % size)
      return c.raise(HazardKind::Misaligned, inst, "cp.async source is not a multiple of " + Twine(size));
    if (count && !checkGlobalRead(c, inst, from, count))
      return Step::Stop;
    Access access{AccessKind::GenericWrite, 0, c.warp.agent, c.warp.epoch(), int32_t(c.warp.index), inst.line};
    if (auto violation = place.cta->shared.touch(place.offset, size, access, c.warp.clocks))
      return c.machine.raiseViolation(*place.cta, &c.cta, &c.warp, inst.line, *violation, "cp.async");
    std::memset(place.cta->shared.data() + place.offset, 0, size);
    if (count)
      std::memcpy(place.cta->shared.data() + place.offset, memory, count);
  }
  return Step::Next;
}
Step dgemm::emulator::execCpAsyncDone(Context &c, const Instruction &inst) { return Step::Next; }
