//===- LowerStores.cpp - dgemm-lower-stores -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-create-tensor-maps. Fragments go through shared memory to TMA stores. A store with scales
// first becomes a dgemm.quantize and a store of its result.
//
// Each warpgroup has its own staging, so warpgroups do not wait for each other. Its first thread issues the stores.
// Only this thread can wait until they have read the staging, because bulk groups belong to a thread. Columns
// of f32 for which the staging has no room are stored in another step.
//
//===----------------------------------------------------------------------===//

#include "SharedMemory.h"
#include "TensorMaps.h"
#include "dgemm/Conversion/Passes.h"
#include "llvm/ADT/SmallSet.h"

namespace dgemm {
#define GEN_PASS_DEF_LOWERSTORESPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

class StoreLowering {
public:
  StoreLowering(const SharedMemory &shared, WarpSpecializeOp roles)
      : shared(shared), warpgroup(roles.getWarpgroup()),
        stagingBytes(shared.getLayout().outputBytes / static_cast<int64_t>(roles.getConsumers())) {}

  /// Bytes of the staging of a warpgroup that `store` takes.
  static int64_t getBytes(StoreOp store) {
    return store.getValue().getType().getRows() * store.getNumColumns() * store.getElementBytes();
  }
  static SmallVector<OutputPanel> getPanels(StoreOp store) {
    return getOutputPanels(store.getNumColumns(), store.getElementBytes());
  }
  int64_t getStagingBytes() const { return stagingBytes; }

  /// `stores` are slices of one tile, in row order, and fit the staging.
  void lower(ArrayRef<StoreOp> stores);

private:
  void storeByTMA(NVVMBuilder &b, ArrayRef<StoreOp> stores);
  Value panelAddress(NVVMBuilder &b, StoreOp store, int64_t offset, OutputPanel panel);
  SmallVector<Value> getCoordinates(NVVMBuilder &b, StoreOp store);
  void storeSlice(NVVMBuilder &b, StoreOp store, int64_t offset);

  const SharedMemory &shared;
  Value warpgroup;
  /// Staging of each warpgroup, in bytes.
  int64_t stagingBytes;
};

/// The staging holds the stores one after the other. The panels of a store follow each other from its `offset` on.
Value StoreLowering::panelAddress(NVVMBuilder &b, StoreOp store, int64_t offset, OutputPanel panel) {
  int64_t rows = store.getValue().getType().getRows();
  return shared.outputAddress(b, b.mul(b.toI32(warpgroup), stagingBytes),
                              offset + rows * panel.column * panel.elementBytes);
}

static Value getRow(StoreOp store) { return store.getOffsets().drop_back().back(); }

/// The coordinates (i32) of the slice in its tensor map, innermost first. If the rows end inside of the slice, it is
/// stored at the end of the window that ends with them, so that TMA drops the rows behind. A slice behind them is all
/// outside.
SmallVector<Value> StoreLowering::getCoordinates(NVVMBuilder &b, StoreOp store) {
  SmallVector<Value> coordinates;
  for (Value coordinate : llvm::reverse(store.getOffsets()))
    coordinates.push_back(b.toI32(coordinate));
  if (!store.getRows())
    return coordinates;
  Value sliceRows = b.i32(store.getValue().getType().getRows()), row = coordinates[1];
  Value left = arith::SubIOp::create(b, b.toI32(store.getRows()), row);
  Value inside = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, left, b.i32(0)), sliceRows);
  coordinates[1] = b.add(row, inside); // the window
  coordinates.insert(coordinates.begin() + 1, arith::SubIOp::create(b, sliceRows, inside));
  return coordinates;
}

