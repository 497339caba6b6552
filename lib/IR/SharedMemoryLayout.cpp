//===- SharedMemoryLayout.cpp - Where a kernel's tiles lie -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/SharedMemoryLayout.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dgemm;

SmallVector<OutputPanel> dgemm::getOutputPanels(int64_t columns, int64_t elementBytes) {
  SmallVector<OutputPanel> panels;
  int64_t column = 0;
  for (int64_t width = hopper::kSwizzleBytes / elementBytes; width >= 8; width /= 2)
    for (; columns - column >= width; column += width)
      panels.push_back({column, width, elementBytes});
  return panels;
}

int64_t dgemm::getSplitColumns(int64_t columns, int64_t splitK) {
  return llvm::divideCeil(columns / hopper::kWgmmaNStep, splitK) * hopper::kWgmmaNStep;
}

int64_t dgemm::getSplitBytes(int64_t columns, int64_t splitK) {
  return hopper::kWgmmaM * getSplitColumns(columns, splitK) * 4;
}

/// Bytes of staging for each element of a tile.
static int64_t getStagedBytes(Staging staging) {
  switch (staging) {
  case Staging::Tile:
    return 2;
  case Staging::HalfTile:
    return 1;
  case Staging::TilePerWarpgroup:
    return 2 * kTurns;
  }
  llvm_unreachable("unknown staging");
}

StageScales StageScales::get(ProblemAttr problem) {
  return {problem.getScalesBeforeTile(), problem.getRhs().isForEachRowOfKBlock()};
}

SharedMemoryLayout SharedMemoryLayout::get(int64_t blockM, int64_t blockN, int64_t blockK, int64_t stages,
                                           int64_t splitK, Staging staging, StageScales scales) {
  SharedMemoryLayout layout;
  layout.outputOffset = 0;
  int64_t slices = blockM / hopper::kWgmmaM;
  layout.outputBytes = llvm::alignTo(splitK == 1 ? blockM * blockN * getStagedBytes(staging)
                                                 : slices * (splitK - 1) * getSplitBytes(blockN, splitK),
                                     hopper::kSwizzleAtom);
  int64_t offset = layout.outputBytes;
  auto getScaleBytes = [](int64_t rows) -> int64_t { return llvm::alignTo(rows * 4, hopper::kBulkAlignment); };
  int64_t bytes[] = {blockM * blockK, blockN * blockK, getScaleBytes(scales.before + blockM),
                     scales.ofB ? getScaleBytes(blockN) : 0};
  for (size_t tile = 0; tile < std::size(bytes); ++tile) {
    layout.tileOffset[tile] = offset;
    layout.tileBytes[tile] = bytes[tile];
    offset += stages * bytes[tile];
  }
  layout.sumScalesOffset = layout.tileOffset[2];
  layout.blockScalesOffset = offset;
  layout.blockScalesBytes = getScaleBlocksOfTile(blockN) * 4 * kBlockScaleSlots;
  static_assert(4 * kBlockScaleSlots % hopper::kMbarrierBytes == 0, "barriers follow");
  layout.fullBarrierOffset = offset + layout.blockScalesBytes;
  layout.emptyBarrierOffset = layout.fullBarrierOffset + stages * hopper::kMbarrierBytes;
  layout.receivedBarrierOffset = layout.emptyBarrierOffset + stages * hopper::kMbarrierBytes;
  layout.drainedBarrierOffset = layout.receivedBarrierOffset + (splitK == 1 ? 0 : slices * hopper::kMbarrierBytes);
  layout.turnBarrierOffset = layout.drainedBarrierOffset + (splitK == 1 ? 0 : slices * hopper::kMbarrierBytes);
  layout.totalBytes =
      layout.turnBarrierOffset + (staging == Staging::TilePerWarpgroup ? kTurns * hopper::kMbarrierBytes : 0);
  return layout;
}

void SharedMemoryLayout::growOutput(int64_t bytes) {
  outputBytes += bytes;
  for (int64_t &offset : tileOffset)
    offset += bytes;
  for (int64_t *offset : {&blockScalesOffset, &sumScalesOffset, &fullBarrierOffset, &emptyBarrierOffset,
                          &receivedBarrierOffset, &drainedBarrierOffset, &turnBarrierOffset, &totalBytes})
    *offset += bytes;
}

void SharedMemoryLayout::growBlockScales(int64_t bytes) {
  blockScalesBytes += bytes;
  for (int64_t *offset : {&fullBarrierOffset, &emptyBarrierOffset, &receivedBarrierOffset, &drainedBarrierOffset,
                          &turnBarrierOffset, &totalBytes})
    *offset += bytes;
}

SharedMemoryLayout SharedMemoryLayout::get(ConfigAttr config, ProblemAttr problem) {
  SharedMemoryLayout layout = get(config.getBlockM(), config.getBlockN(), config.getBlockK(), config.getStages(),
                                  config.getSplitK(), config.getSchedule().getStaging(), StageScales::get(problem));
  if (problem.isGated()) // each half of a tile has a scale, however narrow it is
    layout.growBlockScales((2 - getScaleBlocksOfTile(config.getBlockN())) * 4 * kBlockScaleSlots);
  if (!problem.getLhs().variesAlongK() && !problem.getRhs().variesAlongK())
    layout.sumScalesBytes = layout.fullBarrierOffset - layout.sumScalesOffset;
  int64_t warpgroups = config.getWarpgroups(), bytes = getFetchedBytes(config, problem) * warpgroups;
  if (problem.getOut().isF32() && config.getSplitK() == 1) {
    // Columns of a tile that the staging does not hold wait until TMA has read other columns.
    int64_t room = hopper::kMaxSharedMemory - llvm::alignTo(layout.totalBytes, kFetchAlignment) - bytes;
    int64_t more = std::min(layout.outputBytes, std::max<int64_t>(room, 0));
    layout.growOutput(more / (hopper::kSwizzleAtom * warpgroups) * (hopper::kSwizzleAtom * warpgroups));
  }
  layout.operandsOffset = llvm::alignTo(layout.totalBytes, kFetchAlignment);
  if (bytes && layout.operandsOffset + bytes <= hopper::kMaxSharedMemory) {
    layout.operandsBytes = bytes;
    layout.totalBytes = layout.operandsOffset + bytes;
  }
  return layout;
}

int64_t SharedMemoryLayout::getMaxStages(int64_t blockM, int64_t blockN, int64_t blockK, int64_t limit, int64_t splitK,
                                         Staging staging, StageScales scales) {
  int64_t fixed = get(blockM, blockN, blockK, 0, splitK, staging, scales).totalBytes;
  int64_t each = get(blockM, blockN, blockK, 1, splitK, staging, scales).totalBytes - fixed;
  if (fixed > hopper::kMaxSharedMemory)
    return 0;
  return std::min(limit, (hopper::kMaxSharedMemory - fixed) / each);
}
