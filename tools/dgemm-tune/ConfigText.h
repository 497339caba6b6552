//===- ConfigText.h - Configs as text, whatever their fields ----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_TUNE_CONFIGTEXT_H
#define DGEMM_TOOLS_DGEMM_TUNE_CONFIGTEXT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace dgemm::tune {

/// Those of `legal` that are one step from `config`: one field differs, by the next lower or next higher value of one
/// of its numbers, or by being no number or not given. The depth of the ring, which follows from the block, may differ
/// too.
std::vector<std::string> findNeighbours(llvm::StringRef config, llvm::ArrayRef<std::string> legal);

/// Variants of a whole `config` in the order of its tiles and K blocks alone, which lists of configs do not vary: other
/// `group_m`, and `even_waves` and `serpentine_k` turned on or off.
std::vector<std::string> varyTileOrder(llvm::StringRef config);

} // namespace dgemm::tune

#endif // DGEMM_TOOLS_DGEMM_TUNE_CONFIGTEXT_H
