//===- TileOps.cpp - Operations over tiles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Rules that several operations share
//===----------------------------------------------------------------------===//

static LogicalResult verifyOffsets(Operation *op, MemRefType type, ValueRange offsets) {
  if (type.getRank() == static_cast<int64_t>(offsets.size()))
    return success();
  return op->emitOpError() << "expected " << type.getRank() << " offsets for " << type << ", but got "
                           << offsets.size();
}

/// A wgmma operand: e4m3, 128 columns with 128-byte swizzle (C1 of dgemm.mma).
static LogicalResult verifyMmaTile(Operation *op, StringRef name, TileType tile) {
  if (isa<Float8E4M3FNType>(tile.getElementType()) && tile.getColumns() == hopper::kSwizzleBytes &&
      tile.getSwizzle() == hopper::kSwizzleBytes)
    return success();
  return op->emitOpError() << "expected '" << name << "' to be f8E4M3FN with 128 columns and swizzle = 128, but got "
                           << tile;
}

/// The result of an mma of these tiles (C2 of dgemm.mma).
static LogicalResult verifyMma(Operation *op, TileType lhs, TileType rhs, FragType result) {
  if (failed(verifyMmaTile(op, "lhs", lhs)) || failed(verifyMmaTile(op, "rhs", rhs)))
    return failure();
  if (rhs.getRows() % hopper::kWgmmaNStep || rhs.getRows() > hopper::kWgmmaMaxN)
    return op->emitOpError() << "expected rows of 'rhs' to be a multiple of 8 up to 256 (wgmma N), but got "
                             << rhs.getRows();
  if (result.getRows() != lhs.getRows() || result.getColumns() != rhs.getRows())
    return op->emitOpError() << "expected a fragment of " << lhs.getRows() << "x" << rhs.getRows() << ", but got "
                             << result;
  return success();
}

