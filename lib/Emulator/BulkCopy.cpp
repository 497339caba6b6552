//===- BulkCopy.cpp - Bulk copies into shared memory ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BulkCopy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <array>
#include <cstring>

using namespace dgemm::emulator;
using llvm::Twine;

uint64_t dgemm::emulator::getCopyDelay(Machine &machine, uint64_t bytes) {
  return machine.random(100, 1000) + bytes / machine.random(16, 128);
}

const TensorMap *dgemm::emulator::findTensorMap(Context &c, const Instruction &inst, uint64_t address) {
  if (address >= kParamWindow)
    address -= kParamWindow;
  auto it = address >> 32 ? c.machine.launch.maps.end() : c.machine.launch.maps.find(uint32_t(address));
  if (it == c.machine.launch.maps.end()) {
    c.raise(HazardKind::IllegalTensorMap, inst, "the address is not that of a tensor map parameter");
    return nullptr;
  }
  if (it->second.rank() != inst.mods[Field::Dim]) {
    c.raise(HazardKind::IllegalTensorMap, inst,
            "the instruction has " + Twine(inst.mods[Field::Dim]) + " dimensions, tensor map '" + it->second.parameter +
                "' has " + Twine(it->second.rank()));
    return nullptr;
  }
  return &it->second;
}

llvm::SmallVector<int64_t, 5> dgemm::emulator::readCoordinates(Context &c, const Operand &vector, unsigned lane) {
  llvm::SmallVector<int64_t, 5> coordinates;
  for (const Operand &element : c.kernel().getElements(vector))
    coordinates.push_back(int32_t(c.get(element, lane)));
  return coordinates;
}

/// The policies that CUTLASS names (cute/arch/copy_sm90_desc.hpp): normal, evict first, evict last. `hint` is the last
/// operand; it changes no result.
static bool checkCacheHint(Context &c, const Instruction &inst, unsigned lane) {
  if (!inst.mods[Field::CacheHint])
    return true;
  uint64_t hint = c.get(c.op(inst, inst.numOperands - 1), lane);
  if (hint == 0x1000000000000000 || hint == 0x12F0000000000000 || hint == 0x14F0000000000000)
    return true;
  c.raise(HazardKind::IllegalInstruction, inst, "L2 cache hint 0x" + Twine::utohexstr(hint) + " is not a known policy");
  return false;
}

/// The start of an unswizzled box in the innermost dimension must be a multiple of 16 bytes, also outside the tensor.
/// This was measured (docs/emulator.md). The PTX ISA does not say it. Swizzled boxes were not measured.
static bool checkStart(Context &c, const Instruction &inst, const TensorMap &map, llvm::ArrayRef<int64_t> coordinates) {
  int64_t start = coordinates[0] * map.elementBytes;
  if (map.swizzle || start % 16 == 0)
    return true;
  c.raise(HazardKind::Misaligned, inst,
          "the box begins at element " + Twine(coordinates[0]) + " of the innermost dimension, which is byte " +
              Twine(start) + "; must be a multiple of 16 bytes");
  return false;
}

bool dgemm::emulator::checkInside(Context &c, const Instruction &inst, const TensorMap &map,
                                  llvm::ArrayRef<int64_t> coordinates) {
  int64_t lowest = 0;
  if (map.offset < 0)
    map.forEachPiece(coordinates, [&](uint64_t, int64_t global, unsigned) {
      if (global != TensorMap::kOutside)
        lowest = std::min(lowest, global);
    });
  if (lowest == 0)
    return true;
  c.raise(HazardKind::OutOfBounds, inst, "the box reaches " + Twine(-lowest) + " bytes before its operand");
  return false;
}

namespace {

/// One copy into one CTA.
struct Landing {
  Cta *cta;
  uint32_t offset;
  MBarrier *barrier;
  uint32_t phase;
};

/// The common part of all forms of bulk loads.
struct Load {
  Context &c;
  const Instruction &inst;
  unsigned lane;
  const Operand &destination, &barrier;
  uint64_t bytes;
  unsigned alignment;
  uint8_t layout = Access::kNoLayout;
  const Operand *mask = nullptr;

  std::vector<Landing> landings;

