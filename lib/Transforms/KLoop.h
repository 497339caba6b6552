//===- KLoop.h - Steps of dgemm-schedule-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each step takes a K loop of a consumer and leaves IR that verifies. They meet in the loop, and in the last K block
// where that stands behind it.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_KLOOP_H
#define DGEMM_LIB_TRANSFORMS_KLOOP_H

#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace dgemm {

/// What is ahead of what in a K loop.
struct KLoopShape {
  /// The wait for a stage, its views and the loads of scales run one K block ahead of the mma.
  bool runsAhead = false;
  /// The last K block stands behind the loop, which has a number of K blocks that is known and at least two.
  bool peelsLast = false;
};

struct PipelinedKLoop {
  mlir::scf::ForOp loop;
  /// Each dgemm.mma and dgemm.mma_wait of the last K block, in order, where that stands behind the loop.
  mlir::SmallVector<mlir::Operation *> lastMmas;
};

/// Gives each op of a K block a stage and an order, and has scf::pipelineForLoop rewrite the loop. Failure, after an
/// error: there are ops before the first mma that cannot run ahead, or the loop is none that can be pipelined.
mlir::FailureOr<PipelinedKLoop> pipelineKLoop(mlir::scf::ForOp loop, KLoopShape shape);

/// Divides an mma into its start and the wait for it, which is returned.
MmaWaitOp splitMma(MmaOp mma);

/// Divides the stores of the tiles of a consumer into those that have a place in shared memory at a time with
/// early_store (of one slice each half of the columns, of several each slice), and moves those of what a branch yields
/// into that branch, none where it yields zero.
void divideStores(mlir::Region &consumer);

/// Moves the stores behind a K loop into its last K block: what is whole is stored while the last mma runs. Where a
/// store takes some columns of what one mma computes, the mma is divided. Failure, after an error: it cannot be.
mlir::LogicalResult storeEarly(PipelinedKLoop kLoop);

/// Unrolls a K loop with a known number of K blocks into `factor` copies, or, with that many, into straight code. Each
/// mma takes over the registers of a partial sum that was promoted before it.
mlir::LogicalResult unrollKLoop(mlir::scf::ForOp loop, int64_t factor);

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_KLOOP_H