void StoreLowering::storeSlice(NVVMBuilder &b, StoreOp store, int64_t offset) {
  SmallVector<Value> coordinates = getCoordinates(b, store);
  Value n = coordinates.front();
  for (OutputPanel panel : getPanels(store)) {
    coordinates.front() = b.add(n, store.getFirstColumn() + panel.column);
    Value map = findTensorMap(store, panel.columns), address = panelAddress(b, store, offset, panel);
    if (store.getAccumulate())
      NVVM::CpAsyncBulkTensorReduceOp::create(b, map, address, NVVM::TMAReduxKind::ADD, NVVM::TMAStoreMode::TILE,
                                              coordinates, Value{});
    else
      NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp::create(b, map, address, coordinates, Value{},
                                                         NVVM::TMAStoreMode::TILE, Value{});
  }
}

/// If the rows end before the first slice, none of the slices has a row to store.
void StoreLowering::lower(ArrayRef<StoreOp> stores) {
  StoreOp first = stores.front(), last = stores.back();
  NVVMBuilder b(last.getLoc(), last);
  if (Value rows = first.getRows())
    b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, getRow(first), rows), [&] { storeByTMA(b, stores); });
  else
    storeByTMA(b, stores);
  for (StoreOp store : stores)
    store.erase();
}

void StoreLowering::storeByTMA(NVVMBuilder &b, ArrayRef<StoreOp> stores) {
  Value first = b.isFirstOfWarpgroup();
  Value group = b.uniform(b.toI32(warpgroup));
  // The previous stores must have read the staging.
  b.when(first, [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
  b.warpgroupBarrier(group);
  SmallVector<int64_t> offsets; // parts of a tile may have different sizes
  int64_t end = 0;
  for (StoreOp store : stores) {
    offsets.push_back(end);
    end += getBytes(store);
    for (OutputPanel panel : getPanels(store)) {
      // Tiles of FP8 are those that wgmma reads; a staging of FP8 has bytes.
      Type element = store.getDest().getType().getElementType();
      auto tile = TileType::get(b.getContext(), store.getValue().getType().getRows(), panel.columns,
                                isFP8(element) ? b.getI8Type() : element, panel.getSwizzle());
      Value staging = TileAtOp::create(b, tile, panelAddress(b, store, offsets.back(), panel));
      StoreFragmentOp::create(b, store.getValue(), store.getFirstColumn() + panel.column, staging);
    }
  }
  // The fence makes the generic writes visible to the async proxy (PTX ISA 9.0, fence.proxy.async). After the barrier,
  // the writes of all threads are visible.
  NVVM::FenceProxyOp::create(b, NVVM::ProxyKind::async_shared,
                             NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
  b.warpgroupBarrier(group);
  b.when(first, [&] {
    for (auto [store, offset] : llvm::zip_equal(stores, offsets))
      storeSlice(b, store, offset);
    NVVM::CpAsyncBulkCommitGroupOp::create(b);
  });
}

/// Divides the columns of a store by their scales before it.
void quantize(StoreOp store) {
  OpBuilder b(store);
  Value quantized = QuantizeOp::create(b, store.getLoc(), store.getValue().getType(), store.getValue(),
                                       store.getOffsets(), store.getRows(), store.getScales(), store.getPartAttr());
  store.getValueMutable().assign(quantized);
  store.getScalesMutable().clear();
}

/// Replaces a store by stores of as many panels as the staging holds. If the staging holds all of it, it stays.
LogicalResult splitStore(StoreLowering &lowering, StoreOp store, SmallVectorImpl<StoreOp> &parts) {
  int64_t columnBytes = StoreLowering::getBytes(store) / store.getNumColumns(), end = store.getNumColumns();
  if (end * columnBytes <= lowering.getStagingBytes()) {
    parts.push_back(store);
    return success();
  }
  int64_t width = StoreLowering::getPanels(store).front().columns;
  int64_t most = lowering.getStagingBytes() / columnBytes / width * width;
  if (!most)
    return store.emitOpError() << "expected at least " << width * columnBytes
                               << " bytes of staging for a warpgroup, but got " << lowering.getStagingBytes();
  OpBuilder b(store);
  for (int64_t first = 0; first < end; first += most) {
    auto part = cast<StoreOp>(b.clone(*store));
    int64_t columns[] = {store.getFirstColumn() + first, std::min(most, end - first)};
    part.setPart(columns);
    parts.push_back(part);
  }
  store.erase();
  return success();
}

/// True if `first` and `next` are halves of a slice with an mma between them. The first is stored while the mma runs,
/// so they do not go together, even if the staging holds both.
bool isBeforeMma(StoreOp first, StoreOp next) {
  if (!first.getPart() || !next.getPart())
    return false;
  for (Operation *op = first->getNextNode(); op && op != next; op = op->getNextNode())
    if (isa<MmaOp, MmaWaitOp>(op))
      return true;
  return false;
}

/// Emits an error if TMA has no tensor map for `store`.
LogicalResult verify(StoreOp store) {
  for (OutputPanel panel : StoreLowering::getPanels(store))
    if (!findTensorMap(store, panel.columns))
      return failure();
  return success();
}

LogicalResult lowerStores(KernelOp kernel, WarpSpecializeOp roles) {
  roles.getConsumer().walk([](StoreOp store) {
    if (store.getScales())
      quantize(store);
  });
  llvm::MapVector<Block *, SmallVector<StoreOp>> tiles;
  roles.getConsumer().walk([&](StoreOp store) {
    if (isBy(store, MovementKind::TMA))
      tiles[store->getBlock()].push_back(store);
  });
  if (tiles.empty())
    return success();
  SharedMemory shared(kernel);
  StoreLowering lowering(shared, roles);
  for (auto &[block, stores] : tiles) {
    SmallVector<StoreOp> parts;
    for (StoreOp store : stores)
      if (failed(splitStore(lowering, store, parts)))
        return failure();
    if (llvm::any_of(parts, [](StoreOp store) { return failed(verify(store)); }))
      return failure();
    stores = std::move(parts);
  }
  // Lowers as many stores at a time as the staging holds.
  for (auto &[block, stores] : tiles)
    for (ArrayRef<StoreOp> left = stores; !left.empty();) {
      int64_t bytes = 0;
      StoreOp previous;
      ArrayRef<StoreOp> fit = left.take_while([&](StoreOp store) {
        bool isEarly = previous && isBeforeMma(previous, store);
        previous = store;
        return !isEarly && (bytes += StoreLowering::getBytes(store)) <= lowering.getStagingBytes();
      });
      left = left.drop_front(fit.size());
      lowering.lower(fit);
    }
  // Shared memory must outlive the reads of the last stores.
  NVVMBuilder b(roles.getLoc(), roles.getContext());
  b.setInsertionPointToEnd(&roles.getConsumer().front());
  b.when(b.isFirstOfWarpgroup(), [&] { NVVM::CpAsyncBulkWaitGroupOp::create(b, 0, b.getUnitAttr()); });
  return success();
}

/// Drops memref arguments that tensor maps have replaced.
void eraseUnusedOperands(KernelOp kernel) {
  llvm::SmallSet<Operand, 4> mapped;
  for (BlockArgument argument : kernel.getArguments())
    if (auto map = kernel.getArgAttrOfType<TensorMapAttr>(argument.getArgNumber(), kTensorMapAttr))
      mapped.insert(map.getOperand());
  for (unsigned i = kernel.getNumArguments(); i-- > 0;)
    if (std::optional<Operand> operand = kernel.getOperandOf(kernel.getArgument(i));
        operand && kernel.getArgument(i).use_empty() && mapped.contains(*operand))
      (void)kernel.eraseArgument(i);
}

struct LowerStores : dgemm::impl::LowerStoresPassBase<LowerStores> {
  void runOnOperation() override {
    SmallVector<WarpSpecializeOp> roles;
    getOperation()->walk([&](WarpSpecializeOp op) { roles.push_back(op); });
    for (WarpSpecializeOp op : roles) {
      auto kernel = op->getParentOfType<KernelOp>();
      if (!kernel)
        continue;
      if (failed(lowerStores(kernel, op)))
        return signalPassFailure();
      eraseUnusedOperands(kernel);
    }
  }
};

} // namespace