  bool prepare() {
    SharedAddress to, bar;
    Space space = inst.mods.space();
    if (!resolveShared(c, inst, c.address(destination, lane), space, bytes, alignment, to) ||
        !resolveShared(c, inst, c.address(barrier, lane), Space::SharedCluster, 8, 8, bar))
      return false;
    if (!mask)
      return addLanding(to, bar);
    // PTX ISA: the data and the signal go to the same offsets in each CTA of the mask.
    uint32_t members = uint16_t(c.get(*mask, lane));
    Cluster &cluster = *c.cta.cluster;
    if (!members || members >> cluster.ctas.size())
      return c.raise(HazardKind::IllegalInstruction, inst,
                     "multicast mask 0x" + Twine::utohexstr(members) + " names CTAs that the cluster of " +
                         Twine(cluster.ctas.size()) + " does not have, or none"),
             false;
    for (unsigned rank = 0; rank < cluster.ctas.size(); ++rank) {
      if (!((members >> rank) & 1))
        continue;
      SharedAddress target{cluster.ctas[rank].get(), to.offset}, signal{cluster.ctas[rank].get(), bar.offset};
      if (!c.machine.checkAlive(*target.cta, c.cta, &c.warp, inst.line, "the multicast") || !addLanding(target, signal))
        return false;
    }
    return true;
  }

  bool addLanding(const SharedAddress &to, const SharedAddress &bar) {
    MBarrier *object = findBarrier(c, inst, bar, true);
    if (!object)
      return false;
    // No other access may rely on these bytes until the phase completes.
    Access access{AccessKind::BulkWrite, 0, object->agent, object->phase + 1, int32_t(c.warp.index), inst.line, layout};
    if (auto violation = to.cta->shared.touch(to.offset, bytes, access, c.warp.clocks)) {
      c.machine.raiseViolation(*to.cta, &c.cta, &c.warp, inst.line, *violation, "the bulk copy");
      return false;
    }
    object->expectCopy(bytes, inst.line);
    landings.push_back({to.cta, to.offset, object, object->phase});
    return true;
  }

  /// `fill` writes the bytes into shared memory at the destination.
  void launch(std::function<void(uint8_t *)> fill) {
    Machine &machine = c.machine;
    ++machine.report.bulkCopies;
    machine.report.bulkBytes += bytes * landings.size();
    for (const Landing &landing : landings) {
      uint64_t delay = getCopyDelay(machine, bytes), issued = machine.now;
      machine.schedule(
          *c.cta.cluster, delay,
          [&machine, landing, fill, from = &c.cta, warp = &c.warp, size = bytes, line = inst.line, issued] {
            if (!machine.checkAlive(*landing.cta, *from, warp, line, "the landing bulk copy"))
              return;
            fill(landing.cta->shared.data() + landing.offset);
            machine.trace.add(landing.cta->index, Trace::Copies, "bulk load", issued, machine.now, line);
            completeTransaction(machine, *landing.cta, *landing.barrier, size, landing.phase, *from, warp, line);
          });
    }
  }
};

} // namespace

/// cp.async.bulk.tensor to shared memory: dst, map, coordinates, mbarrier[, mask][, hint]
Step dgemm::emulator::execTensorLoad(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    const TensorMap *map = findTensorMap(c, inst, c.address(c.op(inst, 1), lane));
    if (!map || !checkCacheHint(c, inst, lane) || !c.mayTouchGlobal(inst))
      return Step::Stop;
    auto coordinates = readCoordinates(c, c.op(inst, 2), lane);
    if (!checkStart(c, inst, *map, coordinates) || !checkInside(c, inst, *map, coordinates))
      return Step::Stop;
    Load load{c,
              inst,
              lane,
              c.op(inst, 0),
              c.op(inst, 3),
              map->boxBytes(),
              map->sharedAlignment(),
              uint8_t(map->swizzle),
              nullptr,
              {}};
    if (inst.mods[Field::Multicast])
      load.mask = &c.op(inst, 4);
    if (!load.prepare())
      return Step::Stop;
    load.launch([map, coordinates](uint8_t *shared) {
      const uint8_t *global = map->memory->data;
      map->forEachPiece(coordinates, [&](uint64_t to, int64_t from, unsigned bytes) {
        if (from != TensorMap::kOutside)
          std::memcpy(shared + to, global + from, bytes);
        else if (!map->fillNaN)
          std::memset(shared + to, 0, bytes);
        else
          std::memset(shared + to, 0xff, bytes); // a NaN in every float type
      });
    });
  }
  c.machine.progressed();
  return Step::Next;
}

