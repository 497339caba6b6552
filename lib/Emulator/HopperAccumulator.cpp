//===- HopperAccumulator.cpp - How the tensor core of an H100 sums --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules are in docs/emulator.md, "How the tensor core sums".
//
//===----------------------------------------------------------------------===//

#include "Wgmma.h"
#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cstring>

using namespace dgemm::emulator;

namespace {

constexpr int kKeptBits = 13;
/// Exponent of a zero: below every sum of two others.
constexpr int32_t kNoExponent = -4096;
/// Of products: that of two subnormals of e5m2.
constexpr int32_t kLeastExponent = -28;
/// Columns that are summed in parallel, in one or two vector registers. n of a wgmma is a multiple of 8, so the last
/// group may have half as many.
constexpr unsigned kColumns = 16;
using Floats = float __attribute__((vector_size(4 * kColumns)));
using Ints = int32_t __attribute__((vector_size(4 * kColumns)));

#if defined(__x86_64__) && defined(__ELF__)
#define DGEMM_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=haswell", "default")))
#else
#define DGEMM_VECTOR_CLONES
#endif

bool isFinite(float value) { return (llvm::bit_cast<uint32_t>(value) & 0x7f800000) != 0x7f800000; }

/// A matrix with zeros in place of values that are not finite, and the exponents of its elements.
struct Decoded {
  std::vector<float> values;
  std::vector<int32_t> exponents;
  bool isFinite = true;
};

/// `values` are 8-bit floats with the least exponent `least`, which are normal floats or zero.
DGEMM_VECTOR_CLONES void decode(const float *values, size_t count, int32_t least, Decoded &out) {
  out.values.resize(count);
  out.exponents.resize(count);
  float *finite = out.values.data();
  int32_t *exponents = out.exponents.data();
  uint32_t others = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits = llvm::bit_cast<uint32_t>(values[i]), field = bits >> 23 & 0xff;
    bool isOther = field == 0xff;
    int32_t exponent = std::max(int32_t(field) - 127, least);
    finite[i] = isOther ? 0.0f : values[i];
    exponents[i] = field == 0 || isOther ? kNoExponent : exponent;
    others |= isOther;
  }
  out.isFinite = others == 0;
}

inline __attribute__((always_inline)) Ints max(Ints x, Ints y) { return x > y ? x : y; }
/// 2^exponent, for exponents of normal floats.
inline __attribute__((always_inline)) Floats powerOfTwo(Ints exponents) { return Floats((exponents + 127) << 23); }
/// Truncates toward zero after the kept bits; for a subnormal, after the bits that its leading one would have.
inline __attribute__((always_inline)) Floats cutOff(Floats values) {
  return Floats(Ints(values) & ~((1 << (23 - kKeptBits)) - 1));
}

/// kColumns columns of B.
struct Panel {
  Floats values[kWgmmaK];
  Ints exponents[kWgmmaK];
};

/// Adds the products of one row of A and some columns of B to the elements of a row of `d`. All are finite.
inline __attribute__((always_inline)) void addProducts(float *d, const float *a, const int32_t *aExponents,
                                                       const Panel &b, unsigned bytes) {
  Floats before = {};
  std::memcpy(&before, d, bytes);
  Ints magnitude = Ints(before) & 0x7fffffff;
  Ints largest = magnitude == 0 ? Ints{} + kNoExponent : max(magnitude >> 23, Ints{} + 1) - 127;
  for (unsigned k = 0; k < kWgmmaK; ++k)
    largest = max(largest, aExponents[k] + b.exponents[k]);
  Ints exponent = max(largest, Ints{} + kLeastExponent);
  // In units of 2^(exponent - kKeptBits): a product is exact, and so is its multiple by a power of two; the conversion
  // truncates toward zero.
  Floats scale = powerOfTwo(kKeptBits - exponent);
  Ints sums = __builtin_convertvector(before * scale, Ints);
  for (unsigned k = 0; k < kWgmmaK; ++k)
    sums += __builtin_convertvector(a[k] * b.values[k] * scale, Ints);
  Floats after = cutOff(__builtin_convertvector(sums, Floats)) * powerOfTwo(exponent - kKeptBits);
  // Below the least exponent there is no product, and the sum is the accumulator; a sum of zero is +0.
  after = largest < kLeastExponent ? cutOff(before) + 0.0f : after;
  std::memcpy(d, &after, bytes);
}

DGEMM_VECTOR_CLONES void multiplyFinite(float *d, const Decoded &a, const Decoded &b, unsigned n) {
  for (unsigned j = 0; j < n; j += kColumns) {
    unsigned bytes = std::min(kColumns, n - j) * sizeof(float);
    Panel panel = {};
    for (unsigned k = 0; k < kWgmmaK; ++k) {
      std::memcpy(&panel.values[k], &b.values[size_t(k) * n + j], bytes);
      std::memcpy(&panel.exponents[k], &b.exponents[size_t(k) * n + j], bytes);
    }
    for (unsigned m = 0; m < kWgmmaRows; ++m)
      addProducts(d + size_t(m) * n + j, &a.values[m * kWgmmaK], &a.exponents[m * kWgmmaK], panel, bytes);
  }
}

/// A plain sum handles NaN and infinity as the tensor core does. Sets the elements of D that depend on them.
void addOthers(float *d, const float *before, const float *a, const float *b, unsigned n) {
  auto isOther = [](const float *values, size_t stride) {
    for (unsigned k = 0; k < kWgmmaK; ++k)
      if (!isFinite(values[k * stride]))
        return true;
    return false;
  };
  std::vector<bool> columns(n);
  for (unsigned j = 0; j < n; ++j)
    columns[j] = isOther(b + j, n);
  for (unsigned m = 0; m < kWgmmaRows; ++m) {
    bool isOtherRow = isOther(a + m * kWgmmaK, 1);
    for (unsigned j = 0; j < n; ++j) {
      double sum = before[size_t(m) * n + j];
      if (!isOtherRow && !columns[j] && isFinite(float(sum)))
        continue;
      for (unsigned k = 0; k < kWgmmaK; ++k)
        sum += double(a[m * kWgmmaK + k]) * double(b[size_t(k) * n + j]);
      d[size_t(m) * n + j] = float(sum);
    }
  }
}

} // namespace

void dgemm::emulator::multiplyAsHopper(float *d, const float *a, const float *b, unsigned n, bool isE5M2A,
                                       bool isE5M2B) {
  Decoded left, right;
  size_t count = size_t(kWgmmaRows) * n;
  decode(a, size_t(kWgmmaRows) * kWgmmaK, isE5M2A ? -14 : -6, left);
  decode(b, size_t(kWgmmaK) * n, isE5M2B ? -14 : -6, right);
  if (left.isFinite && right.isFinite && std::all_of(d, d + count, isFinite))
    return multiplyFinite(d, left, right, n);
  std::vector<float> before(d, d + count);
  std::replace_if(d, d + count, [](float value) { return !isFinite(value); }, 0.0f);
  multiplyFinite(d, left, right, n);
  addOthers(d, before.data(), a, b, n);
}
