//===- SharedMemory.cpp - Shared memory of a CTA, with its shadow ---------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedMemory.h"

using namespace dgemm::emulator;

void SharedMemory::resize(uint32_t size, uint32_t first) {
  firstLegal = first;
  limit = size;
  size = (size + kChunk - 1) / kChunk * kChunk;
  // Not zero: a kernel that relies on cleared memory must not pass.
  bytes.assign(size, 0xA5);
  chunks.assign(size / kChunk, Chunk());
  barrierWord.assign(size / 8 + 1, false);
}

static bool isOrdered(const Access &earlier, const VectorClock &clock) {
  if (earlier.kind != AccessKind::WgmmaRead)
    return clock.get(earlier.agent) >= earlier.epoch;
  // A warpgroup has read when each of its four warps has waited.
  for (uint32_t i = 0; i < 4; ++i)
    if (clock.get(earlier.agent + i) < earlier.epoch)
      return false;
  return true;
}

/// The hazard of `access` after `earlier`, if any.
static std::optional<HazardKind> check(const Access &earlier, const Access &access, const Clocks &clocks) {
  bool earlierWrites = isWrite(earlier.kind);
  if (!earlierWrites && !isWrite(access.kind))
    return std::nullopt;
  if (earlier.kind == AccessKind::GenericAtomic && access.kind == AccessKind::GenericAtomic)
    return std::nullopt;
  if (!isOrdered(earlier, clocks.order))
    return isWrite(access.kind) ? HazardKind::OverwriteInUse : HazardKind::ReadBeforeWritten;
  // PTX ISA, "Async proxy": generic accesses are made visible to it by fence.proxy.async.
  if (isGenericWrite(earlier.kind) && isAsync(access.kind) && clocks.fenced.get(earlier.agent) < earlier.epoch)
    return HazardKind::MissingProxyFence;
  return std::nullopt;
}

void SharedMemory::recordIn(Chunk &chunk, uint16_t mask, const Access &access) {
  if (isWrite(access.kind)) {
    chunk.written |= mask;
    // The write was ordered after all accesses that it covers, so an access ordered after it is also ordered after
    // these. An atomic is not ordered after other agents' atomics.
    for (size_t i = 0; i < chunk.accesses.size();) {
      const Access &known = chunk.accesses[i];
      bool isBeside = access.kind == AccessKind::GenericAtomic && known.kind == AccessKind::GenericAtomic &&
                      known.agent != access.agent;
      if (!isBeside)
        chunk.accesses[i].mask &= ~mask;
      if (chunk.accesses[i].mask) {
        ++i;
        continue;
      }
      chunk.accesses[i] = chunk.accesses.back();
      chunk.accesses.pop_back();
    }
  } else {
    for (Access &known : chunk.accesses) {
      if (known.kind == access.kind && known.agent == access.agent && (known.mask & ~mask) == 0) {
        known = access;
        known.mask = mask;
        return;
      }
    }
  }
  chunk.accesses.push_back(access);
  chunk.accesses.back().mask = mask;
}

std::optional<Violation> SharedMemory::touchChunk(uint32_t index, uint16_t mask, const Access &access,
                                                  const Clocks &clocks, bool record) {
  Chunk &chunk = chunks[index];
  for (const Access &earlier : chunk.accesses)
    if (earlier.mask & mask)
      if (std::optional<HazardKind> kind = check(earlier, access, clocks))
        return Violation{*kind, index * kChunk, earlier};
  bool reads = !isWrite(access.kind) || access.kind == AccessKind::GenericAtomic;
  if (reads && (mask & ~chunk.written))
    return Violation{HazardKind::ReadBeforeWritten, index * kChunk, std::nullopt};
  if (barrierWord[index * 2] || barrierWord[index * 2 + 1])
    if ((barrierWord[index * 2] && (mask & 0xff)) || (barrierWord[index * 2 + 1] && (mask >> 8)))
      return Violation{HazardKind::BarrierMisuse, index * kChunk, std::nullopt};
  if (record)
    recordIn(chunk, mask, access);
  return std::nullopt;
}

std::optional<Violation> SharedMemory::touch(uint32_t offset, uint32_t size, const Access &access, const Clocks &clocks,
                                             bool record) {
  uint32_t end = offset + size;
  for (uint32_t at = offset; at < end;) {
    uint32_t index = at / kChunk, first = at % kChunk;
    uint32_t count = std::min(kChunk - first, end - at);
    uint16_t mask = uint16_t(((1u << count) - 1) << first);
    if (std::optional<Violation> violation = touchChunk(index, mask, access, clocks, record))
      return violation;
    at += count;
  }
  return std::nullopt;
}

const Access *SharedMemory::findTensorWrite(uint32_t offset) const {
  for (const Access &access : chunks[offset / kChunk].accesses)
    if (access.kind == AccessKind::BulkWrite && access.layout != Access::kNoLayout)
      return &access;
  return nullptr;
}
