//===- WarpSpecialize.cpp - dgemm-warp-specialize -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects the kernel that dgemm-promote-accumulators leaves: one tile loop, which has one K loop of loads, mma and
// promote, and after it one store. If some scales are the same along K, another promote scales the sum before the
// store. Both roles copy the loops; the producer keeps the loads, and the consumers keep the rest.
//
//===----------------------------------------------------------------------===//

#include "KernelParts.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {
#define GEN_PASS_DEF_WARPSPECIALIZEPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// What the mmas and promotes of one K block read: `lhs` and `rowScales` for each slice, `rhs` for each half of the
/// columns or for all of them.
struct KBlock {
  SmallVector<Value> lhs, rowScales;
  SmallVector<Value> rhs;
  /// Block scales of B.
  Value blockScales;
  /// Tiles of column scales, if the stage has them, and the scales that are read from them before the mma.
  SmallVector<Value> columnTiles, columnScales;
};

/// Registers that a math thread needs beside its accumulators and the scales that it holds ahead of their use. With
/// fewer, ptxas waits for the scales of sums before the K loop starts: 128x256 took 5 % longer on an H200.
constexpr int64_t kOtherRegisters = 72;

/// Builds one role. `map` maps the values of the original loops to their copies.
class RoleBuilder {
public:
  RoleBuilder(KernelParts &parts, Value ring, StageType stageType)
      : parts(parts), ring(ring), stageType(stageType), b(parts.kLoop.getLoc(), parts.kLoop.getContext()) {}

  void buildProducer(Block *block);
  void buildConsumer(Block *block, Value warpgroup, ConfigAttr config);

private:
  /// Starts a copy of the tile loop and leaves the builder in it.
  void openTileLoop(Block *block) {
    b.setInsertionPointToEnd(block);
    ForEachTileOp old = parts.tiles;
    auto loop = ForEachTileOp::create(b, old.getM(), old.getN(), old.getLayout(), old.getGroups(), old.getTile(),
                                      old.getGroupM(), old.getCluster());
    map.map(old.getBody().getArguments(), loop.getBody().getArguments());
    b.setInsertionPointToStart(&loop.getBody().front());
    for (Operation &op : old.getBody().front())
      if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) && op.isBeforeInBlock(parts.kLoop))
        b.clone(op, map);
  }
  /// Copies the index arithmetic of the K loop.
  void cloneIndexArithmetic() {
    for (Operation &op : parts.kLoop.getBody()->without_terminator())
      if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) || isa<WalkKOp>(op))
        b.clone(op, map);
  }
  SmallVector<Value> mapAll(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return map.lookupOrDefault(value); });
  }
  /// Copies the K loop; `body` builds one iteration and returns the values that it yields.
  scf::ForOp buildKLoop(ValueRange inits, function_ref<SmallVector<Value>(ValueRange)> body) {
    scf::ForOp old = parts.kLoop;
    SmallVector<Value> bounds = mapAll({old.getLowerBound(), old.getUpperBound(), old.getStep()});
    return scf::ForOp::create(b, bounds[0], bounds[1], bounds[2], inits,
                              [&](OpBuilder &, Location, Value k, ValueRange carried) {
                                OpBuilder::InsertionGuard guard(b);
                                b.setInsertionPointToEnd(k.getParentBlock());
                                map.map(old.getInductionVar(), k);
                                cloneIndexArithmetic();
                                scf::YieldOp::create(b, body(carried));
                              });
  }
  /// A view, from row `offset` on, of the tile of `stage` that stands for `tile` of the sequential kernel.
  Value view(Value stage, Value tile, TileType type, Value offset) {
    return ViewOp::create(b, type, stage, getStageIndex(tile.getDefiningOp<LoadOp>()), offset);
  }
  ProblemAttr getProblem() { return parts.tiles->getParentOfType<KernelOp>().getProblem(); }
  /// Loads the row scales of the 64-row slice that starts at row `offset` of the tile.
  Value loadRowScales(Value stage, Value offset);
  Value loadRowScales(LoadScalesOp direct, Value offset);
  /// Scales of sums: row scales for each slice, and column scales for all slices.
  struct SumScales {
    SmallVector<Value> rows;
    Value columns;
  };
  void cloneSumArithmetic();
  SumScales loadSumScales(ArrayRef<Value> rowOffsets);
  SumScales fetchSumScales(ArrayRef<Value> rowOffsets);
  SumScales readSumScales(const SumScales &fetched);
  bool hasRoomForSumScales(ConfigAttr config, size_t slices);
  bool canFetchSumScales(ConfigAttr config, size_t slices);
  bool hasRoomForColumnScales(ConfigAttr config, int64_t columns);
  Value loadColumnScales(const KBlock &block, size_t half, int64_t columns);
  void scaleSums(const SumScales &scales, MutableArrayRef<Value> sums);
  KBlock openKBlock(ArrayRef<Value> rowOffsets, int64_t columns);
  SmallVector<Value> addToSums(ArrayRef<Value> rowOffsets, ValueRange sums);
  SmallVector<Value> buildConsumerKBlock(ArrayRef<Value> rowOffsets, ValueRange sums);
  SmallVector<Value> buildConsumerKLoop(ArrayRef<Value> rowOffsets);
  SmallVector<Value> buildSlicesOfGroup(ArrayRef<Value> rowOffsets, size_t count, bool mayHaveNone);
  void fetchSources(ArrayRef<Value> rowOffsets);
  void awaitSources();
  Value mapSum(Value sum, size_t slice, Value row);
  void buildStore(Value sum, Value row);
  Value reduceCluster(Value sum);

  KernelParts &parts;
  Value ring;
  StageType stageType;
  ImplicitLocOpBuilder b;
  IRMapping map;
  /// The tiles of each source of the epilogue: one, or one for each slice. A source that is not fetched has none.
  SmallVector<SmallVector<Value>> fetched;
};

