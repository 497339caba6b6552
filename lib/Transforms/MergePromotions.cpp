//===- MergePromotions.cpp - Partial sums of several K blocks -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"

using namespace mlir;
using namespace dgemm;

/// The mma of the partial sum that `promote` adds; null if it starts elsewhere.
static Operation *getMma(PromoteOp promote) {
  Operation *op = promote.getPart().getDefiningOp();
  if (auto wait = dyn_cast_or_null<MmaWaitOp>(op))
    op = wait.getStarted().getDefiningOp();
  return isa_and_nonnull<MmaOp, MmaStartOp>(op) ? op : nullptr;
}

/// Where the mma takes its registers from: what it adds to, and what it overwrites.
static std::pair<MutableOperandRange, MutableOperandRange> getSources(Operation *op) {
  if (auto mma = dyn_cast<MmaOp>(op))
    return {mma.getAccMutable(), mma.getOverMutable()};
  auto start = cast<MmaStartOp>(op);
  return {start.getAccMutable(), start.getOverMutable()};
}

/// Whether `promote` adds the partial sum of one K block without scales, and is its only user.
static bool addsOneBlock(PromoteOp promote) {
  Operation *mma = getMma(promote);
  if (!mma || promote.getRowScales() || promote.getColumnScales() || !promote.getPart().hasOneUse())
    return false;
  auto [acc, over] = getSources(mma);
  return acc.empty() && over.empty() && mma->getBlock() == promote->getBlock();
}

void dgemm::mergePromotions(Block &block) {
  for (PromoteOp second : llvm::make_early_inc_range(block.getOps<PromoteOp>())) {
    auto first = second.getAcc().getDefiningOp<PromoteOp>();
    if (!first || !first->hasOneUse() || first->getBlock() != &block || first.getType() != second.getType() ||
        first.getPart().getType() != second.getPart().getType() || first.getColumn() != second.getColumn() ||
        !addsOneBlock(first) || !addsOneBlock(second))
      continue;
    Operation *mma = getMma(second);
    if (!first.getPart().getDefiningOp()->isBeforeInBlock(mma))
      continue;
    getSources(mma).first.assign(first.getPart());
    second.getAccMutable().assign(first.getAcc());
    first.erase();
  }
}
