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
#include <cassert>
#include <cmath>

using namespace llvm;

namespace dgemm {

ErrorBounds ErrorBounds::get(const Recipe &recipe, int64_t k) {
  ErrorBounds bounds;
  // Half a step of D's type, and a small allowance for the sum itself.
  switch (recipe.out) {
  case ElementType::BF16:
    bounds.rounding = 1.02 * 0x1p-8;
    break;
  case ElementType::F16:
    bounds.rounding = 1.02 * 0x1p-11;
    break;
  case ElementType::F8E4M3FN: // of a normal number; one below the normal ones of its block is worse
    bounds.rounding = 1.02 * 0x1p-4;
    break;
  case ElementType::F8E5M2:
    bounds.rounding = 1.02 * 0x1p-3;
    break;
  default:
    bounds.rounding = 1.02 * 0x1p-24;
  }
  // Rounding alone costs 1.4e-6 in bf16 and 2.2e-8 in f16. Sums of 128 products in the tensor core cost 8e-9 on normal
  // data, 4e-8 on data with heavy tails and 1.9e-7 on data of one sign, and at most 2e-3 of an element's magnitude.
  constexpr double kMaxDifferenceOfFinerTypes = 5e-7;
  if (recipe.out != ElementType::BF16)
    bounds.difference = kMaxDifferenceOfFinerTypes;
  // An element is off by up to `rounding` of itself, and in the mean by less than half of that.
  if (recipe.quantized)
    bounds.difference = bounds.rounding * bounds.rounding / 4;
  bounds.accumulation = 0x1p-8;
  // The product is rounded, too, before it is added to D: of its magnitude, as D may cancel it, half a step.
  if (recipe.accumulate) {
    bounds.difference *= 2;
    bounds.accumulation += 4 * bounds.rounding;
  }
  // 12 times what rounding to bf16 costs. A run of 64 wrong columns in a row of 32768 is at least twice as far off.
  bounds.checksum = 0.02;
  if (recipe.accuracy == Accuracy::Exact)
    return bounds;
  // A sum of 256 products costs 2e-8 on normal data and 2e-6 on data of one sign. Relative to an element's magnitude,
  // it costs twice as much as a sum of 128.
  if (recipe.accuracy == Accuracy::Balanced) {
    bounds.difference += 2.5e-6;
    bounds.accumulation *= 2;
    return bounds;
  }
  // A sum along all of K costs 2e-10 to 3.4e-10 K on normal data, and at most 2.7e-4 sqrt(K) of an element's magnitude.
  bounds.difference += 1e-9 * double(k);
  bounds.accumulation += 5e-4 * std::sqrt(double(k));
  bounds.checksum += 1e-4 * std::sqrt(double(k));
  return bounds;
}

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
/// A type of D: its bits, and their value.
struct BF16 {
  using Bits = uint16_t;
  static constexpr int kSignificandBits = 8, kSmallestExponent = -126;
  static constexpr double kLargest = 0x1.fep127;
  static double decode(Bits bits) { return decodeBF16(bits); }
};
struct F16 {
  using Bits = uint16_t;
  static constexpr int kSignificandBits = 11, kSmallestExponent = -14;
  static constexpr double kLargest = 65504;
  static double decode(Bits bits) { return decodeF16(bits); }
};
struct F32 {
  using Bits = uint32_t;
  static constexpr int kSignificandBits = 24, kSmallestExponent = -126;
  static constexpr double kLargest = 0x1.fffffep127;
  static double decode(Bits bits) { return bit_cast<float>(bits); }
};
template <typename T>
constexpr typename T::Bits kPoisonBits = typename T::Bits(~typename T::Bits(0));

/// The contribution of one row to the result.
struct RowScan {
  int64_t unwritten = 0, nans = 0, infinities = 0, overwritten = 0, firstBad = -1;
  bool badChecksum = false;
};
struct RowComparison {
  double products = 0, squares = 0, maxAbsError = 0, maxUlps = 0;
  /// Of half the widths of the intervals.
  double squaredWidths = 0;
  int64_t beyondBounds = 0, unbounded = 0;
  bool mayOverflow = false;
  int64_t worst = -1;
};
} // namespace

