//===- ConsumerSumScales.cpp - The scales of a consumer's sums: those that are the same along K -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

/// Copies the index arithmetic before the scaling of a sum.
void RoleBuilder::cloneSumArithmetic() {
  for (Operation &op : llvm::make_range(std::next(parts.kLoop->getIterator()), parts.scaling->getIterator()))
    if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()))
      b.clone(op, map);
}

/// Loads the scales that are the same along K.
RoleBuilder::SumScales RoleBuilder::loadSumScales(ArrayRef<Value> rowOffsets) {
  cloneSumArithmetic();
  SumScales scales;
  if (parts.sumColumnScales)
    scales.columns = b.clone(*parts.sumColumnScales, map)->getResult(0);
  for (Value row : rowOffsets)
    scales.rows.push_back(parts.sumRowScales ? loadRowScales(parts.sumRowScales, row) : Value());
  return scales;
}

/// Whether a thread can hold the scales of sums beside its accumulators. They are then loaded while the K loop runs.
bool RoleBuilder::hasRoomForSumScales(ConfigAttr config, size_t slices) {
  int64_t columns = config.getBlockN(), warpgroups = config.getWarpgroups();
  int64_t sums = parts.promote ? getAccumulatorRegisters(config.getBlockM(), columns, config.getTileWarpgroups())
                               : columns * static_cast<int64_t>(slices) / 2;
  int64_t scales = 2 * static_cast<int64_t>(slices);
  if (parts.sumColumnScales && parts.sumColumnScales.isForEachRow())
    scales += columns / 4;
  RegisterBudget budget =
      RegisterBudget::get(warpgroups, config.getSplitK(), /*loadsByTMA=*/true, config.isMulticast());
  return sums + scales + kOtherRegisters <= budget.consumer;
}

/// Starts to copy scales of sums to shared memory if there is one for each row of A or B; others are loaded directly.
RoleBuilder::SumScales RoleBuilder::fetchSumScales(ArrayRef<Value> rowOffsets) {
  cloneSumArithmetic();
  auto fetch = [&](LoadScalesOp load, int64_t count, Value more) -> Value {
    SmallVector<Value> offsets = mapAll(load.getOffsets());
    Value &row = offsets[offsets.size() - 2];
    if (more)
      row = arith::AddIOp::create(b, row, more);
    return FetchOp::create(b, TileType::get(b.getContext(), 1, count, b.getF32Type(), 0), load.getSource(), offsets);
  };
  AwaitOp::create(b, TypeRange(), ValueRange()); // until no thread reads the tiles of the previous tile of D
  SumScales fetched;
  if (LoadScalesOp columns = parts.sumColumnScales)
    fetched.columns = columns.isForEachRow()
                          ? fetch(columns, cast<FragType>(columns.getScales().getType()).getColumns(), Value())
                          : b.clone(*columns, map)->getResult(0);
  bool hasRows = parts.sumRowScales && getProblem().getLhs().isForEachRow();
  for (Value row : rowOffsets)
    fetched.rows.push_back(!parts.sumRowScales ? Value()
                           : hasRows           ? fetch(parts.sumRowScales, hopper::kWgmmaM, row)
                                               : loadRowScales(parts.sumRowScales, row));
  return fetched;
}

/// Reads the fetched scales from shared memory.
RoleBuilder::SumScales RoleBuilder::readSumScales(const SumScales &fetched) {
  AwaitOp::create(b, TypeRange(), ValueRange());
  auto read = [&](Value scales, bool isOfRows) -> Value {
    auto tile = scales ? dyn_cast<TileType>(scales.getType()) : TileType();
    if (!tile)
      return scales;
    int64_t count = tile.getColumns();
    return LoadScalesOp::create(b, FragType::get(b.getContext(), isOfRows ? count : 1, isOfRows ? 1 : count), scales);
  };
  SumScales scales;
  scales.columns = read(fetched.columns, /*isOfRows=*/false);
  for (Value rows : fetched.rows)
    scales.rows.push_back(read(rows, /*isOfRows=*/true));
  return scales;
}

/// Whether shared memory has room for the scales of sums of each warpgroup.
bool RoleBuilder::canFetchSumScales(ConfigAttr config, size_t slices) {
  ProblemAttr problem = getProblem();
  int64_t count = 0;
  if (parts.sumRowScales && problem.getLhs().isForEachRow())
    count += hopper::kWgmmaM * static_cast<int64_t>(slices);
  if (parts.sumColumnScales && problem.getRhs().isForEachRow())
    count += config.getBlockN();
  return count && count * 4 * config.getWarpgroups() <= SharedMemoryLayout::get(config, problem).sumScalesBytes;
}

/// Multiplies the sums of slices by the scales that are the same along K.
void RoleBuilder::scaleSums(const SumScales &scales, MutableArrayRef<Value> sums) {
  Value n = scales.columns ? map.lookupOrDefault(parts.scaling.getN()) : Value();
  for (auto [row, sum] : llvm::zip_equal(scales.rows, sums))
    sum = PromoteOp::create(b, sum.getType(), sum, row, scales.columns, n, ZeroOp::create(b, sum.getType()));
}
