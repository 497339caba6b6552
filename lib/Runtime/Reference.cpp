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
#include <random>

using namespace llvm;

namespace dgemm {

static_assert(kBlock == kScaleBlock, "a block of the reference has one scale of B");

/// Beyond so many multiplications (half a second on 2 cores) a check takes a sample.
static constexpr double kMaxFullProducts = 2e10;
/// Beyond so many elements of D the reference takes too much memory.
static constexpr int64_t kMaxFullElements = int64_t(1) << 26;
static constexpr int64_t kSampledRows = 62; // with the first and last: as many as share the decoding of B

//===----------------------------------------------------------------------===//
// Rows in double precision
//===----------------------------------------------------------------------===//

namespace {
/// The inputs, seen as numbers. Rows are those of all groups.
struct View {
  explicit View(const GemmInputs &inputs)
      : groupOfRow(inputs.groupOfRow), groups(inputs.sizes.groups), m(inputs.sizes.m), n(inputs.sizes.n),
        k(inputs.sizes.k), kBlocks(divideCeil(k, kBlock)), a(inputs.a.data.data()), b(inputs.b.data.data()),
        scaleA(inputs.scaleA.as<float>().data()), scaleB(inputs.scaleB.as<float>().data()) {}
  double getScaleA(int64_t row, int64_t kb) const { return scaleA[(row / m * kBlocks + kb) * m + row % m]; }
  const uint8_t *getB(int64_t group) const { return b + group * n * k; }
  const float *getScaleB(int64_t group) const { return scaleB + group * int64_t(divideCeil(n, kBlock)) * kBlocks; }

  ArrayRef<int32_t> groupOfRow;
  int64_t groups, m, n, k, kBlocks;
  const uint8_t *a, *b;
  const float *scaleA, *scaleB;
  const double *decode = getF8E4M3FNTable();
};

/// Rows of A that share the decoding of B.
constexpr int64_t kRowChunk = 64;

/// Computes D for up to kRowChunk rows of one group and one block of columns.
class BlockTask {
public:
  BlockTask(const View &view, ArrayRef<int64_t> rows, int64_t column)
      : view(view), rows(rows), column(column), b(view.getB(view.groupOfRow[rows[0]])),
        blockScales(view.getScaleB(view.groupOfRow[rows[0]])), columns(std::min(kBlock, view.n - column)),
        packedB(kBlock * kBlock), a(kRowChunk * kBlock) {}

  /// out[i * n + j] for i in rows and j in the block's columns.
  void run(double *out) {
    for (int64_t kb = 0; kb < view.kBlocks; ++kb) {
      int64_t depth = std::min(kBlock, view.k - kb * kBlock);
      if (depth < kBlock) // the tail multiplies zeros
        clear();
      decodeBlocks(kb * kBlock, depth);
      double scaleB = blockScales[column / kBlock * view.kBlocks + kb];
      for (int64_t row = 0; row < int64_t(rows.size()); row += kBlockRows)
        accumulate(row, kb, scaleB, out);
    }
  }

private:
  void clear() {
    llvm::fill(packedB, 0.0);
    llvm::fill(a, 0.0);
  }

  void decodeBlocks(int64_t k, int64_t depth) {
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < depth; ++i)
        packedB[getPackedIndex(j, i)] = view.decode[b[(column + j) * view.k + k + i]];
    for (size_t row = 0; row < rows.size(); ++row)
      for (int64_t i = 0; i < depth; ++i)
        a[row * kBlock + i] = view.decode[view.a[rows[row] * view.k + k + i]];
  }

  void accumulate(int64_t firstRow, int64_t kb, double scaleB, double *out) {
    double product[kBlockRows * kBlock];
    multiplyBlock(a.data() + firstRow * kBlock, packedB.data(), product);
    int64_t end = std::min(firstRow + kBlockRows, int64_t(rows.size()));
    for (int64_t row = firstRow; row < end; ++row) {
      double scale = view.getScaleA(rows[row], kb) * scaleB;
      const double *from = product + (row - firstRow) * kBlock;
      double *to = out + row * view.n + column;
      for (int64_t j = 0; j < columns; ++j)
        to[j] += scale * from[j];
    }
  }

  const View &view;
  ArrayRef<int64_t> rows;
  int64_t column;
  const uint8_t *b;
  const float *blockScales;
  int64_t columns;
  std::vector<double> packedB, a;
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
  parallelFor(0, view.groups * view.kBlocks, [&](size_t index) {
    int64_t group = int64_t(index) / view.kBlocks, kb = int64_t(index) % view.kBlocks;
    int64_t begin = kb * kBlock, end = std::min(begin + kBlock, view.k);
    const uint8_t *b = view.getB(group);
    for (int64_t j = 0; j < view.n; ++j) {
      double factor = signs[j] * view.getScaleB(group)[j / kBlock * view.kBlocks + kb];
      for (int64_t k = begin; k < end; ++k)
        projected[group * view.k + k] += factor * view.decode[b[j * view.k + k]];
    }
  });
  return projected;
}

static std::vector<double> computeChecksums(const View &view, ArrayRef<double> signs) {
  std::vector<double> projected = projectB(view, signs);
  std::vector<double> checksums(view.groupOfRow.size());
  parallelFor(0, checksums.size(), [&](size_t index) {
    int64_t row = int64_t(index), group = view.groupOfRow[index];
    for (int64_t k = 0; group >= 0 && k < view.k; ++k)
      checksums[index] +=
          view.getScaleA(row, k / kBlock) * view.decode[view.a[row * view.k + k]] * projected[group * view.k + k];
  });
  return checksums;
}

//===----------------------------------------------------------------------===//
// Reference
//===----------------------------------------------------------------------===//

/// Of `all`: one random row from each of kSampledRows equal parts, and the first and last.
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

Reference Reference::compute(const GemmInputs &inputs, CheckMode mode, uint64_t seed) {
  Reference reference;
  reference.mode = resolve(mode, inputs.sizes);
  reference.sizes = inputs.sizes;
  View view(inputs);
  std::mt19937_64 random(seed);
  reference.groupOfRow = inputs.groupOfRow;
  std::vector<int64_t> valid;
  for (const auto &[row, group] : enumerate(inputs.groupOfRow))
    if (group >= 0)
      valid.push_back(int64_t(row));
  if (reference.mode == CheckMode::Full)
    reference.rows = valid;
  if (reference.mode == CheckMode::Sample) {
    reference.rows = sampleRows(valid, random);
    for (int64_t column = 0; column < view.n; ++column)
      reference.signs.push_back(random() >> 63 ? 1.0 : -1.0);
    reference.checksums = computeChecksums(view, reference.signs);
  }
  reference.values = computeRows(view, reference.rows);
  return reference;
}

} // namespace dgemm
