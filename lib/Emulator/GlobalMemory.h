//===- GlobalMemory.h - Device memory, by allocation ------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_GLOBALMEMORY_H
#define DGEMM_LIB_EMULATOR_GLOBALMEMORY_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dgemm::emulator {

/// One operand. Allocations are so far apart that no address arithmetic leads from one to another.
struct Allocation {
  std::string name;
  uint64_t address = 0;
  uint8_t *data = nullptr;
  uint64_t bytes = 0;
  bool isOutput = false;
  unsigned elementBytes = 1;
  /// Extents and strides in elements, outermost first; outputs only.
  std::vector<int64_t> shape, strides;
  /// One bit for each byte: written. Outputs only.
  std::vector<uint64_t> written;
  /// For each 16 bytes the CTA that wrote them plus one, or kSeveral; empty until something is written.
  std::vector<uint32_t> writers;
  static constexpr uint32_t kSeveral = ~0u;
};

class GlobalMemory {
public:
  static constexpr unsigned kShift = 44;

  Allocation &add(Allocation allocation, unsigned addressOffset);
  /// The allocation that an address points into or near; null if there is none.
  Allocation *find(uint64_t address);
  Allocation *find(llvm::StringRef name);
  /// The bytes, or null if not all in one allocation.
  uint8_t *resolve(uint64_t address, uint64_t size);

  /// Marks bytes as written by a CTA. Returns the offset of the first output byte that was written before, if any.
  static std::optional<uint64_t> markWritten(Allocation &allocation, uint64_t offset, uint64_t size, uint64_t cta,
                                             bool reduction);
  /// A CTA other than `cta` that is known to have written some of the bytes, if any.
  static std::optional<uint64_t> findOtherWriter(const Allocation &allocation, uint64_t offset, uint64_t size,
                                                 uint64_t cta);
  /// Index of the first element of an output that was not written, and the number of such elements.
  struct Missing {
    std::string index;
    uint64_t count = 0;
  };
  /// `isExpected` tells whether the element of an index has to be written.
  static std::optional<Missing> findUnwritten(const Allocation &allocation,
                                              llvm::function_ref<bool(llvm::ArrayRef<int64_t>)> isExpected);
  std::vector<Allocation> &getAllocations() { return allocations; }

  /// "d[3, 17]" for an offset.
  static std::string describe(const Allocation &allocation, uint64_t offset);

private:
  std::vector<Allocation> allocations;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_GLOBALMEMORY_H
