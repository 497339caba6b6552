//===- TensorMap.cpp - Tensor maps from the launch descriptor -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorMap.h"
#include "llvm/ADT/Twine.h"

using namespace dgemm;
using namespace dgemm::emulator;
using llvm::Twine;

uint64_t TensorMap::boxBytes() const {
  uint64_t bytes = elementBytes;
  for (unsigned i = 0; i < rank(); ++i)
    bytes *= extent(i);
  return bytes;
}

namespace {

/// The rules of cuTensorMapEncodeTiled (cuda.h, CUDA 13.0).
class Checker {
public:
  Checker(const TensorMap &map, const TensorMapInfo &info) : map(map), info(info) {}

  llvm::Error run() {
    checkShape();
    if (problem.empty())
      checkBox();
    if (problem.empty())
      checkModes();
    if (problem.empty())
      checkMemory();
    if (problem.empty())
      return llvm::Error::success();
    return llvm::createStringError("tensor map '" + map.parameter + "' on operand '" + info.operand + "': " + problem);
  }

private:
  void require(bool condition, const Twine &text) {
    if (!condition && problem.empty())
      problem = text.str();
  }

  void checkShape() {
    size_t rank = map.dims.size();
    require(rank >= 1 && rank <= 5, "rank is " + Twine(rank) + ", must be 1 to 5");
    require(map.strides.size() + 1 == rank && map.box.size() == rank && map.elementStrides.size() == rank,
            "dims, strides, box and elementStrides have " + Twine(rank) + ", " + Twine(map.strides.size()) + ", " +
                Twine(map.box.size()) + " and " + Twine(map.elementStrides.size()) + " entries");
    for (int64_t dim : map.dims)
      require(dim >= 1 && dim <= (int64_t(1) << 32), "dimension is " + Twine(dim) + ", must be 1 to 2^32");
    for (int64_t stride : map.strides)
      require(stride > 0 && stride % 16 == 0 && stride < (int64_t(1) << 40),
              "stride is " + Twine(stride) + " bytes, must be a multiple of 16 below 2^40");
  }

  void checkBox() {
    for (size_t i = 0; i < map.box.size(); ++i) {
      require(map.box[i] >= 1 && map.box[i] <= 256, "box extent is " + Twine(map.box[i]) + ", must be 1 to 256");
      require(map.elementStrides[i] >= 1 && map.elementStrides[i] <= 8,
              "element stride is " + Twine(map.elementStrides[i]) + ", must be 1 to 8");
    }
    uint64_t inner = uint64_t(map.box[0]) * map.elementBytes;
    require(inner % 16 == 0, "inner box extent is " + Twine(inner) + " bytes, must be a multiple of 16");
    require(map.swizzle == 0 || inner <= map.swizzle,
            "inner box extent is " + Twine(inner) + " bytes, more than the swizzle width " + Twine(map.swizzle));
    require(map.swizzle == 0 || inner >= map.swizzle,
            "inner box extent is " + Twine(inner) + " bytes; the emulator knows only boxes as wide as their swizzle (" +
                Twine(map.swizzle) + ")");
  }

  void checkModes() {
    require(map.swizzle == 0 || map.swizzle == 32 || map.swizzle == 64 || map.swizzle == 128,
            "swizzle is " + Twine(map.swizzle) + ", must be 0, 32, 64 or 128");
    require(info.interleave == 0, "interleave is " + Twine(info.interleave) + "; the emulator knows only 0");
    int64_t l2 = info.l2Promotion;
    require(l2 == 0 || l2 == 64 || l2 == 128 || l2 == 256,
            "L2 promotion is " + Twine(l2) + ", must be 0, 64, 128 or 256");
    require(!map.fillNaN || isFloatOfTensorMap(map.type), "out-of-bounds fill is NaN for a type that has none here");
  }

