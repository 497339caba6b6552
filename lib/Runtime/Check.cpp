//===- Check.cpp - Compares a result with the reference -------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Reference.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Parallel.h"
#include <cmath>

using namespace llvm;

namespace dgemm {

/// A row's checksum may be off by so much of the row's norm: 16 times what rounding to bf16 costs. A run of 64 wrong
/// columns in a row of 32768 is at least twice as far off.
static constexpr double kChecksumTolerance = 0.02;

/// Half a step of bf16 (8 bits of significand), and a little for the sum itself.
static constexpr double kRounding = 1.02 / 256;
static constexpr uint16_t kPoisonBits = kPoison << 8 | kPoison;

StringRef toString(CheckMode mode) {
  switch (mode) {
  case CheckMode::Auto:
    return "auto";
  case CheckMode::Full:
    return "full";
  case CheckMode::Sample:
    return "sample";
  case CheckMode::None:
    return "none";
  }
  llvm_unreachable("unknown check mode");
}

namespace {
/// What one row adds to the result.
struct RowScan {
  int64_t unwritten = 0, nans = 0, infinities = 0, overwritten = 0, firstBad = -1;
  bool badChecksum = false;
};
struct RowComparison {
  double products = 0, squares = 0, maxAbsError = 0, maxUlps = 0;
  int64_t beyondRounding = 0;
  int64_t worst = -1;
};
} // namespace

static RowScan scanRow(ArrayRef<uint16_t> row) {
  RowScan scan;
  for (const auto &[column, bits] : enumerate(row)) {
    if ((bits & 0x7f80) != 0x7f80)
      continue;
    bool isPoison = bits == kPoisonBits, isNaN = bits & 0x7f;
    ++(isPoison ? scan.unwritten : isNaN ? scan.nans : scan.infinities);
    if (scan.firstBad < 0)
      scan.firstBad = int64_t(column);
  }
  return scan;
}

/// True when `checksum` = sum of signs[n] * row[n] does not hold within rounding.
static bool isChecksumBad(ArrayRef<uint16_t> row, ArrayRef<double> signs, double checksum) {
  double sum = 0, squares = 0;
  for (const auto &[bits, sign] : zip_equal(row, signs)) {
    double value = decodeBF16(bits);
    sum += sign * value;
    squares += value * value;
  }
  return !(std::fabs(sum - checksum) <= kChecksumTolerance * std::sqrt(squares));
}

/// What the last of bf16's 8 significant bits is worth.
static double getUlp(double magnitude) {
  constexpr double kSmallestNormal = 0x1p-126;
  return std::ldexp(1.0, std::ilogb(std::max(magnitude, kSmallestNormal)) - 7);
}

static double getRootMeanSquare(ArrayRef<double> values) {
  double squares = 0;
  for (double value : values)
    squares += value * value;
  return values.empty() ? 0 : std::sqrt(squares / double(values.size()));
}

static RowComparison compareRow(ArrayRef<uint16_t> row, ArrayRef<double> expected) {
  RowComparison result;
  double typical = getRootMeanSquare(expected), typicalUlp = getUlp(typical);
  for (const auto &[column, pair] : enumerate(zip_equal(row, expected))) {
    double x = decodeBF16(std::get<0>(pair)), y = std::get<1>(pair), error = std::fabs(x - y);
    result.products += x * y;
    result.squares += x * x + y * y;
    if (!(error <= kRounding * std::fabs(y)))
      ++result.beyondRounding;
    result.maxAbsError = std::max(result.maxAbsError, error);
    double ulps = error / (std::fabs(y) > typical ? getUlp(std::fabs(y)) : typicalUlp);
    if (ulps > result.maxUlps) {
      result.maxUlps = ulps;
      result.worst = int64_t(column);
    }
  }
  return result;
}

CheckResult Reference::compare(const HostTensor &d) const {
  CheckResult result;
  result.mode = mode;
  if (mode == CheckMode::None)
    return result;
  auto getRowOf = [&](int64_t row) { return d.as<uint16_t>().slice(row * sizes.n, sizes.n); };

  std::vector<RowScan> scans(groupOfRow.size());
  parallelFor(0, scans.size(), [&](size_t row) {
    if (groupOfRow[row] < 0) { // padding of a contiguous layout may hold anything
      if (sizes.layout == GemmLayout::Masked)
        scans[row].overwritten = count_if(getRowOf(int64_t(row)), [](uint16_t bits) { return bits != kPoisonBits; });
      return;
    }
    scans[row] = scanRow(getRowOf(int64_t(row)));
    if (!checksums.empty() && scans[row].firstBad < 0)
      scans[row].badChecksum = isChecksumBad(getRowOf(int64_t(row)), signs, checksums[row]);
  });
  for (const auto &[row, scan] : enumerate(scans)) {
    result.unwritten += scan.unwritten;
    result.overwritten += scan.overwritten;
    result.nans += scan.nans;
    result.infinities += scan.infinities;
    if (scan.firstBad >= 0 && result.firstBadRow < 0) {
      result.firstBadRow = int64_t(row);
      result.firstBadColumn = scan.firstBad;
    }
    if (scan.badChecksum && result.badChecksums++ == 0)
      result.firstBadChecksum = int64_t(row);
  }

  std::vector<RowComparison> comparisons(rows.size());
  parallelFor(0, rows.size(), [&](size_t i) { comparisons[i] = compareRow(getRowOf(rows[i]), getRow(i)); });
  double products = 0, squares = 0;
  for (const auto &[i, comparison] : enumerate(comparisons)) {
    products += comparison.products;
    squares += comparison.squares;
    result.beyondRounding += comparison.beyondRounding;
    result.maxAbsError = std::max(result.maxAbsError, comparison.maxAbsError);
    if (comparison.maxUlps > result.maxUlps) {
      result.maxUlps = comparison.maxUlps;
      result.worstRow = rows[i];
      result.worstColumn = comparison.worst;
    }
  }
  result.rows = int64_t(rows.size());
  result.elements = result.rows * sizes.n;
  result.difference = squares == 0 ? 0 : 1 - 2 * products / squares; // both all zero: equal
  return result;
}

bool CheckResult::passed() const {
  // Written so that a NaN fails.
  bool isNear = difference < kMaxDifference || (elements <= kFewElements && beyondRounding == 0);
  return mode == CheckMode::None ||
         (isNear && unwritten == 0 && nans == 0 && infinities == 0 && overwritten == 0 && badChecksums == 0);
}

std::string CheckResult::describe() const {
  if (mode == CheckMode::None)
    return "not checked";
  std::string text;
  raw_string_ostream os(text);
  if (unwritten + nans + infinities > 0)
    os << formatv("{0} elements of D were not written, {1} are NaN, {2} infinite, the first at [{3}, {4}]; ", unwritten,
                  nans, infinities, firstBadRow, firstBadColumn);
  if (overwritten > 0)
    os << formatv("{0} elements behind the rows of their group were written; ", overwritten);
  if (badChecksums > 0)
    os << formatv("{0} rows have a wrong checksum, the first is {1}; ", badChecksums, firstBadChecksum);
  if (elements == 0) {
    os << "D has no element that is computed";
    return text;
  }
  os << formatv("difference {0:e2} (limit {1:e0}), largest error {2:F2} ulp of bf16 at [{3}, {4}], ", difference,
                kMaxDifference, maxUlps, worstRow, worstColumn);
  if (mode == CheckMode::Full)
    os << formatv("all {0} elements checked", elements);
  else
    os << formatv("{0} rows checked, and the checksum of every row", rows);
  return text;
}

json::Object CheckResult::toJSON() const {
  // JSON has no NaN; null says that there is no number.
  auto number = [](double value) { return std::isfinite(value) ? json::Value(value) : json::Value(nullptr); };
  return json::Object{{"mode", toString(mode)},
                      {"passed", passed()},
                      {"elements", elements},
                      {"rows", rows},
                      {"difference", number(difference)},
                      {"limit", kMaxDifference},
                      {"max_abs_error", number(maxAbsError)},
                      {"max_error_ulps", number(maxUlps)},
                      {"worst", json::Array{worstRow, worstColumn}},
                      {"unwritten", unwritten},
                      {"nan", nans},
                      {"infinite", infinities},
                      {"overwritten", overwritten},
                      {"bad_checksums", badChecksums}};
}

} // namespace dgemm