void RoleBuilder::buildProducer(Block *block) {
  openTileLoop(block);
  buildKLoop({}, [&](ValueRange) -> SmallVector<Value> {
    Value stage = AcquireOp::create(b, stageType, ring);
    for (LoadOp load : parts.loads)
      LoadAsyncOp::create(b, load.getSource(), mapAll(load.getOffsets()), stage, getStageIndex(load),
                          load.getMovementAttr());
    if (parts.stagesBlockScales())
      LoadAsyncOp::create(b, parts.columnScales.getSource(), mapAll(parts.columnScales.getOffsets()), stage,
                          getStageIndex(Operand::ScaleB), parts.columnScales.getMovementAttr());
    CommitOp::create(b, ring);
    return {};
  });
}

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
KBlock RoleBuilder::openKBlock(ArrayRef<Value> rowOffsets, int64_t columns) {
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
  int64_t sums = getAccumulatorRegisters(config.getBlockM(), config.getBlockN(), warpgroups);
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

/// Sums a 64-row slice over the cluster. Also copies the index arithmetic after it, which computes where the sum is
/// stored.
Value RoleBuilder::reduceCluster(Value sum) {
  ReduceClusterOp old = parts.reduce;
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, old.getSum().getType().getColumns());
  auto reduce = ReduceClusterOp::create(b, type, b.getIndexType(), sum, old.getSplit());
  map.map(old.getColumn(), reduce.getColumn());
  for (Operation *op = parts.kLoop->getNextNode(); op; op = op->getNextNode())
    if (isa_and_nonnull<arith::ArithDialect>(op->getDialect()))
      b.clone(*op, map);
  return reduce.getSum();
}

/// Builds the K loop for these slices and returns their sums. Without slices, the loop only releases the stages.
SmallVector<Value> RoleBuilder::buildConsumerKLoop(ArrayRef<Value> rowOffsets) {
  int64_t columns = parts.mma.getRhs().getType().getRows();
  auto sumFrag = FragType::get(b.getContext(), hopper::kWgmmaM, columns);
  SmallVector<Value> zeros;
  for (size_t slice = 0; slice < rowOffsets.size(); ++slice)
    zeros.push_back(ZeroOp::create(b, sumFrag));
  auto body = [&](ValueRange sums) {
    if (!rowOffsets.empty())
      return buildConsumerKBlock(rowOffsets, sums);
    WaitOp::create(b, stageType, ring);
    ReleaseOp::create(b, ring);
    return SmallVector<Value>();
  };
  return SmallVector<Value>(buildKLoop(zeros, body).getResults());
}

/// Returns the sums of the first `count` slices. Only slices that begin inside the group are computed; the others are
/// zero.
SmallVector<Value> RoleBuilder::buildSlicesOfGroup(ArrayRef<Value> rowOffsets, size_t count, bool mayHaveNone) {
  if (count == 0 || (count == 1 && !mayHaveNone))
    return buildConsumerKLoop(rowOffsets.take_front(count));
  Value tileM = map.lookup(parts.tiles.getTileM()), rows = map.lookup(parts.tiles.getGroupRows());
  Value first = arith::AddIOp::create(b, tileM, rowOffsets[count - 1]);
  Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, first, rows);
  auto sumFrag = FragType::get(b.getContext(), hopper::kWgmmaM, parts.mma.getRhs().getType().getRows());
  SmallVector<Type> types(count, sumFrag);
  auto branch = scf::IfOp::create(b, types, isInside, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, buildConsumerKLoop(rowOffsets.take_front(count)));
  b.setInsertionPointToStart(branch.elseBlock());
  SmallVector<Value> fewer = buildSlicesOfGroup(rowOffsets, count - 1, mayHaveNone);
  fewer.push_back(ZeroOp::create(b, sumFrag));
  scf::YieldOp::create(b, fewer);
  return SmallVector<Value>(branch.getResults());
}

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
  int64_t sums = parts.promote ? getAccumulatorRegisters(config.getBlockM(), columns, warpgroups)
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

