//===- KeepInFlight.cpp - mmas of a K block that start before those of the block before end -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A warpgroup that has the tensor cores for itself must not wait for its mmas before it starts the next ones. Mmas that
// add to the sums in order need no complete sum. So the loop carries started sums. It waits only until the tensor cores
// have read the tiles of the K block before, and then releases them. The sums are complete after the loop.
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace dgemm;

/// The most mmas that dgemm.mma_wait_reads leaves unfinished.
static constexpr size_t kMostInFlight = 7;

/// The mma that `sum` is the result of, complete or started; null if another op makes it.
static Operation *findMma(Value sum) {
  if (auto wait = sum.getDefiningOp<MmaWaitOp>())
    sum = wait.getStarted();
  Operation *op = sum.getDefiningOp();
  return isa_and_nonnull<MmaOp, MmaStartOp>(op) ? op : nullptr;
}

bool dgemm::canKeepInFlight(scf::ForOp loop) {
  Block *body = loop.getBody();
  if (!startsFromZero(loop) || !getConstantIntValue(loop.getStep()) || !body->getOps<PromoteOp>().empty() ||
      !llvm::hasSingleElement(body->getOps<ReleaseOp>()))
    return false;
  // Each mma makes a sum of the loop, in order. Then it is known how many mmas start after the one of a sum.
  SmallVector<Operation *> mmas;
  for (Operation &op : body->without_terminator())
    if (isa<MmaOp, MmaStartOp>(op))
      mmas.push_back(&op);
  return !mmas.empty() && mmas.size() <= kMostInFlight && llvm::map_to_vector(loop.getYieldedValues(), findMma) == mmas;
}

/// Makes the mmas of a K block start only. Returns their number.
static int64_t startMmas(scf::ForOp loop) {
  int64_t count = 0;
  for (Operation &op : llvm::make_early_inc_range(loop.getBody()->without_terminator())) {
    count += isa<MmaStartOp, MmaOp>(op);
    if (auto wait = dyn_cast<MmaWaitOp>(op)) {
      wait.replaceAllUsesWith(wait.getStarted());
      wait.erase();
    } else if (auto mma = dyn_cast<MmaOp>(op)) {
      MmaWaitOp wait = splitMma(mma);
      wait.replaceAllUsesWith(wait.getStarted());
      wait.erase();
    }
  }
  return count;
}

scf::ForOp dgemm::keepInFlight(scf::ForOp loop) {
  int64_t count = startMmas(loop);
  auto release = *loop.getBody()->getOps<ReleaseOp>().begin();
  Value ring = release.getRing();
  // The owner of the next tile may start before the last mmas of this one are complete.
  auto pass = dyn_cast_or_null<PassTurnOp>(loop->getNextNode());
  ImplicitLocOpBuilder b(loop.getLoc(), loop.getContext());
  b.setInsertionPointAfter(pass ? pass.getOperation() : loop.getOperation());
  for (auto [i, sum] : llvm::enumerate(loop.getResults())) {
    auto wait = MmaWaitOp::create(b, sum.getType(), sum, count - 1 - static_cast<int64_t>(i));
    sum.replaceAllUsesExcept(wait.getResult(), wait);
  }
  ReleaseOp::create(b, ring);
  release.erase();
  scf::ForOp rest = peelFirst(loop);
  if (!rest)
    return {};
  b.setInsertionPoint(rest.getBody()->getTerminator());
  MmaWaitReadsOp::create(b, count);
  ReleaseOp::create(b, ring);
  return rest;
}
