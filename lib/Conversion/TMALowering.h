//===- TMALowering.h - State shared by the parts of dgemm-lower-tma -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_TMALOWERING_H
#define DGEMM_LIB_CONVERSION_TMALOWERING_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "llvm/ADT/MapVector.h"

namespace dgemm {

/// Index of the scales among the tiles of a stage.
constexpr int64_t kScalesOfA = 2;
constexpr int64_t kScalesOfB = 3;

/// One kernel on its way through dgemm-lower-tma.
struct TMALowering {
  KernelOp kernel;
  SharedMemoryLayout layout;
  /// Start of dynamic shared memory.
  Value shared;
  /// Tensor map argument of each operand and box width in elements.
  llvm::MapVector<std::pair<Value, int64_t>, Value> tensorMaps;

  /// Coordinates of this CTA in its cluster, i32; null without one.
  Value clusterRow, clusterColumn;

  /// The producer's warp brings the scales of B (TMABlockScales.cpp). Set by lowerRing.
  bool bringsScalesOfB = false;
  /// The most rows of which cp.async brings the scales of A (TMAFewRows.cpp). Set by lowerRing.
  int64_t fewRows = 0;

  /// CTAs of a cluster that share a tile of the load, of which each fetches one slice for all of them.
  int64_t getSlices(LoadAsyncOp load) {
    switch (load.getMovement()->getMulticast()) {
    case Multicast::None:
      return 1;
    case Multicast::Row:
      return kernel.getConfig().getClusterN();
    case Multicast::Column:
      return kernel.getConfig().getClusterM();
    }
    llvm_unreachable("no other multicast");
  }
  /// How lines of the operand are to be kept in the L2 (i64, PTX ISA 9.0, createpolicy); null for as usual.
  static Value getCacheHint(NVVMBuilder &b, LoadAsyncOp load) {
    if (load.getMovement()->getCache() == CachePolicy::Normal)
      return {};
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(hopper::kEvictFirst));
  }
  /// Barriers of the stage with index `stage` (i32).
  Value fullBarrier(NVVMBuilder &b, Value stage) { return barrier(b, layout.fullBarrierOffset, stage); }
  Value emptyBarrier(NVVMBuilder &b, Value stage) { return barrier(b, layout.emptyBarrierOffset, stage); }
  /// First byte of tile `index` of the stage.
  Value tileAddress(NVVMBuilder &b, Value stage, int64_t index) {
    return b.offsetPointer(shared, b.add(b.mul(stage, layout.tileBytes[index]), layout.tileOffset[index]));
  }
  /// The `count` scales of B of the K block in `slot` (i32).
  Value blockScaleAddress(NVVMBuilder &b, Value slot, int64_t count) {
    return b.offsetPointer(shared, b.add(b.mul(slot, 4 * count), layout.blockScalesOffset));
  }

  /// Barriers of the 64 rows with index `slice` (i32) of the tile.
  Value receivedBarrier(NVVMBuilder &b, Value slice) { return barrier(b, layout.receivedBarrierOffset, slice); }
  Value drainedBarrier(NVVMBuilder &b, Value slice) { return barrier(b, layout.drainedBarrierOffset, slice); }

private:
  Value barrier(NVVMBuilder &b, int64_t offset, Value stage) {
    return b.offsetPointer(shared, b.add(b.mul(stage, 8), offset));
  }
};

/// Adds the tensor map arguments of all loads and stores (TMAStore.cpp knows the boxes of the latter).
LogicalResult addTensorMaps(TMALowering &lowering);

/// Copies the tile of `load` to its place in the stage with index `stage` (i32) by all threads of the producer
/// warpgroup, without TMA.
void copyTile(TMALowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value stage);

/// Whether M is so small that the scales of A come by cp.async and not by TMA (i1); null if it never is.
Value hasFewRows(TMALowering &lowering, NVVMBuilder &b);

/// Starts the copy of the scales of one K block, of few rows, to `dest`; the rows behind these are not written. It is
/// to arrive at `barrier`.
void copyScalesOfFewRows(TMALowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value dest, Value barrier);

/// Where `isFew`, all threads of the CTA write zeros to the scales of A of all stages, but for the rows that are
/// copied: consumers read those of all rows of the tile.
void zeroScalesOfFewRows(TMALowering &lowering, NVVMBuilder &b, Value isFew);

/// Starts the copies of the scales of B of 32 K blocks, where `load` is the first of these, by all lanes of the
/// producer's warp, to `slot` (i32) and those behind it. At `barrier` arrives each lane once its copy is done, or,
/// where there is nothing to copy, the thread on which `leader` holds as often.
void copyBlockScales(TMALowering &lowering, NVVMBuilder &b, LoadBlockScalesAsyncOp load, Value slot, Value barrier,
                     Value leader);

/// The slot `by` K blocks on; all i32.
Value advanceBlockScaleSlot(NVVMBuilder &b, Value slot, Value by);

/// Prefetches the first K block of this CTA's first tile to the L2, on one thread, for the loads that ask for it.
LogicalResult prefetchFirstTile(TMALowering &lowering, NVVMBuilder &b, WarpSpecializeOp roles);

/// Rewrites the ring: barrier set-up, acquire, load_async, commit, wait, view, release. The loops carry the stage
/// index, phase parity and slot of the scales of B.
LogicalResult lowerRing(TMALowering &lowering, RingOp ring, WarpSpecializeOp roles);

/// Initialises all barriers before anything else of a kernel with `consumers` math warpgroups: those of a stage for
/// `emptyCount` and `fullCount` arrivals, the latter but for one that scales of few rows add.
void initBarriers(TMALowering &lowering, NVVMBuilder &b, int64_t consumers, int64_t emptyCount, int64_t fullCount);

/// Initialises the barriers of the sum over a cluster of the 64 rows with index `slice` (i32).
void initReductionBarriers(TMALowering &lowering, NVVMBuilder &b, Value slice);

/// Rewrites the sums over a cluster of a consumer region (after its ring): barriers, and what is sent and received.
void lowerReductions(TMALowering &lowering, WarpSpecializeOp roles);

/// Rewrites the stores of a consumer region, but for those that do without TMA.
void lowerStores(TMALowering &lowering, WarpSpecializeOp roles);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_TMALOWERING_H
