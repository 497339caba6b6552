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

/// Indices of the scales among the tiles of a stage.
constexpr int64_t kScalesOfA = 2;
constexpr int64_t kScalesOfB = 3;

/// One kernel on its way through dgemm-lower-ring.
struct RingLowering {
  RingLowering(KernelOp kernel, RingOp ring, WarpSpecializeOp roles);

  KernelOp kernel;
  RingOp ring;
  WarpSpecializeOp roles;
  SharedMemory shared;

  /// Number of CTAs of the cluster along M and N, and of CTAs that share a tile and divide its K blocks.
  int64_t clusterM = 1, clusterN = 1, splitK = 1;
  bool isMulticast() const { return clusterM * clusterN > 1; }
  /// Coordinates of this CTA in its cluster, i32; null where tiles are not multicast.
  Value clusterRow, clusterColumn;

  /// Bytes of a stage that TMA loads.
  int64_t bytes = 0;
  /// True if all threads of the producer warpgroup copy the tiles that TMA does not load (CopyTile.cpp).
  bool hasCopies = false;
  /// True if the producer's warp copies the scales of B (CopyBlockScales.cpp).
  bool bringsScalesOfB = false;
  /// True if all lanes of the producer's warp search for the group of a tile (GroupSearch.h).
  bool searchesGroups = false;
  /// The largest M for which cp.async copies the scales of A (CopyFewRows.cpp); 0 if it never does.
  int64_t fewRows = 0;
  /// True (i1) on one thread of the producer; null if the producer has only one thread.
  Value leader;

  RingType getType() { return ring.getRing().getType(); }
  /// Number of producer threads that arrive at the full barrier of a stage, in addition to the arrival that arms it.
  int64_t getCopyingThreads() const;
  /// Number of threads of the producer.
  int64_t getThreads() const;
  /// Runs `body` on one thread of the producer.
  void onOneThread(NVVMBuilder &b, function_ref<void()> body) const { leader ? b.when(leader, body) : body(); }
};

/// Creates what comes before the roles, except for the barriers. With pdl, the next kernel may start. One thread
/// prefetches the tensor maps and the first tiles. Error: a tensor map is missing, or the sizes or offsets of a
/// prefetch are not computed by index arithmetic.
LogicalResult createPrologue(RingLowering &lowering);

/// Initialises all barriers of the kernel: those of the stages, and those of sums over the cluster. The empty and full
/// barriers of a stage expect `emptyCount` and `fullCount` arrivals. The full barrier expects one more if scales of few
/// rows may be copied.
void initBarriers(RingLowering &lowering, NVVMBuilder &b, int64_t emptyCount, int64_t fullCount);

/// The L2 cache policy for the lines that `load` brings (i64; PTX ISA 9.0, createpolicy); null for the default.
Value getCacheHint(NVVMBuilder &b, LoadAsyncOp load);

/// Lowers the fetches of a tile. Each warpgroup places the rows that it fetches one after the other in its own part of
/// shared memory.
class FetchedRows {
public:
  explicit FetchedRows(RingLowering &lowering) : lowering(lowering) {}

  LogicalResult lower(NVVMBuilder &b, FetchOp fetch);
  void lower(NVVMBuilder &b, AwaitOp await);

private:
  /// The part of shared memory for one kind of rows, in bytes. All warpgroups share it.
  struct Room {
    int64_t offset, bytes;
    StringRef what;
  };
  Room getRoom(FetchOp fetch);
  /// Where the next tile of the block of `fetch` lies. Failure: there is no room left for it.
  FailureOr<Value> place(NVVMBuilder &b, FetchOp fetch);

  RingLowering &lowering;
  /// Bytes that the fetches of a block have used in the room at an offset.
  llvm::DenseMap<std::pair<Block *, int64_t>, int64_t> usedBytes;
};

/// Lowers `prefetch`, which all threads of a math warpgroup run.
void lowerPrefetch(RingLowering &lowering, NVVMBuilder &b, PrefetchOp prefetch);

/// TMA coordinates (i32) of the tile at `offsets`, innermost first.
SmallVector<Value> getCoordinates(NVVMBuilder &b, ValueRange offsets);

/// Loads the tile of `load` through the tensor map `map` to its place in the stage with index `stage` (i32). If several
/// CTAs share the tile, loads this CTA's slice for all of them.
void loadByTMA(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value map, Value stage);

/// Copies the tile of `load` to its place in the stage with index `stage` (i32) with all threads of the producer
/// warpgroup, without TMA.
void copyTile(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value stage);

/// True (i1) if M is so small that cp.async copies the scales of A, not TMA; null if it never is.
Value hasFewRows(RingLowering &lowering, NVVMBuilder &b);

/// Starts the copy of the scales of A of one K block, of few rows, to `dest`. The scales of later rows are not written.
/// The copy arrives at `barrier` when it is done.
void copyScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value dest, Value barrier);

/// If `isFew`, all threads of the CTA write zeros to the scales of A of all stages, except for the rows that are
/// copied. Consumers read the scales of all rows of the tile.
void zeroScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, Value isFew);

/// Starts the copies of the scales of B of 32 K blocks if `load` is that of the first of them. All lanes of the
/// producer's warp copy, to `slot` (i32) and the slots after it. Each lane arrives at `barrier` once its copy is done.
/// If there is nothing to copy, the leader makes as many arrivals.
void copyBlockScales(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value slot, Value barrier);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_RINGLOWERING_H