/// Starts copies of the sources of the epilogue to shared memory, if they have a place there. The other sources
/// are prefetched, and the map reads them itself.
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

/// Stores the 64-row slice that starts at row `row` of the tile.
void RoleBuilder::buildStore(Value sum, Value row) {
  SmallVector<Value> offsets = mapAll(parts.store.getOffsets());
  Value &m = offsets[offsets.size() - 2];
  m = arith::AddIOp::create(b, m, row);
  StoreOp::create(b, sum, parts.store.getDest(), offsets, map.lookupOrNull(parts.store.getRows()),
                  map.lookupOrNull(parts.store.getColumns()), /*part=*/DenseI64ArrayAttr(), parts.store.getAccumulate(),
                  parts.store.getMovementAttr());
}

void RoleBuilder::buildConsumer(Block *block, Value warpgroup, ConfigAttr config) {
  b.setInsertionPointToEnd(block);
  // First row in the tile of each 64-row slice of this warpgroup. Warpgroups take the slices in turn, so that each has
  // work if a group ends early.
  int64_t warpgroups = config.getWarpgroups(), turn = warpgroups * hopper::kWgmmaM;
  Value first = arith::MulIOp::create(b, warpgroup, arith::ConstantIndexOp::create(b, hopper::kWgmmaM));
  SmallVector<Value> rowOffsets = {first};
  for (int64_t row = turn; row < config.getBlockM(); row += turn)
    rowOffsets.push_back(arith::AddIOp::create(b, first, arith::ConstantIndexOp::create(b, row)));

  openTileLoop(block);
  // A sum over a cluster needs all slices of each CTA.
  bool skips = parts.tiles.searchesGroups() && !parts.reduce;
  // Scales of sums are loaded while the K loop runs, if registers or shared memory have room for them.
  bool isAhead = parts.scaling && hasRoomForSumScales(config, rowOffsets.size());
  bool isFetched = parts.scaling && !isAhead && canFetchSumScales(config, rowOffsets.size());
  fetchSources(rowOffsets);
  SumScales scales = isAhead ? loadSumScales(rowOffsets) : isFetched ? fetchSumScales(rowOffsets) : SumScales();
  SmallVector<Value> sums = skips ? buildSlicesOfGroup(rowOffsets, rowOffsets.size(), /*mayHaveNone=*/warpgroups > 1)
                                  : buildConsumerKLoop(rowOffsets);
  if (parts.scaling)
    scaleSums(isAhead ? scales : isFetched ? readSumScales(scales) : loadSumScales(rowOffsets), sums);
  awaitSources();
  for (auto [slice, row] : llvm::enumerate(rowOffsets)) {
    Value sum = parts.reduce ? reduceCluster(sums[slice]) : sums[slice];
    buildStore(mapSum(sum, slice, row), row);
  }
}

LogicalResult specialize(KernelOp kernel) {
  FailureOr<KernelParts> parts = KernelParts::get(kernel);
  if (failed(parts))
    return failure();
  ConfigAttr config = kernel.getConfig();
  MLIRContext *context = kernel.getContext();
  bool loadsByTMA = llvm::all_of(parts->loads, [](LoadOp load) { return isBy(load, MovementKind::TMA); });
  int64_t last = parts->stagesBlockScales() ? getStageIndex(Operand::ScaleB) : 0;
  for (LoadOp load : parts->loads)
    last = std::max(last, getStageIndex(load));
  auto stageType = StageType::get(context, llvm::map_to_vector(ArrayRef(kStageOperands).take_front(last + 1),
                                                               [&](Operand role) { return kernel.getTileOf(role); }));

  ImplicitLocOpBuilder b(parts->tiles.getLoc(), parts->tiles);
  Value ring = RingOp::create(b, RingType::get(context, config.getStages(), stageType));
  RegisterBudget budget =
      RegisterBudget::get(config.getWarpgroups(), config.getSplitK(), loadsByTMA, config.isMulticast());
  auto roles = WarpSpecializeOp::create(b, config.getWarpgroups(), budget.producer, budget.consumer);
  Block &producer = roles.getProducer().emplaceBlock(), &consumer = roles.getConsumer().emplaceBlock();
  Value warpgroup = consumer.addArgument(b.getIndexType(), b.getLoc());
  RoleBuilder(*parts, ring, stageType).buildProducer(&producer);
  RoleBuilder(*parts, ring, stageType).buildConsumer(&consumer, warpgroup, config);
  auto zero = parts->kLoop.getInits()[0].getDefiningOp<ZeroOp>();
  bool isAround = !parts->tiles->isAncestor(zero);
  parts->tiles.erase();
  if (isAround && zero->use_empty()) // it covers all rows of a tile, which no warpgroup holds
    zero.erase();
  return success();
}

struct WarpSpecialize : dgemm::impl::WarpSpecializePassBase<WarpSpecialize> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(specialize(kernel)))
        return signalPassFailure();
  }
};

} // namespace
