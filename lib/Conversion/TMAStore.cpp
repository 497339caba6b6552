//===- TMAStore.cpp - Epilogue: fragments through shared memory to TMA stores -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each warpgroup has its own staging, so warpgroups do not wait for each other. Its first thread issues the stores and
// is the one that knows when they have read the staging (bulk groups belong to a thread).
//
//===----------------------------------------------------------------------===//

#include "TMALowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

namespace {

class StoreLowering {
public:
  StoreLowering(TMALowering &lowering, Value warpgroup, int64_t slices)
      : lowering(lowering), warpgroup(warpgroup), slices(slices) {}

  /// `stores` are slices of one tile, in row order.
  void lower(ArrayRef<StoreOp> stores);

private:
  void storeByTMA(NVVMBuilder &b, ArrayRef<StoreOp> stores);
  Value panelAddress(NVVMBuilder &b, StoreOp store, size_t slice, OutputPanel panel);
  void storeSlice(NVVMBuilder &b, StoreOp store, size_t slice);

  TMALowering &lowering;
  Value warpgroup;
  /// Slices of a warpgroup for which there is staging.
  int64_t slices;
};

/// Staging is one block of 64 rows after the other; in a block, the panels one after the other.
Value StoreLowering::panelAddress(NVVMBuilder &b, StoreOp store, size_t slice, OutputPanel panel) {
  int64_t rows = store.getValue().getType().getRows(), sliceBytes = rows * store.getNumColumns() * 2;
  Value base = b.mul(b.toI32(warpgroup), slices * sliceBytes);
  int64_t offset = lowering.layout.outputOffset + slice * sliceBytes + rows * panel.column * 2;
  return b.offsetPointer(lowering.shared, b.add(base, offset));
}

void StoreLowering::storeSlice(NVVMBuilder &b, StoreOp store, size_t slice) {
  SmallVector<Value> coordinates;
  for (Value offset : llvm::reverse(store.getOffsets()))
    coordinates.push_back(b.toI32(offset));
  Value n = coordinates.front();
  for (OutputPanel panel : getOutputPanels(store.getNumColumns())) {
    coordinates.front() = b.add(n, store.getFirstColumn() + panel.column);
    NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp::create(b, lowering.tensorMaps.lookup({store.getDest(), panel.columns}),
                                                       panelAddress(b, store, slice, panel), coordinates, Value{},
                                                       NVVM::TMAStoreMode::TILE, Value{});
  }
}

/// What ends inside of a group's rows is written without TMA, which would write all of it; of several slices at most
/// one.
void StoreLowering::lower(ArrayRef<StoreOp> stores) {
  StoreOp last = stores.back();
  NVVMBuilder b(last.getLoc(), last);
  if (Value rows = last.getRows()) {
    auto rowOf = [](StoreOp store) { return store.getOffsets().drop_back().back(); };
    Value end = b.add(rowOf(last), b.index(last.getValue().getType().getRows()));
    Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, end, rows);
    auto branch = scf::IfOp::create(b, isWhole, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    storeByTMA(b, stores);
    for (StoreOp store : stores) {
      store.setMovementAttr(MovementAttr::get(b.getContext(), MovementKind::Registers));
      store->moveBefore(branch.elseBlock()->getTerminator());
    }
    if (stores.size() > 1)
      for (StoreOp store : stores)
        lower(store);
    return;
  }
  storeByTMA(b, stores);
  for (StoreOp store : stores)
    store.erase();
}

void StoreLowering::storeByTMA(NVVMBuilder &b, ArrayRef<StoreOp> stores) {
  Value first = b.isFirstOfWarpgroup();
  Value group = b.uniform(b.toI32(warpgroup));
  // The stores of the tile before must have read the staging.
  b.when(first, [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
  b.warpgroupBarrier(group);
  for (size_t slice = 0; slice < stores.size(); ++slice) {
    StoreOp store = stores[slice];
    for (OutputPanel panel : getOutputPanels(store.getNumColumns())) {
      auto tile = TileType::get(b.getContext(), store.getValue().getType().getRows(), panel.columns, b.getBF16Type(),
                                panel.getSwizzle());
      Value staging = TileAtOp::create(b, tile, panelAddress(b, store, slice, panel));
      StoreFragmentOp::create(b, store.getValue(), store.getFirstColumn() + panel.column, staging);
    }
  }
  // Generic writes become visible to the copy engine (PTX ISA 9.0, fence.proxy.async), then all are known to be done.
  NVVM::FenceProxyOp::create(b, NVVM::ProxyKind::async_shared,
                             NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
  b.warpgroupBarrier(group);
  b.when(first, [&] {
    for (auto [slice, store] : llvm::enumerate(stores))
      storeSlice(b, store, slice);
    NVVM::CpAsyncBulkCommitGroupOp::create(b);
  });
}

} // namespace

void dgemm::lowerStores(TMALowering &lowering, WarpSpecializeOp roles) {
  llvm::MapVector<Block *, SmallVector<StoreOp>> tiles;
  roles.getConsumer().walk([&](StoreOp store) {
    if (isBy(store, MovementKind::TMA))
      tiles[store->getBlock()].push_back(store);
  });
  if (tiles.empty())
    return;
  // With early_store there is staging for one of the stores of a tile.
  for (auto &[block, stores] : tiles)
    if (lowering.kernel.getConfig().getEarlyStore())
      for (StoreOp store : stores)
        StoreLowering(lowering, roles.getWarpgroup(), 1).lower(store);
    else
      StoreLowering(lowering, roles.getWarpgroup(), stores.size()).lower(stores);
  // Shared memory must outlive the reads of the last stores.
  NVVMBuilder b(roles.getLoc(), roles.getContext());
  b.setInsertionPointToEnd(&roles.getConsumer().front());
  b.when(b.isFirstOfWarpgroup(), [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
}
