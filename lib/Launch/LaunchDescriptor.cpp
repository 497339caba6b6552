//===- LaunchDescriptor.cpp - What a kernel needs to be launched ----------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

unsigned getByteWidth(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3FN:
  case ElementType::F8E5M2:
  case ElementType::F8E8M0FNU:
    return 1;
  case ElementType::BF16:
  case ElementType::F16:
    return 2;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  }
  llvm_unreachable("unknown element type");
}

StringRef toString(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3FN:
    return "f8E4M3FN";
  case ElementType::F8E5M2:
    return "f8E5M2";
  case ElementType::F8E8M0FNU:
    return "f8E8M0FNU";
  case ElementType::BF16:
    return "bf16";
  case ElementType::F16:
    return "f16";
  case ElementType::F32:
    return "f32";
  case ElementType::I32:
    return "i32";
  }
  llvm_unreachable("unknown element type");
}

/// The element of `all` with this `name`.
template <typename T>
static std::optional<T> parseName(StringRef name, ArrayRef<T> all) {
  for (T value : all)
    if (name == toString(value))
      return value;
  return std::nullopt;
}

std::optional<ElementType> parseElementType(StringRef name) {
  return parseName(name, ArrayRef<ElementType>(kElementTypes));
}

bool isFloatOfTensorMap(ElementType type) {
  return type == ElementType::BF16 || type == ElementType::F16 || type == ElementType::F32;
}

StringRef toString(Accuracy accuracy) {
  return accuracy == Accuracy::Exact ? "exact" : accuracy == Accuracy::Balanced ? "balanced" : "fast";
}

std::optional<Accuracy> parseAccuracy(StringRef name) {
  return parseName<Accuracy>(name, {Accuracy::Exact, Accuracy::Balanced, Accuracy::Fast});
}

StringRef toString(GemmLayout layout) {
  switch (layout) {
  case GemmLayout::Dense:
    return "dense";
  case GemmLayout::Contiguous:
    return "contiguous";
  case GemmLayout::Masked:
    return "masked";
  case GemmLayout::Offsets:
    return "offsets";
  case GemmLayout::KGrouped:
    return "k_grouped";
  case GemmLayout::Batched:
    return "batched";
  }
  llvm_unreachable("unknown layout");
}

std::optional<GemmLayout> parseGemmLayout(StringRef name) {
  return parseName<GemmLayout>(name, {GemmLayout::Dense, GemmLayout::Contiguous, GemmLayout::Masked,
                                      GemmLayout::Offsets, GemmLayout::KGrouped, GemmLayout::Batched});
}

StringRef toString(EpilogueAxis axis) {
  switch (axis) {
  case EpilogueAxis::N:
    return "n";
  case EpilogueAxis::M:
    return "m";
  case EpilogueAxis::MN:
    return "mn";
  case EpilogueAxis::G:
    return "g";
  case EpilogueAxis::None:
    return "none";
  }
  llvm_unreachable("unknown axis");
}

std::optional<EpilogueAxis> parseEpilogueAxis(StringRef name) {
  return parseName<EpilogueAxis>(
      name, {EpilogueAxis::N, EpilogueAxis::M, EpilogueAxis::MN, EpilogueAxis::G, EpilogueAxis::None});
}

const OperandInfo *LaunchDescriptor::findOperand(StringRef name) const {
  auto it = find_if(operands, [&](const OperandInfo &operand) { return operand.name == name; });
  return it == operands.end() ? nullptr : &*it;
}

Expected<Sizes> LaunchDescriptor::bindSizes(const Sizes &given) const {
  for (const auto &entry : given) {
    if (none_of(sizes, [&](const auto &size) { return size.first == entry.getKey(); }))
      return createStringError(formatv("kernel '{0}' has no size named '{1}'", this->entry, entry.getKey()));
    if (entry.getValue() < 0 || entry.getValue() > kMaxSize)
      return createStringError(
          formatv("expected size {0} to be 0 to {1}, but got {2}", entry.getKey(), kMaxSize, entry.getValue()));
  }
  Sizes bound;
  for (const auto &[name, value] : sizes) {
    auto it = given.find(name);
    bool isGiven = it != given.end();
    if (value < 0 && !isGiven)
      return createStringError(formatv("size {0} of kernel '{1}' is dynamic and was not given", name, entry));
    if (value >= 0 && isGiven && it->second != value)
      return createStringError(formatv("size {0} = {1} was given but kernel '{2}' was compiled for {0} = {3}", name,
                                       it->second, entry, value));
    bound[name] = isGiven ? it->second : value;
  }
  for (const auto &[name, divisor] : divisors)
    if (int64_t size = bound.lookup(name); size % divisor)
      return createStringError(
          formatv("size {0} = {1} is not a multiple of {2}, as kernel '{3}' was promised when it was "
                  "compiled",
                  name, size, divisor, entry));
  return bound;
}

int64_t LaunchDescriptor::countCTAs(int64_t tileCount, int64_t multiprocessors) const {
  if (tileCount <= 0)
    return 0;
  int64_t size = std::max<int64_t>(cluster[0] * cluster[1] * cluster[2], 1);
  // A cluster is launched completely even if it has more CTAs than there are tiles; the kernel's tile loop handles
  // that.
  int64_t clusters = std::max(std::min(multiprocessors, tileCount) / size, int64_t(1));
  if (evenWaves)
    clusters = divideCeil(tileCount, size * divideCeil(tileCount, size * clusters));
  return clusters * size;
}

} // namespace dgemm
