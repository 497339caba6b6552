//===- GemmInputs.cpp - Random operands of a scaled GEMM, and given ones --===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/GemmInputs.h"
#include "GemmGroups.h"
#include "dgemm/Launch/OperandBytes.h"
#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Npy.h"
#include "dgemm/Runtime/Reference.h"
#include "dgemm/Support/HostMemory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cmath>

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

double GemmSizes::getBytes(const Recipe &recipe) const {
  auto getMatrix = [&](const ScaledType &type, int64_t rows) {
    double bytes = double(rows) * double(k);
    if (!type.granularity)
      return bytes;
    auto [outer, inner] = type.granularity->getShape(rows, k);
    return bytes + double(getByteWidth(type.scale)) * double(outer) * double(inner);
  };
  double matrixD = double(getByteWidth(recipe.out)) * double(getValidRows()) * double(n);
  if (recipe.quantized)
    matrixD += 4.0 * double(getValidRows()) * double(divideCeil(n, recipe.quantized->k));
  if (layout == GemmLayout::KGrouped)
    return getMatrix(recipe.a, m) + getMatrix(recipe.b, n) + matrixD;
  return getMatrix(recipe.a, getValidRows()) + double(groups) * getMatrix(recipe.b, n) + matrixD;
}

const HostTensor *GemmInputs::find(StringRef name) const {
  for (const HostTensor *tensor : {&a, &scaleA, &b, &scaleB, &groups, &d})
    if (!name.empty() && tensor->name == name)
      return tensor;
  if (epilogue)
    for (const HostTensor &tensor : epilogue->getOperands())
      if (tensor.name == name)
        return &tensor;
  return nullptr;
}

double GemmInputs::getInitialD(int64_t row, int64_t column) const {
  size_t at = size_t(row * sizes.n + column);
  switch (d.type) {
  case ElementType::BF16:
    return decodeBF16(d.as<uint16_t>()[at]);
  case ElementType::F16:
    return decodeF16(d.as<uint16_t>()[at]);
  default:
    return d.as<float>()[at];
  }
}

//===----------------------------------------------------------------------===//
// Random data
//===----------------------------------------------------------------------===//

/// The quantile of the normal distribution for probability p, by bisection; called 32768 times per process.
static double getNormalQuantile(double p) {
  double low = -6, high = 6;
  while (high - low > 1e-9) {
    double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// 65536 equally likely normal values: one lookup per 16 random bits is much faster than Box-Muller.
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

/// The same for Student's t with two degrees of freedom, whose quantiles have a closed form.
static const float *getHeavyTailedTable() {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    for (auto [i, value] : enumerate(values)) {
      double p = (double(i) + 0.5) / 65536;
      value = float((2 * p - 1) * std::sqrt(2 / (4 * p * (1 - p))));
    }
    return values;
  }();
  return table.data();
}

static const float *getTable(Distribution distribution) {
  return distribution == Distribution::HeavyTailed ? getHeavyTailedTable() : getNormalTable();
}

namespace {
constexpr int64_t kTile = 128;
using TileData = std::array<std::array<float, kTile>, kTile>;
} // namespace

/// Fills the first `rows` rows.
static void fillRandom(TileData &tile, int64_t rows, uint64_t stream, Distribution distribution) {
  const float *table = getTable(distribution);
  uint64_t state = mix(stream);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < kTile; column += 4) {
      uint64_t bits = mix(state += 0x9e3779b97f4a7c15ull);
      for (int64_t i = 0; i < 4; ++i)
        tile[row][column + i] = table[bits >> (16 * i) & 0xffff];
    }
  if (distribution == Distribution::SameSign)
    for (auto &line : MutableArrayRef(tile).take_front(rows))
      for (float &value : line)
        value = std::fabs(value);
}

namespace {
/// Part of a tile whose elements share a scale, in elements of the matrix.
struct Piece {
  int64_t row, column, rows, columns;
};
} // namespace

