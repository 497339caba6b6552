//===- SharedMemoryLayout.h - Where a kernel's tiles lie -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offsets of stages, output staging and barriers in the dynamic shared memory of a CTA. They depend on the
// configuration and on whether a K block has a scale for each row of B:
//
//   output panels | A tiles | B tiles | scale rows of A | scale rows of B | block scales of B | full barriers |
//   empty barriers | operands of the epilogue
//
// There is one tile of each kind for each stage. Block scales have a slot for each of kBlockScaleSlots K blocks. Scale
// rows of B have a place only if a K block has a scale for each row of B. With split_k, D is written from registers:
// the data that other CTAs of the cluster send takes the place of the output panels, and two barriers for each 64 rows
// of the tile, received and drained, follow the empty barriers. Operands of the epilogue have a place only if there is
// room for those of all math warpgroups. The staging has 2 bytes for each element of the tile. For f32 it takes all
// the room that is left, up to 4 bytes for each element.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_SHAREDMEMORYLAYOUT_H
#define DGEMM_IR_SHAREDMEMORYLAYOUT_H

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace dgemm {

class ConfigAttr;
class ProblemAttr;

/// A column range of the output tile that one TMA store writes: 8 columns or more, in a row of at most 128 bytes. A row
/// is as wide as its swizzle, and no store reaches past the tile.
struct OutputPanel {
  int64_t column;
  int64_t columns;
  int64_t elementBytes;
  /// Bytes of a row. The swizzle has the same width, or is 0 (none) if a row is below 32 bytes.
  int64_t getRowBytes() const { return columns * elementBytes; }
  int64_t getSwizzle() const { return getRowBytes() >= 32 ? getRowBytes() : 0; }
};

/// Splits `columns` (a multiple of 8) of elements of 2 or 4 bytes into panels, the widest first.
llvm::SmallVector<OutputPanel> getOutputPanels(int64_t columns, int64_t elementBytes);

/// Columns of a tile of `columns` that each of `splitK` CTAs sums: equal numbers of groups of 8, except for the last
/// CTAs, which may have fewer or none.
int64_t getSplitColumns(int64_t columns, int64_t splitK);
/// Bytes that a warpgroup receives from one CTA for 64 rows of those columns.
int64_t getSplitBytes(int64_t columns, int64_t splitK);

/// The deepest ring.
constexpr int64_t kMaxStages = 32;
/// Slots for the block scales of B, one for each K block; a power of two.
constexpr int64_t kBlockScaleSlots = 64;

/// Alignment in bytes of the rows that a warpgroup fetches.
constexpr int64_t kFetchAlignment = 16;

/// Warpgroups that take turns with pingpong.
constexpr int64_t kTurns = 2;

/// What is staged of D at a time: a tile, half of one (early_store), or a tile for each of two warpgroups that take
/// turns (pingpong), each of which then has a barrier for its turn.
enum class Staging { Tile, HalfTile, TilePerWarpgroup };
constexpr Staging getStaging(bool earlyStore, bool pingpong) {
  return earlyStore ? Staging::HalfTile : pingpong ? Staging::TilePerWarpgroup : Staging::Tile;
}

/// The scales that a stage holds in addition to those of A's rows in its tile.
struct StageScales {
  /// Scales of A before the first one of the tile.
  int64_t before = 0;
  /// A scale row of B.
  bool ofB = false;

  static StageScales get(ProblemAttr problem);
};

/// Byte offsets from the start of dynamic shared memory.
struct SharedMemoryLayout {
  int64_t outputOffset;
  int64_t outputBytes;
  /// For each kind of tile (A, B, scale rows of A, scale rows of B): the offset of the first stage, and the bytes from
  /// one stage to the next.
  int64_t tileOffset[4];
  int64_t tileBytes[4];
  int64_t blockScalesOffset;
  int64_t blockScalesBytes;
  /// Scales of sums, if no scale varies along K. They take the place of the scales of K blocks.
  int64_t sumScalesOffset;
  int64_t sumScalesBytes = 0;
  int64_t fullBarrierOffset;
  int64_t emptyBarrierOffset;
  int64_t receivedBarrierOffset;
  int64_t drainedBarrierOffset;
  /// Only with Staging::TilePerWarpgroup.
  int64_t turnBarrierOffset;
  /// The operands of the epilogue for all math warpgroups; 0 bytes if they are not fetched.
  int64_t operandsOffset = 0;
  int64_t operandsBytes = 0;
  int64_t totalBytes;

  /// The layout for these choices, even if it does not fit.
  static SharedMemoryLayout get(int64_t blockM, int64_t blockN, int64_t blockK, int64_t stages, int64_t splitK = 1,
                                Staging staging = Staging::Tile, StageScales scales = {});
  static SharedMemoryLayout get(ConfigAttr config, ProblemAttr problem);
  /// The deepest ring that fits, at most `limit`; 0 if not even one stage does.
  static int64_t getMaxStages(int64_t blockM, int64_t blockN, int64_t blockK, int64_t limit, int64_t splitK = 1,
                              Staging staging = Staging::Tile, StageScales scales = {});

private:
  /// Moves all that follows the staging of the output.
  void growOutput(int64_t bytes);
  /// Moves all that follows the block scales.
  void growBlockScales(int64_t bytes);
};

} // namespace dgemm

#endif // DGEMM_IR_SHAREDMEMORYLAYOUT_H