/// cp.async.bulk to shared memory: dst, src, size, mbarrier[, mask][, hint]
Step dgemm::emulator::execBulkLoad(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    uint64_t from = c.address(c.op(inst, 1), lane), bytes = c.get(c.op(inst, 2), lane);
    uint8_t *memory = c.machine.memory.resolve(from, bytes);
    if (!memory)
      return c.raise(HazardKind::OutOfBounds, inst,
                     Twine(bytes) + " bytes at 0x" + Twine::utohexstr(from) + " are not all in one operand");
    if (from % 16 || bytes % 16 || !bytes)
      return c.raise(HazardKind::Misaligned, inst,
                     "source and size must be multiples of 16; they are " + Twine(from % 16) + " past one and " +
                         Twine(bytes));
    if (!checkGlobalRead(c, inst, from, bytes))
      return Step::Stop;
    Load load{c, inst, lane, c.op(inst, 0), c.op(inst, 3), bytes, 16, Access::kNoLayout, nullptr, {}};
    if (inst.mods[Field::Multicast])
      load.mask = &c.op(inst, 4);
    if (!load.prepare())
      return Step::Stop;
    load.launch([memory, bytes](uint8_t *shared) { std::memcpy(shared, memory, bytes); });
  }
  c.machine.progressed();
  return Step::Next;
}

/// st.async: address, values, mbarrier. No access may rely on the bytes before the phase completes, as with a bulk
/// copy.
Step dgemm::emulator::execStoreAsync(Context &c, const Instruction &inst) {
  const Operand &values = c.op(inst, 1);
  llvm::ArrayRef<Operand> registers(values);
  if (values.kind == Operand::Vector)
    registers = c.kernel().getElements(values);
  unsigned width = getByteWidth(inst.mods.type());
  uint64_t bytes = uint64_t(width) * registers.size();
  std::vector<std::pair<Landing, std::array<uint8_t, 16>>> pieces;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned lane = __builtin_ctz(m);
    SharedAddress to, bar;
    if (!resolveShared(c, inst, c.address(c.op(inst, 0), lane), Space::SharedCluster, bytes, bytes, to) ||
        !resolveShared(c, inst, c.address(c.op(inst, 2), lane), Space::SharedCluster, 8, 8, bar))
      return Step::Stop;
    if (to.cta != bar.cta)
      return c.raise(HazardKind::IllegalInstruction, inst, "address and mbarrier lie in different CTAs");
    MBarrier *object = findBarrier(c, inst, bar, true);
    if (!object)
      return Step::Stop;
    Access access{AccessKind::BulkWrite, 0, object->agent, object->phase + 1, int32_t(c.warp.index), inst.line};
    if (auto violation = to.cta->shared.touch(to.offset, bytes, access, c.warp.clocks))
      return c.machine.raiseViolation(*to.cta, &c.cta, &c.warp, inst.line, *violation, "st.async");
    object->expectCopy(bytes, inst.line);
    auto &[landing, data] =
        pieces.emplace_back(Landing{to.cta, to.offset, object, object->phase}, std::array<uint8_t, 16>());
    for (const auto &[i, reg] : llvm::enumerate(registers)) {
      uint64_t value = c.get(reg, lane);
      std::memcpy(data.data() + i * width, &value, width);
    }
  }
  Machine &machine = c.machine;
  machine.schedule(*c.cta.cluster, machine.random(50, 500),
                   [&machine, pieces, bytes, from = &c.cta, warp = &c.warp, line = inst.line] {
                     for (const auto &[landing, data] : pieces) {
                       if (!machine.checkAlive(*landing.cta, *from, warp, line, "the landing st.async"))
                         return;
                       std::memcpy(landing.cta->shared.data() + landing.offset, data.data(), bytes);
                       completeTransaction(machine, *landing.cta, *landing.barrier, bytes, landing.phase, *from, warp,
                                           line);
                       if (machine.stopped())
                         return;
                     }
                   });
  machine.progressed();
  return Step::Next;
}

Step dgemm::emulator::execTensorPrefetch(Context &c, const Instruction &inst) {
  return findTensorMap(c, inst, c.address(c.op(inst, 0), c.leader())) ? Step::Next : Step::Stop;
}
