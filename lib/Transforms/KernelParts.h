//===- KernelParts.h - The parts of a kernel that warps divide between them -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_KERNELPARTS_H
#define DGEMM_LIB_TRANSFORMS_KERNELPARTS_H

#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace dgemm {

/// The ops of a kernel that the two roles divide between them.
struct KernelParts {
  /// The parts of a kernel that dgemm-promote-accumulators left; after an error, failure.
  static FailureOr<KernelParts> get(KernelOp kernel);

  ForEachTileOp tiles;
  scf::ForOp kLoop;
  SmallVector<LoadOp> loads;
  /// Reads a tile, or global memory; null where the scales are the same along K.
  LoadScalesOp tileRowScales;
  LoadScalesOp directRowScales;
  /// Likewise: from a tile where TMA brings a scale for each column.
  LoadScalesOp columnScales;
  MmaOp mma;
  /// Null where the mma adds to the sum.
  PromoteOp promote;
  /// Scales the sum of the K loop, and what it reads; null where all scales vary along K.
  PromoteOp scaling;
  LoadScalesOp sumRowScales;
  LoadScalesOp sumColumnScales;
  /// Null without split_k.
  ReduceClusterOp reduce;
  /// The epilogue; null without one.
  MapOp map;
  StoreOp store;

  /// Whether the producer copies the scales of blocks of B, which no load of `loads` makes a tile of.
  bool stagesBlockScales() const { return columnScales && isBy(columnScales, MovementKind::CpAsync); }
};

/// The place of the tiles of an operand of which a stage holds one.
int64_t getStageIndex(Operand operand);
/// That of the tile that `load` makes.
int64_t getStageIndex(LoadOp load);

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_KERNELPARTS_H
