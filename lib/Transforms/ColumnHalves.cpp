//===- ColumnHalves.cpp - Halves of what an mma and a promote read -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace dgemm;

ViewOp dgemm::halveView(ImplicitLocOpBuilder &b, ViewOp view, int64_t i) {
  TileType tile = view.getTile().getType();
  bool isRow = tile.getRows() == 1;
  int64_t rows = isRow ? 1 : tile.getRows() / 2, columns = isRow ? tile.getColumns() / 2 : tile.getColumns();
  auto type = TileType::get(b.getContext(), rows, columns, tile.getElementType(), tile.getSwizzle());
  Value offset =
      b.createOrFold<arith::AddIOp>(view.getOffset(), arith::ConstantIndexOp::create(b, i * (isRow ? columns : rows)));
  return ViewOp::create(b, type, view.getStage(), view.getIndex(), offset);
}

bool dgemm::canHalve(LoadScalesOp load) {
  return !load.isFromTile() || isa_and_nonnull<ViewOp, FetchOp>(load.getSource().getDefiningOp());
}

/// The offsets of half `i` of `count` rows.
static SmallVector<Value> halveOffsets(ImplicitLocOpBuilder &b, ValueRange offsets, int64_t count, int64_t i) {
  SmallVector<Value> half(offsets);
  Value &row = half[half.size() - 2];
  row = b.createOrFold<arith::AddIOp>(row, arith::ConstantIndexOp::create(b, i * (count / 2)));
  return half;
}

/// Half `i` of what `fetch` copies, started where that is.
static Value halveFetch(FetchOp fetch, int64_t i) {
  ImplicitLocOpBuilder b(fetch.getLoc(), fetch);
  int64_t count = fetch.getTile().getType().getColumns();
  auto type = TileType::get(b.getContext(), 1, count / 2, b.getF32Type(), 0);
  return FetchOp::create(b, type, fetch.getSource(), halveOffsets(b, fetch.getOffsets(), count, i));
}

Value dgemm::halveColumnScales(ImplicitLocOpBuilder &b, LoadScalesOp load, int64_t i) {
  int64_t count = cast<FragType>(load.getScales().getType()).getColumns();
  auto type = FragType::get(b.getContext(), 1, count / 2);
  if (auto fetch = load.getSource().getDefiningOp<FetchOp>())
    return LoadScalesOp::create(b, type, halveFetch(fetch, i));
  if (load.isFromTile())
    return LoadScalesOp::create(b, type, halveView(b, load.getSource().getDefiningOp<ViewOp>(), i));
  return LoadScalesOp::create(b, type, load.getSource(), halveOffsets(b, load.getOffsets(), count, i),
                              load.getMovementAttr());
}
