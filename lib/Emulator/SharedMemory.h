//===- SharedMemory.h - Shared memory of a CTA, with its shadow --*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes, and for each 16 bytes their writer and pending readers. Accesses are checked by order (VectorClock.h), not
// by their time, so a race is also found under schedules that happen to work.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_SHAREDMEMORY_H
#define DGEMM_LIB_EMULATOR_SHAREDMEMORY_H

#include "VectorClock.h"
#include "dgemm/Emulator/Hazard.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace dgemm::emulator {

enum class AccessKind : uint8_t { GenericRead, GenericWrite, GenericAtomic, WgmmaRead, BulkRead, BulkWrite };
inline bool isGenericWrite(AccessKind kind) {
  return kind == AccessKind::GenericWrite || kind == AccessKind::GenericAtomic;
}
inline bool isWrite(AccessKind kind) { return isGenericWrite(kind) || kind == AccessKind::BulkWrite; }
inline bool isAsync(AccessKind kind) { return kind >= AccessKind::WgmmaRead; }

/// An access to bytes of a chunk, and the agent and epoch from which on it is complete.
struct Access {
  AccessKind kind = AccessKind::GenericRead;
  /// Bytes of the 16.
  uint16_t mask = 0;
  /// A WgmmaRead has four consecutive agents from this one, one for each warp of the warpgroup.
  uint32_t agent = 0;
  uint32_t epoch = 0;
  int32_t warp = -1;
  uint32_t line = 0;
  /// Swizzle width of a tensor copy, or kNoLayout.
  uint8_t layout = kNoLayout;

  static constexpr uint8_t kNoLayout = 0xff;
};

struct Violation {
  HazardKind kind;
  uint32_t offset;
  /// The earlier access; absent if the bytes were never written.
  std::optional<Access> other;
};

class SharedMemory {
public:
  static constexpr uint32_t kChunk = 16;

  /// Offsets from `firstLegal` to below `size` may be used.
  void resize(uint32_t size, uint32_t firstLegal);
  bool contains(uint64_t offset, uint64_t size) const {
    return offset >= firstLegal && size <= limit && offset <= limit - size;
  }
  uint32_t size() const { return bytes.size(); }
  uint8_t *data() { return bytes.data(); }
  const uint8_t *data() const { return bytes.data(); }

  /// Checks and records an access of [offset, offset + size) by `access` from a place with `clocks`. `record` false:
  /// checks only.
  std::optional<Violation> touch(uint32_t offset, uint32_t size, const Access &access, const Clocks &clocks,
                                 bool record = true);

  /// The last write of a chunk if it was a tensor copy; null otherwise.
  const Access *findTensorWrite(uint32_t offset) const;

  void setBarrier(uint32_t offset, bool live) { barrierWord[offset / 8] = live; }

private:
  struct Chunk {
    uint16_t written = 0;
    llvm::SmallVector<Access, 1> accesses;
  };
  std::optional<Violation> touchChunk(uint32_t index, uint16_t mask, const Access &access, const Clocks &clocks,
                                      bool record);
  static void recordIn(Chunk &chunk, uint16_t mask, const Access &access);

  uint32_t firstLegal = 0;
  uint32_t limit = 0;
  std::vector<uint8_t> bytes;
  std::vector<Chunk> chunks;
  std::vector<bool> barrierWord;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_SHAREDMEMORY_H
