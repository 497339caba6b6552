//===- ConsumerKBlock.cpp - One K block of a consumer: scales, mmas and promotes -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/RegisterBudget.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

Value RoleBuilder::loadRowScales(LoadScalesOp direct, Value offset) {
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, 1);
  SmallVector<Value> offsets = mapAll(direct.getOffsets());
  Value &row = offsets[offsets.size() - 2];
  row = arith::AddIOp::create(b, row, offset);
  return LoadScalesOp::create(b, type, direct.getSource(), offsets, direct.getMovementAttr());
}

Value RoleBuilder::loadRowScales(Value stage, Value offset) {
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, 1);
  if (parts.directRowScales)
    return loadRowScales(parts.directRowScales, offset);
  auto slice = TileType::get(b.getContext(), 1, hopper::kWgmmaM, b.getF32Type(), 0);
  for (Value first : mapAll(parts.tileRowScales.getOffsets()))
    offset = arith::AddIOp::create(b, offset, first);
  return LoadScalesOp::create(b, type, view(stage, parts.tileRowScales.getSource(), slice, offset));
}

/// Waits for a stage and reads its scales. Each mma takes `columns` columns of B.
RoleBuilder::KBlock RoleBuilder::openKBlock(ArrayRef<Value> rowOffsets, int64_t columns) {
  MLIRContext *context = b.getContext();
  KBlock block;
  if (parts.columnScales && !parts.stagesBlockScales() && !parts.columnScales.isForEachRow())
    block.blockScales = b.clone(*parts.columnScales, map)->getResult(0);
  if (parts.directRowScales) // they arrive while the stage fills
    for (Value offset : rowOffsets)
      block.rowScales.push_back(loadRowScales(Value(), offset));
  Value stage = WaitOp::create(b, stageType, ring);
  TileType lhsType = parts.mma.getLhs().getType(), rhsType = parts.mma.getRhs().getType();
  auto lhsSlice =
      TileType::get(context, hopper::kWgmmaM, lhsType.getColumns(), lhsType.getElementType(), lhsType.getSwizzle());
  auto rhsPart = TileType::get(context, columns, rhsType.getColumns(), rhsType.getElementType(), rhsType.getSwizzle());
  Value zero = arith::ConstantIndexOp::create(b, 0);
  if (parts.stagesBlockScales()) {
    Value tile = ViewOp::create(b, stageType.getTiles().back(), stage, getStageIndex(Operand::ScaleB), zero);
    block.blockScales = LoadScalesOp::create(b, parts.columnScales.getScales().getType(), tile);
  }
  for (int64_t column = 0; column < rhsType.getRows(); column += columns)
    block.rhs.push_back(view(stage, parts.mma.getRhs(), rhsPart, arith::ConstantIndexOp::create(b, column)));
  if (parts.columnScales && parts.columnScales.isFromTile()) {
    auto part = TileType::get(context, 1, columns, b.getF32Type(), 0);
    for (int64_t column = 0; column < rhsType.getRows(); column += columns)
      block.columnTiles.push_back(
          view(stage, parts.columnScales.getSource(), part, arith::ConstantIndexOp::create(b, column)));
  }
  for (Value offset : rowOffsets) {
    if (parts.tileRowScales)
      block.rowScales.push_back(loadRowScales(stage, offset));
    block.lhs.push_back(view(stage, parts.mma.getLhs(), lhsSlice, offset));
  }
  return block;
}

/// Builds one K block of a consumer whose mmas add to the sums. There are no partial sums, so each mma takes all
/// columns, and all mmas run at once.
SmallVector<Value> RoleBuilder::addToSums(ArrayRef<Value> rowOffsets, ValueRange sums) {
  KBlock block = openKBlock(rowOffsets, parts.mma.getRhs().getType().getRows());
  SmallVector<Value> next;
  for (auto [lhs, sum] : llvm::zip_equal(ArrayRef(block.lhs).drop_back(), sums.drop_back()))
    next.push_back(MmaStartOp::create(b, sum.getType(), lhs, block.rhs[0], /*over=*/Value(), sum));
  next.push_back(
      MmaOp::create(b, sums.back().getType(), block.lhs.back(), block.rhs[0], /*over=*/Value(), sums.back()));
  // The last mma has waited for all.
  for (Value &sum : MutableArrayRef(next).drop_back())
    sum = MmaWaitOp::create(b, sum.getType(), sum, /*pending=*/0);
  ReleaseOp::create(b, ring);
  return next;
}

