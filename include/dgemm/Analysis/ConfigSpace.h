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
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/IR/Diagnostics.h"

namespace dgemm {

/// Calls `visit` with all fields of each configuration that may be legal and match `fields`: every block M and N, in
/// every cluster or with every split of K, with the deepest ring (at most 16 stages) unless `fields` gives one. Unless
/// `fields` gives them, the rules of docs/cost-model.md set unrolling, rotation, even waves and early stores, and B is
/// evicted first if one row of tiles covers all `rows`. `k` and `rows` are sizes of the problem (kDynamic: unknown). A
/// schedule that `spills` lists gives way to another one of the same tile; if there is none, a config that spills is
/// visited. Configs with pingpong are visited if `fields` or `pingpongPays` say so.
void forEachCandidate(const ConfigFields &fields, const SpillData &spills, int64_t rows, int64_t k, bool isMasked,
                      StageScales scales, bool pingpongPays, llvm::function_ref<void(const ConfigFields &)> visit);

/// Filters legal candidates by the verifier of #dgemm.config. While this lives, diagnostics of the verifier are
/// suppressed.
class LegalConfigs {
public:
  explicit LegalConfigs(MLIRContext *context);
  /// Null if it is not legal, or does not have the given fields.
  ConfigAttr get(const ConfigFields &candidate, const ConfigFields &given);

private:
  MLIRContext *context;
  Location nowhere;
  mlir::ScopedDiagnosticHandler silence;
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGSPACE_H
