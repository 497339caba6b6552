//===- ConfigSpace.h - Every legal configuration of a problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The enumeration of all configurations that the machine can run.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGSPACE_H
#define DGEMM_ANALYSIS_CONFIGSPACE_H

#include "dgemm/Analysis/ConfigFields.h"
#include "dgemm/Analysis/SpillData.h"

namespace dgemm {

/// All legal configurations that match `fields`: every block M and N that registers and shared memory carry, in every
/// cluster or with every split of K, with the deepest ring (at most 16 stages) unless `fields` gives one. The K loop is
/// unrolled and rotated, waves are even and half of a tile is stored early, where that paid in most rows measured,
/// unless `fields` says; `k` and `rows` are sizes of the problem (kDynamic: unknown). B is evicted first where one row
/// of tiles covers all `rows`, unless `fields` says. Of two ways to schedule a tile the one that `spills` leaves out is
/// not taken, but configs that spill are listed.
SmallVector<ConfigAttr> enumerateConfigs(MLIRContext *context, const ConfigFields &fields, const SpillData &spills,
                                         int64_t rows = ShapedType::kDynamic, int64_t k = ShapedType::kDynamic,
                                         bool isMasked = false);

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGSPACE_H
