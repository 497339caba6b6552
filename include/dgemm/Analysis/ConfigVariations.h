//===- ConfigVariations.h - Configs near a config -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a tuner tries next.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGVARIATIONS_H
#define DGEMM_ANALYSIS_CONFIGVARIATIONS_H

#include "dgemm/Analysis/ConfigFields.h"

namespace dgemm {

/// Those of `legal` that are one step from `config`: one field differs, a number by the next lower or next higher value
/// that one of `legal` has. `stages`, which follows from the block where nobody gives it, may differ too.
llvm::SmallVector<ConfigAttr> findNeighbours(ConfigAttr config, llvm::ArrayRef<ConfigAttr> legal);

/// Legal variants of `config` in its order alone, which enumerateConfigs does not vary: other `group_m`, and
/// `serpentine` and `even_waves` turned on or off.
llvm::SmallVector<ConfigAttr> varyOrder(ConfigAttr config);

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGVARIATIONS_H
