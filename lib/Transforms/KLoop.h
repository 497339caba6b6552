//===- KLoop.h - Steps of dgemm-schedule-k-loop -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each step takes the K loop of a consumer and leaves IR that verifies. The steps work on the same loop, and on the
// last K block if that is peeled.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_KLOOP_H
#define DGEMM_LIB_TRANSFORMS_KLOOP_H

#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {

/// What a K loop runs ahead, and whether its last K block is peeled.
struct KLoopShape {
  /// The wait for a stage, its views and the loads of scales run one K block ahead of the mma.
  bool runsAhead = false;
  /// The last K block is peeled and follows the loop. The number of K blocks is known, and is at least two.
  bool peelsLast = false;
};

struct PipelinedKLoop {
  mlir::scf::ForOp loop;
  /// Each dgemm.mma and dgemm.mma_wait of the last K block, in order, if that is peeled.
  mlir::SmallVector<mlir::Operation *> lastMmas;
  /// Whether a promote after the loop scales its sums.
  bool isScaledBehind = false;
};

/// Gives each op of a K block a stage and an order, and rewrites the loop with scf::pipelineForLoop. Failure, after an
/// error: an op before the first mma cannot run ahead, or the loop cannot be pipelined.
mlir::FailureOr<PipelinedKLoop> pipelineKLoop(mlir::scf::ForOp loop, KLoopShape shape);

/// Splits an mma into its start and the wait for it. Returns the wait.
MmaWaitOp splitMma(MmaOp mma);

/// Half `i` of the rows of a view, or of its columns if it has one row.
ViewOp halveView(mlir::ImplicitLocOpBuilder &b, ViewOp view, int64_t i);

/// Whether each half of the column scales of `load` can be read separately: they come from a view, from the operand or
/// from a copy of it.
bool canHalve(LoadScalesOp load);

/// Reads half `i` of the column scales of `load`, at the insertion point of `b`.
mlir::Value halveColumnScales(mlir::ImplicitLocOpBuilder &b, LoadScalesOp load, int64_t i);

/// Scales each slice of a sum in the peeled last K block, as soon as the slice is complete. Only mmas add to the sum.
/// Returns the wait for the last mma.
MmaWaitOp scaleSlices(PipelinedKLoop kLoop);

/// Scales the columns of a sum in halves. Two stores take one half each, and each half is scaled before its store.
/// Failure, after an error: the column scales cannot be halved.
mlir::LogicalResult scaleInHalves(PromoteOp scaling);

/// Splits the stores of a consumer's tiles into the parts that have a place in shared memory at a time with
/// early_store: half of the columns if there is one slice, else one slice. Moves the stores of a branch's results into
/// that branch; a result that is zero is not stored.
void divideStores(mlir::Region &consumer);

/// Moves the stores after a K loop into its last K block: sums that are complete are stored while the last mma runs. If
/// a store takes half of the columns of one mma, the mma is split. Failure, after an error: the mma cannot be split.
mlir::LogicalResult storeEarly(PipelinedKLoop kLoop);

/// Unrolls a K loop with a known number of K blocks by `factor`. A loop of exactly `factor` K blocks becomes
/// straight-line code. Each mma takes over the registers of a partial sum that was promoted before it.
mlir::LogicalResult unrollKLoop(mlir::scf::ForOp loop, int64_t factor);

/// Gives two successive K blocks of `block` one partial sum and one promote, if no scales are multiplied between them
/// and each mma has its own registers.
void mergePromotions(mlir::Block &block);

/// Peels the first K block of a loop if its sums start at zero and only mmas add to them. The sums then start in the
/// peeled block. Returns the loop of the other K blocks, or null if there are none. Leaves other loops as they are.
mlir::scf::ForOp peelFirst(mlir::scf::ForOp loop);

/// Whether the loop has an iteration and carries sums that start at zero, and only mmas add to these sums.
bool startsFromZero(mlir::scf::ForOp loop);

/// Whether keepInFlight can change the loop: peelFirst peels it, it has no partial sums, and each mma makes a sum.
bool canKeepInFlight(mlir::scf::ForOp loop);

/// Starts the mmas of a K block before those of the block before are complete, and peels the first K block. Returns the
/// loop of the other K blocks, or null if there are none (KeepInFlight.cpp).
mlir::scf::ForOp keepInFlight(mlir::scf::ForOp loop);

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_KLOOP_H
