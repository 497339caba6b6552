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
using namespace mlir::dgemm;

namespace {

class StoreLowering {
public:
  StoreLowering(TMALowering &lowering, Value warpgroup) : lowering(lowering), warpgroup(warpgroup) {}

  /// `stores` are the slices of one tile, in row order.
  void lower(MutableArrayRef<StoreOp> stores);

private:
  Value panelAddress(NVVMBuilder &b, MutableArrayRef<StoreOp> stores, size_t slice, OutputPanel panel);
  void storeSlice(NVVMBuilder &b, StoreOp store, MutableArrayRef<StoreOp> stores, size_t slice);

  TMALowering &lowering;
  Value warpgroup;
};

/// Staging is one block of 64 rows after the other; in a block, the panels one after the other.
Value StoreLowering::panelAddress(NVVMBuilder &b, MutableArrayRef<StoreOp> stores, size_t slice, OutputPanel panel) {
  FragType frag = stores[slice].getValue().getType();
  int64_t sliceBytes = frag.getRows() * frag.getColumns() * 2;
  Value base = b.mul(b.toI32(warpgroup), stores.size() * sliceBytes);
  int64_t offset = lowering.layout.outputOffset + slice * sliceBytes + frag.getRows() * panel.column * 2;
  return b.offsetPointer(lowering.shared, b.add(base, offset));
}

void StoreLowering::storeSlice(NVVMBuilder &b, StoreOp store, MutableArrayRef<StoreOp> stores, size_t slice) {
  FragType frag = store.getValue().getType();
  Value m = b.toI32(store.getOffsets()[0]), n = b.toI32(store.getOffsets()[1]);
  for (OutputPanel panel : getOutputPanels(frag.getColumns()))
    NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp::create(
        b, lowering.tensorMaps.lookup({store.getDest(), panel.columns}), panelAddress(b, stores, slice, panel),
        ValueRange{b.add(n, panel.column), m}, Value{}, NVVM::TMAStoreMode::TILE, Value{});
}

void StoreLowering::lower(MutableArrayRef<StoreOp> stores) {
  NVVMBuilder b(stores.back().getLoc(), stores.back());
  Value first = b.isFirstOfWarpgroup();
  Value group = b.uniform(b.toI32(warpgroup));
  // The stores of the tile before must have read the staging.
  b.when(first, [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
  b.warpgroupBarrier(group);
  for (auto [slice, store] : llvm::enumerate(stores)) {
    FragType frag = store.getValue().getType();
    for (OutputPanel panel : getOutputPanels(frag.getColumns())) {
      auto tile = TileType::get(b.getContext(), frag.getRows(), panel.columns, b.getBF16Type(), panel.getSwizzle());
      Value staging = TileAtOp::create(b, tile, panelAddress(b, stores, slice, panel));
      StoreFragmentOp::create(b, store.getValue(), panel.column, staging);
    }
  }
  // Generic writes become visible to the copy engine (PTX ISA 9.0, fence.proxy.async), then all are known to be done.
  NVVM::FenceProxyOp::create(b, NVVM::ProxyKind::async_shared,
                             NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
  b.warpgroupBarrier(group);
  b.when(first, [&] {
    for (auto [slice, store] : llvm::enumerate(stores))
      storeSlice(b, store, stores, slice);
    NVVM::CpAsyncBulkCommitGroupOp::create(b);
  });
  for (StoreOp store : stores)
    store.erase();
}

} // namespace

void mlir::dgemm::lowerStores(TMALowering &lowering, WarpSpecializeOp roles) {
  llvm::MapVector<Block *, SmallVector<StoreOp>> tiles;
  roles.getConsumer().walk([&](StoreOp store) { tiles[store->getBlock()].push_back(store); });
  for (auto &[block, stores] : tiles)
    StoreLowering(lowering, roles.getWarpgroup()).lower(stores);
  // Shared memory must outlive the reads of the last stores.
  NVVMBuilder b(roles.getLoc(), roles.getContext());
  b.setInsertionPointToEnd(&roles.getConsumer().front());
  b.when(b.isFirstOfWarpgroup(), [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
}
