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
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace dgemm;

namespace {
constexpr int64_t kAssumedSize = 4096;
constexpr int64_t kAssumedGroups = 8;
} // namespace

static int64_t known(int64_t size) { return ShapedType::isDynamic(size) ? kAssumedSize : size; }

static int64_t countGroups(const ProblemSize &size) {
  return ShapedType::isDynamic(size.groups) ? kAssumedGroups : size.groups;
}

ProblemSize ProblemSize::get(GemmOp gemm) {
  ProblemSize size;
  size.m = gemm.getM();
  size.n = gemm.getN();
  size.k = gemm.getK();
  size.groups = gemm.getNumGroups();
  // Groups of a layout of offsets are taken to have about as many rows as each other.
  bool isOfOffsets = gemm.getLayout() == Layout::Offsets;
  if (isOfOffsets && !ShapedType::isDynamic(size.m))
    size.m = ShapedType::isDynamic(size.groups) ? ShapedType::kDynamic : llvm::divideCeil(size.m, size.groups);
  size.isMasked = gemm.getLayout() == Layout::Masked || isOfOffsets;
  size.isBatched = gemm.getLayout() == Layout::Batched;
  // As many products as there are groups, of about as many columns of K as each other, are one with as many rows.
  if (gemm.getLayout() == Layout::KGrouped) {
    bool isKnown = !ShapedType::isDynamic(size.groups);
    if (isKnown && !ShapedType::isDynamic(size.m))
      size.m *= size.groups;
    if (isKnown && !ShapedType::isDynamic(size.k))
      size.k = llvm::divideCeil(size.k, size.groups);
    size.groups = 1;
    size.isKGrouped = true;
  }
  if (gemm.getExpectedRows() && (size.isMasked || ShapedType::isDynamic(size.m)))
    size.m = *gemm.getExpectedRows();
  if (gemm.getLayout() == Layout::Contiguous)
    size.rowAlignment = gemm.getRowAlignment();
  auto allowsTMA = [problem = gemm.getProblem()](Operand operand) {
    return OperandGeometry::get(problem, operand).allowsTMA();
  };
  size.loadsByTMA = allowsTMA(Operand::A) && allowsTMA(Operand::B);
  ProblemAttr problem = gemm.getProblem();
  size.isGated = problem.isGated();
  size.pingpongPays =
      problem.getAccuracy() == AccuracyKind::Fast && (problem.getRhs().isForEachRow() || problem.getEpilogue());
  size.isQuantized = !!problem.getQuantized();
  size.scales = StageScales::get(problem);
  size.readsColumnScales = size.scales.ofB && !allowsTMA(Operand::ScaleB);
  size.recipe = getRecipeName(problem);
  return size;
}

