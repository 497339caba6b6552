//===- Reference.cpp - A scaled GEMM in double precision ------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Reference.h"
#include "ReferenceKernel.h"
#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>
#include <random>

using namespace llvm;

namespace dgemm {

/// With more multiplications (half a second on 2 cores), a check takes a sample.
static constexpr double kMaxFullProducts = 2e10;
/// With more elements of D, the reference needs too much memory.
static constexpr int64_t kMaxFullElements = int64_t(1) << 26;
static constexpr int64_t kSampledRows = 62; // with the first and last: the number that share the decoding of B

//===----------------------------------------------------------------------===//
// Rows in double precision
//===----------------------------------------------------------------------===//

namespace {
/// The scales of A or B as numbers, for the rows of one group.
class Scales {
public:
  Scales(const ScaledType &type, const HostTensor &tensor, int64_t rows, int64_t k, bool squares)
      : block(type.granularity), rows(rows), k(k), squares(squares) {
    if (!block)
      return;
    auto [outer, inner] = block->getShape(rows, k);
    groupSize = outer * inner;
    values = tensor.as<float>();
    if (type.scale == ElementType::F32)
      return;
    decoded = std::vector<float>(map_iterator(tensor.data.begin(), decodeF8E8M0FNU),
                                 map_iterator(tensor.data.end(), decodeF8E8M0FNU));
    values = decoded;
  }
  Scales(const Scales &) = delete;

  double get(int64_t group, int64_t row, int64_t column) const {
    double scale = block ? values[group * groupSize + block->getIndex(rows, k, row, column)] : 1.0f;
    return squares ? scale * scale : scale;
  }
  /// The first element after `column` with another scale, or the end.
  int64_t getEnd(int64_t column) const { return block ? std::min((column / block->k + 1) * block->k, k) : k; }

private:
  std::optional<Granularity> block;
  int64_t rows, k, groupSize = 0;
  bool squares;
  ArrayRef<float> values;
  std::vector<float> decoded;
};

/// Up to kBlock elements of K without a change of scale.
struct Segment {
  int64_t begin, end;
};

/// The inputs as numbers, or as their squares with `squares`. Rows are those of all groups.
struct View {
  explicit View(const GemmInputs &inputs, bool squares = false)
      : groupOfRow(inputs.groupOfRow), groups(inputs.sizes.groups), m(inputs.sizes.m), n(inputs.sizes.n),
        k(inputs.sizes.k), a(inputs.a.data.data()), b(inputs.b.data.data()),
        scaleA(inputs.recipe.a, inputs.scaleA, m, k, squares), scaleB(inputs.recipe.b, inputs.scaleB, n, k, squares) {
    for (auto [table, type] : {std::pair(&tableA, inputs.recipe.a.element), {&tableB, inputs.recipe.b.element}})
      for (size_t bits = 0; bits < table->size(); ++bits)
        (*table)[bits] = getFP8Table(type)[bits] * (squares ? getFP8Table(type)[bits] : 1.0);
    isKGrouped = inputs.sizes.layout == GemmLayout::KGrouped;
    if (!isKGrouped)
      segments.push_back(divide(0, k));
    for (auto [begin, end] : inputs.columnsOfGroup)
      segments.push_back(divide(begin, end));
  }
  /// Columns of K in segments.
  std::vector<Segment> divide(int64_t first, int64_t last) const {
    std::vector<Segment> parts;
    for (int64_t begin = first, end; begin < last; begin = end) {
      end = std::min({begin + kBlock, scaleA.getEnd(begin), scaleB.getEnd(begin), last});
      parts.push_back({begin, end});
    }
    return parts;
  }
  /// What a row of D of this group sums.
  ArrayRef<Segment> getSegments(int64_t group) const { return segments[isKGrouped ? group : 0]; }
  /// The row of A that a row of D is of.
  int64_t getRowOfA(int64_t row) const { return isKGrouped ? row % m : row; }
  double getScaleA(int64_t row, int64_t column) const { return scaleA.get(isKGrouped ? 0 : row / m, row % m, column); }
  double getScaleB(int64_t group, int64_t row, int64_t column) const {
    return scaleB.get(isKGrouped ? 0 : group, row, column);
  }
  const uint8_t *getB(int64_t group) const { return b + (isKGrouped ? 0 : group) * n * k; }

  ArrayRef<int32_t> groupOfRow;
  int64_t groups, m, n, k;
  const uint8_t *a, *b;
  Scales scaleA, scaleB;
  std::array<double, 256> tableA, tableB;
  bool isKGrouped;
  /// For each group of K, else for all.
  std::vector<std::vector<Segment>> segments;
};

/// Rows of A that share the decoding of B.
constexpr int64_t kRowChunk = 64;

/// Computes D for up to kRowChunk rows of one group and one block of columns.
class BlockTask {
public:
  BlockTask(const View &view, ArrayRef<int64_t> rows, int64_t column)
      : view(view), rows(rows), column(column), group(view.groupOfRow[rows[0]]),
        columns(std::min(kBlock, view.n - column)), packedB(kBlock * kBlock), a(kRowChunk * kBlock) {}

