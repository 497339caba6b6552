//===- SharedMemoryLayout.h - Where a kernel's tiles lie -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offsets of stages, output staging and barriers in the dynamic shared memory of a CTA, from the configuration, and
// from whether a K block has a scale for each row of B:
//
//   output panels | A tiles | B tiles | scale rows of A | scale rows of B | block scales of B | full barriers |
//   empty barriers
//
// Of the tiles there are as many as stages; of the block scales a slot for each of kBlockScaleSlots K blocks. Scale
// rows of B have a place only where a K block has a scale for each row of B. With split_k D is written from registers;
// in place of the output panels lies what other CTAs of the cluster send, and after the empty barriers two for each 64
// rows of the tile: received and drained.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_SHAREDMEMORYLAYOUT_H
#define DGEMM_IR_SHAREDMEMORYLAYOUT_H

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace dgemm {

class ConfigAttr;
class ProblemAttr;

/// A column range of the output tile that one TMA store writes: 64, 32, 16 or 8 columns of bf16. A row is as wide as
/// its swizzle, and no store reaches past the tile.
struct OutputPanel {
  int64_t column;
  int64_t columns;
  /// Bytes of a row, and the swizzle width unless that is below 32 (then none).
  int64_t getRowBytes() const { return columns * 2; }
  int64_t getSwizzle() const { return getRowBytes() >= 32 ? getRowBytes() : 0; }
};

/// Splits `columns` (a multiple of 8) into panels, the widest first.
llvm::SmallVector<OutputPanel> getOutputPanels(int64_t columns);

/// Columns of a tile of `columns` that each of `splitK` CTAs sums: equal numbers of groups of 8, except for the last
/// CTAs, which may have fewer or none.
int64_t getSplitColumns(int64_t columns, int64_t splitK);
/// Bytes that a warpgroup receives of 64 rows of those columns from one CTA.
int64_t getSplitBytes(int64_t columns, int64_t splitK);

/// The deepest ring.
constexpr int64_t kMaxStages = 32;
/// Slots of K blocks for the scales of B, a power of two.
constexpr int64_t kBlockScaleSlots = 64;

/// Byte offsets from the start of dynamic shared memory.
struct SharedMemoryLayout {
  int64_t outputOffset;
  int64_t outputBytes;
  /// First stage of each tile kind (A, B, scale rows of A, those of B) and the bytes from one stage to the next.
  int64_t tileOffset[4];
  int64_t tileBytes[4];
  int64_t blockScalesOffset;
  int64_t blockScalesBytes;
  /// Scales of sums, where no scale varies along K: in place of those of K blocks.
  int64_t sumScalesOffset;
  int64_t sumScalesBytes = 0;
  int64_t fullBarrierOffset;
  int64_t emptyBarrierOffset;
  int64_t receivedBarrierOffset;
  int64_t drainedBarrierOffset;
  int64_t totalBytes;

  /// The layout for these choices, whether it fits or not. With `earlyStore` half of the output at a time has a place;
  /// with `scalesColumns` scale rows of B have one.
  static SharedMemoryLayout get(int64_t blockM, int64_t blockN, int64_t blockK, int64_t stages, int64_t splitK = 1,
                                bool earlyStore = false, bool scalesColumns = false);
  static SharedMemoryLayout get(ConfigAttr config, ProblemAttr problem);
  /// The deepest ring that fits, at most `limit`; 0 if not even one stage does.
  static int64_t getMaxStages(int64_t blockM, int64_t blockN, int64_t blockK, int64_t limit, int64_t splitK = 1,
                              bool earlyStore = false, bool scalesColumns = false);
};

} // namespace dgemm

#endif // DGEMM_IR_SHAREDMEMORYLAYOUT_H
