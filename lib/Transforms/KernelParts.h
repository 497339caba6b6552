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
  StoreOp store;

  /// Whether the producer also brings the scales of B, behind the tiles of `loads`.
  bool stagesColumnScales = false;

  /// Index of the load that makes `tile` among `loads`, which is its place in a stage.
  int64_t getStageIndex(Value tile) const { return llvm::find(loads, tile.getDefiningOp<LoadOp>()) - loads.begin(); }
};

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_KERNELPARTS_H
