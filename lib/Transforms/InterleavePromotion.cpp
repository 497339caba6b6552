//===- InterleavePromotion.cpp - dgemm-interleave-promotion -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Works on the consumer region that dgemm-warp-specialize leaves: a K loop that waits for a stage, and then has one mma
// and one promote for each 64-row slice.
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace dgemm {
#define GEN_PASS_DEF_INTERLEAVEPROMOTIONPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// Some columns of a slice, which have a partial accumulator of their own.
struct Part {
  int64_t column;
  int64_t columns;
  /// Rows of B's tile for these columns.
  Value rhs;
  /// What the registers held last; null at first.
  Value last;
};

/// Rewrites the mma and promote of one K block. With two partials, one is promoted while the tensor cores fill the
/// other; none is in flight where the block ends, as ptxas wants it at a loop's back edge (warning C7514).
class KBlockInterleaver {
public:
  KBlockInterleaver(SmallVector<MmaOp> mmaOps, int64_t partials)
      : mmas(std::move(mmaOps)), partials(partials), b(mmas.front().getLoc(), mmas.front()) {}

  LogicalResult run();

private:
  struct Started {
    Value sum;
    size_t slice;
    Part *part;
  };
  LogicalResult analyse();
  void makeParts(ViewOp rhs);
  Value start(size_t slice, Part &part);
  void finish(Started started, int64_t pending);

  SmallVector<MmaOp> mmas;
  int64_t partials;
  ImplicitLocOpBuilder b;
  SmallVector<PromoteOp> promotes;
  ReleaseOp release;
  SmallVector<Part> parts;
  /// The accumulator of each slice so far.
  SmallVector<Value> sums;
};

LogicalResult KBlockInterleaver::analyse() {
  for (MmaOp mma : mmas) {
    PromoteOp promote;
    for (Operation *user : mma.getResult().getUsers())
      if (auto op = dyn_cast<PromoteOp>(user))
        promote = op;
    if (!promote || !mma.getRhs().getDefiningOp<ViewOp>())
      return mma.emitOpError("expected a promote of the result and a view of a stage as rhs");
    promotes.push_back(promote);
    sums.push_back(promote.getAcc());
  }
  for (ReleaseOp op : mmas.front()->getBlock()->getOps<ReleaseOp>())
    release = op;
  return release ? success() : mmas.front().emitOpError("expected a release of the stage in the same K block");
}

/// Divides the columns; all parts but the first have the same number.
void KBlockInterleaver::makeParts(ViewOp rhs) {
  TileType tile = rhs.getTile().getType();
  int64_t step = llvm::alignTo(llvm::divideCeil(tile.getRows(), partials), hopper::kWgmmaNStep);
  for (int64_t column = 0; column < tile.getRows(); column += step) {
    int64_t columns = std::min(step, tile.getRows() - column);
    auto type = TileType::get(b.getContext(), columns, tile.getColumns(), tile.getElementType(), tile.getSwizzle());
    Value first = arith::ConstantIndexOp::create(b, column);
    parts.push_back({column, columns, ViewOp::create(b, type, rhs.getStage(), rhs.getIndex(), first), Value()});
  }
}

Value KBlockInterleaver::start(size_t slice, Part &part) {
  auto type = FragType::get(b.getContext(), hopper::kWgmmaM, part.columns);
  return MmaStartOp::create(b, type, mmas[slice].getLhs(), part.rhs, part.last);
}

void KBlockInterleaver::finish(Started started, int64_t pending) {
  auto [sum, slice, part] = started;
  part->last = MmaWaitOp::create(b, sum.getType(), sum, pending);
  if (pending == 0)
    release->moveBefore(b.getBlock(), b.getInsertionPoint());
  PromoteOp old = promotes[slice];
  sums[slice] = PromoteOp::create(b, sums[slice].getType(), part->last, old.getRowScales(), old.getColumnScales(),
                                  old.getN(), sums[slice], part->column);
}

LogicalResult KBlockInterleaver::run() {
  if (failed(analyse()))
    return failure();
  makeParts(mmas.front().getRhs().getDefiningOp<ViewOp>());
  std::optional<Started> running;
  for (size_t slice = 0; slice < mmas.size(); ++slice)
    for (Part &part : parts) {
      Started next = {start(slice, part), slice, &part};
      if (running)
        finish(*running, /*pending=*/1);
      running = next;
    }
  finish(*running, /*pending=*/0);
  for (auto [old, sum] : llvm::zip_equal(promotes, sums))
    old.replaceAllUsesWith(sum);
  for (PromoteOp old : llvm::reverse(promotes))
    old.erase();
  for (MmaOp old : llvm::reverse(mmas))
    old.erase();
  return success();
}

struct InterleavePromotion : dgemm::impl::InterleavePromotionPassBase<InterleavePromotion> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](KernelOp kernel) {
      int64_t partials = kernel.getConfig().getPartials();
      llvm::MapVector<Block *, SmallVector<MmaOp>> blocks;
      if (partials > 1)
        kernel.walk([&](MmaOp mma) { blocks[mma->getBlock()].push_back(mma); });
      for (auto &[block, mmas] : blocks)
        if (failed(KBlockInterleaver(mmas, partials).run()))
          return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
