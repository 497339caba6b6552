//===- Formats.cpp - FP8 and bfloat16 in software -------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include <array>
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

const double *getF8E4M3FNTable() {
  static const std::array<double, 256> table = [] {
    std::array<double, 256> values;
    for (unsigned bits = 0; bits < 256; ++bits)
      values[bits] = decodeF8E4M3FN(uint8_t(bits));
    return values;
  }();
  return table.data();
}

/// No branches, so that loops over it vectorise.
static inline uint8_t encode(float value) {
  uint32_t bits = bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 24 & 0x80;
  uint32_t magnitude = bits & 0x7fffffff;
  // Normal results: add half of the last place kept, less one ulp of float unless the result would be odd; then drop 20
  // bits and rebase the exponent from 127 to 7.
  uint32_t normal = ((magnitude + 0x7ffff + (magnitude >> 20 & 1)) >> 20) - (120 << 3);
  // Subnormal results: in a float of 2^14 the last place is 2^-9, the step of the subnormals; the addition rounds.
  uint32_t subnormal = bit_cast<uint32_t>(bit_cast<float>(magnitude) + 0x1p14f) - bit_cast<uint32_t>(0x1p14f);
  uint32_t result = magnitude < bit_cast<uint32_t>(0x1p-6f) ? subnormal : normal;
  // 464 is half way between 448 and what would be 480; the tie goes to 448, whose mantissa is even.
  result = magnitude > bit_cast<uint32_t>(464.0f) ? 0x7f : result;
  return uint8_t(sign | result);
}

uint8_t encodeF8E4M3FN(float value) { return encode(value); }

uint16_t encodeBF16(float value) {
  uint32_t bits = bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t(bits >> 16 | 0x40); // quiet, and never rounded up to an infinity
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void encodeScaledF8E4M3FN(ArrayRef<float> values, float scale, uint8_t *out) {
  for (size_t i = 0, e = values.size(); i < e; ++i)
    out[i] = encode(values[i] / scale);
}

} // namespace dgemm
