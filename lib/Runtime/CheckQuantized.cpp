//===- CheckQuantized.cpp - Compares an FP8 D and its scales -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel's f32 value lies in bounds that follow from those of its sum. So the scale of a block has bounds, and with
// the scale that the kernel wrote, an element may have the codes between those of its bounds. Most elements may have
// one.
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Reference.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>

using namespace llvm;

namespace dgemm {

namespace {
/// What a kernel computes a scale for at least.
constexpr float kLeastAmax = 1e-4f;

/// A type of D, with its codes in the order of their numbers.
class Quantization {
public:
  explicit Quantization(ElementType type)
      : isE4M3(type == ElementType::F8E4M3FN), largest(getLargestFP8(type)), table(getFP8Table(type)) {}

  double getLargest() const { return largest; }
  double decode(uint8_t code) const { return table[code]; }
  bool isLargest(uint8_t code) const { return std::fabs(table[code]) == largest; }
  /// Both zeros are 0.
  static int getOrder(uint8_t code) { return code & 0x80 ? -(code & 0x7f) : code; }
  /// The order of what a kernel makes of `value`.
  int quantize(double value, float factor) const {
    float scaled = std::clamp(float(value) * factor, -float(largest), float(largest));
    return getOrder(isE4M3 ? encodeF8E4M3FN(scaled) : encodeF8E5M2(scaled));
  }

private:
  bool isE4M3;
  double largest;
  const double *table;
};

/// What a row contributes to the result.
struct Row {
  int64_t unwritten = 0, nans = 0, infinities = 0, overwritten = 0, firstBad = -1;
  int64_t beyondBounds = 0, unbounded = 0, nearTies = 0, badScales = 0;
  double products = 0, squares = 0, maxAbsError = 0, maxUlps = 0;
  int64_t worst = -1;
};
} // namespace

/// True if `scale` may be that of elements in these bounds, of which none is unbounded.
static bool isScaleOf(ArrayRef<Interval> bounds, float scale, const Quantization &type) {
  double least = kLeastAmax, most = kLeastAmax;
  for (Interval interval : bounds) {
    double low = std::fabs(interval.low), high = std::fabs(interval.high);
    bool hasZero = interval.low <= 0 && interval.high >= 0;
    least = std::max(least, hasZero ? 0 : std::min(low, high));
    most = std::max({most, low, high});
  }
  constexpr double kRounding = 0x1p-22;
  return scale >= least / type.getLargest() * (1 - kRounding) && scale <= most / type.getLargest() * (1 + kRounding);
}

/// Compares a block of a row, whose first column is `column`.
static void compareBlock(ArrayRef<uint8_t> codes, ArrayRef<double> expected, ArrayRef<Interval> bounds, float scale,
                         int64_t column, const Quantization &type, Row &row) {
  if (any_of(bounds, [](Interval interval) { return interval.isUnbounded(); })) {
    row.unbounded += int64_t(codes.size()); // its scale may be anything
    return;
  }
  // The element that gave the scale becomes the largest number.
  bool isLeast = scale <= kLeastAmax / type.getLargest() * (1 + 0x1p-22);
  bool hasLargest = any_of(codes, [&](uint8_t code) { return type.isLargest(code); });
  if (!isScaleOf(bounds, scale, type) || (!isLeast && !hasLargest))
    ++row.badScales;
  float factor = 1.0f / scale;
  for (const auto &[i, code] : enumerate(codes)) {
    int low = type.quantize(bounds[i].low, factor), high = type.quantize(bounds[i].high, factor);
    int order = Quantization::getOrder(code);
    row.nearTies += low != high;
    row.beyondBounds += order < low || order > high;
    double x = type.decode(code) * scale, y = expected[i], error = std::fabs(x - y);
    row.products += x * y;
    row.squares += x * x + y * y;
    row.maxAbsError = std::max(row.maxAbsError, error);
    // The largest numbers of a block have steps of 1/16 and 1/8 of them.
    double ulps = error / (type.getLargest() == 448 ? 32 : 8192) / scale;
    if (ulps > row.maxUlps) {
      row.maxUlps = ulps;
      row.worst = column + int64_t(i);
    }
  }
}

/// Counts what should not be in a row that is computed.
static void scanRow(ArrayRef<uint8_t> codes, ArrayRef<float> scales, const Quantization &type, Row &row) {
  for (const auto &[column, code] : enumerate(codes)) {
    double value = type.decode(code);
    if (std::isfinite(value))
      continue;
    ++(code == kPoison ? row.unwritten : std::isnan(value) ? row.nans : row.infinities);
    if (row.firstBad < 0)
      row.firstBad = int64_t(column);
  }
  for (float scale : scales)
    if (!std::isfinite(scale))
      ++(bit_cast<uint32_t>(scale) == ~0u ? row.unwritten : row.nans);
}

static void addRows(ArrayRef<Row> rows, CheckResult &result) {
  double products = 0, squares = 0;
  for (const auto &[index, row] : enumerate(rows)) {
    result.unwritten += row.unwritten;
    result.nans += row.nans;
    result.infinities += row.infinities;
    result.overwritten += row.overwritten;
    result.beyondBounds += row.beyondBounds;
    result.unbounded += row.unbounded;
    result.nearTies += row.nearTies;
    result.badScales += row.badScales;
    products += row.products;
    squares += row.squares;
    result.maxAbsError = std::max(result.maxAbsError, row.maxAbsError);
    if (row.maxUlps > result.maxUlps) {
      result.maxUlps = row.maxUlps;
      result.worstRow = int64_t(index);
      result.worstColumn = row.worst;
    }
    if (row.firstBad >= 0 && result.firstBadRow < 0) {
      result.firstBadRow = int64_t(index);
      result.firstBadColumn = row.firstBad;
    }
  }
  result.difference = squares == 0 ? 0 : 1 - 2 * products / squares; // both all zero: equal
  if (result.unbounded > 0)                                          // of rows that are not compared nobody knows
    result.nans = result.infinities = 0;
}

CheckResult Reference::compareQuantized(const HostTensor &d, const HostTensor &scaleD) const {
  CheckResult result;
  result.mode = mode;
  result.type = d.type;
  result.bounds = bounds;
  result.isQuantized = true;
  result.hasEpilogue = bool(epilogue);
  if (mode == CheckMode::None)
    return result;
  int64_t columns = getNumColumns(), width = quantized->k, blocks = int64_t(divideCeil(columns, width));
  // Rows of all groups follow each other in D; its scales have the row innermost, in each group.
  int64_t rowsOfGroup = hasOwnRows(sizes.layout) ? sizes.m : int64_t(groupOfRow.size());
  Quantization type(d.type);
  auto getCodes = [&](int64_t row) { return d.as<uint8_t>().slice(row * columns, columns); };
  auto getScales = [&](int64_t row) {
    std::vector<float> scales;
    for (int64_t block = 0; block < blocks; ++block)
      scales.push_back(scaleD.as<float>()[(row / rowsOfGroup * blocks + block) * rowsOfGroup + row % rowsOfGroup]);
    return scales;
  };

  std::vector<Row> all(groupOfRow.size());
  parallelFor(0, all.size(), [&](size_t row) {
    std::vector<float> scales = getScales(int64_t(row));
    if (groupOfRow[row] >= 0)
      return scanRow(getCodes(int64_t(row)), scales, type, all[row]);
    if (sizes.layout != GemmLayout::Contiguous) // its padding may hold anything
      all[row].overwritten = count_if(getCodes(int64_t(row)), [](uint8_t code) { return code != kPoison; }) +
                             count_if(scales, [](float scale) { return bit_cast<uint32_t>(scale) != ~0u; });
  });
  parallelFor(0, rows.size(), [&](size_t i) {
    Row &row = all[rows[i]];
    std::vector<double> expected = getExpectedRow(i);
    std::vector<Interval> allowed = getBoundsOfRow(i);
    std::vector<float> scales = getScales(rows[i]);
    for (int64_t block = 0; block < blocks; ++block) {
      int64_t column = block * width, count = std::min(width, columns - column);
      compareBlock(getCodes(rows[i]).slice(column, count), ArrayRef(expected).slice(column, count),
                   ArrayRef(allowed).slice(column, count), scales[block], column, type, row);
    }
  });

  addRows(all, result);
  result.rows = int64_t(rows.size());
  result.elements = result.rows * columns;
  return result;
}

} // namespace dgemm