template <typename T>
static RowScan scanRow(ArrayRef<typename T::Bits> row) {
  constexpr unsigned kMantissaBits = T::kSignificandBits - 1;
  constexpr typename T::Bits kMantissa = (typename T::Bits(1) << kMantissaBits) - 1;
  constexpr typename T::Bits kExponent = typename T::Bits(kPoisonBits<T> << 1) >> 1 & ~kMantissa;
  RowScan scan;
  for (const auto &[column, bits] : enumerate(row)) {
    if ((bits & kExponent) != kExponent)
      continue;
    bool isPoison = bits == kPoisonBits<T>, isNaN = bits & kMantissa;
    ++(isPoison ? scan.unwritten : isNaN ? scan.nans : scan.infinities);
    if (scan.firstBad < 0)
      scan.firstBad = int64_t(column);
  }
  return scan;
}

/// True when `checksum` = sum of signs[n] * row[n] does not hold within `bound` of the row's norm.
template <typename T>
static bool isChecksumBad(ArrayRef<typename T::Bits> row, ArrayRef<double> signs, double checksum, double bound) {
  double sum = 0, squares = 0;
  for (const auto &[bits, sign] : zip_equal(row, signs)) {
    double value = T::decode(bits);
    sum += sign * value;
    squares += value * value;
  }
  return !(std::fabs(sum - checksum) <= bound * std::sqrt(squares));
}

/// The value of the last significant bit.
template <typename T>
static double getUlp(double magnitude) {
  double smallestNormal = std::ldexp(1.0, T::kSmallestExponent);
  return std::ldexp(1.0, std::ilogb(std::max(magnitude, smallestNormal)) - (T::kSignificandBits - 1));
}

static double getRootMeanSquare(ArrayRef<double> values) {
  double squares = 0;
  for (double value : values)
    squares += std::isfinite(value) ? value * value : 0;
  return values.empty() ? 0 : std::sqrt(squares / double(values.size()));
}

/// Whether `value` may be what a number of the interval is rounded to.
template <typename T>
static bool isWithin(Interval interval, double value, double rounding) {
  double slack = rounding * std::max(std::fabs(interval.low), std::fabs(interval.high)) +
                 std::ldexp(1.0, T::kSmallestExponent - T::kSignificandBits);
  double low = interval.low - slack, high = interval.high + slack;
  return (low <= value || low < -T::kLargest) && (value <= high || high > T::kLargest) && !std::isnan(value);
}

/// `allowed` is empty where elements are not looked at one by one, `typical` where there is no epilogue.
template <typename T>
static RowComparison compareRow(ArrayRef<typename T::Bits> row, ArrayRef<double> expected, ArrayRef<Interval> allowed,
                                ArrayRef<Interval> typical, const ErrorBounds &bounds) {
  RowComparison result;
  double mean = getRootMeanSquare(expected), ulpOfMean = getUlp<T>(mean);
  for (const auto &[column, pair] : enumerate(zip_equal(row, expected))) {
    double x = T::decode(std::get<0>(pair)), y = std::get<1>(pair), error = std::fabs(x - y);
    if (!allowed.empty()) {
      Interval interval = allowed[column];
      if (interval.isUnbounded()) {
        ++result.unbounded;
        continue;
      }
      bool mayOverflow = std::max(-interval.low, interval.high) > T::kLargest;
      result.mayOverflow |= mayOverflow;
      if (!isWithin<T>(interval, x, bounds.rounding))
        ++result.beyondBounds;
      else if (mayOverflow) // there is no error to add up
        continue;
      if (!typical.empty())
        result.squaredWidths += std::pow((typical[column].high - typical[column].low) / 2, 2);
    }
    result.products += x * y;
    result.squares += x * x + y * y;
    result.maxAbsError = std::max(result.maxAbsError, error);
    double ulps = error / (std::fabs(y) > mean ? getUlp<T>(std::fabs(y)) : ulpOfMean);
    if (ulps > result.maxUlps) {
      result.maxUlps = ulps;
      result.worst = int64_t(column);
    }
  }
  return result;
}

