//===- GemmInputs.cpp - Random operands of a scaled GEMM, and given ones --===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/GemmInputs.h"
#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Npy.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>

using namespace llvm;

namespace dgemm {

Sizes GemmSizes::toSizes() const {
  Sizes sizes;
  sizes["M"] = m;
  sizes["N"] = n;
  sizes["K"] = k;
  return sizes;
}

double GemmSizes::getBytes() const {
  double blocks = double(divideCeil(k, kScaleBlock));
  double scales = 4 * blocks * double(m + divideCeil(n, kScaleBlock));
  return double(m) * double(k) + double(n) * double(k) + 2 * double(m) * double(n) + scales;
}

const HostTensor *GemmInputs::find(StringRef name) const {
  for (const HostTensor *tensor : {&a, &scaleA, &b, &scaleB})
    if (tensor->name == name)
      return tensor;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Random data
//===----------------------------------------------------------------------===//

/// The x below which a normally distributed value lies with probability p: bisection on the distribution function, done
/// 32768 times per process.
static double getNormalQuantile(double p) {
  double low = -6, high = 6;
  while (high - low > 1e-9) {
    double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// 65536 equally likely normal values: one lookup per 16 random bits is far quicker than Box-Muller.
static const float *getNormalTable() {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    parallelFor(0, 32768, [&](size_t i) {
      values[65535 - i] = float(-getNormalQuantile((double(i) + 0.5) / 65536));
      values[i] = -values[65535 - i];
    });
    return values;
  }();
  return table.data();
}

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so that each tile has a stream of its own.
static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

namespace {
constexpr int64_t kTile = kScaleBlock;
using TileData = std::array<std::array<float, kTile>, kTile>;
} // namespace

/// Fills the first `rows` rows.
static void fillNormal(TileData &tile, int64_t rows, uint64_t stream) {
  const float *table = getNormalTable();
  uint64_t state = mix(stream);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < kTile; column += 4) {
      uint64_t bits = mix(state += 0x9e3779b97f4a7c15ull);
      for (int64_t i = 0; i < 4; ++i)
        tile[row][column + i] = table[bits >> (16 * i) & 0xffff];
    }
}

static float getScale(float amax) { return std::max(amax, 1e-4f) / 448.0f; }

static float getAmax(ArrayRef<float> values) {
  float amax = 0;
  for (float value : values)
    amax = std::max(amax, std::fabs(value));
  return amax;
}

/// Calls `body(tile, row, column, rows, columns)` for every 128x128 tile of normal data, in parallel.
static void forEachTile(int64_t rows, int64_t columns, uint64_t seed,
                        function_ref<void(TileData &, int64_t, int64_t, int64_t, int64_t)> body) {
  int64_t tileRows = divideCeil(rows, kTile), tileColumns = divideCeil(columns, kTile);
  getNormalTable(); // not from inside a parallel loop: it has one of its own
  parallelFor(0, tileRows * tileColumns, [&](size_t index) {
    auto tile = std::make_unique<TileData>();
    int64_t row = int64_t(index) / tileColumns * kTile, column = int64_t(index) % tileColumns * kTile;
    int64_t tileHeight = std::min(kTile, rows - row);
    fillNormal(*tile, tileHeight, mix(seed) + index);
    body(*tile, row, column, tileHeight, std::min(kTile, columns - column));
  });
}

static void makeTokenScaled(HostTensor &values, HostTensor &scales, uint64_t seed) {
  int64_t m = values.shape[0], k = values.shape[1];
  uint8_t *out = values.data.data();
  MutableArrayRef<float> scale = scales.as<float>();
  forEachTile(m, k, seed, [&](TileData &tile, int64_t row, int64_t column, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
      ArrayRef<float> line = ArrayRef<float>(tile[i]).take_front(columns);
      float s = scale[column / kScaleBlock * m + row + i] = getScale(getAmax(line));
      encodeScaledF8E4M3FN(line, s, out + (row + i) * k + column);
    }
  });
}

static void makeBlockScaled(HostTensor &values, HostTensor &scales, uint64_t seed) {
  int64_t n = values.shape[0], k = values.shape[1];
  uint8_t *out = values.data.data();
  MutableArrayRef<float> scale = scales.as<float>();
  forEachTile(n, k, seed, [&](TileData &tile, int64_t row, int64_t column, int64_t rows, int64_t columns) {
    float amax = 0;
    for (int64_t i = 0; i < rows; ++i)
      amax = std::max(amax, getAmax(ArrayRef<float>(tile[i]).take_front(columns)));
    float s = scale[row / kScaleBlock * scales.shape[1] + column / kScaleBlock] = getScale(amax);
    for (int64_t i = 0; i < rows; ++i)
      encodeScaledF8E4M3FN(ArrayRef<float>(tile[i]).take_front(columns), s, out + (row + i) * k + column);
  });
}

GemmInputs makeRandomInputs(const GemmSizes &sizes, uint64_t seed) {
  int64_t blocks = divideCeil(sizes.k, kScaleBlock);
  GemmInputs inputs;
  inputs.sizes = sizes;
  inputs.a = HostTensor::create("a", ElementType::F8E4M3FN, {sizes.m, sizes.k});
  inputs.scaleA = HostTensor::create("scale_a", ElementType::F32, {blocks, sizes.m});
  inputs.b = HostTensor::create("b", ElementType::F8E4M3FN, {sizes.n, sizes.k});
  inputs.scaleB = HostTensor::create("scale_b", ElementType::F32, {int64_t(divideCeil(sizes.n, kScaleBlock)), blocks});
  makeTokenScaled(inputs.a, inputs.scaleA, 2 * seed);
  makeBlockScaled(inputs.b, inputs.scaleB, 2 * seed + 1);
  return inputs;
}

//===----------------------------------------------------------------------===//
// Given data
//===----------------------------------------------------------------------===//

static Error readInto(StringRef path, HostTensor &tensor) {
  if (path.empty())
    return Error::success();
  Expected<HostTensor> read = readNpy(path, tensor.name, tensor.type, tensor.shape);
  if (!read)
    return read.takeError();
  tensor = std::move(*read);
  return Error::success();
}

static Error readScaleA(StringRef path, HostTensor &scaleA) {
  if (path.empty())
    return Error::success();
  int64_t blocks = scaleA.shape[0], m = scaleA.shape[1];
  Expected<HostTensor> read = readNpy(path, scaleA.name, scaleA.type, {m, blocks});
  if (!read)
    return read.takeError();
  ArrayRef<float> from = read->as<float>();
  MutableArrayRef<float> to = scaleA.as<float>();
  for (int64_t row = 0; row < m; ++row)
    for (int64_t block = 0; block < blocks; ++block)
      to[block * m + row] = from[row * blocks + block];
  return Error::success();
}

Error readInputs(const InputFiles &files, GemmInputs &inputs) {
  if (Error error = readInto(files.a, inputs.a))
    return error;
  if (Error error = readScaleA(files.scaleA, inputs.scaleA))
    return error;
  if (Error error = readInto(files.b, inputs.b))
    return error;
  return readInto(files.scaleB, inputs.scaleB);
}

} // namespace dgemm