/// Calls `body(tile, its position)` for every 128x128 tile of random data, in parallel.
static void forEachTile(int64_t rows, int64_t columns, uint64_t seed, Distribution distribution,
                        function_ref<void(TileData &, const Piece &)> body) {
  int64_t tileRows = divideCeil(rows, kTile), tileColumns = divideCeil(columns, kTile);
  getTable(distribution); // not inside a parallel loop: it contains one
  parallelFor(0, tileRows * tileColumns, [&](size_t index) {
    auto tile = std::make_unique<TileData>();
    int64_t row = int64_t(index) / tileColumns * kTile, column = int64_t(index) % tileColumns * kTile;
    Piece whole{row, column, std::min(kTile, rows - row), std::min(kTile, columns - column)};
    fillRandom(*tile, whole.rows, mix(seed) + index, distribution);
    body(*tile, whole);
  });
}

namespace {
/// Fills A or B of one group, and its scales.
class Quantizer {
public:
  Quantizer(const ScaledType &type, int64_t rows, int64_t k, Distribution distribution, uint8_t *values,
            uint8_t *scales)
      : type(type), rows(rows), k(k), distribution(distribution), values(values), scales(scales) {}

  void fill(uint64_t seed) {
    if (!type.granularity)
      forEachTile(rows, k, seed, distribution,
                  [&](TileData &tile, const Piece &whole) { encode(tile, whole, whole, 1.0f); });
    else if (kTile % type.granularity->rows == 0 && kTile % type.granularity->k == 0)
      forEachTile(rows, k, seed, distribution, [&](TileData &tile, const Piece &whole) {
        forEachBlock(whole, [&](const Piece &part, int64_t index) {
          encode(tile, whole, part, storeScale(index, getAmax(tile, whole, part)));
        });
      });
    else
      fillTwice(seed);
  }

private:
  /// Blocks that are larger than a tile: values are drawn once for the scales, and then again.
  void fillTwice(uint64_t seed) {
    auto [outer, inner] = type.granularity->getShape(rows, k);
    std::vector<std::atomic<float>> largest(outer * inner);
    forEachTile(rows, k, seed, distribution, [&](TileData &tile, const Piece &whole) {
      forEachBlock(whole, [&](const Piece &part, int64_t index) {
        float amax = getAmax(tile, whole, part), before = largest[index].load(std::memory_order_relaxed);
        while (before < amax && !largest[index].compare_exchange_weak(before, amax, std::memory_order_relaxed)) {
        }
      });
    });
    std::vector<float> stored(largest.size());
    for (const auto &[index, amax] : enumerate(largest))
      stored[index] = storeScale(int64_t(index), amax);
    forEachTile(rows, k, seed, distribution, [&](TileData &tile, const Piece &whole) {
      forEachBlock(whole, [&](const Piece &part, int64_t index) { encode(tile, whole, part, stored[index]); });
    });
  }

  /// Calls `body(part of the tile, index of its scale)`.
  template <typename Body>
  void forEachBlock(const Piece &whole, Body body) {
    const Granularity &block = *type.granularity;
    int64_t endRow = whole.row + whole.rows, endColumn = whole.column + whole.columns;
    for (int64_t row = whole.row, nextRow; row < endRow; row = nextRow) {
      nextRow = std::min((row / block.rows + 1) * block.rows, endRow);
      for (int64_t column = whole.column, nextColumn; column < endColumn; column = nextColumn) {
        nextColumn = std::min((column / block.k + 1) * block.k, endColumn);
        body(Piece{row, column, nextRow - row, nextColumn - column}, block.getIndex(rows, k, row, column));
      }
    }
  }

  static ArrayRef<float> getLine(const TileData &tile, const Piece &whole, const Piece &part, int64_t row) {
    return ArrayRef<float>(tile[part.row - whole.row + row]).slice(part.column - whole.column, part.columns);
  }

  static float getAmax(const TileData &tile, const Piece &whole, const Piece &part) {
    float amax = 0;
    for (int64_t row = 0; row < part.rows; ++row)
      for (float value : getLine(tile, whole, part, row))
        amax = std::max(amax, std::fabs(value));
    return amax;
  }

  void encode(const TileData &tile, const Piece &whole, const Piece &part, float scale) {
    for (int64_t row = 0; row < part.rows; ++row)
      encodeScaledFP8(type.element, getLine(tile, whole, part, row), scale,
                      values + (part.row + row) * k + part.column);
  }

