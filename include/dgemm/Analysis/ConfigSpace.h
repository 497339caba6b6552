//===- ConfigSpace.h - Every legal configuration of a problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Configurations as plain data, apart from IR: partial ones as users write them, and the enumeration of all that the
// machine can run.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGSPACE_H
#define DGEMM_ANALYSIS_CONFIGSPACE_H

#include "dgemm/IR/DGemm.h"
#include "llvm/Support/Error.h"
#include <array>
#include <optional>

namespace dgemm {

/// Fields of #dgemm.config, each given or left to choose.
struct ConfigFields {
  /// M, N, K in elements.
  std::optional<std::array<int64_t, 3>> block;
  std::optional<int64_t> stages;
  std::optional<int64_t> mathWarpgroups;
  std::optional<int64_t> groupM;
  /// M, N in CTAs.
  std::optional<std::array<int64_t, 2>> cluster;
  std::optional<int64_t> splitK;
  /// True for `b`, false for `none`.
  std::optional<bool> evictFirstB;
  std::optional<bool> rotateKLoop;
  std::optional<int64_t> unrollK;
  std::optional<bool> evenWaves;
  std::optional<bool> earlyStore;
  std::optional<bool> serpentineK;
  /// Any config can have it or not: `match` does not look at it.
  std::optional<bool> pdl;

  /// Reads "block = 128x192x128, stages = 4" (any fields, any order, with or without < >). Error: an unknown or
  /// repeated field, or a malformed value.
  static llvm::Expected<ConfigFields> parse(StringRef text);
  /// True if every given field has that value in `config`.
  bool match(ConfigAttr config) const;
};

/// True for "<block = 128x192x128, ...>", the text of a whole #dgemm.config: fields that it does not give have their
/// default, where ConfigFields leaves them to choose.
bool isWholeConfig(StringRef text);
/// Reads such a text. Failure: it is malformed or no legal config, with a diagnostic.
FailureOr<ConfigAttr> parseWholeConfig(MLIRContext *context, StringRef text);

/// All legal configurations that match `fields`: every block M and N that registers and shared memory carry, in every
/// cluster or with every split of K, with the deepest ring (at most 16 stages) unless `fields` gives one. The K loop is
/// unrolled and rotated, waves are even and half of a tile is stored early, where that paid in most rows measured,
/// unless `fields` says; `k` and `rows` are sizes of the problem (kDynamic: unknown). B is evicted first where one row
/// of tiles covers all `rows`, unless `fields` says.
SmallVector<ConfigAttr> enumerateConfigs(MLIRContext *context, const ConfigFields &fields,
                                         int64_t rows = ShapedType::kDynamic, int64_t k = ShapedType::kDynamic,
                                         bool isMasked = false);

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGSPACE_H
