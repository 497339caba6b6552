//===- ConfigVariations.h - Configs near a config -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The configs that a tuner tries next.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGVARIATIONS_H
#define DGEMM_ANALYSIS_CONFIGVARIATIONS_H

#include "dgemm/Analysis/ConfigFields.h"

namespace dgemm {

/// The configs of `legal` that are one step from `config`: one field differs, a number by the next lower or next higher
/// value in `legal`. `stages`, which follows from the block unless it is given, may also differ.
llvm::SmallVector<ConfigAttr> findNeighbours(ConfigAttr config, llvm::ArrayRef<ConfigAttr> legal);

/// Legal variants of `config` that differ only in its order, which enumerateConfigs does not vary: other `group_m`, and
/// `serpentine` and `even_waves` on or off.
llvm::SmallVector<ConfigAttr> varyOrder(ConfigAttr config);

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGVARIATIONS_H