  /// Returns the stored scale.
  float storeScale(int64_t index, float amax) {
    float scale = std::max(amax, 1e-4f) / getLargestFP8(type.element);
    if (type.scale == ElementType::F32) {
      reinterpret_cast<float *>(scales)[index] = scale;
      return scale;
    }
    scales[index] = encodeUpF8E8M0FNU(scale);
    return decodeF8E8M0FNU(scales[index]);
  }

  const ScaledType &type;
  int64_t rows, k;
  Distribution distribution;
  uint8_t *values, *scales;
};
} // namespace

/// `groups` matrices with these rows.
static void fillOperand(const ScaledType &type, HostTensor &values, HostTensor &scales, int64_t groups, int64_t rows,
                        int64_t k, uint64_t seed, Distribution distribution) {
  size_t scaleBytes = scales.data.size() / size_t(std::max<int64_t>(groups, 1));
  for (int64_t group = 0; group < groups; ++group)
    Quantizer(type, rows, k, distribution, values.data.data() + group * rows * k,
              scales.data.data() + size_t(group) * scaleBytes)
        .fill(seed + (uint64_t(group) << 40));
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
  if (!readsGroups(sizes.layout) && !groupRows.empty())
    return createStringError(
        formatv("{0} group sizes are given for a {1} layout", groupRows.size(), toString(sizes.layout)));
  return Error::success();
}

