//===- CostModel.h - Predicts the time of a configuration -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a problem takes under a configuration. The terms stand in docs/cost-model.md, the constants in Machine.h.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_COSTMODEL_H
#define DGEMM_ANALYSIS_COSTMODEL_H

#include "dgemm/Analysis/ConfigSpace.h"
#include "dgemm/Analysis/Machine.h"

namespace dgemm {

/// Sizes in elements; ShapedType::kDynamic for one that is unknown (the model then assumes 4096, and 8 groups).
struct ProblemSize {
  /// Rows of all groups together, or of each one where `isMasked`: where the kernel reads how many each has.
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t groups = 1;
  bool isMasked = false;
  /// Block M divides it; 0 for any.
  int64_t rowAlignment = 0;
  /// Tiles have parts of K, which are neither split nor walked backwards.
  bool isKGrouped = false;
  /// A and B come by TMA, which multicasts in a cluster.
  bool loadsByTMA = true;
  /// Each row of B has a scale for each K block, for which a stage has a place.
  bool scalesColumns = false;
  /// Threads read these from the operand, as TMA does not take their strides.
  bool readsColumnScales = false;
  /// What tuned tables call the recipe (getRecipeName).
  std::string recipe = {};
  /// An epilogue pairs the halves of a tile's columns.
  bool isGated = false;

  static ProblemSize get(GemmOp gemm);
  /// Whether the verifier of dgemm.gemm takes `config` for it.
  bool allows(ConfigAttr config) const;
};

/// What the cost model expects, in microseconds.
struct Estimate {
  /// Parts of a K block, which overlap: tensor and CUDA cores; filling shared memory; the L2; waiting for a stage.
  double math, fill, l2, latency;
  /// A K block, and how many of them a CTA walks for each of its tiles.
  double kBlock;
  int64_t kBlocks;
  /// Clusters that the problem is made of, those that run at a time, and how often each of these has a tile.
  double tiles;
  int64_t atATime;
  double waves;
  /// The end of a tile, with the sum over a cluster.
  double end;
  /// All waves but for the last end, and what moves from and to DRAM meanwhile.
  double compute, dram;
  double launch;
  double total;
};
Estimate estimate(const ProblemSize &size, ConfigAttr config, const Machine &machine);

class TunedTable;

/// What configs are chosen by, beside the cost model.
struct ChoiceData {
  /// Looked into before the tables of the library; null for none.
  const TunedTable *own = nullptr;
  const SpillData *spills = &SpillData::getShipped();
  /// Not to be taken.
  ArrayRef<ConfigAttr> avoided;

  /// ptxas was seen to spill it, or it is to be avoided.
  bool leavesOut(const ProblemSize &size, ConfigAttr config) const;
};

/// Every legal configuration of a problem with the given fields that `data` do not leave out.
SmallVector<ConfigAttr> enumerateConfigs(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                         const ChoiceData &data = {});

struct SelectedConfig {
  ConfigAttr config;
  /// From a tuned table, not by the model.
  bool isTuned = false;
};

/// The configuration of these that a tuned table has for the problem, `data.own` or one of the library's
/// (TunedTable.h), else the cheapest by the model; a diagnostic through `emitError` that names what is broken if there
/// is none.
FailureOr<SelectedConfig> selectConfig(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                       const Machine &machine, function_ref<InFlightDiagnostic()> emitError,
                                       const ChoiceData &data = {});

} // namespace dgemm

#endif // DGEMM_ANALYSIS_COSTMODEL_H
