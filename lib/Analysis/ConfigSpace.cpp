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
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace dgemm;

static llvm::Error makeError(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static llvm::Error parseInteger(StringRef key, StringRef value, std::optional<int64_t> &field) {
  int64_t number;
  if (field)
    return makeError("config field '" + key + "' is given twice");
  if (value.getAsInteger(10, number))
    return makeError("expected an integer for config field '" + key + "', but got '" + value + "'");
  field = number;
  return llvm::Error::success();
}

static llvm::Error parseBool(StringRef key, StringRef value, std::optional<bool> &field) {
  if (value != "true" && value != "false")
    return makeError("expected true or false for config field '" + key + "', but got '" + value + "'");
  field = value == "true";
  return llvm::Error::success();
}

static llvm::Error parseCluster(StringRef value, std::optional<std::array<int64_t, 2>> &cluster) {
  auto [m, n] = value.split('x');
  std::array<int64_t, 2> extents;
  if (m.trim().getAsInteger(10, extents[0]) || n.trim().getAsInteger(10, extents[1]))
    return makeError("expected MxN for config field 'cluster', but got '" + value + "'");
  cluster = extents;
  return llvm::Error::success();
}

static llvm::Error parseEvictFirst(StringRef value, std::optional<bool> &evictFirstB) {
  if (evictFirstB)
    return makeError("config field 'evict_first' is given twice");
  if (value != "b" && value != "none")
    return makeError("expected b or none for config field 'evict_first', but got '" + value + "'");
  evictFirstB = value == "b";
  return llvm::Error::success();
}

static llvm::Error parseBlock(StringRef value, std::optional<std::array<int64_t, 3>> &block) {
  SmallVector<StringRef> parts;
  value.split(parts, 'x');
  std::array<int64_t, 3> extents = {0, 0, kScaleBlock};
  bool ok = parts.size() == 2 || parts.size() == 3;
  for (size_t i = 0; ok && i < parts.size(); ++i)
    ok = !parts[i].trim().getAsInteger(10, extents[i]);
  if (!ok)
    return makeError("expected MxNxK for config field 'block', but got '" + value + "'");
  block = extents;
  return llvm::Error::success();
}

llvm::Expected<ConfigFields> ConfigFields::parse(StringRef text) {
  ConfigFields fields;
  text = text.trim();
  if (text.consume_front("<"))
    text.consume_back(">");
  SmallVector<StringRef> items;
  text.split(items, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef item : items) {
    auto [key, value] = item.split('=');
    key = key.trim();
    value = value.trim();
    llvm::Error error = llvm::Error::success();
    if (key == "block")
      error = parseBlock(value, fields.block);
    else if (key == "stages")
      error = parseInteger(key, value, fields.stages);
    else if (key == "math_warpgroups")
      error = parseInteger(key, value, fields.mathWarpgroups);
    else if (key == "group_m")
      error = parseInteger(key, value, fields.groupM);
    else if (key == "cluster")
      error = parseCluster(value, fields.cluster);
    else if (key == "split_k")
      error = parseInteger(key, value, fields.splitK);
    else if (key == "evict_first")
      error = parseEvictFirst(value, fields.evictFirstB);
    else if (key == "rotate_k_loop")
      error = parseBool(key, value, fields.rotateKLoop);
    else if (key == "unroll_k")
      error = parseInteger(key, value, fields.unrollK);
    else if (key == "even_waves")
      error = parseBool(key, value, fields.evenWaves);
    else if (key == "early_store")
      error = parseBool(key, value, fields.earlyStore);
    else if (key == "serpentine_k")
      error = parseBool(key, value, fields.serpentineK);
    else if (key == "pdl")
      error = parseBool(key, value, fields.pdl);
    else
      error = makeError("unknown config field '" + key + "'; known are " + kConfigFieldNames);
    if (error)
      return std::move(error);
  }
  return fields;
}

bool ConfigFields::match(ConfigAttr config) const {
  if (block && *block != std::array<int64_t, 3>{config.getBlockM(), config.getBlockN(), config.getBlockK()})
    return false;
  if (cluster && *cluster != std::array<int64_t, 2>{config.getClusterM(), config.getClusterN()})
    return false;
  return (!stages || *stages == config.getStages()) &&
         (!mathWarpgroups || *mathWarpgroups == config.getMathWarpgroups()) &&
         (!groupM || *groupM == config.getGroupM()) && (!splitK || *splitK == config.getSplitK()) &&
         (!evictFirstB || *evictFirstB == config.getEvictFirstB()) &&
         (!rotateKLoop || *rotateKLoop == config.getRotateKLoop()) && (!unrollK || *unrollK == config.getUnrollK()) &&
         (!evenWaves || *evenWaves == config.getEvenWaves()) &&
         (!earlyStore || *earlyStore == config.getEarlyStore()) &&
         (!serpentineK || *serpentineK == config.getSerpentineK());
}

bool dgemm::isWholeConfig(StringRef text) { return text.trim().starts_with("<"); }

FailureOr<ConfigAttr> dgemm::parseWholeConfig(MLIRContext *context, StringRef text) {
  auto config = dyn_cast_or_null<ConfigAttr>(parseAttribute(("#dgemm.config" + text.trim()).str(), context));
  if (!config)
    return failure();
  return config;
}

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
  auto add = [&](int64_t blockM, int64_t blockN, int64_t warpgroups, int64_t clusterM, int64_t clusterN,
                 int64_t splitK) {
    // Of a split K the CTAs take their parts at run time.
    int64_t kBlocks = ShapedType::isDynamic(k) || splitK > 1 ? 0 : llvm::divideCeil(k, kScaleBlock);
    MathFields math = {blockM, blockN, warpgroups, splitK, clusterM * clusterN > 1};
    math.rotateKLoop = fields.rotateKLoop.value_or(false);
    math.isMasked = isMasked;
    math.unrollK = fields.unrollK.value_or(4);
    MathFields early = math;
    early.earlyStore = true;
    math.earlyStore = fields.earlyStore.value_or(earlyStorePays(early, kBlocks));
    if (!fields.unrollK && !unrollingPays(math, kBlocks))
      math.unrollK = 1;
    MathFields rotated = math;
    rotated.rotateKLoop = true;
    math.rotateKLoop = fields.rotateKLoop.value_or(rotationPays(rotated));
    int64_t deepest =
        SharedMemoryLayout::getMaxStages(blockM, blockN, kScaleBlock, kMaxStages, splitK, math.earlyStore);
    bool readsBOnce = !ShapedType::isDynamic(rows) && rows <= blockM * clusterM;
    ConfigAttr config = ConfigAttr::getChecked(
        emitNowhere, context, blockM, blockN, kScaleBlock, fields.stages.value_or(std::min(deepest, kEnoughStages)),
        warpgroups, fields.groupM.value_or(chooseGroupM(math)), clusterM, clusterN, splitK,
        fields.evictFirstB.value_or(readsBOnce), math.rotateKLoop, math.unrollK,
        fields.evenWaves.value_or(evenWavesPay(math, kBlocks)), math.earlyStore,
        fields.serpentineK.value_or(!readsBOnce && serpentinePays(math, kBlocks)), fields.pdl.value_or(false));
    if (config && fields.match(config))
      configs.push_back(config);
  };
  auto addAll = [&](int64_t blockM, int64_t blockN, int64_t warpgroups) {
    for (int64_t clusterM = 1; clusterM <= 2; ++clusterM)
      for (int64_t clusterN = 1; clusterN <= 2; ++clusterN)
        add(blockM, blockN, warpgroups, clusterM, clusterN, /*splitK=*/1);
    for (int64_t splitK = 2; splitK <= hopper::kMaxCluster; ++splitK)
      add(blockM, blockN, warpgroups, 1, 1, splitK);
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
