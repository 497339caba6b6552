//===- SpillData.h - What ptxas was seen to spill -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The verifier of #dgemm.config rejects impossible configs. Some of the others make ptxas spill; these are found by
// measurement and are not chosen. lib/Analysis/Spills has the shipped data; docs/tuning.md describes their format and
// how they are made.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_SPILLDATA_H
#define DGEMM_ANALYSIS_SPILLDATA_H

#include "dgemm/IR/DGemm.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/Error.h"

namespace dgemm {

/// Everything that the registers of a thread depend on: some fields of a config, and how rows are grouped and loaded.
struct SpillKey {
  /// The data that the CTAs of a cluster share.
  enum class Sharing { None, Tiles, SplitK };
  /// Masked: has a K loop for each number of slices of 64 rows in a group. One masked group: the number of groups is
  /// statically 1.
  enum class Rows { All, Masked, OneMaskedGroup };

  int64_t blockM, blockN, warpgroups;
  Sharing sharing = Sharing::None;
  int64_t unroll = 1;
  bool rotate = false, earlyStore = false, pingpong = false;
  Rows rows = Rows::All;
  /// TMA loads A and B, not copies by the producer's threads.
  bool loadsByTMA = true;

  SpillKey() = default;
  SpillKey(int64_t blockM, int64_t blockN, int64_t warpgroups, Sharing sharing)
      : blockM(blockM), blockN(blockN), warpgroups(warpgroups), sharing(sharing) {}
  explicit SpillKey(ConfigAttr config);

  /// A unique number for each key that can be legal.
  uint32_t getIndex() const;
};

class SpillData {
public:
  /// Reads a JSON document. Error: malformed, or another version.
  static llvm::Expected<SpillData> parse(llvm::StringRef json);
  /// Reads the same from a file. Error: also if it cannot be read; the message names the file.
  static llvm::Expected<SpillData> read(llvm::StringRef path);
  /// The data of the library, parsed once.
  static const SpillData &getShipped();

  bool spills(const SpillKey &key) const { return indices.contains(key.getIndex()); }
  /// Release of the ptxas of the data, such as "13.0.88".
  llvm::StringRef getPtxas() const { return ptxas; }

private:
  std::string ptxas;
  llvm::DenseSet<uint32_t> indices;
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_SPILLDATA_H
