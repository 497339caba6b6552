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

/// The ops of a kernel that the producer and the consumers divide between them.
struct KernelParts {
  /// Finds the parts of a kernel that dgemm-promote-accumulators left. Failure, after an error: the kernel has another
  /// form.
  static FailureOr<KernelParts> get(KernelOp kernel);

  ForEachTileOp tiles;
  mlir::scf::ForOp kLoop;
  SmallVector<LoadOp> loads;
  /// Row scales, read from a tile or from global memory; null if the scales are the same along K.
  LoadScalesOp tileRowScales;
  LoadScalesOp directRowScales;
  /// Column scales, likewise; they come from a tile if TMA loads a scale for each column.
  LoadScalesOp columnScales;
  MmaOp mma;
  /// Null if the mma adds to the sum.
  PromoteOp promote;
  /// The promote that scales the sum of the K loop, and the loads of its scales; null if all scales vary along K.
  PromoteOp scaling;
  LoadScalesOp sumRowScales;
  LoadScalesOp sumColumnScales;
  /// Null without split_k.
  ReduceClusterOp reduce;
  /// The epilogue; null without one.
  MapOp map;
  StoreOp store;

  /// Whether the producer copies block scales of B to a stage. `loads` has no load for them.
  bool stagesBlockScales() const { return columnScales && isBy(columnScales, MovementKind::CpAsync); }
};

/// The index of the tile of `operand` in a stage.
int64_t getStageIndex(Operand operand);
/// The index of the tile of `load` in a stage.
int64_t getStageIndex(LoadOp load);

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_KERNELPARTS_H
