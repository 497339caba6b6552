//===- RoleBuilder.h - Builds the roles of dgemm-warp-specialize -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both roles copy the loops of the kernel (RoleBuilder.cpp). ProducerRole.cpp and ConsumerRole.cpp build a role each.
// The parts of a consumer are in ConsumerKBlock.cpp, ConsumerSumScales.cpp and ConsumerEpilogue.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_TRANSFORMS_ROLEBUILDER_H
#define DGEMM_LIB_TRANSFORMS_ROLEBUILDER_H

#include "KernelParts.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {

/// Builds one role. `map` maps the values of the original loops to their copies.
class RoleBuilder {
public:
  RoleBuilder(KernelParts &parts, Value ring, StageType stageType)
      : parts(parts), ring(ring), stageType(stageType), b(parts.kLoop.getLoc(), parts.kLoop.getContext()) {}

  /// Builds the role of the producer (ProducerRole.cpp).
  void buildProducer(Block *block);
  /// Builds the role of the consumers (ConsumerRole.cpp).
  void buildConsumer(Block *block, Value warpgroup, ConfigAttr config);

private:
  /// Registers that a math thread needs beside its accumulators and the scales that it holds ahead of their use. With
  /// fewer, ptxas waits for the scales of sums before the K loop starts: 128x256 took 5 % longer on an H200.
  static constexpr int64_t kOtherRegisters = 72;

  /// What the mmas and promotes of one K block read: `lhs` and `rowScales` for each slice, `rhs` for each half of the
  /// columns or for all of them.
  struct KBlock {
    SmallVector<Value> lhs, rowScales;
    SmallVector<Value> rhs;
    /// Block scales of B.
    Value blockScales;
    /// Tiles of column scales, if the stage has them, and the scales that are read from them before the mma.
    SmallVector<Value> columnTiles, columnScales;
  };
  /// Scales of sums: row scales for each slice, and column scales for all slices.
  struct SumScales {
    SmallVector<Value> rows;
    Value columns;
  };

  // RoleBuilder.cpp: the loops.

  /// Starts a copy of the tile loop that carries `inits`, and leaves the builder in it.
  void openTileLoop(Block *block, ValueRange inits = {});
  /// Copies the index arithmetic of the K loop.
  void cloneIndexArithmetic();
  /// Copies the K loop; `body` builds one iteration and returns the values that it yields.
  mlir::scf::ForOp buildKLoop(ValueRange inits, function_ref<SmallVector<Value>(ValueRange)> body);
  SmallVector<Value> mapAll(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return map.lookupOrDefault(value); });
  }
  ProblemAttr getProblem() { return parts.tiles->getParentOfType<KernelOp>().getProblem(); }

  // ConsumerRole.cpp: the slices of a tile, from the K loop to the store.

  Value countKBlocks(Value begin, Value end, Value step);
  SmallVector<Value> getRowOffsets(Value warpgroup, ConfigAttr config);
  void buildTile(ArrayRef<Value> rowOffsets, ConfigAttr config, Value number);
  void buildTileInTurn(Value warpgroup, ArrayRef<Value> rowOffsets, ConfigAttr config);
  SmallVector<Value> buildConsumerKLoop(ArrayRef<Value> rowOffsets);
  SmallVector<Value> buildSlicesOfGroup(ArrayRef<Value> rowOffsets, size_t count, bool mayHaveNone);
  Value reduceCluster(Value sum);
  void buildStore(Value sum, Value row);

  // ConsumerKBlock.cpp: one K block.

  /// A view, from row `offset` on, of the tile of `stage` that stands for `tile` of the sequential kernel.
  Value view(Value stage, Value tile, TileType type, Value offset) {
    return ViewOp::create(b, type, stage, getStageIndex(tile.getDefiningOp<LoadOp>()), offset);
  }
  /// Loads the row scales of the 64-row slice that starts at row `offset` of the tile.
  Value loadRowScales(Value stage, Value offset);
  Value loadRowScales(LoadScalesOp direct, Value offset);
  KBlock openKBlock(ArrayRef<Value> rowOffsets, int64_t columns);
  bool hasRoomForColumnScales(ConfigAttr config, int64_t columns);
  Value loadColumnScales(const KBlock &block, size_t half, int64_t columns);
  SmallVector<Value> addToSums(ArrayRef<Value> rowOffsets, ValueRange sums);
  SmallVector<Value> buildConsumerKBlock(ArrayRef<Value> rowOffsets, ValueRange sums);

  // ConsumerSumScales.cpp: the scales that are the same along K.

  void cloneSumArithmetic();
  bool hasRoomForSumScales(ConfigAttr config, size_t slices);
  bool canFetchSumScales(ConfigAttr config, size_t slices);
  SumScales loadSumScales(ArrayRef<Value> rowOffsets);
  SumScales fetchSumScales(ArrayRef<Value> rowOffsets);
  SumScales readSumScales(const SumScales &fetched);
  void scaleSums(const SumScales &scales, mlir::MutableArrayRef<Value> sums);

  // ConsumerEpilogue.cpp: the sources of the epilogue, and its map.

  void fetchSources(ArrayRef<Value> rowOffsets);
  void awaitSources();
  Value mapSum(Value sum, size_t slice, Value row);

  KernelParts &parts;
  Value ring;
  StageType stageType;
  mlir::ImplicitLocOpBuilder b;
  mlir::IRMapping map;
  /// The tiles of each source of the epilogue: one, or one for each slice. A source that is not fetched has none.
  SmallVector<SmallVector<Value>> fetched;
};

} // namespace dgemm

#endif // DGEMM_LIB_TRANSFORMS_ROLEBUILDER_H
