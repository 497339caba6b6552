//===- GemmInputs.h - Sizes and operands of a scaled GEMM -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// D[m, n] = sum over k of a[m, k] * b[n, k] * the scale of A's block of [m, k] * the scale of B's block of [n, k].
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_GEMMINPUTS_H
#define DGEMM_RUNTIME_GEMMINPUTS_H

#include "dgemm/Runtime/Epilogue.h"
#include "dgemm/Runtime/HostTensor.h"
#include "dgemm/Runtime/Recipe.h"

namespace dgemm {

struct GemmSizes {
  /// Masked and batched: m rows for each group.
  int64_t m = 0, n = 0, k = 0;
  GemmLayout layout = GemmLayout::Dense;
  int64_t groups = 1;
  /// Leading dimensions of A, B and D in elements if they are given at launch, else 0.
  int64_t lda = 0, ldb = 0, ldd = 0;
  /// Rows that are computed, -1 for all.
  int64_t validRows = -1;

  Sizes toSizes() const;
  /// Rows of D, of all groups together; also those of A, except with groups of K.
  int64_t getRows() const { return hasOwnRows(layout) || layout == GemmLayout::KGrouped ? groups * m : m; }
  /// Columns of K that are multiplied for a row of D, on average.
  double getDepth() const { return double(k) / (layout == GemmLayout::KGrouped ? double(groups) : 1.0); }
  int64_t getValidRows() const { return validRows < 0 ? getRows() : validRows; }
  double getFlops() const { return 2.0 * double(getValidRows()) * double(n) * getDepth(); }
  /// The least number of bytes that must move: each operand once.
  double getBytes(const Recipe &recipe) const;
};
/// True if both are the same problem; the rows that are computed may differ.
inline bool isSameProblem(const GemmSizes &a, const GemmSizes &b) {
  return a.m == b.m && a.n == b.n && a.k == b.k && a.layout == b.layout && a.groups == b.groups && a.lda == b.lda &&
         a.ldb == b.ldb && a.ldd == b.ldd;
}

/// The operands of the launch descriptor: a [M, K] and b [N, K] in FP8, scale_a and scale_b as their granularities say,
/// without a name if there are no scales; with groups some have G in front, and `groups` is m_indices [M], masked_m [G]
/// or offsets [G]. `d` is the initial D if the product is added to it; else it has no name.
struct GemmInputs {
  GemmSizes sizes;
  Recipe recipe;
  HostTensor a, scaleA, b, scaleB, groups, d;
  /// The epilogue with its operands; none: D is the sum.
  std::optional<Epilogue> epilogue;
  /// Group of each row of A and D (all groups' rows together); -1 for one that is not computed.
  std::vector<int32_t> groupOfRow;
  /// Groups of K: the columns of each.
  std::vector<std::pair<int64_t, int64_t>> columnsOfGroup;

  /// The initial D at [row, column], with the rows of all groups together.
  double getInitialD(int64_t row, int64_t column) const;
  /// The input called `name` in the launch descriptor, or null.
  const HostTensor *find(llvm::StringRef name) const;
};

/// Paths of .npy files; an empty one means random data.
struct InputFiles {
  std::string a, scaleA, b, scaleB;
  /// Of operands of the epilogue: name and file.
  std::vector<std::pair<std::string, std::string>> epilogue = {};
};

/// Distribution of the random values of A and B before quantisation. The error of FP8 sums depends on it.
enum class Distribution {
  Normal,
  /// Student's t with two degrees of freedom: its variance is infinite, so that some values are far larger than others.
  HeavyTailed,
  /// Magnitudes of normal values: all products have one sign, and no sum cancels.
  SameSign
};

/// Values of `distribution`, quantised to FP8 with one scale for each block of the recipe: its largest magnitude / 448
/// (e5m2: 57344), in f8E8M0FNU rounded up to a power of two; without scales rounded as they are. D of normal values is
/// thus about sqrt(K) with any recipe, which every output type can hold. The result depends on the arguments only, not
/// on the number of threads. Rows that are not computed are NaN. `groupRows`: the rows (columns of K) of each group;
/// empty for random ones. Columns between groups of K are zero up to the next multiple of 128, and NaN from there on.
/// Groups of one A start at multiples of `rowAlignment`. Error: they do not fit `sizes`.
llvm::Expected<GemmInputs> makeRandomInputs(const GemmSizes &sizes, uint64_t seed,
                                            llvm::ArrayRef<int64_t> groupRows = {}, int64_t rowAlignment = 1,
                                            const Recipe &recipe = {},
                                            Distribution distribution = Distribution::Normal);

/// Multiplies the scales of A, or else those of B, by a power of two, so that random sums are about as large as 2,
/// where activations are not linear. Without scales, sums do not change.
void shrinkSums(GemmInputs &inputs);

/// Replaces inputs by the given files. Scales of blocks of one row are read as a quantiser writes them, [rows, ceil(K /
/// k)], and transposed. Error: a file cannot be used, or has scales that the recipe does not have.
llvm::Error readInputs(const InputFiles &files, GemmInputs &inputs);

} // namespace dgemm

#endif // DGEMM_RUNTIME_GEMMINPUTS_H
