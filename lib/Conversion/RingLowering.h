//===- RingLowering.h - State shared by the parts of dgemm-lower-ring -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_RINGLOWERING_H
#define DGEMM_LIB_CONVERSION_RINGLOWERING_H

#include "NVVMBuilder.h"
#include "SharedMemory.h"
#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Index of the scales among the tiles of a stage.
constexpr int64_t kScalesOfA = 2;
constexpr int64_t kScalesOfB = 3;

/// One kernel on its way through dgemm-lower-ring.
struct RingLowering {
  RingLowering(KernelOp kernel, RingOp ring, WarpSpecializeOp roles);

  KernelOp kernel;
  RingOp ring;
  WarpSpecializeOp roles;
  SharedMemory shared;

  /// CTAs of the cluster along M and N, and those that share a tile and its K blocks.
  int64_t clusterM = 1, clusterN = 1, splitK = 1;
  bool isMulticast() const { return clusterM * clusterN > 1; }
  /// Coordinates of this CTA in its cluster, i32; null where tiles are not multicast.
  Value clusterRow, clusterColumn;

  /// Bytes of a stage that TMA brings.
  int64_t bytes = 0;
  /// All threads of the producer warpgroup copy other tiles (CopyTile.cpp).
  bool hasCopies = false;
  /// The producer's warp brings the scales of B (CopyBlockScales.cpp).
  bool bringsScalesOfB = false;
  /// All lanes of the producer's warp look for the group of a tile (GroupSearch.h).
  bool searchesGroups = false;
  /// The most rows of which cp.async brings the scales of A (CopyFewRows.cpp).
  int64_t fewRows = 0;
  /// Holds on one thread of the producer; null where it has only one.
  Value leader;

  RingType getType() { return ring.getRing().getType(); }
  /// Threads of the producer that arrive at the full barrier of a stage, beside the one that arms it.
  int64_t getCopyingThreads() const;
  /// Threads of the producer.
  int64_t getThreads() const;
  /// Runs `body` on one thread of the producer.
  void onOneThread(NVVMBuilder &b, function_ref<void()> body) const { leader ? b.when(leader, body) : body(); }
};

/// Creates what comes before the roles but for barriers: the next kernel may start, and one thread prefetches tensor
/// maps and the tiles that are loaded first.
LogicalResult createPrologue(RingLowering &lowering);

/// Initialises all barriers of the kernel: those of a stage, for `emptyCount` and `fullCount` arrivals, the latter but
/// for one that scales of few rows add, and those of sums over the cluster.
void initBarriers(RingLowering &lowering, NVVMBuilder &b, int64_t emptyCount, int64_t fullCount);

/// How lines that `load` brings are to be kept in the L2 (i64, PTX ISA 9.0, createpolicy); null for as usual.
Value getCacheHint(NVVMBuilder &b, LoadAsyncOp load);

/// Scales that each warpgroup fetches of the sums of a tile, one after the other in its part of shared memory.
class FetchedScales {
public:
  explicit FetchedScales(RingLowering &lowering) : lowering(lowering) {}

  LogicalResult lower(NVVMBuilder &b, FetchScalesOp fetch);
  void lower(NVVMBuilder &b, AwaitScalesOp await);

private:
  static constexpr int64_t kAlignment = 16;
  /// Where the next tile of the block of `fetch` lies. Failure: there is no room left for it.
  FailureOr<Value> place(NVVMBuilder &b, FetchScalesOp fetch);

  RingLowering &lowering;
  llvm::DenseMap<Block *, int64_t> usedBytes;
};

/// Where the tile of a load lies (i32), innermost first.
SmallVector<Value> getCoordinates(NVVMBuilder &b, ValueRange offsets);

/// Loads the tile of `load` through the tensor map `map`, or this CTA's slice of it for all that share it, to its place
/// in the stage with index `stage` (i32).
void loadByTMA(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value map, Value stage);

/// Copies the tile of `load` to its place in the stage with index `stage` (i32) by all threads of the producer
/// warpgroup, without TMA.
void copyTile(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value stage);

/// Whether M is so small that the scales of A come by cp.async and not by TMA (i1); null if it never is.
Value hasFewRows(RingLowering &lowering, NVVMBuilder &b);

/// Starts the copy of the scales of one K block, of few rows, to `dest`; the rows behind these are not written. It is
/// to arrive at `barrier`.
void copyScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value dest, Value barrier);

/// Where `isFew`, all threads of the CTA write zeros to the scales of A of all stages, but for the rows that are
/// copied: consumers read those of all rows of the tile.
void zeroScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, Value isFew);

/// Starts the copies of the scales of B of 32 K blocks, where `load` is the first of these, by all lanes of the
/// producer's warp, to `slot` (i32) and those behind it. At `barrier` arrives each lane once its copy is done, or,
/// where there is nothing to copy, the leader as often.
void copyBlockScales(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value slot, Value barrier);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_RINGLOWERING_H
