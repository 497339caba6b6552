//===- LaunchPlan.cpp - A launch descriptor's expressions, evaluated ------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/LaunchPlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

namespace {
/// Makes the errors of one map. The limits are those of cuTensorMapEncodeTiled in cuda.h of CUDA 13.0.
class TensorMapChecker {
public:
  explicit TensorMapChecker(const TensorMapValues &map) : map(map) {}

  Error check() const {
    size_t rank = map.dims.size();
    if (rank < 1 || rank > 5)
      return fail(formatv("has rank {0}; allowed are 1 to 5", rank));
    if (map.interleave != 0 && rank < 3)
      return fail(formatv("has rank {0}; interleaving needs at least 3", rank));
    if (map.offset && rank < 3)
      return fail(formatv("has rank {0}; windows of rows need at least 3", rank));
    if (map.strides.size() + 1 != rank || map.box.size() != rank || map.elementStrides.size() != rank)
      return fail("has strides, box or element strides that do not match its rank");
    for (size_t i = 0; i < rank; ++i)
      if (Error error = checkDimension(i))
        return error;
    for (size_t i = 0; i + 1 < rank; ++i)
      if (Error error = checkStride(i))
        return error;
    if (Error error = checkOverlap())
      return error;
    return checkInnermost();
  }

private:
  Error fail(const Twine &message) const { return createStringError("tensor map '" + map.name + "' " + message); }

  Error checkDimension(size_t i) const {
    if (map.dims[i] < 1 || map.dims[i] > uint64_t(1) << 32)
      return fail(formatv("has dims[{0}] = {1}; allowed are 1 to 2^32", i, map.dims[i]));
    if (map.box[i] < 1 || map.box[i] > 256)
      return fail(formatv("has box[{0}] = {1}; allowed are 1 to 256", i, map.box[i]));
    if (map.elementStrides[i] < 1 || map.elementStrides[i] > 8)
      return fail(formatv("has element_strides[{0}] = {1}; allowed are 1 to 8", i, map.elementStrides[i]));
    return Error::success();
  }

  Error checkStride(size_t i) const {
    unsigned multiple = map.interleave == 32 ? 32 : 16;
    if (map.strides[i] % multiple != 0)
      return fail(formatv("has strides[{0}] = {1} bytes; it must be a multiple of {2}", i, map.strides[i], multiple));
    if (map.strides[i] >= uint64_t(1) << 40)
      return fail(formatv("has strides[{0}] = {1} bytes; it must be below 2^40", i, map.strides[i]));
    return Error::success();
  }

  /// No two elements may have the same address. The strides may have any order: in a batch, the rows of one matrix may
  /// be between the rows of another. Windows overlap: their first rows are the rows of the operand, and there is one
  /// window more than rows.
  Error checkOverlap() const {
    SmallVector<size_t, 4> order = to_vector<4>(seq<size_t>(map.offset ? 1 : 0, map.strides.size()));
    llvm::sort(order, [&](size_t x, size_t y) { return std::pair(map.strides[x], x) < std::pair(map.strides[y], y); });
    uint64_t below = map.dims[0] * getByteWidth(map.type);
    for (size_t i : order) {
      if (map.dims[i + 1] == 1)
        continue;
      if (map.strides[i] < below)
        return fail(formatv("has strides[{0}] = {1} bytes; the inner dimensions need {2}", i, map.strides[i], below));
      bool isOfWindows = map.offset && i == 1;
      // Up to 2^32 dims of up to 2^40 bytes.
      below = SaturatingMultiply(map.dims[i + 1] - isOfWindows, map.strides[i]);
    }
    return Error::success();
  }

  Error checkInnermost() const {
    uint64_t bytes = uint64_t(map.box[0]) * getByteWidth(map.type);
    if (map.interleave == 0 && bytes % 16 != 0)
      return fail(formatv("has an innermost box of {0} bytes; it must be a multiple of 16", bytes));
    if (map.interleave == 0 && map.swizzle != 0 && bytes > uint64_t(map.swizzle))
      return fail(
          formatv("has an innermost box of {0} bytes; its swizzle of {1} allows at most {1}", bytes, map.swizzle));
    if (map.interleave == 32 && map.swizzle != 32)
      return fail(formatv("has swizzle {0}; interleave 32 needs swizzle 32", map.swizzle));
    if (map.oobFillNaN && !isFloatOfTensorMap(map.type))
      return fail(formatv("fills with NaN; {0} is encoded as an integer type and can be filled with zero only",
                          toString(map.type)));
    return Error::success();
  }

  const TensorMapValues &map;
};
} // namespace

Expected<TensorMapValues> evaluateTensorMap(StringRef name, const TensorMapInfo &map, const Sizes &sizes) {
  TensorMapValues values;
  values.name = name.str();
  values.type = map.type;
  values.swizzle = map.swizzle;
  values.interleave = map.interleave;
  values.l2Promotion = map.l2Promotion;
  values.oobFillNaN = map.oobFillNaN;
  auto evaluateAll = [&](ArrayRef<SizeExpr> exprs, StringRef what, SmallVectorImpl<uint64_t> &out) -> Error {
    for (const auto &[index, expr] : enumerate(exprs)) {
      Expected<int64_t> value = expr.evaluate(sizes);
      if (!value)
        return createStringError(
            formatv("tensor map '{0}', {1}[{2}]: {3}", name, what, index, toString(value.takeError())));
      if (*value < 0)
        return createStringError(formatv("tensor map '{0}' has {1}[{2}] = {3}", name, what, index, *value));
      out.push_back(uint64_t(*value));
    }
    return Error::success();
  };
  if (Error error = evaluateAll(map.dims, "dims", values.dims))
    return error;
  if (Error error = evaluateAll(map.strides, "strides", values.strides))
    return error;
  SmallVector<uint64_t> box;
  if (Error error = evaluateAll(map.box, "box", box))
    return error;
  for (uint64_t extent : box) // values beyond 32 bits exceed the limits anyway
    values.box.push_back(uint32_t(std::min<uint64_t>(extent, UINT32_MAX)));
  for (int64_t stride : map.elementStrides)
    values.elementStrides.push_back(uint32_t(std::clamp<int64_t>(stride, 0, UINT32_MAX)));
  if (map.offset) {
    Expected<int64_t> offset = map.offset->evaluate(sizes);
    if (!offset)
      return createStringError(formatv("tensor map '{0}', offset: {1}", name, toString(offset.takeError())));
    values.offset = *offset;
  }
  if (Error error = TensorMapChecker(values).check())
    return error;
  return values;
}

Error checkTensorMapAddress(const TensorMapValues &map, uint64_t address) {
  unsigned alignment = map.interleave == 32 ? 32 : 16;
  if (address % alignment != 0)
    return createStringError(formatv("tensor map '{0}' has the base address {1:x}; it must be a multiple of {2}",
                                     map.name, address, alignment));
  return Error::success();
}

Expected<int64_t> computeGrid(const LaunchDescriptor &launch, const Sizes &sizes, int64_t multiprocessors) {
  Expected<int64_t> tiles = launch.tiles.evaluate(sizes);
  if (!tiles)
    return createStringError("grid.tiles: " + toString(tiles.takeError()));
  return launch.countCTAs(*tiles, multiprocessors);
}

} // namespace dgemm
