//===- ChooseDataMovement.cpp - dgemm-choose-data-movement -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects the kernel that dgemm-promote-accumulators leaves. What strides allow and what was measured to be fastest is
// decided here; passes below read the `by` of loads and stores.
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/Transforms/Passes.h"

namespace dgemm {
#define GEN_PASS_DEF_CHOOSEDATAMOVEMENTPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

/// The first tile is prefetched where that gains (docs/performance.md): below this M it is 3 % faster to 5 % slower,
/// and with more rows of A and B in a K block 0 to 0.6 % slower.
constexpr int64_t kFewestRowsToPrefetch = 64;
constexpr int64_t kMostRowsOfTilesToPrefetch = 320;

/// Up to so many rows the scales of A of one K block are 16 bytes, and those of all K a few lines of 128, which every
/// CTA reads again for each of its tiles. By TMA the one or two slices of the L2 that have these lines answer every one
/// of these reads; by cp.async the L1 does.
constexpr int64_t kFewRows = 4;

namespace {

/// The loads and stores of a kernel.
struct Accesses {
  SmallVector<LoadOp> loads;
  SmallVector<LoadScalesOp> scales;
  SmallVector<StoreOp> stores;
};

class MovementChoice {
public:
  explicit MovementChoice(KernelOp kernel) : kernel(kernel), config(kernel.getConfig()) {}

  LogicalResult choose();

private:
  FailureOr<MovementAttr> chooseLoad(LoadOp load, bool stagesBlockScales);
  MovementAttr byTMA(Multicast multicast, CachePolicy cache, int64_t prefetchFrom, int64_t fewRows, bool clipRows) {
    return MovementAttr::get(kernel.getContext(), MovementKind::TMA, multicast, cache, prefetchFrom, fewRows, clipRows);
  }
  MovementAttr by(MovementKind kind) { return MovementAttr::get(kernel.getContext(), kind); }
  bool allowsTMA(Operand operand) { return OperandGeometry::get(kernel, operand).allowsTMA(); }
  /// M may be `rows` or more.
  bool mayHaveRows(int64_t rows) { return kernel.getSizes()[0] < 0 || kernel.getSizes()[0] >= rows; }
  /// Rows of the last tile along M may be missing.
  bool clipsRows() {
    return kernel.getLayout() == Layout::Dense && !config.isMulticast() &&
           getRowsOfLastTile(kernel, config.getBlockM()) !=
               getAffineConstantExpr(config.getBlockM(), kernel.getContext());
  }
  int64_t choosePrefetch(Operand operand);
  int64_t chooseFewRows(bool stagesBlockScales);

  KernelOp kernel;
  ConfigAttr config;
};

/// The least M from which the first tile of A or B is prefetched.
int64_t MovementChoice::choosePrefetch(Operand operand) {
  // The group of a tile is not known before something is loaded; of a cluster each CTA fetches slices only.
  if (kernel.getLayout() != Layout::Dense || config.isMulticast() || !allowsTMA(Operand::B) ||
      config.getBlockM() + config.getBlockN() > kMostRowsOfTilesToPrefetch)
    return 0;
  // A single row of tiles of A all CTAs would ask for at once, as they do again when they load it: that cost 10 %.
  int64_t rows =
      operand == Operand::A ? std::max(kFewestRowsToPrefetch, config.getBlockM() + 1) : kFewestRowsToPrefetch;
  return mayHaveRows(rows) ? rows : 0;
}

int64_t MovementChoice::chooseFewRows(bool stagesBlockScales) {
  bool isOne = kernel.getLayout() == Layout::Dense && !config.isMulticast() && config.getBlockM() == hopper::kWgmmaM;
  return isOne && stagesBlockScales && kernel.getSizes()[0] <= kFewRows ? kFewRows : 0;
}

FailureOr<MovementAttr> MovementChoice::chooseLoad(LoadOp load, bool stagesBlockScales) {
  Operand operand = *kernel.getOperandOf(load.getSource()); // verified
  if (isScale(operand)) {
    if (!allowsTMA(operand))
      return load.emitOpError("expected strides that TMA takes; dgemm.load_scales does without"), failure();
    return byTMA(Multicast::None, CachePolicy::Normal, /*prefetchFrom=*/0,
                 operand == Operand::ScaleA ? chooseFewRows(stagesBlockScales) : 0, /*clipRows=*/false);
  }
  Multicast multicast = Multicast::None;
  if (operand == Operand::A && config.getClusterN() > 1)
    multicast = Multicast::Row;
  if (operand == Operand::B && config.getClusterM() > 1)
    multicast = Multicast::Column;
  if (allowsTMA(operand))
    return byTMA(multicast, operand == Operand::B ? config.getLoads().getB() : CachePolicy::Normal,
                 choosePrefetch(operand),
                 /*fewRows=*/0, operand == Operand::A && clipsRows());
  return by(MovementKind::Registers);
}

LogicalResult MovementChoice::choose() {
  Accesses accesses;
  kernel.walk([&](LoadOp load) { accesses.loads.push_back(load); });
  kernel.walk([&](LoadScalesOp load) { accesses.scales.push_back(load); });
  kernel.walk([&](StoreOp store) { accesses.stores.push_back(store); });

  // The scales of blocks of B come through shared memory where TMA brings all else: the producer then has little to do.
  bool loadsScalesOfA = llvm::any_of(
      accesses.loads, [&](LoadOp load) { return kernel.getOperandOf(load.getSource()) == Operand::ScaleA; });
  ScaledAttr rhs = kernel.getProblem().getRhs();
  bool stagesBlockScales =
      loadsScalesOfA && allowsTMA(Operand::A) && allowsTMA(Operand::B) && rhs.variesAlongK() && !rhs.isForEachRow();
  for (LoadOp load : accesses.loads) {
    FailureOr<MovementAttr> movement = chooseLoad(load, stagesBlockScales);
    if (failed(movement))
      return failure();
    load.setMovementAttr(*movement);
  }
  for (LoadScalesOp load : accesses.scales)
    if (!load.isFromTile())
      load.setMovementAttr(
          by(stagesBlockScales && !load.isForEachRow() ? MovementKind::CpAsync : MovementKind::Registers));
  for (StoreOp store : accesses.stores) {
    // With split_k each CTA writes its columns from registers; and f32, of which a row of a fragment is a whole sector.
    bool isTMA = config.getSplitK() == 1 && allowsTMA(Operand::D) && !kernel.getProblem().getOut().isF32();
    store.setMovementAttr(by(isTMA ? MovementKind::TMA : MovementKind::Registers));
  }
  return success();
}

struct ChooseDataMovement : dgemm::impl::ChooseDataMovementPassBase<ChooseDataMovement> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](KernelOp kernel) {
      return failed(MovementChoice(kernel).choose()) ? WalkResult::interrupt() : WalkResult::skip();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
