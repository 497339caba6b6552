//===- CostModel.cpp - Predicts the time of a configuration -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/CostModel.h"
#include "dgemm/Analysis/TunedTable.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace dgemm;

namespace {
// SM clocks at about 1.6 GHz on an H100 with 132 SMs. Which of these were measured and which are assumed stands in
// docs/cost-model.md.
constexpr double kL2BytesPerClock = 51;      // L2 to shared memory, for one SM, CTAs of a wave sharing lines
constexpr double kDramBytesPerClock = 1700;  // 2.7 TB/s for the chip
constexpr double kLaunchClocks = 4000;       // launch, barrier set-up, first fill
constexpr double kTileClocks = 1500;         // drain of the ring and epilogue of a tile
constexpr double kPairCost = 1.03;           // time in a multicast cluster of 2, over that without one
constexpr double kQuadCost = 1.08;           // of 4
constexpr double kReduceClocks = 600;        // latency of the sum over a cluster
constexpr double kReduceBytesPerClock = 2.5; // distributed shared memory, for one SM
constexpr int64_t kAssumedSize = 4096;
constexpr int64_t kAssumedGroups = 8;
} // namespace

static int64_t known(int64_t size) { return ShapedType::isDynamic(size) ? kAssumedSize : size; }

ProblemSize ProblemSize::get(GemmOp gemm) {
  ProblemSize size = {gemm.getM(), gemm.getN(), gemm.getK()};
  size.groups = gemm.getNumGroups();
  size.isMasked = gemm.getLayout() == Layout::Masked;
  if (gemm.getExpectedRows() && (size.isMasked || ShapedType::isDynamic(size.m)))
    size.m = *gemm.getExpectedRows();
  if (gemm.getLayout() == Layout::Contiguous)
    size.rowAlignment = gemm.getRowAlignment();
  auto allowsTMA = [problem = gemm.getProblem()](Operand operand) {
    return OperandGeometry::get(problem, operand).allowsTMA();
  };
  size.loadsByTMA = allowsTMA(Operand::A) && allowsTMA(Operand::B);
  ProblemAttr problem = gemm.getProblem();
  ScaledAttr lhs = problem.getLhs(), rhs = problem.getRhs();
  size.scalesSum = !lhs.variesAlongK() || !rhs.variesAlongK();
  size.scalesColumns = rhs.isForEachRow() && rhs.variesAlongK();
  size.isOfTables = !size.scalesSum && lhs.isForEachRow() && !rhs.isForEachRow() && !problem.getOut().isF32();
  return size;
}

bool ProblemSize::allows(ConfigAttr config) const {
  if (rowAlignment && rowAlignment % config.getBlockM())
    return false;
  if (scalesSum && config.getSchedule().getEarlyStore())
    return false;
  return loadsByTMA || !config.isMulticast();
}

bool ChoiceData::leavesOut(const ProblemSize &size, ConfigAttr config) const {
  SpillKey key(config);
  if (size.isMasked)
    key.rows = size.groups == 1 ? SpillKey::Rows::OneMaskedGroup : SpillKey::Rows::Masked;
  key.loadsByTMA = size.loadsByTMA;
  return spills->spills(key) || llvm::is_contained(avoided, config);
}

/// Clocks of one K block on the tensor cores and CUDA cores, fitted to sweeps of whole kernels.
static double mathClocks(ConfigAttr config) {
  double tensor = config.getBlockM() * config.getBlockN() / 32.0;
  // The mma that a warpgroup has in each K block: slices of 64 rows, or halves of a wide block.
  int64_t columns = getMmaColumns(config.getBlockN());
  int64_t mmas = config.getBlockM() / (hopper::kWgmmaM * config.getWarpgroups()) * (config.getBlockN() / columns);
  switch (config.getWarpgroups()) {
  case 1: // nothing hides the wait and the promotion
    return 75 + 1.74 * tensor;
  case 2: // the other warpgroup hides most of it
    return tensor + std::max(6.0, 85 - 0.11 * tensor / double(mmas)) + (mmas > 1 ? (columns % 64 ? 120 : 16) : 0) +
           (config.getSchedule().getRotate() || config.getSchedule().getUnroll() > 2 ? 0 : 90);
  default:
    return tensor + 28;
  }
}

