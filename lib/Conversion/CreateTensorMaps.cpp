//===- CreateTensorMaps.cpp - dgemm-create-tensor-maps -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-warp-specialize, whose loads and stores say how they move their data.
//
//===----------------------------------------------------------------------===//

#include "TensorMaps.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace dgemm {
#define GEN_PASS_DEF_CREATETENSORMAPSPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

int64_t dgemm::getSlices(LoadAsyncOp load) {
  auto tiles = load->getParentOfType<ForEachTileOp>();
  Multicast multicast = load.getMovement() ? load.getMovement()->getMulticast() : Multicast::None;
  if (!tiles || multicast == Multicast::None)
    return 1;
  return tiles.getCluster()[multicast == Multicast::Row ? 1 : 0];
}

static TileType getTile(LoadAsyncOp load) { return load.getStage().getType().getTiles()[load.getIndex()]; }

/// The argument of the kernel of `op` with a tensor map of `operand` and the box `columns` x `rows`; null if there is
/// none.
static Value lookUp(Operation *op, Value operand, int64_t rows, int64_t columns) {
  auto kernel = op->getParentOfType<KernelOp>();
  for (BlockArgument argument : kernel.getArguments())
    if (auto map = kernel.getArgAttrOfType<TensorMapAttr>(argument.getArgNumber(), kTensorMapAttr))
      if (map.getOperand() == kernel.getOperandName(operand) && map.getBox()[0] == columns && map.getBox()[1] == rows)
        return argument;
  return {};
}

static Value findTensorMap(Operation *op, Value operand, int64_t rows, int64_t columns) {
  if (Value map = lookUp(op, operand, rows, columns))
    return map;
  op->emitOpError() << "expected a tensor map with a box of " << columns << " columns and " << rows
                    << " rows; run dgemm-create-tensor-maps first";
  return {};
}

Value dgemm::findTensorMap(LoadAsyncOp load) {
  return ::findTensorMap(load, load.getSource(), getTile(load).getRows() / getSlices(load), getTile(load).getColumns());
}

Value dgemm::findTensorMap(StoreOp store, int64_t columns) {
  return ::findTensorMap(store, store.getDest(), store.getValue().getType().getRows(), columns);
}

namespace {

/// Appends tensor maps to the arguments of a kernel.
class TensorMapBuilder {
public:
  explicit TensorMapBuilder(KernelOp kernel) : kernel(kernel) {}

  LogicalResult addMap(LoadAsyncOp load);
  void addMaps(StoreOp store);

private:
  void addMap(Operation *op, Value operand, int64_t rows, int64_t columns, int64_t swizzle);

  KernelOp kernel;
};

/// With the box `columns` x `rows`, unless there is one. Dimensions go from the innermost to the outermost.
void TensorMapBuilder::addMap(Operation *op, Value operand, int64_t rows, int64_t columns, int64_t swizzle) {
  if (lookUp(op, operand, rows, columns))
    return;
  MLIRContext *context = kernel.getContext();
  StringRef name = kernel.getOperandName(operand);
  OperandGeometry geometry = OperandGeometry::get(kernel, name);
  SmallVector<AffineExpr> dims = geometry.getMapDims(), strides = geometry.getMapStrides();
  SmallVector<int64_t> box = {columns, rows};
  box.resize(dims.size(), 1);
  int64_t lastSize = static_cast<int64_t>(kernel.getSizes().size()) - 1, lastSymbol = -1;
  getMaxDimAndSymbol<ArrayRef<AffineExpr>>({dims, strides}, lastSize, lastSymbol);
  unsigned sizes = lastSize + 1, position = kernel.getNumArguments();
  auto map =
      TensorMapAttr::get(context, name, geometry.element, AffineMap::get(sizes, 0, dims, context),
                         AffineMap::get(sizes, 0, strides, context), DenseI64ArrayAttr::get(context, box), swizzle);
  auto attrs = DictionaryAttr::get(context, NamedAttribute(StringAttr::get(context, kTensorMapAttr), map));
  (void)kernel.insertArgument(position, LLVM::LLVMPointerType::get(context), attrs, operand.getLoc());
}

LogicalResult TensorMapBuilder::addMap(LoadAsyncOp load) {
  if (!load.getMovement())
    return load.emitOpError("expected 'by'; run dgemm-choose-data-movement first");
  if (!isBy(load, MovementKind::TMA))
    return success();
  TileType tile = getTile(load);
  int64_t slices = getSlices(load);
  if (tile.getRows() % slices)
    return load.emitOpError() << "expected rows of the tile that " << slices << " CTAs divide between them, but got "
                              << tile.getRows();
  addMap(load, load.getSource(), tile.getRows() / slices, tile.getColumns(), tile.getSwizzle());
  return success();
}

void TensorMapBuilder::addMaps(StoreOp store) {
  if (isBy(store, MovementKind::TMA))
    for (OutputPanel panel : getOutputPanels(store.getNumColumns()))
      addMap(store, store.getDest(), store.getValue().getType().getRows(), panel.columns, panel.getSwizzle());
}

struct CreateTensorMaps : dgemm::impl::CreateTensorMapsPassBase<CreateTensorMaps> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](KernelOp kernel) {
      TensorMapBuilder builder(kernel);
      WalkResult loads = kernel.walk([&](LoadAsyncOp load) { return WalkResult(builder.addMap(load)); });
      if (loads.wasInterrupted())
        return loads;
      kernel.walk([&](StoreOp store) { builder.addMaps(store); });
      return WalkResult::skip();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