/// Scales of the rows and columns of `acc`.
static LogicalResult verifyScales(Operation *op, FragType rowScales, Type columnScales, FragType acc) {
  if (rowScales.getRows() != acc.getRows() || rowScales.getColumns() != 1)
    return op->emitOpError() << "expected row scales of " << acc.getRows() << "x1, but got " << rowScales;
  int64_t expected = getScaleBlocksOfTile(acc.getColumns());
  int64_t given = cast<VectorType>(columnScales).getNumElements();
  if (given != expected)
    return op->emitOpError() << "expected " << expected << " column scales for " << acc.getColumns()
                             << " columns, but got " << given;
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult LoadOp::verify() {
  MemRefType type = getSource().getType();
  if (failed(verifyOffsets(*this, type, getOffsets())))
    return failure();
  if (type.getElementType() != getTile().getType().getElementType())
    return emitOpError() << "expected a tile of " << type.getElementType() << ", but got " << getTile().getType();
  if (std::optional<MovementAttr> movement = getMovement())
    return movement->verifyKind(*this, {MovementKind::TMA, MovementKind::Registers});
  return success();
}

LogicalResult LoadFragmentOp::verify() {
  TileType tile = getTile().getType();
  FragType frag = getResult().getType();
  if (tile.getRows() == 1 && tile.getElementType().isF32() && frag.getColumns() == 1 &&
      frag.getRows() == tile.getColumns())
    return success();
  return emitOpError() << "expected a 1xR tile of f32 and a fragment of Rx1, but got " << tile << " and " << frag;
}

LogicalResult LoadVectorOp::verify() {
  TileType tile = getTile().getType();
  VectorType vector = getResult().getType();
  if (tile.getRows() == 1 && tile.getElementType().isF32() && vector.getNumElements() == tile.getColumns())
    return success();
  return emitOpError() << "expected a 1xC tile of f32 and a vector of C, but got " << tile << " and " << vector;
}

LogicalResult LoadBlockScalesOp::verify() {
  MemRefType type = getSource().getType();
  if (type.getRank() < 2 || type.getRank() > 3 || !type.getElementType().isF32())
    return emitOpError() << "expected a memref of f32 with rank 2 or 3, but got " << type;
  if (std::optional<MovementAttr> movement = getMovement())
    if (failed(movement->verifyKind(*this, {MovementKind::CpAsync, MovementKind::Registers})))
      return failure();
  return verifyOffsets(*this, type, getOffsets());
}

LogicalResult LoadRowScalesOp::verify() {
  MemRefType type = getSource().getType();
  FragType frag = getResult().getType();
  if (!type.getElementType().isF32() || frag.getColumns() != 1)
    return emitOpError() << "expected a memref of f32 and a fragment of Rx1, but got " << type << " and " << frag;
  return verifyOffsets(*this, type, getOffsets());
}

LogicalResult ScaledMmaOp::verify() {
  if (failed(verifyMma(*this, getLhs().getType(), getRhs().getType(), getAcc().getType())))
    return failure();
  return verifyScales(*this, getRowScales().getType(), getColumnScales().getType(), getAcc().getType());
}

/// C3 of dgemm.mma.
static LogicalResult verifyOver(Operation *op, Value over, FragType result) {
  if (!over || over.getType() == result)
    return success();
  return op->emitOpError() << "expected 'over' to have the type of the result, " << result << ", but got "
                           << over.getType();
}

LogicalResult MmaOp::verify() {
  if (failed(verifyOver(*this, getOver(), getResult().getType())))
    return failure();
  return verifyMma(*this, getLhs().getType(), getRhs().getType(), getResult().getType());
}

LogicalResult MmaStartOp::verify() {
  if (failed(verifyOver(*this, getOver(), getResult().getType())))
    return failure();
  return verifyMma(*this, getLhs().getType(), getRhs().getType(), getResult().getType());
}

LogicalResult MmaWaitOp::verify() {
  if (getPending() <= 7)
    return success();
  return emitOpError() << "expected 'pending' to be 0 to 7, but got " << static_cast<int64_t>(getPending());
}

LogicalResult PromoteOp::verify() {
  FragType part = getPart().getType(), acc = getAcc().getType();
  int64_t first = getColumn(), end = first + part.getColumns();
  if (part.getRows() != acc.getRows() || first < 0 || first % hopper::kWgmmaNStep || end > acc.getColumns())
    return emitOpError() << "expected a part with the rows of " << acc
                         << " and columns inside it from a multiple of 8, "
                         << "but got " << part << " from " << first;
  return verifyScales(*this, getRowScales().getType(), getColumnScales().getType(), getAcc().getType());
}

static LogicalResult verifySplit(Operation *op, int64_t split) {
  if (split >= 2 && split <= hopper::kMaxCluster)
    return success();
  return op->emitOpError() << "expected 'split' to be 2 to " << hopper::kMaxCluster << ", but got " << split;
}

LogicalResult KRangeOp::verify() { return verifySplit(*this, getSplit()); }

LogicalResult WalkKOp::verify() {
  return (*this)->getParentOfType<ForEachTileOp>() ? success()
                                                   : emitOpError("expected to stand in a dgemm.for_each_tile");
}

LogicalResult ReduceClusterOp::verify() {
  if (failed(verifySplit(*this, getSplit())))
    return failure();
  FragType value = getValue().getType(), sum = getSum().getType();
  int64_t columns = getSplitColumns(value.getColumns(), getSplit());
  if (value.getColumns() % hopper::kWgmmaNStep || sum.getRows() != value.getRows() || sum.getColumns() != columns)
    return emitOpError() << "expected a sum of " << value.getRows() << "x" << columns << ", but got " << sum;
  return success();
}

LogicalResult StoreOp::verify() {
  MemRefType type = getDest().getType();
  if (failed(verifyOffsets(*this, type, getOffsets())))
    return failure();
  if (!type.getElementType().isBF16())
    return emitOpError() << "expected a destination of bf16, but got " << type;
  if (std::optional<ArrayRef<int64_t>> part = getPart())
    if (part->size() != 2 || llvm::any_of(*part, [](int64_t i) { return i < 0 || i % hopper::kWgmmaNStep; }) ||
        part->back() == 0 || part->front() + part->back() > getValue().getType().getColumns())
      return emitOpError() << "expected 'part' to be a first column and a number of columns, multiples of 8 inside "
                           << getValue().getType();
  if (std::optional<MovementAttr> movement = getMovement())
    return movement->verifyKind(*this, {MovementKind::TMA, MovementKind::Registers});
  return success();
}
