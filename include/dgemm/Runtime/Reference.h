//===- Reference.h - The right result, and how far off another is -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_REFERENCE_H
#define DGEMM_RUNTIME_REFERENCE_H

#include "dgemm/Runtime/GemmInputs.h"

namespace dgemm {

enum class CheckMode {
  Auto,   ///< Full for small problems, else Sample
  Full,   ///< every element against double precision
  Sample, ///< some rows against double precision, every row by a checksum, every element for having been written
  None
};
llvm::StringRef toString(CheckMode mode);

/// D starts as this byte everywhere: NaN in each of its types.
constexpr uint8_t kPoison = 0xff;
/// Largest 1 - 2 sum(xy) / sum(xx + yy) of a bf16 D that passes; rounding D to bf16 costs about 1.4e-6 of it on
/// average, but up to 8e-6 for a single element. So a D of up to kFewElements also passes if each element is as close
/// as possible.
constexpr double kMaxDifference = 5e-6;
constexpr int64_t kFewElements = 1024;

/// The allowed errors of D; docs/emulator.md has the measurements.
struct ErrorBounds {
  /// Limit of 1 - 2 sum(xy) / sum(xx + yy) over D.
  double difference = kMaxDifference;
  /// Limits of the error of an element: relative to its value, from rounding to D's type; and relative to its
  /// magnitude, the root of the sum of the squares of its products, from the tensor core's sums.
  double rounding = 0, accumulation = 0;
  /// Limit of the error of a row's checksum, relative to the row's norm.
  double checksum = 0;

  static ErrorBounds get(const Recipe &recipe, int64_t k);
};

struct CheckResult {
  /// Full, Sample or None.
  CheckMode mode = CheckMode::None;
  /// Of D.
  ElementType type = ElementType::BF16;
  ErrorBounds bounds;
  /// Elements compared with double precision, and their rows.
  int64_t elements = 0, rows = 0;
  double difference = 0, maxAbsError = 0;
  /// Largest error in units in the last place of D's type, of the larger of the expected value and the root mean square
  /// of its row, because a sum that cancels is as exact as its terms. Rounding alone costs 0.5.
  double maxUlps = 0;
  /// With an epilogue, or in a D of up to kFewElements: elements whose error is larger than rounding and the tensor
  /// core's sums explain.
  int64_t beyondBounds = 0;
  /// With an epilogue: elements without bounds, for example a quotient whose divisor may be zero.
  int64_t unbounded = 0;
  /// Of a quantised D: elements whose bounds contain more than one number of D's type, and scales that are none of the
  /// elements of their blocks.
  int64_t nearTies = 0, badScales = 0;
  bool isQuantized = false;
  /// Where maxUlps is.
  int64_t worstRow = -1, worstColumn = -1;
  bool hasEpilogue = false;
  /// In all of D: elements that still have the poison, other NaNs, infinities, and the first of them.
  int64_t unwritten = 0, nans = 0, infinities = 0, firstBadRow = -1, firstBadColumn = -1;
  /// Masked and offsets: elements of rows in no group that were written nevertheless.
  int64_t overwritten = 0;
  /// Sample: rows with a wrong checksum, and the first of them.
  int64_t badChecksums = 0, firstBadChecksum = -1;

  bool passed() const;
  /// Describes the check, and the reason if it failed.
  std::string describe() const;
  llvm::json::Object toJSON() const;
};

/// The result in double precision of all rows or of a sample. With an epilogue there are no checksums of rows, as it
/// need not be linear; instead each element has bounds that come from those of its sum. A quantised D has these bounds,
/// too.
class Reference {
public:
  /// `seed` picks the sample. Runs on all cores.
  static Reference compute(const GemmInputs &inputs, CheckMode mode, uint64_t seed);

  CheckMode getMode() const { return mode; }
  /// Rows of D that are known, ascending.
  llvm::ArrayRef<int64_t> getRows() const { return rows; }
  /// The sums of row getRows()[index]: what D is without an epilogue.
  llvm::ArrayRef<double> getRow(size_t index) const {
    return llvm::ArrayRef<double>(values).slice(index * sizes.n, sizes.n);
  }
  /// Row getRows()[index] of D.
  std::vector<double> getExpectedRow(size_t index) const;
  /// `d` is [M, N], or [G, M, N] if masked, in bf16, f16 or f32. If D is quantised, it is FP8, and `scaleD` is
  /// [ceil(N/128), M], or [G, ceil(N/128), M].
  CheckResult compare(const HostTensor &d, const HostTensor &scaleD = {}) const;

private:
  /// T: a type of D.
  template <typename T>
  CheckResult compareAs(const HostTensor &d) const;
  /// CheckQuantized.cpp.
  CheckResult compareQuantized(const HostTensor &d, const HostTensor &scaleD) const;
  /// Bounds of the elements of row getRows()[index], if each sum is off by at most `share` of its allowed error. Empty
  /// if elements are not checked one by one.
  std::vector<Interval> getBoundsOfRow(size_t index, double share = 1) const;
  int64_t getNumColumns() const { return sizes.n / (epilogue ? epilogue->getInfo().getNumSums() : 1); }
  void addInitialD(const GemmInputs &inputs);

  CheckMode mode = CheckMode::None;
  GemmSizes sizes;
  std::vector<int32_t> groupOfRow;
  std::vector<int64_t> rows;
  std::vector<double> values;
  /// Up to kFewElements: the root of the sum of the squares of each element's products.
  std::vector<double> magnitudes;
  ErrorBounds bounds;
  std::optional<Epilogue> epilogue;
  /// The block of D that has a scale, if D is quantised.
  std::optional<Granularity> quantized;
  /// With an epilogue or a quantised D: of each row in getRows(), and each column of B, the fourth root of the sum of
  /// the fourth powers. Their product is at least an element's magnitude (Cauchy and Schwarz).
  std::vector<double> normsA, normsB;
  /// Sample: sum over n of signs[n] * D[m, n], and the signs.
  std::vector<double> checksums;
  std::vector<double> signs;
};

} // namespace dgemm

#endif // DGEMM_RUNTIME_REFERENCE_H
