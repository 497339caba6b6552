//===- Trace.h - Chrome trace of a run --------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_TRACE_H
#define DGEMM_LIB_EMULATOR_TRACE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace dgemm::emulator {

/// Collects slices; a process for each CTA, a thread for each warp, the copy engine and the tensor core.
class Trace {
public:
  /// Lanes after those of the warps.
  enum Lane : unsigned { Copies = 100, Stores = 101, TensorCore = 110 };

  Trace() = default;
  explicit Trace(uint64_t maxEvents) : enabled(true), maxEvents(maxEvents) {}
  bool isEnabled() const { return enabled; }

  void add(uint64_t cta, unsigned lane, llvm::StringRef name, uint64_t from, uint64_t to, unsigned line = 0);
  /// Error: the file cannot be written.
  llvm::Error write(llvm::StringRef path) const;

private:
  /// The row of each slice in its lane; slices of a row do not overlap or are nested.
  std::vector<unsigned> getRows() const;
  void print(llvm::raw_ostream &out) const;

  struct Slice {
    uint32_t name;
    uint32_t cta;
    uint16_t lane;
    uint32_t line;
    uint64_t from, to;
  };
  uint32_t intern(llvm::StringRef name);

  bool enabled = false;
  uint64_t maxEvents = 0;
  uint64_t dropped = 0;
  std::vector<Slice> slices;
  std::vector<std::string> names;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_TRACE_H
