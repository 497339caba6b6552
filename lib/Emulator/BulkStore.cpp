//===- BulkStore.cpp - Bulk copies out of shared memory -------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BulkCopy.h"
#include "llvm/ADT/Twine.h"
#include <cstring>

using namespace dgemm::emulator;
using llvm::Twine;

BulkGroups &dgemm::emulator::getBulkGroups(Context &c, unsigned lane) {
  BulkGroups &groups = c.warp.bulk[lane];
  if (!groups.agent)
    groups.agent = c.cta.cluster->makeAgent({AgentInfo::Bulk, c.cta.rank, c.warp.index});
  return groups;
}

namespace {

/// Bytes in flight, and the destination of each piece.
struct Piece {
  uint32_t from;
  uint64_t to;
  unsigned bytes;
};

struct Outgoing {
  Allocation *memory;
  std::vector<Piece> pieces;
  std::vector<uint8_t> data;
  AtomicOp reduction = AtomicOp::None;
  Type type = Type::None;
};

void writeOut(Machine &machine, const Cta &cta, const Warp &warp, unsigned line, Outgoing &out) {
  unsigned width = getByteWidth(out.type);
  for (const Piece &piece : out.pieces) {
    bool reduce = out.reduction != AtomicOp::None;
    // The result of a second sum of floats depends on an order that is open.
    bool isSum = out.reduction == AtomicOp::Add && out.type != Type::S32 && out.type != Type::U8;
    if (auto twice =
            GlobalMemory::markWritten(*out.memory, piece.to, piece.bytes, cta.index, /*reduction=*/reduce && !isSum)) {
      machine.raise(HazardKind::OutputWrittenTwice, &cta, &warp, line,
                    GlobalMemory::describe(*out.memory, *twice) +
                        (isSum ? " is added to a second time, so that the result depends on an order that is open"
                               : " is written a second time"));
      return;
    }
    if (!reduce) {
      std::memcpy(out.memory->data + piece.to, &out.data[piece.from], piece.bytes);
      continue;
    }
    for (unsigned at = 0; at < piece.bytes; at += width) {
      uint64_t old = 0, value = 0;
      std::memcpy(&old, out.memory->data + piece.to + at, width);
      std::memcpy(&value, &out.data[piece.from + at], width);
      old = reduceBits(out.reduction, out.type, old, value);
      std::memcpy(out.memory->data + piece.to + at, &old, width);
    }
  }
}

/// Reads the source after a delay, and writes after another delay.
Step launch(Context &c, const Instruction &inst, unsigned lane, uint64_t address, uint64_t bytes, unsigned alignment,
            Outgoing out) {
  SharedAddress from;
  if (!c.mayTouchGlobal(inst) || !resolveShared(c, inst, address, Space::Shared, bytes, alignment, from))
    return Step::Stop;
  BulkGroups &groups = getBulkGroups(c, lane);
  Access access{AccessKind::BulkRead, 0, groups.agent, groups.open, int32_t(c.warp.index), inst.line};
  if (auto violation = c.cta.shared.touch(from.offset, bytes, access, c.warp.clocks))
    return c.machine.raiseViolation(c.cta, &c.cta, &c.warp, inst.line, *violation, "the bulk store");
  Machine &machine = c.machine;
  uint32_t group = groups.open;
  groups.issued = group;
  groups.line = inst.line;
  ++groups.get(group).reads;
  ++groups.get(group).writes;
  ++machine.report.bulkCopies;
  machine.report.bulkBytes += bytes;
  Cluster *cluster = c.cta.cluster;
  auto shared = std::make_shared<Outgoing>(std::move(out));
  uint64_t issued = machine.now, readDelay = getCopyDelay(machine, bytes), writeDelay = getCopyDelay(machine, bytes);
  auto write = [&machine, shared, cta = &c.cta, warp = &c.warp, lane, group, issued, line = inst.line] {
    writeOut(machine, *cta, *warp, line, *shared);
    --warp->bulk[lane].get(group).writes;
    machine.trace.add(cta->index, Trace::Stores, "bulk store", issued, machine.now, line);
  };
  machine.schedule(
      *cluster, readDelay,
      [&machine, shared, cluster, cta = &c.cta, warp = &c.warp, lane, group, bytes, from, writeDelay, write] {
        const uint8_t *source = cta->shared.data() + from.offset;
        shared->data.assign(source, source + bytes);
        --warp->bulk[lane].get(group).reads;
        machine.schedule(*cluster, writeDelay, write);
      });
  machine.progressed();
  return Step::Next;
}

Step tensorStore(Context &c, const Instruction &inst, AtomicOp reduction) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    const TensorMap *map = findTensorMap(c, inst, c.address(c.op(inst, 0), lane));
    if (!map)
      return Step::Stop;
    Outgoing out;
    out.memory = map->memory;
    out.reduction = reduction;
    out.type = map->type == dgemm::ElementType::F32    ? Type::F32
               : map->type == dgemm::ElementType::F16  ? Type::F16
               : map->type == dgemm::ElementType::BF16 ? Type::BF16
               : map->type == dgemm::ElementType::I32  ? Type::S32
                                                       : Type::U8;
    auto coordinates = readCoordinates(c, c.op(inst, 1), lane);
    if (!checkInside(c, inst, *map, coordinates))
      return Step::Stop;
    map->forEachPiece(coordinates, [&](uint64_t from, int64_t to, unsigned bytes) {
      if (to != TensorMap::kOutside)
        out.pieces.push_back({uint32_t(from), uint64_t(to), bytes});
    });
    uint64_t address = c.address(c.op(inst, 2), lane);
    if (launch(c, inst, lane, address, map->boxBytes(), map->sharedAlignment(), std::move(out)) == Step::Stop)
      return Step::Stop;
  }
  return Step::Next;
}

} // namespace

