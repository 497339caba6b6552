//===- ChooseDataMovement.cpp - dgemm-choose-data-movement -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects the kernel that dgemm-promote-accumulators leaves. This pass decides how data moves, by what strides allow
// and by what was measured to be fastest. Later passes read the `by` of loads and stores.
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "dgemm/Transforms/Passes.h"

namespace dgemm {
#define GEN_PASS_DEF_CHOOSEDATAMOVEMENTPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

/// The first tile is prefetched only where that saves time (docs/performance.md). Below this M, a prefetch makes a
/// kernel between 3 % faster and 5 % slower. With more rows of A and B in a K block, it makes a kernel 0 to 0.6 %
/// slower.
constexpr int64_t kFewestRowsToPrefetch = 64;
constexpr int64_t kMostRowsOfTilesToPrefetch = 320;

/// Up to this many rows, the scales of A take 16 bytes in one K block and a few lines of 128 bytes in all of K. Every
/// CTA reads these lines again for each of its tiles. With TMA, the one or two L2 slices that hold the lines serve
/// every read. With cp.async, the L1 serves them.
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
  /// Whether M may be `rows` or more.
  bool mayHaveRows(int64_t rows) { return kernel.getSizes()[0] < 0 || kernel.getSizes()[0] >= rows; }
  /// Whether rows of the last tile along M may be missing.
  bool clipsRows() {
    bool hasWholeM = kernel.getLayout() == Layout::Dense || kernel.getLayout() == Layout::Batched;
    return hasWholeM && !config.isMulticast() &&
           getRowsOfLastTile(kernel, config.getBlockM()) !=
               getAffineConstantExpr(config.getBlockM(), kernel.getContext());
  }
  /// Whether a warpgroup can stage 64 rows of the widest panel of D. A narrow tile of f32 may have no room for it.
  bool hasStaging(StoreOp store) {
    int64_t columns = config.getBlockN() / (config.getSchedule().getEarlyStore() ? 2 : 1);
    OutputPanel widest = getOutputPanels(columns, store.getElementBytes()).front();
    return hopper::kWgmmaM * widest.getRowBytes() * static_cast<int64_t>(config.getWarpgroups()) <=
           SharedMemoryLayout::get(config, kernel.getProblem()).outputBytes;
  }
  int64_t choosePrefetch(Operand operand);
  int64_t chooseFewRows(bool stagesBlockScales);

  KernelOp kernel;
  ConfigAttr config;
};

/// The least M from which the first tile of A or B is prefetched; 0 if it never is.
int64_t MovementChoice::choosePrefetch(Operand operand) {
  // With groups, the group of a tile is known only after a load. In a cluster, each CTA fetches only slices of a tile.
  if (kernel.getLayout() != Layout::Dense || config.isMulticast() || !allowsTMA(Operand::B) ||
      config.getBlockM() + config.getBlockN() > kMostRowsOfTilesToPrefetch)
    return 0;
  // If A has a single row of tiles, all CTAs would request it at once, and again when they load it. That cost 10 %.
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

  // Block scales of B go through shared memory if TMA loads everything else, because the producer then has little to
  // do.
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
    // With split_k, each CTA stores its own columns of D, from registers.
    bool isTMA = config.getSplitK() == 1 && allowsTMA(Operand::D) && hasStaging(store);
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
