//===- ConfigSpace.cpp - Every legal configuration of a problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/ConfigSpace.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace dgemm;

static bool hasMaskedRows(const SpillKey &key) { return key.rows != SpillKey::Rows::All; }

/// Each half of the columns has an mma of its own.
static bool isWide(const SpillKey &key) { return getMmaColumns(key.blockN) != key.blockN; }

/// Where storing half of a tile early is faster (docs/cost-model.md): two warpgroups with wide blocks, which then have
/// room for a fourth stage.
static bool earlyStorePays(const SpillData &spills, const SpillKey &key, int64_t kBlocks) {
  return key.warpgroups == 2 && isWide(key) && key.sharing != SpillKey::Sharing::SplitK && kBlocks >= 2 &&
         !spills.spills(key);
}

/// Where an unrolled K loop is faster (docs/cost-model.md): almost everywhere, if it can be unrolled.
static bool unrollingPays(const SpillData &spills, const SpillKey &key, int64_t kBlocks) {
  bool isWhole = key.earlyStore && kBlocks <= key.unroll;
  return (isWhole || kBlocks >= 2 * key.unroll) && !spills.spills(key);
}

/// Where a rotated K loop is faster in most rows (docs/cost-model.md): if a warpgroup has one slice. A third warpgroup,
/// or tiles shared in a cluster, make it slower. Unrolled loops of two warpgroups are faster without rotation, except
/// with early_store. Masked kernels of 128x256 lack registers for it, and those of 128x224 are as fast without. A loop
/// without rotation may fit into the registers where a rotated one does not.
static bool rotationPays(const SpillData &spills, const SpillKey &key) {
  if (key.earlyStore)
    return !hasMaskedRows(key) && key.sharing != SpillKey::Sharing::Tiles && isWide(key) && !spills.spills(key);
  return key.sharing != SpillKey::Sharing::Tiles && key.warpgroups <= (key.unroll > 1 ? 1 : 2) &&
         key.blockM == hopper::kWgmmaM * key.warpgroups && !spills.spills(key);
}

/// The tiles of a wave cover about as many rows as columns: 16 x 8 of 128x256, else 8 tile rows, as measured.
static int64_t chooseGroupM(const SpillKey &key) { return key.warpgroups == 2 && isWide(key) ? 16 : 8; }

/// Where fewer CTAs in even waves are faster (docs/cost-model.md): with two warpgroups or more from K = 2048 on. Two
/// problems with less K took 0 to 5 % longer.
static bool evenWavesPay(const SpillKey &key, int64_t kBlocks) {
  return key.warpgroups > 1 && key.sharing != SpillKey::Sharing::SplitK && kBlocks >= 16;
}

/// Where walking K back and forth is faster (docs/cost-model.md): with two warpgroups, not masked, from K = 4096 on.
static bool serpentinePays(const SpillKey &key, int64_t kBlocks) {
  return key.warpgroups == 2 && key.sharing != SpillKey::Sharing::SplitK && !hasMaskedRows(key) && kBlocks >= 32;
}