Step dgemm::emulator::execTensorStore(Context &c, const Instruction &inst) {
  return tensorStore(c, inst, AtomicOp::None);
}
Step dgemm::emulator::execTensorReduce(Context &c, const Instruction &inst) {
  return tensorStore(c, inst, AtomicOp(inst.mods[Field::Atomic]));
}

/// cp.async.bulk to global memory: dst, src, size[, hint]
Step dgemm::emulator::execBulkStore(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t to = c.address(c.op(inst, 0), lane), bytes = c.get(c.op(inst, 2), lane);
    if (!c.machine.memory.resolve(to, bytes))
      return c.raise(HazardKind::OutOfBounds, inst,
                     Twine(bytes) + " bytes at 0x" + Twine::utohexstr(to) + " are not all in one operand");
    if (to % 16 || bytes % 16 || !bytes)
      return c.raise(HazardKind::Misaligned, inst, "destination and size must be multiples of 16");
    Outgoing out;
    out.memory = c.machine.memory.find(to);
    out.type = Type::U8;
    out.pieces.push_back({0, to - out.memory->address, unsigned(bytes)});
    if (launch(c, inst, lane, c.address(c.op(inst, 1), lane), bytes, 16, std::move(out)) == Step::Stop)
      return Step::Stop;
  }
  return Step::Next;
}

Step dgemm::emulator::execBulkCommit(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1)
    ++getBulkGroups(c, __builtin_ctz(m)).open;
  return Step::Next;
}

/// wait_group n: at most n of the last groups of this thread may still be in flight.
Step dgemm::emulator::execBulkWait(Context &c, const Instruction &inst) {
  bool read = inst.mods[Field::Read];
  int64_t allowed = c.op(inst, 0).imm;
  if (allowed < 0)
    return c.raise(HazardKind::IllegalInstruction, inst, Twine(allowed) + " bulk groups; must be 0 or more");
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    BulkGroups &groups = c.warp.bulk[lane];
    if (!groups.agent)
      continue;
    int64_t last = int64_t(groups.open) - 1 - allowed;
    if (last < 1)
      continue;
    if (groups.doneUpTo(read) < uint64_t(last)) {
      Wait wait;
      wait.kind = Wait::Bulk;
      wait.value = uint32_t(last);
      wait.read = read;
      wait.lane = lane;
      return c.block(wait);
    }
    c.warp.clocks.order.raise(groups.agent, uint32_t(last));
    groups.waited = std::max(groups.waited, uint32_t(last));
    // Completed groups at the front are not checked again.
    while (groups.first < groups.open && groups.groups.size() > 1 && !groups.groups[0].reads &&
           !groups.groups[0].writes && groups.first < uint32_t(last)) {
      groups.groups.erase(groups.groups.begin());
      ++groups.first;
    }
  }
  return Step::Next;
}