/// Whether a thread can hold the column scales of an mma beside its accumulators, so that they are read before the mma.
/// A rotated K loop also holds those of the next K block.
bool RoleBuilder::hasRoomForColumnScales(ConfigAttr config, int64_t columns) {
  int64_t warpgroups = config.getWarpgroups();
  int64_t sums = getAccumulatorRegisters(config.getBlockM(), config.getBlockN(), config.getTileWarpgroups());
  int64_t scales = columns / 4 * (config.getSchedule().getRotate() ? 2 : 1);
  RegisterBudget budget =
      RegisterBudget::get(warpgroups, config.getSplitK(), /*loadsByTMA=*/true, config.isMulticast());
  return sums + scales + kOtherRegisters <= budget.consumer;
}

/// The scales of columns `half * columns` to `(half + 1) * columns`, for one promote.
Value RoleBuilder::loadColumnScales(const KBlock &block, size_t half, int64_t columns) {
  if (!parts.columnScales || !parts.columnScales.isForEachRow())
    return block.blockScales;
  if (!block.columnScales.empty())
    return block.columnScales[half];
  auto type = FragType::get(b.getContext(), 1, columns);
  if (parts.columnScales.isFromTile())
    return LoadScalesOp::create(b, type, block.columnTiles[half]);
  SmallVector<Value> offsets = mapAll(parts.columnScales.getOffsets());
  Value &n = offsets[offsets.size() - 2];
  if (half)
    n = arith::AddIOp::create(b, n, arith::ConstantIndexOp::create(b, static_cast<int64_t>(half) * columns));
  return LoadScalesOp::create(b, type, parts.columnScales.getSource(), offsets, parts.columnScales.getMovementAttr());
}

/// Builds one K block of a consumer: mma and promote for each 64-row slice and for the columns that one partial
/// accumulator holds. Scales are read before the stage is released, and the stage is released before the last
/// promotion.
SmallVector<Value> RoleBuilder::buildConsumerKBlock(ArrayRef<Value> rowOffsets, ValueRange sums) {
  if (!parts.promote)
    return addToSums(rowOffsets, sums);
  int64_t columns = getMmaColumns(parts.mma.getRhs().getType().getRows());
  auto partFrag = FragType::get(b.getContext(), hopper::kWgmmaM, columns);
  KBlock block = openKBlock(rowOffsets, columns);
  if (hasRoomForColumnScales(parts.tiles->getParentOfType<KernelOp>().getConfig(), columns))
    for (Value tile : block.columnTiles)
      block.columnScales.push_back(LoadScalesOp::create(b, FragType::get(b.getContext(), 1, columns), tile));
  SmallVector<Value> next(sums);
  block.rowScales.resize(rowOffsets.size()); // null where they are the same along K
  size_t halves = block.rhs.size(), count = rowOffsets.size() * halves;
  Value part; // each mma takes over the registers of the one before it
  for (size_t i = 0; i < count; ++i) {
    size_t slice = i / halves, half = i % halves;
    part = MmaOp::create(b, partFrag, block.lhs[slice], block.rhs[half], part, /*acc=*/Value());
    // Without room for all column scales before the mmas, those of this mma are loaded here.
    Value columnScales = loadColumnScales(block, half, columns);
    if (i + 1 == count)
      ReleaseOp::create(b, ring);
    Value n = columnScales ? map.lookupOrDefault(parts.promote.getN()) : Value();
    next[slice] = PromoteOp::create(b, next[slice].getType(), part, block.rowScales[slice], columnScales, n,
                                    next[slice], half * columns);
  }
  return next;
}