bool ProblemSize::allows(ConfigAttr config) const {
  if (rowAlignment && rowAlignment % config.getBlockM())
    return false;
  if (isGated && !allowsGated(config))
    return false;
  if (isQuantized && !allowsQuantized(config, isGated))
    return false;
  if ((scales.ofB || scales.before) &&
      SharedMemoryLayout::getMaxStages(config.getBlockM(), config.getBlockN(), config.getBlockK(), config.getStages(),
                                       config.getSplitK(), config.getSchedule().getStaging(),
                                       scales) < config.getStages())
    return false;
  if (isKGrouped && (config.getSplitK() > 1 || config.getOrder().getSerpentine()))
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

namespace {
/// The model's view of a config.
struct Shape {
  int64_t blockM, blockN, blockK, clusterM, clusterN, splitK, groupM, stages, warpgroups, unroll;
  bool isRotated, takesTurns;

  /// From a complete config.
  explicit Shape(const ConfigFields &all)
      : blockM((*all.tile.block)[0]), blockN((*all.tile.block)[1]), blockK((*all.tile.block)[2]),
        clusterM((*all.tile.cluster)[0]), clusterN((*all.tile.cluster)[1]), splitK(*all.tile.splitK),
        groupM(*all.order.groupM), stages(*all.schedule.stages), warpgroups(*all.schedule.warpgroups),
        unroll(*all.schedule.unroll), isRotated(*all.schedule.rotate), takesTurns(*all.schedule.pingpong) {}
};
} // namespace

/// What scales of columns add to the promotion of a single warpgroup, in units of what the tensor cores take: for each
/// value of a thread the product of both scales, for each two columns a read of 8 bytes. That is 48 clocks of a math
/// warp for 64x64 elements, for which the tensor cores take 128.
static constexpr double kColumnScales = 48.0 / 128;

/// A K block on the tensor cores and CUDA cores.
static double estimateMath(const Shape &config, const MachineCosts &costs, bool scalesColumns) {
  int64_t blockN = config.blockN;
  double tensor = double(config.blockM * blockN) / 32;
  if (config.takesTurns) // the warpgroup whose turn it is keeps the tensor cores busy
    return costs.tensor2 * tensor;
  bool isOdd = blockN % 16;
  if (config.warpgroups == 1) // nothing hides the wait and the promotion
    return costs.wait * (config.isRotated ? costs.waitRotated : 1) +
           costs.tensor1 * tensor * (1 + scalesColumns * kColumnScales) + isOdd * costs.oddColumns1;
  bool hasTwoScales = !scalesColumns && kScaleBlock % blockN && blockN % kScaleBlock;
  double more = hasTwoScales * costs.twoScales + isOdd * costs.oddColumns;
  if (config.warpgroups == 3)
    return costs.tensor3 * tensor + more;
  // The number of mmas of a warpgroup in each K block: slices of 64 rows, or halves of a wide block.
  int64_t mmas = config.blockM / (hopper::kWgmmaM * 2) * (blockN / getMmaColumns(blockN));
  bool isPlain = !config.isRotated && config.unroll <= 2;
  return costs.tensor2 * tensor + (mmas > 1) * costs.secondMma + isPlain * costs.plainLoop + more;
}

/// Combines overlapping times: the longest, plus a share of the others that grows as they come closer to it.
static double combine(double power, std::initializer_list<double> times) {
  double longest = std::max(times), sum = 0;
  for (double time : times)
    sum += std::pow(time / longest, power);
  return longest * std::pow(sum, 1 / power);
}

/// Limit of the tiles of the problem times the CTAs for each; more CTAs only wait for each other.
static bool isSplitUseful(const ProblemSize &size, const Shape &config, const ConfigFields &fields) {
  constexpr int64_t kMaxCTAs = 264; // two waves of an H100
  if (config.splitK == 1 || fields.tile.splitK)
    return true;
  int64_t groups = size.isMasked || size.isBatched ? countGroups(size) : 1;
  int64_t tiles = llvm::divideCeil(known(size.m), config.blockM) * llvm::divideCeil(known(size.n), config.blockN);
  return groups * tiles * config.splitK <= kMaxCTAs &&
         static_cast<int64_t>(llvm::divideCeil(known(size.k), config.blockK)) >= config.splitK;
}

/// The prediction for a problem with `tilesM` row tiles.
static Estimate estimateTiles(const ProblemSize &size, const Shape &config, const Machine &machine, double tilesM) {
  const MachineCosts &costs = machine.costs;
  int64_t m = known(size.m), n = known(size.n), k = known(size.k);
  int64_t groups = countGroups(size);
  int64_t blockM = config.blockM, blockN = config.blockN, splitK = config.splitK;
  int64_t clusterM = config.clusterM, clusterN = config.clusterN, ctas = clusterM * clusterN * splitK;
  double allRows = double(size.isMasked || size.isBatched ? m * groups : m);

  Estimate e;
  double tilesN = double(llvm::divideCeil(n, blockN * clusterN));
  double rowTiles = tilesM / double(groups); // of a group
  e.tiles = tilesM * tilesN;
  e.atATime = machine.countClusters(ctas);
  e.waves = std::ceil(e.tiles / double(e.atATime));
  double active = std::min(e.tiles, double(e.atATime));

  // Rows past the end of A are not loaded, except in a contiguous layout, whose groups end at tiles.
  double rows = double(blockM);
  if (!size.rowAlignment)
    rows = std::min(rows, std::ceil(allRows / tilesM / double(clusterM) / 8) * 8);
  e.math = estimateMath(config, costs, size.scales.ofB);
  e.fill = (rows + double(blockN)) * costs.row;
  // A line that several CTAs of a wave read crosses from the L2 once; the row tiles of a split K do not keep step.
  double groupM = std::max(1.0, double(config.groupM)); // given fields: the verifier runs later
  double sharingA = std::clamp(active / std::max(1.0, std::min(tilesM, groupM)), 1.0, tilesN);
  double sharingB = splitK > 1 ? 1 : std::clamp(rowTiles, 1.0, groupM);
  e.l2 = active * double(ctas) * double(kScaleBlock) *
         (rows / double(clusterN) / sharingA + double(blockN) / double(clusterM) / sharingB) / costs.l2;
  e.latency = costs.latency / std::max(1.0, double(config.stages));
  e.kBlock = combine(costs.overlap, {e.math, e.fill, e.l2, e.latency});
  e.kBlocks = llvm::divideCeil(llvm::divideCeil(k, config.blockK), splitK);

  // All rows are sent, including those past M.
  double sent = double(blockM * blockN) * 4 * (1 - 1 / double(splitK));
  e.end = costs.tile + costs.tileElement * double(blockM * blockN) + sent / costs.dsmem +
          active * double(ctas) * sent / costs.dsmemAll;
  double readsOfB = size.isMasked ? 1 + costs.reread * std::max(0.0, rowTiles - 1) : 1;
  e.dram = (allRows * double(k) + double(groups) * double(n * k) * readsOfB + 2 * allRows * double(n)) / costs.dram;
  // Warpgroups that take turns hide all ends but the last.
  e.compute = e.waves * double(e.kBlocks) * e.kBlock + (config.takesTurns ? 0 : e.waves - 1) * e.end;
  e.launch = costs.launch;
  e.total = (combine(costs.dramOverlap, {e.compute, e.dram}) + e.end + e.launch) *
            (clusterM * clusterN > 1 ? costs.multicast : 1);
  return e;
}

static Estimate estimateShape(const ProblemSize &size, const Shape &config, const Machine &machine) {
  int64_t m = known(size.m), rows = config.blockM * config.clusterM;
  if (!size.isMasked)
    return estimateTiles(size, config, machine,
                         double(llvm::divideCeil(m, rows) * (size.isBatched ? countGroups(size) : 1)));
  // The rows of a masked group are an estimate; the model assumes a spread of 30 % to both sides. With more groups,
  // their sum spreads less.
  constexpr double kSpread[] = {1, 0.7, 0.85, 1.15, kMostRowsOfGroup};
  double groups = double(countGroups(size));
  auto countTiles = [&](double factor) {
    return double(llvm::divideCeil(std::max<int64_t>(1, int64_t(double(m) * factor)), rows));
  };
  double mean = 0, total = 0;
  for (double factor : kSpread)
    mean += countTiles(factor) / double(std::size(kSpread));
  Estimate guessed;
  for (double factor : kSpread) {
    double tilesM = groups * mean + std::sqrt(groups) * (countTiles(factor) - mean);
    Estimate one = estimateTiles(size, config, machine, tilesM);
    total += one.total / double(std::size(kSpread));
    if (factor == 1)
      guessed = one;
  }
  guessed.total = total;
  return guessed;
}

/// Whether scales of columns that are read from the operand find registers beside the accumulators. Of 43 configs that
/// are neither unrolled nor rotated ptxas 13.0 spilled three, those with 192 registers of accumulators.
static bool hasRoomForColumnScales(ConfigAttr config) {
  return getAccumulatorRegisters(config.getBlockM(), config.getBlockN(), config.getTileWarpgroups()) < 192;
}

/// True if a legal config may be chosen for the problem.
static bool suits(ConfigAttr config, const ProblemSize &size, const ChoiceData &data) {
  return size.allows(config) && !(size.readsColumnScales && !hasRoomForColumnScales(config)) &&
         !data.leavesOut(size, config);
}

Estimate dgemm::estimate(const ProblemSize &size, ConfigAttr config, const Machine &machine) {
  return estimateShape(size, Shape(ConfigFields(config)), machine);
}

/// Calls `visit` for each candidate that may suit the problem.
static void visitCandidates(const ProblemSize &size, ConfigFields fields, const SpillData &spills,
                            function_ref<void(const ConfigFields &, const Shape &)> visit) {
  // Of an unrolled or rotated loop ptxas 13.0 reads the scales of several K blocks ahead, and spills.
  if (size.readsColumnScales && !fields.schedule.unroll)
    fields.schedule.unroll = 1;
  if (size.readsColumnScales && !fields.schedule.rotate)
    fields.schedule.rotate = false;
  if (size.isKGrouped && !fields.order.serpentine)
    fields.order.serpentine = false;
  // Each CTA reads the rows of all groups before it starts (measured with up to 32).
  constexpr int64_t kFewGroups = 32;
  if (size.isMasked && (ShapedType::isDynamic(size.groups) || size.groups > kFewGroups) && !fields.order.evenWaves)
    fields.order.evenWaves = false;
  // M of a contiguous layout says nothing about the rows of a group.
  int64_t rows = size.rowAlignment ? ShapedType::kDynamic : size.m;
  forEachCandidate(fields, spills, rows, size.k, size.isMasked, size.scales, size.pingpongPays,
                   [&](const ConfigFields &candidate) {
                     Shape shape(candidate);
                     if (shape.stages >= 2 && isSplitUseful(size, shape, fields))
                       visit(candidate, shape);
                   });
}

SmallVector<ConfigAttr> dgemm::enumerateConfigs(MLIRContext *context, const ProblemSize &size,
                                                const ConfigFields &fields, const ChoiceData &data) {
  SmallVector<ConfigAttr> configs;
  LegalConfigs legal(context);
  visitCandidates(size, fields, *data.spills, [&](const ConfigFields &candidate, const Shape &) {
    ConfigAttr config = legal.get(candidate, fields);
    if (config && suits(config, size, data))
      configs.push_back(config);
  });
  return configs;
}

/// The cheapest of enumerateConfigs, null if there is none. Making attributes of all takes longer than comparing them.
static ConfigAttr findCheapest(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                               const Machine &machine, const ChoiceData &data) {
  std::vector<std::tuple<double, size_t, ConfigFields>> candidates;
  visitCandidates(size, fields, *data.spills, [&](const ConfigFields &candidate, const Shape &shape) {
    candidates.emplace_back(estimateShape(size, shape, machine).total, candidates.size(), candidate);
  });
  // The first of equal configs counts.
  llvm::sort(candidates, [](const auto &a, const auto &b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  LegalConfigs legal(context);
  for (const auto &[time, index, candidate] : candidates) {
    ConfigAttr config = legal.get(candidate, fields);
    if (config && suits(config, size, data))
      return config;
  }
  return {};
}

FailureOr<SelectedConfig> dgemm::selectConfig(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                              const Machine &machine, function_ref<InFlightDiagnostic()> emitError,
                                              const ChoiceData &data) {
  if (std::optional<ConfigAttr> tuned = findTunedConfig(context, size, fields, machine, data))
    return SelectedConfig{*tuned, /*isTuned=*/true};
  if (ConfigAttr cheapest = findCheapest(context, size, fields, machine, data))
    return SelectedConfig{cheapest};
  // No legal config has these fields. Complete them, so that the verifier names the violated rule.
  ConfigFields all = fields;
  if (!all.tile.block)
    all.tile.block = Extents<3>({128, 128, kScaleBlock});
  int64_t blockM = (*all.tile.block)[0], blockN = (*all.tile.block)[1], blockK = (*all.tile.block)[2];
  if (!all.schedule.warpgroups)
    all.schedule.warpgroups = blockM <= 64 ? 1 : blockM == 192 ? 3 : 2;
  int64_t splitK = all.tile.splitK.value_or(1);
  int64_t fit = splitK < 1 ? 0
                           : SharedMemoryLayout::getMaxStages(blockM, blockN, blockK, 16, splitK,
                                                              getStaging(all.schedule.earlyStore.value_or(false),
                                                                         all.schedule.pingpong.value_or(false)),
                                                              size.scales);
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
                     << (size.loadsByTMA ? "" : "; operands without TMA do not allow clusters")
                     << (size.isQuantized && size.isGated
                             ? "; a quantised D with a gated epilogue wants block N to be 256 and no split_k"
                         : size.isQuantized ? "; a quantised D wants block N to be 128 or 256 and no split_k"
                         : size.isGated ? "; a gated epilogue wants block N to be 16, 32, 64, 128 or 256 and no split_k"
                                        : "");
}