  /// out[i * n + j] for i in rows and j in the block's columns.
  void run(double *out) {
    for (Segment segment : view.getSegments(group)) {
      decode(segment);
      for (int64_t j = 0; j < columns; ++j)
        scales[j] = view.getScaleB(group, column + j, segment.begin);
      for (int64_t row = 0; row < int64_t(rows.size()); row += kBlockRows)
        accumulate(row, segment, out);
    }
  }

private:
  void decode(Segment segment) {
    int64_t depth = segment.end - segment.begin;
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < depth; ++i)
        packedB[getPackedIndex(j, i)] = view.tableB[view.getB(group)[(column + j) * view.k + segment.begin + i]];
    for (size_t row = 0; row < rows.size(); ++row)
      for (int64_t i = 0; i < depth; ++i)
        a[row * kBlock + i] = view.tableA[view.a[view.getRowOfA(rows[row]) * view.k + segment.begin + i]];
  }

  void accumulate(int64_t firstRow, Segment segment, double *out) {
    double product[kBlockRows * kBlock];
    multiplyBlock(a.data() + firstRow * kBlock, packedB.data(), segment.end - segment.begin, product);
    int64_t end = std::min(firstRow + kBlockRows, int64_t(rows.size()));
    for (int64_t row = firstRow; row < end; ++row) {
      double scale = view.getScaleA(rows[row], segment.begin);
      const double *from = product + (row - firstRow) * kBlock;
      double *to = out + row * view.n + column;
      for (int64_t j = 0; j < columns; ++j)
        to[j] += scale * scales[j] * from[j];
    }
  }

  const View &view;
  ArrayRef<int64_t> rows;
  int64_t column, group, columns;
  std::vector<double> packedB, a;
  /// Columns of one segment.
  std::array<double, kBlock> scales;
};
} // namespace

static std::vector<double> computeRows(const View &view, ArrayRef<int64_t> rows) {
  std::vector<double> values(rows.size() * view.n);
  // Each chunk has rows of one group.
  std::vector<std::pair<size_t, size_t>> chunks;
  for (size_t begin = 0; begin < rows.size(); begin = chunks.back().second) {
    size_t end = begin + 1;
    while (end < rows.size() && end - begin < size_t(kRowChunk) &&
           view.groupOfRow[rows[end]] == view.groupOfRow[rows[begin]])
      ++end;
    chunks.emplace_back(begin, end);
  }
  parallelFor(0, divideCeil(view.n, kBlock) * chunks.size(), [&](size_t index) {
    auto [begin, end] = chunks[index % chunks.size()];
    int64_t column = int64_t(index / chunks.size()) * kBlock;
    BlockTask(view, rows.slice(begin, end - begin), column).run(values.data() + int64_t(begin) * view.n);
  });
  return values;
}

//===----------------------------------------------------------------------===//
// Checksums of all rows (Freivalds): D signs = A (B^T signs)
//===----------------------------------------------------------------------===//

/// scale_b * B^T * signs for each group: [groups, k].
static std::vector<double> projectB(const View &view, ArrayRef<double> signs) {
  std::vector<double> projected(view.groups * view.k);
  std::vector<std::pair<int64_t, Segment>> tasks;
  for (int64_t group = 0; group < view.groups; ++group)
    for (Segment segment : view.getSegments(group))
      tasks.emplace_back(group, segment);
  parallelFor(0, tasks.size(), [&](size_t index) {
    auto [group, segment] = tasks[index];
    const uint8_t *b = view.getB(group);
    for (int64_t j = 0; j < view.n; ++j) {
      double factor = signs[j] * view.getScaleB(group, j, segment.begin);
      for (int64_t k = segment.begin; k < segment.end; ++k)
        projected[group * view.k + k] += factor * view.tableB[b[j * view.k + k]];
    }
  });
  return projected;
}

