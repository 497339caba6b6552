//===- KernelParts.cpp - Finds and verifies what warps divide between them -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelParts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// The only op of type OpTy in `root`; null, after an error, if there is none or more than one.
template <typename OpTy>
OpTy findOnly(Operation *root) {
  SmallVector<OpTy> found;
  root->walk([&](OpTy op) { found.push_back(op); });
  if (found.size() == 1)
    return found.front();
  root->emitOpError() << "expected one " << OpTy::getOperationName() << " to divide between the warps, but got "
                      << found.size();
  return {};
}

/// The dgemm.load_scales in `block` that loads `scales` of `promote`; null if `scales` is null.
FailureOr<LoadScalesOp> findScales(PromoteOp promote, Value scales, Block *block) {
  if (!scales)
    return LoadScalesOp();
  auto load = scales.getDefiningOp<LoadScalesOp>();
  if (!load || load->getBlock() != block)
    return promote.emitOpError("expected scales from a dgemm.load_scales in the same block"), failure();
  return load;
}

/// Finds the loads of the scales of a K block and of the sum.
LogicalResult findScales(KernelParts &parts) {
  Block *kBody = parts.kLoop.getBody(), *tileBody = parts.kLoop->getBlock();
  for (PromoteOp promote : tileBody->getOps<PromoteOp>()) {
    if (parts.scaling)
      return promote.emitOpError("expected at most one dgemm.promote after the K loop");
    parts.scaling = promote;
  }
  PromoteOp promote = parts.promote;
  FailureOr<LoadScalesOp> rows = findScales(promote, promote ? promote.getRowScales() : Value(), kBody);
  FailureOr<LoadScalesOp> columns = findScales(promote, promote ? promote.getColumnScales() : Value(), kBody);
  if (failed(rows) || failed(columns))
    return failure();
  int64_t expected = !!*rows + !!*columns, given = llvm::range_size(kBody->getOps<LoadScalesOp>());
  if (given != expected)
    return parts.kLoop.emitOpError() << "expected " << expected
                                     << " dgemm.load_scales, those that its promote reads, but got " << given;
  if (*rows)
    (rows->isFromTile() ? parts.tileRowScales : parts.directRowScales) = *rows;
  parts.columnScales = *columns;
  if (!parts.scaling)
    return success();
  FailureOr<LoadScalesOp> sumRows = findScales(parts.scaling, parts.scaling.getRowScales(), tileBody);
  FailureOr<LoadScalesOp> sumColumns = findScales(parts.scaling, parts.scaling.getColumnScales(), tileBody);
  if (failed(sumRows) || failed(sumColumns))
    return failure();
  for (LoadScalesOp load : {*sumRows, *sumColumns})
    if (load && load.isFromTile())
      return load.emitOpError("expected to load the scales of a sum from the operand");
  parts.sumRowScales = *sumRows;
  parts.sumColumnScales = *sumColumns;
  return success();
}

/// The roles copy only these ops; any other op in the loops would be lost.
LogicalResult verifyOps(KernelParts &parts) {
  Block *tileBody = &parts.tiles.getBody().front(), *kBody = parts.kLoop.getBody();
  auto isOf = [&](Operation &op, Block *block) {
    if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) || op.hasTrait<OpTrait::IsTerminator>())
      return true;
    return block == kBody
               ? isa<LoadOp, LoadScalesOp, MmaOp, PromoteOp, WalkKOp>(op)
               : isa<ZeroOp, ReduceClusterOp, MapOp, StoreOp>(op) || &op == parts.kLoop ||
                     llvm::is_contained<Operation *>({parts.scaling, parts.sumRowScales, parts.sumColumnScales}, &op);
  };
  for (Block *block : {tileBody, kBody})
    for (Operation &op : *block)
      if (!isOf(op, block))
        return op.emitOpError(
            "expected a tile loop of one K loop and a store, and a K loop of loads, mma and promote, to "
            "divide between the warps");
  return success();
}