  void checkMemory() {
    uint64_t address = map.memory->address + uint64_t(map.offset);
    require(address % 16 == 0, "global address is " + Twine(address % 16) + " bytes past a multiple of 16");
    require(map.offset > -(int64_t(1) << 48) && map.offset <= int64_t(map.memory->bytes),
            "offset is " + Twine(map.offset) + " bytes, must be above -2^48 and inside of the operand");
    if (!problem.empty())
      return;
    uint64_t extent = uint64_t(map.dims[0]) * map.elementBytes, bytes = map.memory->bytes - map.offset;
    bool fits = extent <= bytes;
    for (size_t i = 1; fits && i < map.dims.size(); ++i) {
      uint64_t count = uint64_t(map.dims[i] - 1), stride = uint64_t(map.strides[i - 1]);
      fits = count <= (bytes - extent) / stride;
      extent += count * stride;
    }
    require(fits, "reaches past the end of its operand, which has " + Twine(map.memory->bytes) + " bytes");
  }

  const TensorMap &map;
  const TensorMapInfo &info;
  std::string problem;
};

} // namespace

llvm::Expected<TensorMap> dgemm::emulator::makeTensorMap(const ParameterInfo &parameter, const Sizes &sizes,
                                                         GlobalMemory &memory) {
  const TensorMapInfo &info = parameter.tensorMap;
  TensorMap map;
  map.parameter = parameter.name;
  map.type = info.type;
  map.elementBytes = getByteWidth(info.type);
  map.memory = memory.find(llvm::StringRef(info.operand));
  if (!map.memory)
    return llvm::createStringError("tensor map '" + parameter.name + "' names operand '" + info.operand +
                                   "', which has no buffer");
  for (const SizeExpr &dim : info.dims) {
    llvm::Expected<int64_t> value = dim.evaluate(sizes);
    if (!value)
      return value.takeError();
    map.dims.push_back(*value);
  }
  for (const SizeExpr &stride : info.strides) {
    llvm::Expected<int64_t> value = stride.evaluate(sizes);
    if (!value)
      return value.takeError();
    map.strides.push_back(*value);
  }
  for (const SizeExpr &extent : info.box) {
    llvm::Expected<int64_t> value = extent.evaluate(sizes);
    if (!value)
      return value.takeError();
    map.box.push_back(*value);
  }
  if (info.offset) {
    llvm::Expected<int64_t> value = info.offset->evaluate(sizes);
    if (!value)
      return value.takeError();
    map.offset = *value;
  }
  map.elementStrides.append(info.elementStrides.begin(), info.elementStrides.end());
  map.swizzle = info.swizzle;
  map.fillNaN = info.oobFillNaN;
  if (llvm::Error error = Checker(map, info).run())
    return std::move(error);
  // cuda.h: without interleave the driver ignores the first one, as TMA has no stride along dimension 0.
  map.elementStrides[0] = 1;
  return map;
}

void TensorMap::forEachPiece(llvm::ArrayRef<int64_t> coordinates,
                             llvm::function_ref<void(uint64_t, int64_t, unsigned)> piece) const {
  llvm::SmallVector<int64_t, 5> index(rank(), 0);
  uint64_t rowBytes = uint64_t(extent(0)) * elementBytes;
  constexpr unsigned kPiece = 16;
  uint64_t shared = 0;
  for (;;) {
    bool inside = true;
    int64_t base = offset;
    for (unsigned i = 1; i < rank(); ++i) {
      int64_t at = coordinates[i] + index[i] * elementStrides[i];
      inside &= at >= 0 && at < dims[i];
      base += inside ? at * strides[i - 1] : 0;
    }
    for (uint64_t b = 0; b < rowBytes; b += kPiece) {
      unsigned bytes = std::min<uint64_t>(kPiece, rowBytes - b);
      int64_t first = coordinates[0] + int64_t(b / elementBytes);
      int64_t last = first + bytes / elementBytes - 1;
      uint64_t at = swizzleOffset(shared + b, swizzle);
      if (!inside || last < 0 || first >= dims[0]) {
        piece(at, kOutside, bytes);
      } else if (first >= 0 && last < dims[0]) {
        piece(at, base + first * elementBytes, bytes);
      } else {
        for (unsigned e = 0; e < bytes / elementBytes; ++e) {
          bool valid = first + e >= 0 && first + e < dims[0];
          piece(at + e * elementBytes, valid ? base + (first + e) * elementBytes : kOutside, elementBytes);
        }
      }
    }
    shared += rowBytes;
    unsigned dim = 1;
    while (dim < rank() && ++index[dim] == extent(dim))
      index[dim++] = 0;
    if (dim >= rank())
      return;
  }
}