/// Clusters that run at a time. Those of two are a TPC; larger ones lie in one GPC of 16 SMs (some have 18).
static int64_t countClusters(ConfigAttr config, int64_t multiprocessors) {
  constexpr int64_t kGpc = 16;
  int64_t size = config.getClusterSize();
  int64_t clusters = size > 2 ? multiprocessors / kGpc * (kGpc / size) : multiprocessors / size;
  return std::max<int64_t>(1, clusters);
}

/// Tiles of the problem times CTAs for each, at most: more only wait for each other.
static bool isSplitUseful(const ProblemSize &size, ConfigAttr config, const ConfigFields &fields) {
  constexpr int64_t kMaxCTAs = 264; // two waves of an H100
  if (config.getSplitK() == 1 || fields.tile.splitK)
    return true;
  int64_t groups = size.isMasked ? (ShapedType::isDynamic(size.groups) ? kAssumedGroups : size.groups) : 1;
  int64_t tiles =
      llvm::divideCeil(known(size.m), config.getBlockM()) * llvm::divideCeil(known(size.n), config.getBlockN());
  return groups * tiles * config.getSplitK() <= kMaxCTAs &&
         static_cast<int64_t>(llvm::divideCeil(known(size.k), config.getBlockK())) >= config.getSplitK();
}

/// Of a problem whose groups, if masked, have `m` rows each.
static double estimateRows(const ProblemSize &size, ConfigAttr config, int64_t multiprocessors, int64_t m) {
  int64_t n = known(size.n), k = known(size.k);
  int64_t groups = ShapedType::isDynamic(size.groups) ? kAssumedGroups : size.groups;
  int64_t copies = size.isMasked ? groups : 1;
  double tilesM = double(copies) * double(llvm::divideCeil(m, config.getBlockM() * config.getClusterM()));
  double tilesN = double(llvm::divideCeil(n, config.getBlockN() * config.getClusterN()));
  double waves = std::ceil(tilesM * tilesN / double(countClusters(config, multiprocessors)));
  int64_t kBlocks = llvm::divideCeil(llvm::divideCeil(k, config.getBlockK()), config.getSplitK());
  // Rows past M are not fetched, only zero-filled.
  double stageBytes = (std::min(m, config.getBlockM()) + config.getBlockN()) * double(config.getBlockK());
  double kBlock = std::max(mathClocks(config), stageBytes / kL2BytesPerClock);
  // A ring that holds less than about 96 KiB in flight does not cover the latency of DRAM.
  double inFlight = config.getStages() * stageBytes;
  double latency = std::max(1.0, 98304 / inFlight);
  double epilogue = kTileClocks + config.getBlockM() * config.getBlockN() / 24.0;
  if (config.getSplitK() > 1) // all rows are sent, also those past M
    epilogue += kReduceClocks + config.getBlockM() * config.getBlockN() * 4.0 * (1 - 1.0 / double(config.getSplitK())) /
                                    kReduceBytesPerClock;
  double compute = waves * (kBlocks * kBlock * latency + epilogue);
  double dram = (double(copies) * m * k + double(groups) * n * k + 2.0 * copies * m * n) / kDramBytesPerClock;
  double clocks = std::max(compute, dram) + 0.05 * std::min(compute, dram) + kLaunchClocks;
  // What multicast saves at the L2 has not outweighed what it costs to keep CTAs in step.
  return clocks * (!config.isMulticast() ? 1 : config.getClusterSize() == 2 ? kPairCost : kQuadCost);
}

double dgemm::estimateClocks(const ProblemSize &size, ConfigAttr config, int64_t multiprocessors) {
  int64_t m = known(size.m);
  if (!size.isMasked)
    return estimateRows(size, config, multiprocessors, m);
  // The rows of a masked group are a guess: they are taken to spread 30 % to both sides of it.
  constexpr double kSpread[] = {0.7, 0.85, 1, 1.15, 1.3};
  double clocks = 0;
  for (double factor : kSpread)
    clocks += estimateRows(size, config, multiprocessors, std::max<int64_t>(1, int64_t(double(m) * factor)));
  return clocks / double(std::size(kSpread));
}

