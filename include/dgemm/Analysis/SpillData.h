//===- SpillData.h - What ptxas was seen to spill -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The verifier of #dgemm.config says what no kernel can have; for which of the others ptxas finds too few registers is
// measured. The choice of a config leaves these out. The data that ship are lib/Analysis/Spills; their format and how
// they are made stand in docs/tuning.md.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_SPILLDATA_H
#define DGEMM_ANALYSIS_SPILLDATA_H

#include "dgemm/IR/DGemm.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/Error.h"

namespace dgemm {

/// All that the registers of a thread depend on: some fields of a config, and of the problem how rows are grouped and
/// loaded.
struct SpillKey {
  /// What the CTAs of a cluster share.
  enum class Sharing { None, Tiles, SplitK };
  /// Masked: a K loop for each number of slices of 64 rows in a group; one group, if that is known when compiling.
  enum class Rows { All, Masked, OneMaskedGroup };

  int64_t blockM, blockN, warpgroups;
  Sharing sharing = Sharing::None;
  int64_t unroll = 1;
  bool rotate = false, earlyStore = false;
  Rows rows = Rows::All;
  /// A and B come by TMA, not by copies of the producer's threads.
  bool loadsByTMA = true;

  SpillKey() = default;
  SpillKey(int64_t blockM, int64_t blockN, int64_t warpgroups, Sharing sharing)
      : blockM(blockM), blockN(blockN), warpgroups(warpgroups), sharing(sharing) {}
  explicit SpillKey(ConfigAttr config);

  /// A number of its own for each key that can be legal.
  uint32_t getIndex() const;
};

class SpillData {
public:
  /// Reads a JSON document. Error: malformed, or another version.
  static llvm::Expected<SpillData> parse(llvm::StringRef json);
  /// The same from a file. Error: it cannot be read, too; the message names it.
  static llvm::Expected<SpillData> read(llvm::StringRef path);
  /// Those of the library, parsed once.
  static const SpillData &getShipped();

  bool spills(const SpillKey &key) const { return indices.contains(key.getIndex()); }
  /// Release of the ptxas that spills so, as "13.0.88".
  llvm::StringRef getPtxas() const { return ptxas; }

private:
  std::string ptxas;
  llvm::DenseSet<uint32_t> indices;
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_SPILLDATA_H