void dgemm::forEachCandidate(const ConfigFields &fields, const SpillData &spills, int64_t rows, int64_t k,
                             bool isMasked, StageScales scales, bool pingpongPays,
                             function_ref<void(const ConfigFields &)> visit) {
  constexpr int64_t kEnoughStages = 16;
  auto add = [&](int64_t blockM, int64_t blockN, int64_t warpgroups, Extents<2> cluster, int64_t splitK,
                 bool pingpong = false) {
    // The CTAs of a split K take their parts at run time.
    int64_t kBlocks = ShapedType::isDynamic(k) || splitK > 1 ? 0 : llvm::divideCeil(k, kScaleBlock);
    SpillKey key(blockM, blockN, warpgroups,
                 splitK > 1                      ? SpillKey::Sharing::SplitK
                 : cluster != Extents<2>({1, 1}) ? SpillKey::Sharing::Tiles
                                                 : SpillKey::Sharing::None);
    key.rotate = fields.schedule.rotate.value_or(false);
    key.pingpong = pingpong;
    key.rows = isMasked ? SpillKey::Rows::Masked : SpillKey::Rows::All;
    key.unroll = fields.schedule.unroll.value_or(4);
    SpillKey early = key;
    early.earlyStore = true;
    key.earlyStore = fields.schedule.earlyStore.value_or(!pingpong && earlyStorePays(spills, early, kBlocks));
    if (!fields.schedule.unroll && !unrollingPays(spills, key, kBlocks))
      key.unroll = 1;
    SpillKey rotated = key;
    rotated.rotate = true;
    int64_t deepest = SharedMemoryLayout::getMaxStages(blockM, blockN, kScaleBlock, kMaxStages, splitK,
                                                       getStaging(key.earlyStore, pingpong), scales);
    bool readsBOnce = !ShapedType::isDynamic(rows) && rows <= blockM * cluster[0];
    ConfigFields all = fields;
    auto choose = [](auto &field, auto value) {
      if (!field)
        field = value;
    };
    all.tile = {Extents<3>({blockM, blockN, kScaleBlock}), cluster, splitK};
    all.schedule.warpgroups = warpgroups;
    choose(all.order.groupM, chooseGroupM(key));
    choose(all.order.serpentine, !readsBOnce && serpentinePays(key, kBlocks));
    choose(all.order.evenWaves, evenWavesPay(key, kBlocks));
    choose(all.schedule.stages, std::min(deepest, kEnoughStages));
    choose(all.schedule.unroll, key.unroll);
    choose(all.schedule.rotate, rotationPays(spills, rotated));
    choose(all.schedule.earlyStore, key.earlyStore);
    all.schedule.pingpong = pingpong;
    choose(all.loads.b, readsBOnce ? CachePolicy::EvictFirst : CachePolicy::Normal);
    visit(all);
  };
  auto addAll = [&](int64_t blockM, int64_t blockN, int64_t warpgroups, bool pingpong = false) {
    for (int64_t clusterM = 1; clusterM <= 2; ++clusterM)
      for (int64_t clusterN = 1; clusterN <= 2; ++clusterN)
        add(blockM, blockN, warpgroups, Extents<2>({clusterM, clusterN}), /*splitK=*/1, pingpong);
    if (pingpong)
      return;
    for (int64_t splitK = 2; splitK <= hopper::kMaxCluster; ++splitK)
      add(blockM, blockN, warpgroups, Extents<2>({1, 1}), splitK);
  };
  for (int64_t warpgroups = 1; warpgroups <= 3; ++warpgroups)
    for (int64_t slices = 1; slices <= 2; ++slices) {
      int64_t blockM = hopper::kWgmmaM * warpgroups * slices;
      if (blockM > hopper::kTmaMaxBox)
        continue;
      for (int64_t blockN = hopper::kWgmmaNStep; blockN <= hopper::kWgmmaMaxN; blockN += hopper::kWgmmaNStep)
        addAll(blockM, blockN, warpgroups);
    }
  if (!fields.schedule.pingpong.value_or(pingpongPays))
    return;
  // Wider tiles, which have fewer stages, clusters and 64 rows were slower (docs/cost-model.md).
  constexpr int64_t kWidestInTurns = 128;
  for (int64_t blockN = hopper::kWgmmaNStep; blockN <= hopper::kWgmmaMaxN; blockN += hopper::kWgmmaNStep) {
    if (!fields.schedule.pingpong) {
      if (blockN <= kWidestInTurns)
        add(2 * hopper::kWgmmaM, blockN, kTurns, Extents<2>({1, 1}), /*splitK=*/1, /*pingpong=*/true);
      continue;
    }
    for (int64_t blockM : {hopper::kWgmmaM, 2 * hopper::kWgmmaM})
      addAll(blockM, blockN, kTurns, /*pingpong=*/true);
  }
}

LegalConfigs::LegalConfigs(MLIRContext *context)
    : context(context), nowhere(NameLoc::get(StringAttr::get(context, "enumerated config"))),
      silence(context,
              [nowhere = nowhere](Diagnostic &diagnostic) { return success(diagnostic.getLocation() == nowhere); }) {}

ConfigAttr LegalConfigs::get(const ConfigFields &candidate, const ConfigFields &given) {
  ConfigAttr config = candidate.get([&] { return emitError(nowhere); }, context);
  return config && given.match(config) ? config : ConfigAttr();
}