/// The inputs of `sizes` with all bytes zero. Error: all of them, D and the group of each row take more memory than
/// there is.
static Expected<GemmInputs> createInputs(const GemmSizes &sizes, const Recipe &recipe) {
  bool hasAs = hasOwnRows(sizes.layout), isKGrouped = sizes.layout == GemmLayout::KGrouped;
  bool hasBs = sizes.layout != GemmLayout::Dense && !isKGrouped;
  GemmInputs inputs;
  inputs.sizes = sizes;
  inputs.recipe = recipe;
  struct Operand {
    const char *name;
    ElementType type;
    bool hasGroups;
    int64_t rows, columns;
    HostTensor *tensor;
  };
  SmallVector<Operand> operands = {
      {"a", recipe.a.element, hasAs, sizes.m, sizes.k, &inputs.a},
      {"b", recipe.b.element, hasBs, sizes.n, sizes.k, &inputs.b},
      {"d", recipe.out, hasAs || isKGrouped, sizes.m, sizes.n, recipe.accumulate ? &inputs.d : nullptr},
      {"groups", ElementType::I32, hasAs, sizes.m, 1, nullptr}};
  if (const auto &block = recipe.a.granularity) {
    auto [outer, inner] = block->getShape(sizes.m, sizes.k);
    operands.push_back({"scale_a", recipe.a.scale, hasAs, outer, inner, &inputs.scaleA});
  }
  if (const auto &block = recipe.b.granularity) {
    auto [outer, inner] = block->getShape(sizes.n, sizes.k);
    operands.push_back({"scale_b", recipe.b.scale, hasBs, outer, inner, &inputs.scaleB});
  }
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

/// What D holds before: as large as the product is, so that neither hides the other. Rows that are not computed hold
/// what D is poisoned with.
static void fillInitialD(GemmInputs &inputs, uint64_t seed) {
  const GemmSizes &sizes = inputs.sizes;
  std::fill(inputs.d.data.begin(), inputs.d.data.end(), kPoison);
  float typical = float(std::sqrt(double(sizes.k)));
  forEachTile(int64_t(inputs.groupOfRow.size()), sizes.n, seed, Distribution::Normal,
              [&](TileData &tile, const Piece &whole) {
                for (int64_t row = 0; row < whole.rows; ++row) {
                  if (inputs.groupOfRow[whole.row + row] < 0)
                    continue;
                  int64_t first = (whole.row + row) * sizes.n + whole.column;
                  for (int64_t column = 0; column < whole.columns; ++column) {
                    float value = typical * tile[row][column];
                    if (inputs.d.type == ElementType::F32)
                      inputs.d.as<float>()[first + column] = value;
                    else
                      inputs.d.as<uint16_t>()[first + column] =
                          inputs.d.type == ElementType::BF16 ? encodeBF16(value) : encodeF16(value);
                  }
                }
              });
}

Expected<GemmInputs> makeRandomInputs(const GemmSizes &sizes, uint64_t seed, ArrayRef<int64_t> groupRows,
                                      int64_t rowAlignment, const Recipe &recipe, Distribution distribution) {
  if (Error error = checkSizes(sizes, groupRows, rowAlignment))
    return error;
  Expected<GemmInputs> created = createInputs(sizes, recipe);
  if (!created)
    return created;
  GemmInputs inputs = std::move(*created);
  bool hasAs = hasOwnRows(sizes.layout);
  fillOperand(recipe.a, inputs.a, inputs.scaleA, hasAs ? sizes.groups : 1, sizes.m, sizes.k, 2 * seed, distribution);
  bool hasBs = sizes.layout != GemmLayout::Dense && sizes.layout != GemmLayout::KGrouped;
  fillOperand(recipe.b, inputs.b, inputs.scaleB, hasBs ? sizes.groups : 1, sizes.n, sizes.k, 2 * seed + 1,
              distribution);
  if (readsGroups(sizes.layout)) {
    if (Error error = makeGroups(inputs, groupRows, rowAlignment, seed))
      return std::move(error);
  } else {
    for (int64_t row = 0; row < sizes.getRows(); ++row)
      inputs.groupOfRow.push_back(int32_t(row / sizes.m));
  }
  if (recipe.accumulate)
    fillInitialD(inputs, ~seed);
  return inputs;
}

void shrinkSums(GemmInputs &inputs) {
  const Recipe &recipe = inputs.recipe;
  if (!recipe.a.granularity && !recipe.b.granularity)
    return;
  HostTensor &scales = recipe.a.granularity ? inputs.scaleA : inputs.scaleB;
  int exponent = int(std::lround(std::log2(2 / std::sqrt(double(std::max<int64_t>(inputs.sizes.k, 1))))));
  if (scales.type == ElementType::F32) {
    for (float &scale : scales.as<float>())
      scale = std::ldexp(scale, exponent);
    return;
  }
  constexpr uint8_t kNaN = 0xff;
  for (uint8_t &scale : scales.data)
    scale = scale == kNaN ? kNaN : uint8_t(std::max(int(scale) + exponent, 0));
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

/// The granularity determines the order of the scales in the file.
static Error readScales(StringRef path, StringRef name, const ScaledType &type, HostTensor &scales) {
  if (path.empty())
    return Error::success();
  if (!type.granularity)
    return createStringError(formatv("'{0}' is given for {1}, but the kernel has no such scales", path, name));
  if (type.granularity->rows != 1)
    return readInto(path, scales);
  int64_t blocks = scales.shape[0], rows = scales.shape[1];
  Expected<HostTensor> read = readNpy(path, scales.name, scales.type, {rows, blocks});
  if (!read)
    return read.takeError();
  int64_t width = getByteWidth(scales.type);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t block = 0; block < blocks; ++block)
      std::copy_n(read->data.begin() + (row * blocks + block) * width, width,
                  scales.data.begin() + (block * rows + row) * width);
  return Error::success();
}

/// Each file is for an operand of the epilogue.
static Error readEpilogue(const InputFiles &files, GemmInputs &inputs) {
  MutableArrayRef<HostTensor> operands;
  if (inputs.epilogue)
    operands = inputs.epilogue->getOperands();
  for (const auto &file : files.epilogue) {
    const auto &[name, path] = file;
    HostTensor *found = find_if(operands, [&](const HostTensor &tensor) { return tensor.name == file.first; });
    if (found == operands.end())
      return createStringError(
          formatv("'{0}' is given for {1}, but the kernel's epilogue has no such operand", path, name));
    if (Error error = readInto(path, *found))
      return error;
  }
  return Error::success();
}

Error readInputs(const InputFiles &files, GemmInputs &inputs) {
  bool any =
      !files.a.empty() || !files.scaleA.empty() || !files.b.empty() || !files.scaleB.empty() || !files.epilogue.empty();
  if (any && inputs.sizes.layout != GemmLayout::Dense)
    return createStringError("inputs from files are for a dense layout");
  if (Error error = readInto(files.a, inputs.a))
    return error;
  if (Error error = readScales(files.scaleA, "scale_a", inputs.recipe.a, inputs.scaleA))
    return error;
  if (Error error = readInto(files.b, inputs.b))
    return error;
  if (Error error = readScales(files.scaleB, "scale_b", inputs.recipe.b, inputs.scaleB))
    return error;
  return readEpilogue(files, inputs);
}

} // namespace dgemm