static std::vector<double> computeChecksums(const View &view, ArrayRef<double> signs) {
  std::vector<double> projected = projectB(view, signs);
  std::vector<double> checksums(view.groupOfRow.size());
  parallelFor(0, checksums.size(), [&](size_t index) {
    int64_t row = int64_t(index), group = view.groupOfRow[index];
    if (group < 0)
      return;
    for (Segment segment : view.getSegments(group)) {
      double sum = 0;
      for (int64_t k = segment.begin; k < segment.end; ++k)
        sum += view.tableA[view.a[view.getRowOfA(row) * view.k + k]] * projected[group * view.k + k];
      checksums[index] += view.getScaleA(row, segment.begin) * sum;
    }
  });
  return checksums;
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

/// The fourth root of the sum of the squares of `k` numbers: table[bytes[i]] times the scale of its segment. The layout
/// is not k_grouped, which has neither an epilogue nor a quantised D.
template <typename GetScale>
static double getNorm(const View &view, const uint8_t *bytes, const std::array<double, 256> &table, GetScale getScale) {
  double sum = 0;
  for (Segment segment : view.getSegments(/*group=*/0)) {
    double scale = getScale(segment.begin), part = 0;
    for (int64_t k = segment.begin; k < segment.end; ++k)
      part += table[bytes[k]] * table[bytes[k]];
    sum += scale * scale * part;
  }
  return std::sqrt(std::sqrt(sum));
}

/// Of rows of A; `view` is one of squares.
static std::vector<double> computeNormsA(const View &view, ArrayRef<int64_t> rows) {
  std::vector<double> norms(rows.size());
  parallelFor(0, norms.size(), [&](size_t i) {
    norms[i] =
        getNorm(view, view.a + rows[i] * view.k, view.tableA, [&](int64_t k) { return view.getScaleA(rows[i], k); });
  });
  return norms;
}

/// Of all rows of B: [groups, n].
static std::vector<double> computeNormsB(const View &view) {
  std::vector<double> norms(view.groups * view.n);
  parallelFor(0, norms.size(), [&](size_t i) {
    int64_t group = int64_t(i) / view.n, row = int64_t(i) % view.n;
    norms[i] = getNorm(view, view.getB(group) + row * view.k, view.tableB,
                       [&](int64_t k) { return view.scaleB.get(group, row, k); });
  });
  return norms;
}

//===----------------------------------------------------------------------===//
// Reference
//===----------------------------------------------------------------------===//

/// A sample of `all`: one random row from each of kSampledRows equal parts, and the first and last.
static std::vector<int64_t> sampleRows(ArrayRef<int64_t> all, std::mt19937_64 &random) {
  int64_t m = int64_t(all.size());
  if (m == 0)
    return {};
  std::vector<int64_t> rows = {all.front(), all.back()};
  for (int64_t part = 0; part < kSampledRows; ++part) {
    int64_t begin = part * m / kSampledRows, end = (part + 1) * m / kSampledRows;
    if (begin < end)
      rows.push_back(all[begin + int64_t(random() % uint64_t(end - begin))]);
  }
  llvm::sort(rows);
  rows.erase(llvm::unique(rows), rows.end());
  return rows;
}

static CheckMode resolve(CheckMode mode, const GemmSizes &sizes) {
  if (mode == CheckMode::Auto)
    return sizes.getFlops() / 2 <= kMaxFullProducts && sizes.getValidRows() * sizes.n <= kMaxFullElements
               ? CheckMode::Full
               : CheckMode::Sample;
  return mode;
}

void Reference::addInitialD(const GemmInputs &inputs) {
  for (const auto &[i, row] : enumerate(rows))
    for (int64_t column = 0; column < sizes.n; ++column)
      values[i * sizes.n + column] += inputs.getInitialD(row, column);
  for (const auto &[row, checksum] : enumerate(checksums))
    for (int64_t column = 0; groupOfRow[row] >= 0 && column < sizes.n; ++column)
      checksum += signs[column] * inputs.getInitialD(int64_t(row), column);
}

Reference Reference::compute(const GemmInputs &inputs, CheckMode mode, uint64_t seed) {
  Reference reference;
  reference.mode = resolve(mode, inputs.sizes);
  reference.sizes = inputs.sizes;
  reference.bounds = ErrorBounds::get(inputs.recipe, inputs.sizes.k);
  View view(inputs);
  std::mt19937_64 random(seed);
  reference.groupOfRow = inputs.groupOfRow;
  std::vector<int64_t> valid;
  for (const auto &[row, group] : enumerate(inputs.groupOfRow))
    if (group >= 0)
      valid.push_back(int64_t(row));
  if (reference.mode == CheckMode::Full)
    reference.rows = valid;
  if (reference.mode == CheckMode::Sample)
    reference.rows = sampleRows(valid, random);
  reference.epilogue = inputs.epilogue;
  reference.quantized = inputs.recipe.quantized;
  bool hasBounds = reference.epilogue || reference.quantized;
  if (reference.mode == CheckMode::Sample && !hasBounds) {
    for (int64_t column = 0; column < view.n; ++column)
      reference.signs.push_back(random() >> 63 ? 1.0 : -1.0);
    reference.checksums = computeChecksums(view, reference.signs);
  }
  reference.values = computeRows(view, reference.rows);
  if (inputs.recipe.accumulate)
    reference.addInitialD(inputs);
  if (hasBounds && reference.mode != CheckMode::None) {
    View squares(inputs, /*squares=*/true);
    reference.normsA = computeNormsA(squares, reference.rows);
    reference.normsB = computeNormsB(squares);
  } else if (int64_t(reference.values.size()) <= kFewElements) {
    reference.magnitudes = computeRows(View(inputs, /*squares=*/true), reference.rows);
    for (double &square : reference.magnitudes)
      square = std::sqrt(square);
  }
  return reference;
}

} // namespace dgemm
