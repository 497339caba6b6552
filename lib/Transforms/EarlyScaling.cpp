//===- EarlyScaling.cpp - Sums scaled under the last mma of a tile -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scales that are the same along K multiply the sum after the K loop. If only mmas add to the sum, its slices are
// complete one after the other. Each slice is scaled while the mma of the next slice runs. The sum of a single slice is
// scaled in halves of its columns: the second half is scaled while TMA stores the first half.
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Slices, in the last K block
//===----------------------------------------------------------------------===//

/// The promotes after the loop of sums that the last K block completes.
static SmallVector<PromoteOp> findScalings(PipelinedKLoop kLoop) {
  SmallVector<PromoteOp> scalings;
  for (PromoteOp promote : kLoop.loop->getBlock()->getOps<PromoteOp>())
    if (kLoop.loop->isBeforeInBlock(promote) && isa_and_nonnull<MmaOp, MmaWaitOp>(promote.getPart().getDefiningOp()))
      scalings.push_back(promote);
  return scalings;
}

/// Moves the operands of the scalings, except the sums, to `point`. `point` is after the first wait, because no
/// registers are free before it.
static void moveScales(ArrayRef<PromoteOp> scalings, Operation *point) {
  auto between = llvm::make_range(std::next(point->getIterator()), scalings.back()->getIterator());
  for (Operation &op : llvm::make_early_inc_range(between))
    if (isa<AwaitOp, LoadScalesOp, ZeroOp>(op) || isa_and_nonnull<arith::ArithDialect>(op.getDialect()))
      op.moveBefore(point);
}

MmaWaitOp dgemm::scaleSlices(PipelinedKLoop kLoop) {
  SmallVector<PromoteOp> scalings = findScalings(kLoop);
  SmallVector<MmaWaitOp> waits;
  Operation *first = nullptr;
  for (PromoteOp scaling : scalings) {
    auto wait = scaling.getPart().getDefiningOp<MmaWaitOp>();
    waits.push_back(wait ? wait : splitMma(scaling.getPart().getDefiningOp<MmaOp>()));
    first = !first || waits.back()->isBeforeInBlock(first) ? waits.back() : first;
  }
  ImplicitLocOpBuilder b(first->getLoc(), first);
  MmaWaitOp last;
  for (auto [i, scaling] : llvm::enumerate(scalings)) {
    int64_t pending = scalings.size() - 1 - i;
    last = MmaWaitOp::create(b, waits[i].getType(), waits[i].getStarted(), pending);
    waits[i].replaceAllUsesWith(last.getResult());
    if (i == 0)
      moveScales(scalings, first);
    if (pending) // after the last wait the stage is released before
      scaling->moveBefore(first);
  }
  for (MmaWaitOp wait : waits)
    wait.erase();
  return last;
}

//===----------------------------------------------------------------------===//
// Halves of the columns
//===----------------------------------------------------------------------===//

/// The stores of both halves of the result of `scaling`, directly or after an epilogue; none if there are other users.
static SmallVector<StoreOp> findHalves(PromoteOp scaling) {
  SmallVector<StoreOp> stores;
  for (Operation *user : scaling->getUsers()) {
    if (auto map = dyn_cast<MapOp>(user); map && map->hasOneUse())
      user = *map->user_begin();
    auto store = dyn_cast<StoreOp>(user);
    if (!store || !store.getPart() || store.getNumColumns() * 2 != scaling.getType().getColumns())
      return {};
    stores.push_back(store);
  }
  llvm::sort(stores, [](StoreOp a, StoreOp b) { return a->isBeforeInBlock(b); });
  return stores.size() == 2 ? stores : SmallVector<StoreOp>();
}

LogicalResult dgemm::scaleInHalves(PromoteOp scaling) {
  SmallVector<StoreOp> stores = findHalves(scaling);
  if (stores.empty())
    return success();
  Value scales = scaling.getColumnScales();
  LoadScalesOp load;
  if (scales && isa<FragType>(scales.getType())) {
    load = scales.getDefiningOp<LoadScalesOp>();
    if (!load || !canHalve(load))
      return scaling.emitOpError("expected scales that are loaded from a view of a stage, from the operand or from a "
                                 "copy of it, as each half of the columns is scaled separately");
  }
  FragType type = scaling.getType();
  auto half = FragType::get(scaling.getContext(), type.getRows(), type.getColumns() / 2);
  ImplicitLocOpBuilder b(scaling.getLoc(), scaling);
  IRRewriter rewriter(b);
  Value sum = scaling.getAcc();
  for (auto [i, store] : llvm::enumerate(stores)) {
    // ptxas would move the arithmetic of the second half before the start of the first store.
    if (load && i && load.getSource().getDefiningOp<FetchOp>())
      AwaitOp::create(b, TypeRange(), ValueRange());
    if (load)
      scales = halveColumnScales(b, load, i);
    int64_t first = i * half.getColumns();
    Value part = ColumnsOp::create(b, half, scaling.getPart(), first);
    sum = PromoteOp::create(b, type, part, scaling.getRowScales(), scales, scaling.getN(), sum, first);
    auto map = store.getValue().getDefiningOp<MapOp>();
    (map ? map.getValueMutable() : store.getValueMutable()).assign(sum);
    if (failed(moveOperationDependencies(rewriter, store, scaling)))
      return store.emitOpError("expected to store what can be computed before the other half of its columns");
    store->moveBefore(scaling);
  }
  scaling.erase();
  if (load && load->use_empty()) {
    auto fetch = load.getSource().getDefiningOp<FetchOp>();
    load.erase();
    if (fetch && fetch->use_empty())
      fetch.erase();
  }
  return success();
}
