//===- CostModel.h - Predicts the time of a configuration -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Predicts the time of a problem with a configuration. docs/cost-model.md explains the terms; Machine.h has the
// constants.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_COSTMODEL_H
#define DGEMM_ANALYSIS_COSTMODEL_H

#include "dgemm/Analysis/ConfigSpace.h"
#include "dgemm/Analysis/Machine.h"

namespace dgemm {

/// The rows that the largest group is assumed to have, as a multiple of the expected ones, if the kernel reads the
/// number of rows of each group.
constexpr double kMostRowsOfGroup = 1.3;

/// Sizes in elements; ShapedType::kDynamic for one that is unknown (the model then assumes 4096, and 8 groups).
struct ProblemSize {
  /// Rows of all groups together, or of each group if `isMasked` or `isBatched`. If `isMasked`, the kernel reads the
  /// number of rows of each group.
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t groups = 1;
  bool isMasked = false;
  /// Each group has its own A and D. All rows are computed.
  bool isBatched = false;
  /// Block M divides it; 0 for any.
  int64_t rowAlignment = 0;
  /// Tiles have parts of K, which are neither split nor walked backwards.
  bool isKGrouped = false;
  /// A and B come by TMA, which multicasts in a cluster.
  bool loadsByTMA = true;
  /// The scales for which a stage has a place. With those of B, each row of B has a scale for each K block.
  StageScales scales = {};
  /// Threads read these scales from the operand, because TMA does not take their strides.
  bool readsColumnScales = false;
  /// The name of the recipe in tuned tables (getRecipeName).
  std::string recipe = {};
  /// The tensor cores alone sum along K, and the end of a tile is long: sums have scales for columns, or an epilogue.
  /// Warpgroups that take turns hide it.
  bool pingpongPays = false;
  /// An epilogue pairs the halves of a tile's columns.
  bool isGated = false;
  /// D has scales, of which a tile has whole blocks.
  bool isQuantized = false;

  static ProblemSize get(GemmOp gemm);
  /// True if the verifier of dgemm.gemm accepts `config` for it.
  bool allows(ConfigAttr config) const;
};

/// The cost model's prediction, in microseconds.
struct Estimate {
  /// Parts of a K block, which overlap: tensor and CUDA cores; filling shared memory; the L2; waiting for a stage.
  double math, fill, l2, latency;
  /// A K block, and the number of K blocks that a CTA computes for each of its tiles.
  double kBlock;
  int64_t kBlocks;
  /// Clusters of the problem, clusters that run at a time, and the number of tiles of each of these.
  double tiles;
  int64_t atATime;
  double waves;
  /// The end of a tile, with the sum over a cluster.
  double end;
  /// All waves except the last end, and the DRAM traffic meanwhile.
  double compute, dram;
  double launch;
  double total;
};
Estimate estimate(const ProblemSize &size, ConfigAttr config, const Machine &machine);

class TunedTable;

/// The data for the choice of configs, in addition to the cost model.
struct ChoiceData {
  /// Precedes the tables of the library; null for none.
  const TunedTable *own = nullptr;
  const SpillData *spills = &SpillData::getShipped();
  /// Configs that must not be taken.
  ArrayRef<ConfigAttr> avoided;

  /// True if ptxas spills `config` or the caller rejects it.
  bool leavesOut(const ProblemSize &size, ConfigAttr config) const;
};

/// Every legal configuration of a problem with the given fields that `data` does not leave out.
SmallVector<ConfigAttr> enumerateConfigs(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                         const ChoiceData &data = {});

struct SelectedConfig {
  ConfigAttr config;
  /// True if it is from a tuned table, not from the model.
  bool isTuned = false;
};

/// The configuration that a tuned table has for the problem, `data.own` or one of the library's (TunedTable.h), or else
/// the cheapest by the model. If there is none, a diagnostic through `emitError` names the reason.
FailureOr<SelectedConfig> selectConfig(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                       const Machine &machine, function_ref<InFlightDiagnostic()> emitError,
                                       const ChoiceData &data = {});

} // namespace dgemm

#endif // DGEMM_ANALYSIS_COSTMODEL_H
