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
/// The inputs, seen as numbers.
struct View {
  explicit View(const GemmInputs &inputs)
      : m(inputs.sizes.m), n(inputs.sizes.n), k(inputs.sizes.k), kBlocks(divideCeil(k, kBlock)),
        a(inputs.a.data.data()), b(inputs.b.data.data()), scaleA(inputs.scaleA.as<float>().data()),
        scaleB(inputs.scaleB.as<float>().data()) {}
  int64_t m, n, k, kBlocks;
  const uint8_t *a, *b;
  const float *scaleA, *scaleB;
  const double *decode = getF8E4M3FNTable();
};

/// Rows of A that share the decoding of B.
constexpr int64_t kRowChunk = 64;

/// Computes D for up to kRowChunk rows and one block of columns.
class BlockTask {
public:
  BlockTask(const View &view, ArrayRef<int64_t> rows, int64_t column)
      : view(view), rows(rows), column(column), columns(std::min(kBlock, view.n - column)), packedB(kBlock * kBlock),
        a(kRowChunk * kBlock) {}

  /// out[i * n + j] for i in rows and j in the block's columns.
  void run(double *out) {
    for (int64_t kb = 0; kb < view.kBlocks; ++kb) {
      int64_t depth = std::min(kBlock, view.k - kb * kBlock);
      if (depth < kBlock) // the tail multiplies zeros
        clear();
      decodeBlocks(kb * kBlock, depth);
      double scaleB = view.scaleB[column / kBlock * view.kBlocks + kb];
      for (int64_t row = 0; row < int64_t(rows.size()); row += kBlockRows)
        accumulate(row, view.scaleA + kb * view.m, scaleB, out);
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
        packedB[getPackedIndex(j, i)] = view.decode[view.b[(column + j) * view.k + k + i]];
    for (size_t row = 0; row < rows.size(); ++row)
      for (int64_t i = 0; i < depth; ++i)
        a[row * kBlock + i] = view.decode[view.a[rows[row] * view.k + k + i]];
  }

  void accumulate(int64_t firstRow, const float *scaleA, double scaleB, double *out) {
    double product[kBlockRows * kBlock];
    multiplyBlock(a.data() + firstRow * kBlock, packedB.data(), product);
    int64_t end = std::min(firstRow + kBlockRows, int64_t(rows.size()));
    for (int64_t row = firstRow; row < end; ++row) {
      double scale = double(scaleA[rows[row]]) * scaleB;
      const double *from = product + (row - firstRow) * kBlock;
      double *to = out + row * view.n + column;
      for (int64_t j = 0; j < columns; ++j)
        to[j] += scale * from[j];
    }
  }

  const View &view;
  ArrayRef<int64_t> rows;
  int64_t column, columns;
  std::vector<double> packedB, a;
};
} // namespace

static std::vector<double> computeRows(const View &view, ArrayRef<int64_t> rows) {
  std::vector<double> values(rows.size() * view.n);
  int64_t columnBlocks = divideCeil(view.n, kBlock), chunks = divideCeil(rows.size(), kRowChunk);
  parallelFor(0, columnBlocks * chunks, [&](size_t index) {
    int64_t firstRow = int64_t(index) % chunks * kRowChunk, column = int64_t(index) / chunks * kBlock;
    ArrayRef<int64_t> chunk = rows.slice(firstRow, std::min(kRowChunk, int64_t(rows.size()) - firstRow));
    BlockTask(view, chunk, column).run(values.data() + firstRow * view.n);
  });
  return values;
}

//===----------------------------------------------------------------------===//
// Checksums of all rows (Freivalds): D signs = A (B^T signs)
//===----------------------------------------------------------------------===//

/// scale_b * B^T * signs, one value per k.
static std::vector<double> projectB(const View &view, ArrayRef<double> signs) {
  std::vector<double> projected(view.k);
  parallelFor(0, view.kBlocks, [&](size_t kb) {
    int64_t begin = int64_t(kb) * kBlock, end = std::min(begin + kBlock, view.k);
    for (int64_t j = 0; j < view.n; ++j) {
      double factor = signs[j] * view.scaleB[j / kBlock * view.kBlocks + int64_t(kb)];
      for (int64_t k = begin; k < end; ++k)
        projected[k] += factor * view.decode[view.b[j * view.k + k]];
    }
  });
  return projected;
}

static std::vector<double> computeChecksums(const View &view, ArrayRef<double> signs) {
  std::vector<double> projected = projectB(view, signs);
  std::vector<double> checksums(view.m);
  parallelFor(0, view.m, [&](size_t row) {
    for (int64_t k = 0; k < view.k; ++k)
      checksums[row] += double(view.scaleA[k / kBlock * view.m + int64_t(row)]) *
                        view.decode[view.a[int64_t(row) * view.k + k]] * projected[k];
  });
  return checksums;
}

//===----------------------------------------------------------------------===//
// Reference
//===----------------------------------------------------------------------===//

/// One random row from each of kSampledRows equal parts, and the first and last.
static std::vector<int64_t> sampleRows(int64_t m, std::mt19937_64 &random) {
  std::vector<int64_t> rows = {0, m - 1};
  for (int64_t part = 0; part < kSampledRows; ++part) {
    int64_t begin = part * m / kSampledRows, end = (part + 1) * m / kSampledRows;
    if (begin < end)
      rows.push_back(begin + int64_t(random() % uint64_t(end - begin)));
  }
  llvm::sort(rows);
  rows.erase(llvm::unique(rows), rows.end());
  return rows;
}

static CheckMode resolve(CheckMode mode, const GemmSizes &sizes) {
  if (mode == CheckMode::Auto)
    return sizes.getFlops() / 2 <= kMaxFullProducts && sizes.m * sizes.n <= kMaxFullElements ? CheckMode::Full
                                                                                             : CheckMode::Sample;
  return mode;
}

Reference Reference::compute(const GemmInputs &inputs, CheckMode mode, uint64_t seed) {
  Reference reference;
  reference.mode = resolve(mode, inputs.sizes);
  reference.sizes = inputs.sizes;
  View view(inputs);
  std::mt19937_64 random(seed);
  if (reference.mode == CheckMode::Full)
    for (int64_t row = 0; row < view.m; ++row)
      reference.rows.push_back(row);
  if (reference.mode == CheckMode::Sample) {
    reference.rows = sampleRows(view.m, random);
    for (int64_t column = 0; column < view.n; ++column)
      reference.signs.push_back(random() >> 63 ? 1.0 : -1.0);
    reference.checksums = computeChecksums(view, reference.signs);
  }
  reference.values = computeRows(view, reference.rows);
  return reference;
}

} // namespace dgemm
