//===- ConfigField.h - What the fields of #dgemm.config are made of -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_CONFIGFIELD_H
#define DGEMM_IR_CONFIGFIELD_H

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <array>
#include <cstdint>

namespace dgemm {

/// Describes a field: the part of #dgemm.config that it belongs to, its name, and a line of help.
struct ConfigField {
  llvm::StringRef part, name, help;
};

/// Extents along M, N (and K), written "128x256x128".
template <size_t rank>
struct Extents : std::array<int64_t, rank> {
  Extents() = default;
  Extents(const std::array<int64_t, rank> &values) : std::array<int64_t, rank>(values) {}

  friend llvm::hash_code hash_value(const Extents &extents) {
    return llvm::hash_combine_range(extents.begin(), extents.end());
  }
  friend llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const Extents &extents) {
    llvm::interleave(extents, os, "x");
    return os;
  }
};

} // namespace dgemm

#endif // DGEMM_IR_CONFIGFIELD_H