static void addScans(ArrayRef<RowScan> scans, CheckResult &result) {
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
}

CheckResult Reference::compare(const HostTensor &d, const HostTensor &scaleD) const {
  if (quantized)
    return compareQuantized(d, scaleD);
  switch (d.type) {
  case ElementType::F16:
    return compareAs<F16>(d);
  case ElementType::F32:
    return compareAs<F32>(d);
  default:
    assert(d.type == ElementType::BF16 && "D has one of three types");
    return compareAs<BF16>(d);
  }
}

std::vector<double> Reference::getExpectedRow(size_t index) const {
  ArrayRef<double> sums = getRow(index);
  if (!epilogue)
    return sums.vec();
  int64_t row = rows[index], group = groupOfRow[row], columns = getNumColumns();
  std::vector<double> expected(columns);
  for (int64_t column = 0; column < columns; ++column) {
    double pair[] = {sums[column], sums[sums.size() - columns + column]};
    expected[column] =
        epilogue->evaluate(ArrayRef(pair, epilogue->getInfo().getNumSums()), group, row, column, columns);
  }
  return expected;
}

std::vector<Interval> Reference::getBoundsOfRow(size_t index, double share) const {
  ArrayRef<double> sums = getRow(index);
  std::vector<Interval> allowed;
  if (normsA.empty() && magnitudes.empty())
    return allowed;
  int64_t row = rows[index], group = groupOfRow[row], columns = getNumColumns();
  auto getSum = [&](int64_t column) {
    double magnitude =
        !normsA.empty() ? normsA[index] * normsB[group * sizes.n + column] : magnitudes[index * sizes.n + column];
    double off = share * bounds.accumulation * magnitude;
    return Interval{sums[column] - off, sums[column] + off};
  };
  for (int64_t column = 0; column < columns; ++column) {
    Interval pair[] = {getSum(column), getSum(sizes.n - columns + column)};
    allowed.push_back(
        epilogue ? epilogue->bound(ArrayRef(pair, epilogue->getInfo().getNumSums()), group, row, column, columns)
                 : pair[0]);
  }
  return allowed;
}

/// `spread`: what D is off where each sum is off by a quarter of what it may be, more than in the mean: the sum of the
/// squares of half the widths of the bounds, over those of the elements.
static void judgeEpilogue(double spread, bool mayOverflow, CheckResult &result) {
  result.hasEpilogue = true;
  // A bound is four times as wide, and more, as what sums are off in the mean. All elements may be numbers that D's
  // type rounds as badly as it can.
  double rounding = result.bounds.rounding;
  result.bounds.difference = std::max(result.bounds.difference, rounding * rounding / 2) + spread;
  if (result.unbounded > 0 || mayOverflow) // each element has been judged; of other rows nobody knows
    result.nans = result.infinities = 0;
}

