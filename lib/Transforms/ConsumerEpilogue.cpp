//===- ConsumerEpilogue.cpp - The epilogue of a consumer, and the copies of its sources -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

/// Starts copies of the sources of the epilogue to shared memory, if they have a place there. The other sources are
/// prefetched, and the map reads them itself.
void RoleBuilder::fetchSources(ArrayRef<Value> rowOffsets) {
  MapOp old = parts.map;
  if (!old || old.getSources().empty())
    return;
  auto kernel = parts.tiles->getParentOfType<KernelOp>();
  ProblemAttr problem = kernel.getProblem();
  ConfigAttr config = kernel.getConfig();
  bool hasRoom = SharedMemoryLayout::get(config, problem).operandsBytes;
  if (hasRoom)
    AwaitOp::create(b, TypeRange(), ValueRange()); // until no thread reads the tiles of the previous tile of D
  // With split_k, the tile has all columns, and each CTA reads its own.
  Value n = map.lookup(parts.reduce ? parts.tiles.getTileN() : old.getN());
  Value group = map.lookupOrNull(old.getGroup()), rows = map.lookupOrNull(parts.store.getRows());
  for (size_t i = 0; i < old.getSources().size(); ++i) {
    Value source = old.getSources()[i];
    SmallVector<Value> &tiles = fetched.emplace_back();
    Operand operand = getEpilogueOperand(i);
    EpilogueAxisKind along = problem.getEpilogueOperand(operand).getAlong();
    bool isFetched = hasRoom && getFetchBytes(problem, operand);
    int64_t count = countTileElements(config, problem, operand);
    auto start = [&](SmallVector<Value> offsets, int64_t numRows) {
      if (static_cast<size_t>(cast<MemRefType>(source.getType()).getRank()) > offsets.size())
        offsets.insert(offsets.begin(), group);
      if (!isFetched) {
        PrefetchOp::create(b, source, offsets, numRows > 1 ? rows : Value(), {numRows, count});
        return;
      }
      auto type = TileType::get(b.getContext(), 1, count, problem.getElementOf(operand), /*swizzle=*/0);
      tiles.push_back(FetchOp::create(b, type, source, offsets));
    };
    switch (along) {
    case EpilogueAxisKind::N:
      start({n}, 1);
      break;
    case EpilogueAxisKind::G:
      start({group}, 1);
      break;
    case EpilogueAxisKind::None:
      start({arith::ConstantIndexOp::create(b, 0)}, 1);
      break;
    case EpilogueAxisKind::M:
    case EpilogueAxisKind::MN:
      for (Value row : rowOffsets) {
        Value m = arith::AddIOp::create(b, map.lookup(parts.tiles.getTileM()), row);
        if (along == EpilogueAxisKind::M)
          start({m}, 1);
        else
          start({m, n}, hopper::kWgmmaM);
      }
    }
  }
}

/// Waits for the copies that fetchSources started.
void RoleBuilder::awaitSources() {
  SmallVector<Value> all;
  for (ArrayRef<Value> tiles : fetched)
    llvm::append_range(all, tiles);
  if (all.empty())
    return;
  auto await = AwaitOp::create(b, ValueRange(all).getTypes(), all);
  size_t next = 0;
  for (SmallVector<Value> &tiles : fetched)
    for (Value &tile : tiles)
      tile = await.getLanded()[next++];
}

/// Applies the epilogue to slice `slice` of 64 rows, which starts at row `row` of the tile.
Value RoleBuilder::mapSum(Value sum, size_t slice, Value row) {
  if (!parts.map)
    return sum;
  MapOp old = parts.map;
  Value m = arith::AddIOp::create(b, map.lookupOrDefault(old.getM()), row);
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, old.getResult().getType().getColumns());
  SmallVector<Value> sources(old.getSources());
  for (auto [source, tiles] : llvm::zip(sources, fetched))
    if (!tiles.empty())
      source = tiles[tiles.size() == 1 ? 0 : slice];
  auto copy = MapOp::create(b, type, sum, m, map.lookupOrDefault(old.getN()), map.lookupOrNull(old.getGroup()), sources,
                            old.getPartAttr());
  IRMapping inner;
  old.getBody().cloneInto(&copy.getBody(), inner);
  return copy;
}