/// Whether the scales of some columns find registers beside the accumulators. Of 43 configs that are neither unrolled
/// nor rotated ptxas 13.0 spilled three, those with 192 registers of accumulators.
static bool hasRoomForColumnScales(ConfigAttr config) {
  return getAccumulatorRegisters(config.getBlockM(), config.getBlockN(), config.getWarpgroups()) < 192;
}

SmallVector<ConfigAttr> dgemm::enumerateConfigs(MLIRContext *context, const ProblemSize &size,
                                                const ConfigFields &given, const ChoiceData &data) {
  ConfigFields fields = given;
  if (size.scalesSum && !fields.schedule.earlyStore)
    fields.schedule.earlyStore = false;
  // Of an unrolled or rotated loop ptxas 13.0 reads the scales of several K blocks ahead, and spills.
  if (size.scalesColumns && !fields.schedule.unroll)
    fields.schedule.unroll = 1;
  if (size.scalesColumns && !fields.schedule.rotate)
    fields.schedule.rotate = false;
  // Each CTA reads the rows of all groups before it starts, one after the other (measured with up to 32).
  constexpr int64_t kFewGroups = 32;
  if (size.isMasked && (ShapedType::isDynamic(size.groups) || size.groups > kFewGroups) && !fields.order.evenWaves)
    fields.order.evenWaves = false;
  // Of a contiguous layout M says nothing about the rows of a group.
  SmallVector<ConfigAttr> configs = enumerateConfigs(
      context, fields, *data.spills, size.rowAlignment ? ShapedType::kDynamic : size.m, size.k, size.isMasked);
  llvm::erase_if(configs, [&](ConfigAttr config) {
    return !size.allows(config) || (size.scalesColumns && !hasRoomForColumnScales(config)) ||
           data.leavesOut(size, config) || !isSplitUseful(size, config, fields);
  });
  return configs;
}

FailureOr<SelectedConfig> dgemm::selectConfig(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                              const Machine &machine, function_ref<InFlightDiagnostic()> emitError,
                                              const ChoiceData &data) {
  if (std::optional<ConfigAttr> tuned = findTunedConfig(context, size, fields, machine, data))
    return SelectedConfig{*tuned, /*isTuned=*/true};
  ConfigAttr best;
  double bestClocks = 0;
  for (ConfigAttr config : enumerateConfigs(context, size, fields, data)) {
    double clocks = estimateClocks(size, config, machine.multiprocessors);
    if (!best || clocks < bestClocks) {
      best = config;
      bestClocks = clocks;
    }
  }
  if (best)
    return SelectedConfig{best};
  // Nothing legal has these fields: fill in the rest, so that the verifier names the rule that is broken.
  ConfigFields all = fields;
  if (!all.tile.block)
    all.tile.block = Extents<3>({128, 128, kScaleBlock});
  int64_t blockM = (*all.tile.block)[0], blockN = (*all.tile.block)[1], blockK = (*all.tile.block)[2];
  if (!all.schedule.warpgroups)
    all.schedule.warpgroups = blockM <= 64 ? 1 : blockM == 192 ? 3 : 2;
  int64_t splitK = all.tile.splitK.value_or(1);
  int64_t fit = splitK < 1 ? 0
                           : SharedMemoryLayout::getMaxStages(blockM, blockN, blockK, 16, splitK,
                                                              all.schedule.earlyStore.value_or(false));
  if (!all.schedule.stages)
    all.schedule.stages = std::max<int64_t>(2, fit);
  ConfigAttr config = all.get(emitError, context);
  if (!config)
    return failure();
  if (size.allows(config) && data.leavesOut(size, config))
    return emitError() << "no config with these fields is left: ptxas " << data.spills->getPtxas()
                       << " spills them, as " << config << (size.isMasked ? " for masked groups" : "")
                       << (size.loadsByTMA ? "" : " without TMA");
  return emitError() << "no legal config has these fields"
                     << (size.rowAlignment ? " and tiles that divide the alignment of groups" : "")
                     << (size.loadsByTMA ? "" : "; operands without TMA allow no cluster");
}
