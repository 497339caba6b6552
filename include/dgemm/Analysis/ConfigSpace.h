//===- ConfigSpace.h - Every legal configuration of a problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The configurations that the machine can run.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGSPACE_H
#define DGEMM_ANALYSIS_CONFIGSPACE_H

#include "dgemm/Analysis/ConfigFields.h"
#include "dgemm/Analysis/SpillData.h"
#include "mlir/IR/Diagnostics.h"

namespace dgemm {

/// Calls `visit` with all fields of each configuration that may be legal and match `fields`: every block M and N, in
/// every cluster or with every split of K, with the deepest ring (at most 16 stages) unless `fields` gives one. The K
/// loop is unrolled and rotated, waves are even and half of a tile is stored early, where that paid in most rows
/// measured, unless `fields` says; `k` and `rows` are sizes of the problem (kDynamic: unknown). B is evicted first
/// where one row of tiles covers all `rows`, unless `fields` says. Of two ways to schedule a tile the one that `spills`
/// leaves out is not taken, but configs that spill are visited.
void forEachCandidate(const ConfigFields &fields, const SpillData &spills, int64_t rows, int64_t k, bool isMasked,
                      bool scalesColumns, function_ref<void(const ConfigFields &)> visit);

/// Tells candidates that are legal. What is, the verifier of #dgemm.config knows; while this lives, what it says of the
/// others is not heard.
class LegalConfigs {
public:
  explicit LegalConfigs(MLIRContext *context);
  /// Null if it is not legal, or has not the fields that were given.
  ConfigAttr get(const ConfigFields &candidate, const ConfigFields &given);

private:
  MLIRContext *context;
  Location nowhere;
  mlir::ScopedDiagnosticHandler silence;
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGSPACE_H
