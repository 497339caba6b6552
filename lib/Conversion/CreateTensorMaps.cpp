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

namespace {
/// Extents of a box in elements. If `lastRows` is given, it is the number of rows as an expression of M, at most
/// `rows`. With `hasWindows` the map sees the rows through windows of `rows` rows.
struct Box {
  int64_t columns, rows;
  AffineExpr lastRows = {};
  bool hasWindows = false;
};
} // namespace

bool dgemm::hasHalves(LoadAsyncOp load) {
  auto kernel = load->getParentOfType<KernelOp>();
  return kernel.getProblem().isGated() && kernel.getOperandOf(load.getSource()) == Operand::B;
}

Value dgemm::getRowsOfHalf(NVVMBuilder &b, LoadAsyncOp load) {
  auto kernel = load->getParentOfType<KernelOp>();
  if (int64_t n = kernel.getProblem().getN(); n > 0)
    return b.i32(n / 2);
  return b.shiftRight(b.toI32(kernel.findSize("N")), 1);
}

static Box getBox(LoadAsyncOp load) {
  int64_t parts = hasHalves(load) ? 2 : getSlices(load);
  return {getTile(load).getColumns(), getTile(load).getRows() / parts};
}

static Box getBoxOfLastTile(LoadAsyncOp load) {
  Box box = getBox(load);
  AffineExpr rows = getRowsOfLastTile(load->getParentOfType<KernelOp>(), box.rows);
  if (auto known = dyn_cast<AffineConstantExpr>(rows))
    return {box.columns, known.getValue()};
  return {box.columns, box.rows, rows};
}

bool dgemm::hasWholeTiles(LoadAsyncOp load) {
  int64_t m = load->getParentOfType<KernelOp>().getSizes()[0];
  return !load.getMovement()->getClipRows() || m < 0 || m >= getTile(load).getRows();
}

/// The argument of the kernel of `op` that is a tensor map of `operand` with this box; null if there is none.
static Value lookUp(Operation *op, Value operand, const Box &box) {
  auto kernel = op->getParentOfType<KernelOp>();
  for (BlockArgument argument : kernel.getArguments())
    if (auto map = kernel.getArgAttrOfType<TensorMapAttr>(argument.getArgNumber(), kTensorMapAttr))
      if (map.getOperand() == kernel.getOperandOf(operand) && map.getBox()[0] == box.columns &&
          map.getBox()[1] == box.rows && !map.getRows() == !box.lastRows && !map.getOffset() == !box.hasWindows)
        return argument;
  return {};
}

static Value findTensorMap(Operation *op, Value operand, const Box &box) {
  if (Value map = lookUp(op, operand, box))
    return map;
  op->emitOpError() << "expected a tensor map with a box of " << box.columns << " columns and "
                    << (box.lastRows ? "as many rows as the last tile has, at most " : "") << box.rows
                    << (box.hasWindows ? " rows of a window" : " rows") << "; run dgemm-create-tensor-maps first";
  return {};
}

Value dgemm::findTensorMap(LoadAsyncOp load) { return ::findTensorMap(load, load.getSource(), getBox(load)); }

Value dgemm::findLastTileMap(LoadAsyncOp load) {
  return ::findTensorMap(load, load.getSource(), getBoxOfLastTile(load));
}

static Box getBox(StoreOp store, int64_t columns) {
  return {columns, store.getValue().getType().getRows(), /*lastRows=*/{}, /*hasWindows=*/!!store.getRows()};
}

Value dgemm::findTensorMap(StoreOp store, int64_t columns) {
  return ::findTensorMap(store, store.getDest(), getBox(store, columns));
}

namespace {

/// Appends tensor maps to the arguments of a kernel.
class TensorMapBuilder {
public:
  explicit TensorMapBuilder(KernelOp kernel) : kernel(kernel) {}

  LogicalResult addMap(LoadAsyncOp load);
  void addMaps(StoreOp store);

private:
  void addMap(Operation *op, Value operand, const Box &box, int64_t swizzle);

  KernelOp kernel;
};

/// Adds a tensor map with this box, unless there is one. Dimensions go from the innermost to the outermost.
void TensorMapBuilder::addMap(Operation *op, Value operand, const Box &box, int64_t swizzle) {
  if (lookUp(op, operand, box))
    return;
  MLIRContext *context = kernel.getContext();
  Operand role = *kernel.getOperandOf(operand); // verified
  OperandGeometry geometry = OperandGeometry::get(kernel, role);
  auto [dims, strides, offset] = box.hasWindows ? geometry.getWindowMap(box.rows) : geometry.getMap();
  SmallVector<int64_t> extents = {box.columns, box.rows};
  extents.resize(dims.size(), 1);
  int64_t lastSize = static_cast<int64_t>(kernel.getSizes().size()) - 1, lastSymbol = -1;
  getMaxDimAndSymbol<ArrayRef<AffineExpr>>({dims, strides}, lastSize, lastSymbol);
  unsigned sizes = lastSize + 1, position = kernel.getNumArguments();
  auto ofSizes = [&](AffineExpr expr) { return expr ? AffineMap::get(sizes, 0, expr) : AffineMap(); };
  auto map = TensorMapAttr::get(context, role, geometry.element, AffineMap::get(sizes, 0, dims, context),
                                AffineMap::get(sizes, 0, strides, context), DenseI64ArrayAttr::get(context, extents),
                                swizzle, ofSizes(box.lastRows), ofSizes(offset));
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
    return load.emitOpError() << "expected tile rows that divide evenly between the " << slices
                              << " CTAs that share the tile, but got " << tile.getRows();
  if (hasWholeTiles(load))
    addMap(load, load.getSource(), getBox(load), tile.getSwizzle());
  if (load.getMovement()->getClipRows())
    addMap(load, load.getSource(), getBoxOfLastTile(load), tile.getSwizzle());
  return success();
}

void TensorMapBuilder::addMaps(StoreOp store) {
  if (isBy(store, MovementKind::TMA))
    for (OutputPanel panel : getOutputPanels(store.getNumColumns(), store.getElementBytes()))
      addMap(store, store.getDest(), getBox(store, panel.columns), panel.getSwizzle());
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
