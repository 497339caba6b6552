//===- GemmGroups.cpp - Groups of random inputs -------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GemmGroups.h"
#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <limits>

using namespace llvm;

namespace dgemm {

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

/// Uneven groups one after the other, some of them empty or of few rows; behind the last some rows are left.
static std::vector<int64_t> drawOffsetRows(const GemmSizes &sizes, int64_t alignment, uint64_t seed) {
  std::vector<int64_t> rows;
  int64_t start = 0;
  for (int64_t group = 0; group < sizes.groups; ++group) {
    uint64_t bits = mix(seed * 0x9e3779b97f4a7c15ull + uint64_t(group)), kind = bits >> 61;
    int64_t left = std::max<int64_t>(0, sizes.m - start);
    int64_t most = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? 40 : 2 * left / (sizes.groups - group);
    rows.push_back(std::min(left, int64_t(bits % uint64_t(most + 1))));
    start += int64_t(alignTo(uint64_t(rows.back()), uint64_t(alignment)));
  }
  return rows;
}

/// Columns of K for each group, some of them none, one or a few.
static std::vector<int64_t> drawColumns(const GemmSizes &sizes, int64_t alignment, uint64_t seed) {
  GemmSizes ofK = sizes;
  ofK.m = sizes.k;
  return drawOffsetRows(ofK, alignment, seed);
}

/// Fills in the ends of groups of K, and what A and B hold where no group has columns.
static Error placeColumns(GemmInputs &inputs, ArrayRef<int64_t> columns, int64_t alignment) {
  const GemmSizes &sizes = inputs.sizes;
  if (int64_t(columns.size()) != sizes.groups)
    return createStringError(formatv("{0} group sizes are given for {1} groups", columns.size(), sizes.groups));
  if (Error error = HostTensor::create("offsets", ElementType::I32, {sizes.groups}).moveInto(inputs.groups))
    return error;
  constexpr uint8_t kNaN = 0x7f;
  std::vector<uint8_t> filler(sizes.k, kNaN);
  std::vector<bool> isUsed(sizes.k);
  int64_t start = 0, end = 0;
  for (const auto &[group, count] : enumerate(columns)) {
    if (count < 0 || start + count > (count ? sizes.k : INT64_MAX))
      return createStringError(
          formatv("group {0} has {1} columns from {2} on (each starts at a multiple of {3}), but K is {4}", group,
                  count, start, alignment, sizes.k));
    end = count ? start + count : end;
    inputs.groups.as<int32_t>()[group] = int32_t(end);
    inputs.columnsOfGroup.emplace_back(end - count, end);
    std::fill_n(isUsed.begin() + (end - count), count, true);
    for (int64_t k = end; k < std::min(sizes.k, int64_t(alignTo(uint64_t(end), kScaleBlock))); ++k)
      filler[k] = 0;
    start = int64_t(alignTo(uint64_t(end), uint64_t(alignment)));
  }
  for (auto [tensor, rows] : {std::pair(&inputs.a, sizes.m), {&inputs.b, sizes.n}})
    parallelFor(0, size_t(rows), [&, tensor = tensor](size_t row) {
      for (int64_t k = 0; k < sizes.k; ++k)
        if (!isUsed[k])
          tensor->data[row * sizes.k + k] = filler[k];
    });
  inputs.groupOfRow.resize(sizes.getRows());
  for (int64_t row = 0; row < sizes.getRows(); ++row)
    inputs.groupOfRow[row] = int32_t(row / std::max<int64_t>(sizes.m, 1));
  return Error::success();
}

static Error checkGroupRows(const GemmSizes &sizes, ArrayRef<int64_t> rows, int64_t alignment) {
  if (int64_t(rows.size()) != sizes.groups)
    return createStringError(formatv("{0} group sizes are given for {1} groups", rows.size(), sizes.groups));
  int64_t start = 0, end = 0;
  for (const auto &[group, count] : enumerate(rows)) {
    if (count < 0 || count > sizes.m)
      return createStringError(formatv("group {0} has {1} rows, expected 0 to {2}", group, count, sizes.m));
    if (count) // the last group need not be padded
      end = start + count;
    start += int64_t(alignTo(uint64_t(count), uint64_t(alignment)));
  }
  if (sizes.layout != GemmLayout::Masked && end > sizes.m)
    return createStringError(
        formatv("the groups take {0} rows (each starts at a multiple of {1}), but M is {2}", end, alignment, sizes.m));
  return Error::success();
}

/// Fills in m_indices, masked_m or offsets, and the group of each row.
static Error placeGroups(GemmInputs &inputs, ArrayRef<int64_t> rows, int64_t alignment) {
  const GemmSizes &sizes = inputs.sizes;
  bool isMasked = sizes.layout == GemmLayout::Masked;
  inputs.groupOfRow.assign(sizes.getRows(), -1);
  std::vector<int64_t> ends;
  int64_t start = 0;
  for (const auto &[group, count] : enumerate(rows)) {
    if (isMasked)
      start = int64_t(group) * sizes.m;
    if (count) // else it may lie behind the end
      std::fill_n(inputs.groupOfRow.begin() + start, count, int32_t(group));
    ends.push_back(count ? start + count : ends.empty() ? 0 : ends.back());
    start += int64_t(alignTo(uint64_t(count), uint64_t(alignment)));
  }
  auto fill = [&](const char *name, auto values) -> Error {
    if (Error error = HostTensor::create(name, ElementType::I32, {int64_t(values.size())}).moveInto(inputs.groups))
      return error;
    copy(values, inputs.groups.as<int32_t>().begin());
    return Error::success();
  };
  if (isMasked)
    return fill("masked_m", rows);
  if (sizes.layout == GemmLayout::Offsets)
    return fill("offsets", ArrayRef(ends));
  return fill("m_indices", ArrayRef(inputs.groupOfRow));
}

/// The scales of the blocks of A that have no row that is computed are NaN.
static void poisonScales(GemmInputs &inputs) {
  const GemmSizes &sizes = inputs.sizes;
  const Granularity &block = *inputs.recipe.a.granularity;
  int64_t blocks = int64_t(divideCeil(sizes.m, block.rows));
  std::vector<bool> isUsed(blocks * divideCeil(sizes.getRows(), std::max<int64_t>(sizes.m, 1)));
  for (const auto &[row, group] : enumerate(inputs.groupOfRow))
    if (group >= 0)
      isUsed[int64_t(row) / sizes.m * blocks + int64_t(row) % sizes.m / block.rows] = true;
  auto [outer, inner] = block.getShape(sizes.m, sizes.k);
  for (const auto &[index, used] : enumerate(isUsed)) {
    if (used)
      continue;
    int64_t row = int64_t(index) % blocks * block.rows;
    for (int64_t k = 0; k < sizes.k; k += block.k) {
      int64_t at = int64_t(index) / blocks * outer * inner + block.getIndex(sizes.m, sizes.k, row, k);
      if (inputs.recipe.a.scale == ElementType::F32)
        inputs.scaleA.as<float>()[at] = std::numeric_limits<float>::quiet_NaN();
      else
        inputs.scaleA.data[at] = encodeUpF8E8M0FNU(std::numeric_limits<float>::quiet_NaN());
    }
  }
}

/// Rows that are not computed hold NaN, and so do their scales.
static void poisonPadding(GemmInputs &inputs) {
  constexpr uint8_t kNaN = 0x7f; // of e4m3 and of e5m2
  for (const auto &[row, group] : enumerate(inputs.groupOfRow))
    if (group < 0)
      std::fill_n(inputs.a.data.begin() + int64_t(row) * inputs.sizes.k, inputs.sizes.k, kNaN);
  if (inputs.recipe.a.granularity)
    poisonScales(inputs);
}

Error makeGroups(GemmInputs &inputs, ArrayRef<int64_t> given, int64_t alignment, uint64_t seed) {
  const GemmSizes &sizes = inputs.sizes;
  std::vector<int64_t> rows = given.vec();
  if (sizes.layout == GemmLayout::KGrouped)
    return placeColumns(inputs, rows.empty() ? drawColumns(sizes, alignment, seed) : rows, alignment);
  if (rows.empty())
    rows = sizes.layout == GemmLayout::Masked    ? drawMaskedRows(sizes, seed)
           : sizes.layout == GemmLayout::Offsets ? drawOffsetRows(sizes, alignment, seed)
                                                 : drawContiguousRows(sizes, alignment, seed);
  if (Error error = checkGroupRows(sizes, rows, alignment))
    return error;
  if (Error error = placeGroups(inputs, rows, alignment))
    return error;
  inputs.sizes.validRows = count_if(inputs.groupOfRow, [](int32_t group) { return group >= 0; });
  poisonPadding(inputs);
  return Error::success();
}

} // namespace dgemm