/// The kernel has to store one sum over the K blocks of this CTA, which starts from zero.
LogicalResult verifySum(KernelOp kernel, KernelParts &parts) {
  scf::ForOp loop = parts.kLoop;
  auto range = loop.getLowerBound().getDefiningOp<KRangeOp>();
  bool isWhole = isConstantIntValue(loop.getLowerBound(), 0) && kernel.isSize(loop.getUpperBound(), 2);
  bool isPart = range && loop.getLowerBound() == range.getBegin() && loop.getUpperBound() == range.getEnd();
  bool isOfGroup = parts.tiles.getKBegin() && loop.getLowerBound() == parts.tiles.getKBegin() &&
                   loop.getUpperBound() == parts.tiles.getKEnd();
  bool isExpected = parts.tiles.getKBegin() ? isOfGroup : kernel.getConfig().getSplitK() > 1 ? isPart : isWhole;
  if (!isExpected)
    return loop.emitOpError(
        "expected the bounds 0 and K, with split_k the results of dgemm.k_range, or in a k_grouped layout the K range "
        "of dgemm.for_each_tile");
  PromoteOp promote = parts.promote;
  if (loop.getNumResults() != 1 || !loop.getInits()[0].getDefiningOp<ZeroOp>() ||
      (promote && promote.getPart() != parts.mma.getResult()) ||
      (promote ? promote.getAcc() : parts.mma.getAcc()) != loop.getRegionIterArgs()[0] ||
      loop.getBody()->getTerminator()->getOperand(0) != (promote ? promote.getResult() : parts.mma.getResult()))
    return loop.emitOpError("expected to carry only the sum of the promoted parts, which starts from a dgemm.zero");
  Value sum = loop.getResult(0);
  if (PromoteOp scaling = parts.scaling) {
    if (scaling.getPart() != sum || !scaling.getAcc().getDefiningOp<ZeroOp>() ||
        scaling.getPart().getType() != scaling.getType())
      return scaling.emitOpError("expected to scale the sum of the K loop, into a dgemm.zero");
    sum = scaling.getResult();
  }
  if (ReduceClusterOp reduce = parts.reduce) {
    if (reduce.getValue() != sum)
      return reduce.emitOpError("expected to add the sums of the K loops");
    sum = reduce.getSum();
  }
  if (MapOp map = parts.map) {
    if (map.getValue() != sum || map.getPart())
      return map.emitOpError("expected to map the whole sum of the K loop, or with split_k that of the cluster");
    sum = map.getResult();
  }
  if (parts.store.getValue() != sum)
    return parts.store.emitOpError("expected to store the sum of the K loop, with split_k that of the cluster, or "
                                   "with an epilogue its result");
  return success();
}

} // namespace

int64_t dgemm::getStageIndex(Operand operand) {
  return llvm::find(kStageOperands, operand) - std::begin(kStageOperands);
}

int64_t dgemm::getStageIndex(LoadOp load) {
  return getStageIndex(*load->getParentOfType<KernelOp>().getOperandOf(load.getSource())); // verified
}

FailureOr<KernelParts> KernelParts::get(KernelOp kernel) {
  KernelParts parts;
  parts.tiles = findOnly<ForEachTileOp>(kernel);
  if (!parts.tiles || !(parts.kLoop = findOnly<scf::ForOp>(parts.tiles)) ||
      !(parts.mma = findOnly<MmaOp>(parts.kLoop)) ||
      (!parts.mma.getAcc() && !(parts.promote = findOnly<PromoteOp>(parts.kLoop))) || failed(findScales(parts)) ||
      !(parts.store = findOnly<StoreOp>(parts.tiles)))
    return failure();
  parts.tiles.walk([&](ReduceClusterOp reduce) { parts.reduce = reduce; });
  parts.tiles.walk([&](MapOp map) { parts.map = map; });
  SmallVector<Value> tiles = {parts.mma.getLhs(), parts.mma.getRhs()};
  for (LoadScalesOp scales : {parts.tileRowScales, parts.columnScales})
    if (scales && scales.isFromTile())
      tiles.push_back(scales.getSource());
  for (Value tile : tiles) {
    parts.loads.push_back(tile.getDefiningOp<LoadOp>());
    if (!parts.loads.back() || parts.loads.back()->getBlock() != parts.kLoop.getBody())
      return kernel.emitOpError("expected the tiles of mma and load_scales to be loaded in the K loop"), failure();
  }
  if (!parts.tiles.getInitArgs().empty())
    return parts.tiles.emitOpError("expected to carry nothing from tile to tile before it is divided"), failure();
  if (failed(verifyOps(parts)) || failed(verifySum(kernel, parts)))
    return failure();
  return parts;
}
