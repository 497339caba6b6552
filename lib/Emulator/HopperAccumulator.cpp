//===- HopperAccumulator.cpp - How the tensor core of an H100 sums --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Found on an H200 and checked there bit for bit on random operands (facts.md section 11). One wgmma of K = 32 adds 32
// products and the accumulator: each is cut off, toward zero, below 2^-13 of the largest exponent among them; the sum
// of what is left is exact, and is cut off to 13 bits behind its leading one. The exponent of a product is the sum of
// those of its operands, and subnormal operands count with the least exponent of their type.
//
//===----------------------------------------------------------------------===//

#include "Wgmma.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace dgemm::emulator;

namespace {

constexpr int kKeptBits = 13;
/// Exponent of a zero: below every sum of two others.
constexpr int32_t kNoExponent = -4096;

#if defined(__x86_64__) && defined(__ELF__)
#define DGEMM_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define DGEMM_CLONES
#endif

/// Matrix elements as significand * 2^(exponent - mantissa bits).
struct Decoded {
  std::vector<int32_t> significands, exponents;
  unsigned mantissaBits;

  Decoded(const float *values, size_t count, bool isE5M2) : significands(count), exponents(count) {
    mantissaBits = isE5M2 ? 2 : 3;
    int least = isE5M2 ? -14 : -6;
    for (size_t i = 0; i < count; ++i) {
      if (values[i] == 0 || !std::isfinite(values[i])) {
        exponents[i] = kNoExponent;
        continue;
      }
      exponents[i] = std::max(std::ilogb(values[i]), least);
      significands[i] = int32_t(std::ldexp(values[i], int(mantissaBits) - exponents[i]));
    }
  }
};

DGEMM_CLONES void findLargest(int32_t *largest, const int32_t *a, const int32_t *b, unsigned n) {
  for (unsigned k = 0; k < kWgmmaK; ++k)
    for (unsigned j = 0; j < n; ++j)
      largest[j] = std::max(largest[j], a[k] + b[size_t(k) * n + j]);
}

/// Adds the products, in units of 2^(largest - kKeptBits).
DGEMM_CLONES void addProducts(int32_t *sums, const int32_t *largest, const int32_t *aSignificands,
                              const int32_t *aExponents, const int32_t *bSignificands, const int32_t *bExponents,
                              unsigned n, unsigned shift) {
  for (unsigned k = 0; k < kWgmmaK; ++k)
    for (unsigned j = 0; j < n; ++j) {
      int32_t product = aSignificands[k] * bSignificands[size_t(k) * n + j];
      int32_t below = largest[j] - (aExponents[k] + bExponents[size_t(k) * n + j]);
      uint32_t size = uint32_t(product < 0 ? -product : product) << shift >> std::min(below, 31);
      sums[j] += product < 0 ? -int32_t(size) : int32_t(size);
    }
}

struct Float {
  bool negative;
  int32_t exponent;
  uint32_t mantissa; // of 24 bits

  explicit Float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    negative = bits >> 31;
    uint32_t field = (bits >> 23) & 0xff;
    mantissa = (bits & 0x7fffff) | (field ? 1u << 23 : 0);
    exponent = mantissa ? int32_t(std::max(field, 1u)) - 127 : kNoExponent;
  }
};

float normalize(int32_t sum, int32_t largest) {
  uint32_t size = uint32_t(sum < 0 ? -sum : sum);
  if (!size)
    return 0;
  if (unsigned leading = llvm::Log2_32(size); leading > unsigned(kKeptBits))
    size = size >> (leading - kKeptBits) << (leading - kKeptBits);
  float value = std::ldexp(float(size), largest - kKeptBits);
  return sum < 0 ? -value : value;
}

/// NaN and infinity go through a plain sum as through the tensor core.
bool hasOther(const float *values, size_t count, size_t stride) {
  for (size_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i * stride]))
      return true;
  return false;
}

float sumOfOthers(float accumulator, const float *a, const float *b, unsigned n) {
  double sum = accumulator;
  for (unsigned k = 0; k < kWgmmaK; ++k)
    sum += double(a[k]) * double(b[size_t(k) * n]);
  return float(sum);
}

} // namespace

void dgemm::emulator::multiplyAsHopper(float *d, const float *a, const float *b, unsigned n, bool isE5M2A,
                                       bool isE5M2B) {
  Decoded left(a, size_t(kWgmmaRows) * kWgmmaK, isE5M2A), right(b, size_t(kWgmmaK) * n, isE5M2B);
  std::vector<bool> columns(n);
  for (unsigned j = 0; j < n; ++j)
    columns[j] = hasOther(b + j, kWgmmaK, n);
  std::vector<int32_t> largest(n), sums(n);
  unsigned shift = kKeptBits - left.mantissaBits - right.mantissaBits;
  for (unsigned m = 0; m < kWgmmaRows; ++m) {
    float *row = d + size_t(m) * n;
    for (unsigned j = 0; j < n; ++j)
      largest[j] = std::isfinite(row[j]) ? Float(row[j]).exponent : kNoExponent;
    const int32_t *aSignificands = &left.significands[m * kWgmmaK], *aExponents = &left.exponents[m * kWgmmaK];
    findLargest(largest.data(), aExponents, right.exponents.data(), n);
    for (unsigned j = 0; j < n; ++j) {
      Float accumulator(row[j]);
      int32_t below = std::min(largest[j] - accumulator.exponent + 23 - kKeptBits, 31);
      int32_t size = int32_t(accumulator.mantissa >> std::max(below, 0));
      sums[j] = accumulator.negative ? -size : size;
    }
    addProducts(sums.data(), largest.data(), aSignificands, aExponents, right.significands.data(),
                right.exponents.data(), n, shift);
    bool rowHasOther = hasOther(a + m * kWgmmaK, kWgmmaK, 1);
    for (unsigned j = 0; j < n; ++j)
      row[j] = rowHasOther || columns[j] || !std::isfinite(row[j]) ? sumOfOthers(row[j], a + m * kWgmmaK, b + j, n)
                                                                   : normalize(sums[j], largest[j]);
  }
}