template <typename T>
CheckResult Reference::compareAs(const HostTensor &d) const {
  using Bits = typename T::Bits;
  CheckResult result;
  result.mode = mode;
  result.type = d.type;
  result.bounds = bounds;
  if (mode == CheckMode::None)
    return result;
  int64_t columns = getNumColumns();
  auto getRowOf = [&](int64_t row) { return d.as<Bits>().slice(row * columns, columns); };

  std::vector<RowScan> scans(groupOfRow.size());
  parallelFor(0, scans.size(), [&](size_t row) {
    if (groupOfRow[row] < 0) { // padding of a contiguous layout may hold anything
      if (sizes.layout != GemmLayout::Contiguous)
        scans[row].overwritten = count_if(getRowOf(int64_t(row)), [](Bits bits) { return bits != kPoisonBits<T>; });
      return;
    }
    scans[row] = scanRow<T>(getRowOf(int64_t(row)));
    if (!checksums.empty() && scans[row].firstBad < 0)
      scans[row].badChecksum = isChecksumBad<T>(getRowOf(int64_t(row)), signs, checksums[row], bounds.checksum);
  });
  addScans(scans, result);

  std::vector<RowComparison> comparisons(rows.size());
  parallelFor(0, rows.size(), [&](size_t i) {
    std::vector<Interval> typical = epilogue ? getBoundsOfRow(i, /*share=*/0.25) : std::vector<Interval>();
    comparisons[i] = compareRow<T>(getRowOf(rows[i]), getExpectedRow(i), getBoundsOfRow(i), typical, bounds);
  });
  double products = 0, squares = 0, squaredWidths = 0;
  bool mayOverflow = false;
  for (const auto &[i, comparison] : enumerate(comparisons)) {
    products += comparison.products;
    squares += comparison.squares;
    squaredWidths += comparison.squaredWidths;
    result.beyondBounds += comparison.beyondBounds;
    result.unbounded += comparison.unbounded;
    mayOverflow |= comparison.mayOverflow;
    result.maxAbsError = std::max(result.maxAbsError, comparison.maxAbsError);
    if (comparison.maxUlps > result.maxUlps) {
      result.maxUlps = comparison.maxUlps;
      result.worstRow = rows[i];
      result.worstColumn = comparison.worst;
    }
  }
  result.rows = int64_t(rows.size());
  result.elements = result.rows * columns;
  result.difference = squares == 0 ? 0 : 1 - 2 * products / squares; // both all zero: equal
  if (epilogue)
    judgeEpilogue(squares == 0 ? 0 : squaredWidths / squares, mayOverflow, result);
  return result;
}

bool CheckResult::passed() const {
  // This form fails for NaN.
  bool isNear = difference < bounds.difference || (elements <= kFewElements && beyondBounds == 0);
  if ((hasEpilogue || isQuantized) && (beyondBounds > 0 || badScales > 0))
    return false;
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
    os << formatv("{0} elements of rows that are in no group were written; ", overwritten);
  if (badChecksums > 0)
    os << formatv("{0} rows have a wrong checksum, the first is {1}; ", badChecksums, firstBadChecksum);
  if ((hasEpilogue || isQuantized) && beyondBounds > 0)
    os << formatv("{0} elements are further off than their sums explain; ", beyondBounds);
  if (badScales > 0)
    os << formatv("{0} scales are not those of their blocks; ", badScales);
  if (elements == 0) {
    os << "D has no element that is computed";
    return text;
  }
  os << formatv("difference {0:e2} (limit {1:e1}), largest error {2:F2} ulp of {3} at [{4}, {5}], ", difference,
                bounds.difference, maxUlps, toString(type), worstRow, worstColumn);
  if (mode == CheckMode::Full)
    os << formatv("all {0} elements checked", elements);
  else if (hasEpilogue || isQuantized)
    os << formatv("{0} rows checked", rows);
  else
    os << formatv("{0} rows checked, and the checksum of every row", rows);
  if (unbounded > 0)
    os << formatv(", {0} of these may be anything", unbounded);
  if (isQuantized)
    os << formatv(", {0} of these may be either of two numbers or more", nearTies);
  return text;
}

json::Object CheckResult::toJSON() const {
  // JSON has no NaN; null means that there is no number.
  auto number = [](double value) { return std::isfinite(value) ? json::Value(value) : json::Value(nullptr); };
  json::Object object{{"mode", toString(mode)},
                      {"passed", passed()},
                      {"elements", elements},
                      {"rows", rows},
                      {"difference", number(difference)},
                      {"type", toString(type)},
                      {"limit", bounds.difference},
                      {"max_abs_error", number(maxAbsError)},
                      {"max_error_ulps", number(maxUlps)},
                      {"worst", json::Array{worstRow, worstColumn}},
                      {"unwritten", unwritten},
                      {"nan", nans},
                      {"infinite", infinities},
                      {"overwritten", overwritten},
                      {"beyond_bounds", beyondBounds},
                      {"unbounded", unbounded},
                      {"bad_checksums", badChecksums}};
  if (isQuantized) {
    object["near_ties"] = nearTies;
    object["bad_scales"] = badScales;
  }
  return object;
}

} // namespace dgemm
