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

static bool fitsRegisters(const MathFields &math) {
  return getMathRegisters(math) <=
         RegisterBudget::get(math.mathWarpgroups, math.splitK, /*loadsByTMA=*/true, math.isMulticast).consumer;
}

/// Each half of the columns has an mma of its own.
static bool isWide(const MathFields &math) { return getMmaColumns(math.blockN) != math.blockN; }

/// Where storing half of a tile early is faster (docs/cost-model.md): two warpgroups with wide blocks, which have
/// room for a fourth stage then.
static bool earlyStorePays(const MathFields &math, int64_t kBlocks) {
  return math.mathWarpgroups == 2 && isWide(math) && math.splitK == 1 && kBlocks >= 2 && fitsRegisters(math);
}

/// Where an unrolled K loop is faster (docs/cost-model.md): almost everywhere, if there is something to unroll.
static bool unrollingPays(const MathFields &math, int64_t kBlocks) {
  bool isWhole = math.earlyStore && kBlocks <= math.unrollK;
  return (isWhole || kBlocks >= 2 * math.unrollK) && fitsRegisters(math);
}

/// Where a rotated K loop is faster in most rows (docs/cost-model.md): a warpgroup has one slice. A third warpgroup,
/// and tiles shared in a cluster, make it slower; of unrolled loops, those of two warpgroups are faster without, but
/// for those with early_store; of masked ones 128x256 has no registers for it, and 128x224 is as fast without. Where a
/// rotated loop does not fit the registers, one that is not may.
static bool rotationPays(const MathFields &math) {
  if (math.earlyStore)
    return !math.isMasked && !math.isMulticast && isWide(math) && fitsRegisters(math);
  return !math.isMulticast && math.mathWarpgroups <= (math.unrollK > 1 ? 1 : 2) &&
         math.blockM == hopper::kWgmmaM * math.mathWarpgroups && fitsRegisters(math);
}

/// The tiles of a wave cover about as many rows as columns: 16 x 8 of 128x256, else 8 tile rows, as measured.
static int64_t chooseGroupM(const MathFields &math) { return math.mathWarpgroups == 2 && isWide(math) ? 16 : 8; }

/// Where fewer CTAs in even waves are faster (docs/cost-model.md): with two warpgroups or more from K = 2048 on; the
/// two problems below that took 0 to 5 % longer.
static bool evenWavesPay(const MathFields &math, int64_t kBlocks) {
  return math.mathWarpgroups > 1 && math.splitK == 1 && kBlocks >= 16;
}

/// Where walking K back and forth is faster (docs/cost-model.md): with two warpgroups, not masked, from K = 4096 on.
static bool serpentinePays(const MathFields &math, int64_t kBlocks) {
  return math.mathWarpgroups == 2 && math.splitK == 1 && !math.isMasked && kBlocks >= 32;
}

SmallVector<ConfigAttr> dgemm::enumerateConfigs(MLIRContext *context, const ConfigFields &fields, int64_t rows,
                                                int64_t k, bool isMasked) {
  constexpr int64_t kEnoughStages = 16;
  SmallVector<ConfigAttr> configs;
  // What is legal the verifier knows; what it says of the others is of no use here, unlike what others say meanwhile.
  Location nowhere = NameLoc::get(StringAttr::get(context, "enumerated config"));
  ScopedDiagnosticHandler silence(context,
                                  [&](Diagnostic &diagnostic) { return success(diagnostic.getLocation() == nowhere); });
  auto emitNowhere = [&] { return emitError(nowhere); };
  auto add = [&](int64_t blockM, int64_t blockN, int64_t warpgroups, Extents<2> cluster, int64_t splitK) {
    // Of a split K the CTAs take their parts at run time.
    int64_t kBlocks = ShapedType::isDynamic(k) || splitK > 1 ? 0 : llvm::divideCeil(k, kScaleBlock);
    MathFields math = {blockM, blockN, warpgroups, splitK, cluster != Extents<2>({1, 1})};
    math.rotateKLoop = fields.schedule.rotate.value_or(false);
    math.isMasked = isMasked;
    math.unrollK = fields.schedule.unroll.value_or(4);
    MathFields early = math;
    early.earlyStore = true;
    math.earlyStore = fields.schedule.earlyStore.value_or(earlyStorePays(early, kBlocks));
    if (!fields.schedule.unroll && !unrollingPays(math, kBlocks))
      math.unrollK = 1;
    MathFields rotated = math;
    rotated.rotateKLoop = true;
    int64_t deepest =
        SharedMemoryLayout::getMaxStages(blockM, blockN, kScaleBlock, kMaxStages, splitK, math.earlyStore);
    bool readsBOnce = !ShapedType::isDynamic(rows) && rows <= blockM * cluster[0];
    ConfigFields all = fields;
    auto choose = [](auto &field, auto value) {
      if (!field)
        field = value;
    };
    all.tile = {Extents<3>({blockM, blockN, kScaleBlock}), cluster, splitK};
    all.schedule.warpgroups = warpgroups;
    choose(all.order.groupM, chooseGroupM(math));
    choose(all.order.serpentine, !readsBOnce && serpentinePays(math, kBlocks));
    choose(all.order.evenWaves, evenWavesPay(math, kBlocks));
    choose(all.schedule.stages, std::min(deepest, kEnoughStages));
    choose(all.schedule.unroll, math.unrollK);
    choose(all.schedule.rotate, rotationPays(rotated));
    choose(all.schedule.earlyStore, math.earlyStore);
    choose(all.loads.b, readsBOnce ? CachePolicy::EvictFirst : CachePolicy::Normal);
    if (ConfigAttr config = all.get(emitNowhere, context); config && fields.match(config))
      configs.push_back(config);
  };
  auto addAll = [&](int64_t blockM, int64_t blockN, int64_t warpgroups) {
    for (int64_t clusterM = 1; clusterM <= 2; ++clusterM)
      for (int64_t clusterN = 1; clusterN <= 2; ++clusterN)
        add(blockM, blockN, warpgroups, Extents<2>({clusterM, clusterN}), /*splitK=*/1);
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
  return configs;
}
