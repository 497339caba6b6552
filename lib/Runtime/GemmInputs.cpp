//===- GemmInputs.cpp - Random operands of a scaled GEMM, and given ones --===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/GemmInputs.h"
#include "dgemm/Launch/OperandBytes.h"
#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Npy.h"
#include "dgemm/Support/HostMemory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>
#include <limits>

using namespace llvm;

namespace dgemm {

Sizes GemmSizes::toSizes() const {
  Sizes sizes;
  sizes["M"] = m;
  sizes["N"] = n;
  sizes["K"] = k;
  if (layout != GemmLayout::Dense)
    sizes["G"] = groups;
  for (auto [name, size] : {std::pair("LDA", lda), {"LDB", ldb}, {"LDD", ldd}})
    if (size)
      sizes[name] = size;
  return sizes;
}

double GemmSizes::getBytes() const {
  double kBlocks = double(divideCeil(k, kScaleBlock)), rows = double(getValidRows());
  double matrixB = double(n) * double(k) + 4 * kBlocks * double(divideCeil(n, kScaleBlock));
  return rows * (double(k) + 4 * kBlocks + 2 * double(n)) + double(groups) * matrixB;
}

const HostTensor *GemmInputs::find(StringRef name) const {
  for (const HostTensor *tensor : {&a, &scaleA, &b, &scaleB, &groups})
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

/// `values` is [m, k], `scale` [ceil(k / 128), m].
static void makeTokenScaled(uint8_t *values, float *scale, int64_t m, int64_t k, uint64_t seed) {
  forEachTile(m, k, seed, [&](TileData &tile, int64_t row, int64_t column, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
      ArrayRef<float> line = ArrayRef<float>(tile[i]).take_front(columns);
      float s = scale[column / kScaleBlock * m + row + i] = getScale(getAmax(line));
      encodeScaledF8E4M3FN(line, s, values + (row + i) * k + column);
    }
  });
}

/// `values` is [n, k], `scale` [ceil(n / 128), ceil(k / 128)].
static void makeBlockScaled(uint8_t *values, float *scale, int64_t n, int64_t k, uint64_t seed) {
  int64_t kBlocks = divideCeil(k, kScaleBlock);
  forEachTile(n, k, seed, [&](TileData &tile, int64_t row, int64_t column, int64_t rows, int64_t columns) {
    float amax = 0;
    for (int64_t i = 0; i < rows; ++i)
      amax = std::max(amax, getAmax(ArrayRef<float>(tile[i]).take_front(columns)));
    float s = scale[row / kScaleBlock * kBlocks + column / kScaleBlock] = getScale(amax);
    for (int64_t i = 0; i < rows; ++i)
      encodeScaledF8E4M3FN(ArrayRef<float>(tile[i]).take_front(columns), s, values + (row + i) * k + column);
  });
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

/// Uneven, with empty groups and full ones among them.
static std::vector<int64_t> drawMaskedRows(const GemmSizes &sizes, uint64_t seed) {
  std::vector<int64_t> rows;
  for (int64_t group = 0; group < sizes.groups; ++group) {
    uint64_t bits = mix(seed * 0x9e3779b97f4a7c15ull + uint64_t(group));
    uint64_t kind = bits >> 60;
    rows.push_back(kind == 0 ? 0 : kind == 1 ? sizes.m : int64_t(bits % uint64_t(sizes.m + 1)));
  }
  return rows;
}

/// Shares out the blocks of `alignment` rows; the last block of a group is not full. One group of four or more is
/// empty.
static std::vector<int64_t> drawContiguousRows(const GemmSizes &sizes, int64_t alignment, uint64_t seed) {
  int64_t blocks = sizes.m / alignment, groups = sizes.groups;
  std::vector<int64_t> share(groups), rows;
  int64_t empty = groups >= 4 ? int64_t(mix(seed) % uint64_t(groups)) : -1;
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t group = int64_t(mix(seed + 977 * uint64_t(block + 1)) % uint64_t(groups));
    ++share[group == empty ? (group + 1) % groups : group];
  }
  for (int64_t group = 0; group < groups; ++group) {
    int64_t missing = int64_t(mix(seed + 31 * uint64_t(group + 1)) % uint64_t(alignment));
    rows.push_back(std::max<int64_t>(0, share[group] * alignment - missing));
  }
  return rows;
}

static Error checkGroupRows(const GemmSizes &sizes, ArrayRef<int64_t> rows, int64_t alignment) {
  if (int64_t(rows.size()) != sizes.groups)
    return createStringError(formatv("{0} group sizes are given for {1} groups", rows.size(), sizes.groups));
  int64_t start = 0, end = 0;
  for (const auto &[group, count] : enumerate(rows)) {
    if (count < 0 || count > sizes.m)
      return createStringError(formatv("group {0} has {1} rows, expected 0 to {2}", group, count, sizes.m));
    end = start + count; // the last group need not be padded
    start += int64_t(alignTo(uint64_t(count), uint64_t(alignment)));
  }
  if (sizes.layout == GemmLayout::Contiguous && end > sizes.m)
    return createStringError(
        formatv("the groups take {0} rows (each starts at a multiple of {1}), but M is {2}", end, alignment, sizes.m));
  return Error::success();
}

/// Fills in m_indices or masked_m, and the group of each row.
static Error placeGroups(GemmInputs &inputs, ArrayRef<int64_t> rows, int64_t alignment) {
  const GemmSizes &sizes = inputs.sizes;
  bool isMasked = sizes.layout == GemmLayout::Masked;
  inputs.groupOfRow.assign(sizes.getRows(), -1);
  int64_t start = 0;
  for (const auto &[group, count] : enumerate(rows)) {
    if (isMasked)
      start = int64_t(group) * sizes.m;
    std::fill_n(inputs.groupOfRow.begin() + start, count, int32_t(group));
    start += int64_t(alignTo(uint64_t(count), uint64_t(alignment)));
  }
  if (Error error =
          HostTensor::create(isMasked ? "masked_m" : "m_indices", ElementType::I32, {isMasked ? sizes.groups : sizes.m})
              .moveInto(inputs.groups))
    return error;
  if (isMasked)
    copy(rows, inputs.groups.as<int32_t>().begin());
  else
    copy(inputs.groupOfRow, inputs.groups.as<int32_t>().begin());
  return Error::success();
}

/// Rows that are not computed hold NaN, and so do their scales.
static void poisonPadding(GemmInputs &inputs) {
  constexpr uint8_t kNaN = 0x7f; // e4m3
  const GemmSizes &sizes = inputs.sizes;
  int64_t kBlocks = divideCeil(sizes.k, kScaleBlock);
  MutableArrayRef<float> scales = inputs.scaleA.as<float>();
  for (const auto &[row, group] : enumerate(inputs.groupOfRow)) {
    if (group >= 0)
      continue;
    std::fill_n(inputs.a.data.begin() + int64_t(row) * sizes.k, sizes.k, kNaN);
    for (int64_t kb = 0; kb < kBlocks; ++kb)
      scales[(int64_t(row) / sizes.m * kBlocks + kb) * sizes.m + int64_t(row) % sizes.m] =
          std::numeric_limits<float>::quiet_NaN();
  }
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

static Error checkSizes(const GemmSizes &sizes, ArrayRef<int64_t> groupRows, int64_t rowAlignment) {
  for (auto [name, size] : {std::pair("M", sizes.m), {"N", sizes.n}, {"K", sizes.k}, {"the groups", sizes.groups}})
    if (size < 0 || size > INT32_MAX)
      return createStringError(formatv("expected {0} to be 0 to 2147483647, but got {1}", name, size));
  if (rowAlignment < 1 || rowAlignment > INT32_MAX)
    return createStringError(formatv("expected the row alignment to be 1 to 2147483647, but got {0}", rowAlignment));
  if (sizes.layout == GemmLayout::Dense && !groupRows.empty())
    return createStringError(formatv("{0} group sizes are given for a dense layout", groupRows.size()));
  return Error::success();
}

/// The inputs of `sizes` with all bytes zero. Error: all of them, D and the group of each row take more memory than
/// there is.
static Expected<GemmInputs> createInputs(const GemmSizes &sizes) {
  bool isMasked = sizes.layout == GemmLayout::Masked, isGrouped = sizes.layout != GemmLayout::Dense;
  int64_t kBlocks = divideCeil(sizes.k, kScaleBlock), nBlocks = divideCeil(sizes.n, kScaleBlock);
  GemmInputs inputs;
  inputs.sizes = sizes;
  struct Operand {
    const char *name;
    ElementType type;
    bool hasGroups;
    int64_t rows, columns;
    HostTensor *tensor;
  };
  const Operand operands[] = {{"a", ElementType::F8E4M3FN, isMasked, sizes.m, sizes.k, &inputs.a},
                              {"scale_a", ElementType::F32, isMasked, kBlocks, sizes.m, &inputs.scaleA},
                              {"b", ElementType::F8E4M3FN, isGrouped, sizes.n, sizes.k, &inputs.b},
                              {"scale_b", ElementType::F32, isGrouped, nBlocks, kBlocks, &inputs.scaleB},
                              {"d", ElementType::BF16, isMasked, sizes.m, sizes.n, nullptr},
                              {"groups", ElementType::I32, isMasked, sizes.m, 1, nullptr}};
  uint64_t total = 0;
  auto getShape = [&](const Operand &operand) {
    SmallVector<int64_t, 3> shape = {operand.rows, operand.columns};
    if (operand.hasGroups)
      shape.insert(shape.begin(), sizes.groups);
    return shape;
  };
  for (const Operand &operand : operands) {
    Expected<uint64_t> bytes = countBytes(operand.name, operand.type, getShape(operand));
    if (!bytes)
      return bytes.takeError();
    total = SaturatingAdd(total, *bytes);
  }
  if (Error error = checkHostMemory(total, "the operands"))
    return error;
  for (const Operand &operand : operands)
    if (operand.tensor)
      if (Error error = HostTensor::create(operand.name, operand.type, getShape(operand)).moveInto(*operand.tensor))
        return error;
  return inputs;
}

Expected<GemmInputs> makeRandomInputs(const GemmSizes &sizes, uint64_t seed, ArrayRef<int64_t> groupRows,
                                      int64_t rowAlignment) {
  if (Error error = checkSizes(sizes, groupRows, rowAlignment))
    return error;
  Expected<GemmInputs> created = createInputs(sizes);
  if (!created)
    return created;
  GemmInputs inputs = std::move(*created);
  bool isMasked = sizes.layout == GemmLayout::Masked, isGrouped = sizes.layout != GemmLayout::Dense;
  int64_t kBlocks = divideCeil(sizes.k, kScaleBlock), nBlocks = divideCeil(sizes.n, kScaleBlock);
  for (int64_t group = 0; group < (isMasked ? sizes.groups : 1); ++group)
    makeTokenScaled(inputs.a.data.data() + group * sizes.m * sizes.k,
                    inputs.scaleA.as<float>().data() + group * kBlocks * sizes.m, sizes.m, sizes.k,
                    2 * seed + (uint64_t(group) << 40));
  for (int64_t group = 0; group < (isGrouped ? sizes.groups : 1); ++group)
    makeBlockScaled(inputs.b.data.data() + group * sizes.n * sizes.k,
                    inputs.scaleB.as<float>().data() + group * nBlocks * kBlocks, sizes.n, sizes.k,
                    2 * seed + 1 + (uint64_t(group) << 40));
  if (!isGrouped) {
    inputs.groupOfRow.assign(sizes.m, 0);
    return inputs;
  }
  std::vector<int64_t> rows = groupRows.vec();
  if (rows.empty())
    rows = isMasked ? drawMaskedRows(sizes, seed) : drawContiguousRows(sizes, rowAlignment, seed);
  if (Error error = checkGroupRows(sizes, rows, rowAlignment))
    return std::move(error);
  if (Error error = placeGroups(inputs, rows, rowAlignment))
    return std::move(error);
  inputs.sizes.validRows = count_if(inputs.groupOfRow, [](int32_t group) { return group >= 0; });
  poisonPadding(inputs);
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
  bool any = !files.a.empty() || !files.scaleA.empty() || !files.b.empty() || !files.scaleB.empty();
  if (any && inputs.sizes.layout != GemmLayout::Dense)
    return createStringError("inputs from files are for a dense layout");
  if (Error error = readInto(files.a, inputs.a))
    return error;
  if (Error error = readScaleA(files.scaleA, inputs.scaleA))
    return error;
  if (Error error = readInto(files.b, inputs.b))
    return error;
  return readInto(files.scaleB, inputs.scaleB);
}

} // namespace dgemm
