//===- Formats.cpp - FP8 and 16-bit floats in software --------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

using namespace llvm;

namespace dgemm {

float decodeF8E4M3FN(uint8_t bits) {
  unsigned exponent = bits >> 3 & 15, mantissa = bits & 7;
  float magnitude;
  if (exponent == 15 && mantissa == 7)
    magnitude = bit_cast<float>(0x7fc00000u);
  else if (exponent == 0) // subnormal, in steps of 2^-9
    magnitude = float(mantissa) * 0x1p-9f;
  else // the exponent's bias goes from 7 to 127
    magnitude = bit_cast<float>((exponent + 120) << 23 | mantissa << 20);
  return bits & 0x80 ? -magnitude : magnitude;
}

float decodeF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) // infinity or NaN
    return bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // Puts exponent and mantissa into the places of a float, also if subnormal; the factor converts bias 127 to bias 15.
  float value = bit_cast<float>(magnitude << 13) * 0x1p112f;
  return sign ? -value : value;
}

// The upper byte of an f16.
float decodeF8E5M2(uint8_t bits) { return decodeF16(uint16_t(bits << 8)); }

float decodeF8E8M0FNU(uint8_t bits) {
  return bits == 0xff ? bit_cast<float>(0x7fc00000u) : std::ldexp(1.0f, int(bits) - 127);
}

uint8_t encodeUpF8E8M0FNU(float value) {
  if (std::isnan(value))
    return 0xff;
  if (!(value > 0x1p-127f))
    return 0;
  int exponent;
  float mantissa = std::frexp(std::min(value, 0x1p127f), &exponent); // from 0.5 to below 1
  return uint8_t(exponent - (mantissa == 0.5f) + 127);
}

/// The `magnitude` of a float as exponent and `kMantissa` bits with a bias of kBias. Exponents may exceed those of the
/// type. There are no branches, so that loops over it vectorise.
template <unsigned kMantissa, unsigned kBias>
static inline uint32_t round(uint32_t magnitude) {
  constexpr unsigned kDropped = 23 - kMantissa;
  // Normal results: add half of the last place kept, less one ulp of float unless the result would be odd; then drop
  // bits and rebase the exponent.
  uint32_t normal = ((magnitude + (1u << (kDropped - 1)) - 1 + (magnitude >> kDropped & 1)) >> kDropped) -
                    ((127 - kBias) << kMantissa);
  // Subnormal results: the last place of a float with this power of two is the step of the subnormals, so the addition
  // rounds.
  constexpr uint32_t kPower = (127 + 24 - kBias - kMantissa) << 23;
  uint32_t subnormal = bit_cast<uint32_t>(bit_cast<float>(magnitude) + bit_cast<float>(kPower)) - kPower;
  constexpr uint32_t kSmallestNormal = (127 + 1 - kBias) << 23;
  return magnitude < kSmallestNormal ? subnormal : normal;
}

/// With infinities and NaNs as IEEE 754 has them.
template <unsigned kExponent, unsigned kMantissa>
static inline uint32_t encodeIEEE(float value) {
  constexpr uint32_t kInfinity = ((1u << kExponent) - 1) << kMantissa;
  uint32_t bits = bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  uint32_t result = std::min(round<kMantissa, (1u << (kExponent - 1)) - 1>(magnitude), kInfinity);
  result = magnitude > 0x7f800000 ? kInfinity | 1u << (kMantissa - 1) : result;
  return bits >> 31 << (kExponent + kMantissa) | result;
}

static inline uint8_t encodeE4M3(float value) {
  uint32_t bits = bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  // 464 is half way between 448 and 480, which does not exist; the tie goes to 448, whose mantissa is even.
  uint32_t result = magnitude > bit_cast<uint32_t>(464.0f) ? 0x7f : round<3, 7>(magnitude);
  return uint8_t((bits >> 24 & 0x80) | result);
}

uint8_t encodeF8E4M3FN(float value) { return encodeE4M3(value); }
uint8_t encodeF8E5M2(float value) { return uint8_t(encodeIEEE<5, 2>(value)); }
uint16_t encodeF16(float value) { return uint16_t(encodeIEEE<5, 10>(value)); }

uint16_t encodeBF16(float value) {
  uint32_t bits = bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t(bits >> 16 | 0x40); // quiet, and never rounded up to an infinity
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static std::array<double, 256> makeTable(float (*decode)(uint8_t)) {
  std::array<double, 256> values;
  for (unsigned bits = 0; bits < 256; ++bits)
    values[bits] = decode(uint8_t(bits));
  return values;
}

const double *getFP8Table(ElementType type) {
  static const std::array<double, 256> e4m3 = makeTable(decodeF8E4M3FN), e5m2 = makeTable(decodeF8E5M2);
  assert((type == ElementType::F8E4M3FN || type == ElementType::F8E5M2) && "no FP8 type with a sign");
  return (type == ElementType::F8E5M2 ? e5m2 : e4m3).data();
}

float getLargestFP8(ElementType type) { return type == ElementType::F8E5M2 ? 57344.0f : 448.0f; }

void encodeScaledFP8(ElementType type, ArrayRef<float> values, float scale, uint8_t *out) {
  auto encodeAll = [&](auto encode) {
    for (size_t i = 0, e = values.size(); i < e; ++i)
      out[i] = encode(values[i] / scale);
  };
  if (type == ElementType::F8E5M2)
    encodeAll([](float value) { return uint8_t(encodeIEEE<5, 2>(value)); });
  else
    encodeAll([](float value) { return encodeE4M3(value); });
}

} // namespace dgemm
