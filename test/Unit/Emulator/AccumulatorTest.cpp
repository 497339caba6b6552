//===- AccumulatorTest.cpp - The tensor core's sums, bit for bit ----------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Wgmma.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace dgemm::emulator;

namespace {

float decode(uint8_t bits, bool isE5M2) {
  llvm::APFloat value(isE5M2 ? llvm::APFloat::Float8E5M2() : llvm::APFloat::Float8E4M3FN(), llvm::APInt(8, bits));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToFloat();
}

/// One element as the rules in docs/emulator.md say, term by term.
float sumByTheRules(float accumulator, const float *a, const float *b, unsigned n, bool isE5M2A, bool isE5M2B) {
  auto getExponent = [](float value, bool isE5M2) { return std::max(std::ilogb(value), isE5M2 ? -14 : -6); };
  std::vector<double> terms = {accumulator};
  int largest = accumulator == 0 ? -4096 : std::max(std::ilogb(accumulator), -126);
  for (unsigned k = 0; k < kWgmmaK; ++k) {
    float x = a[k], y = b[size_t(k) * n];
    terms.push_back(double(x) * y);
    if (x != 0 && y != 0)
      largest = std::max(largest, getExponent(x, isE5M2A) + getExponent(y, isE5M2B));
  }
  double sum = 0;
  for (double term : terms)
    sum += std::trunc(std::ldexp(term, 13 - largest));
  if (sum == 0)
    return 0;
  int dropped = std::max(std::ilogb(sum) - 13, 0);
  return float(std::ldexp(std::trunc(std::ldexp(sum, -dropped)), dropped + largest - 13));
}

struct Matrices {
  std::vector<float> a, b, d;
  unsigned n;
};

Matrices draw(std::mt19937 &random, unsigned n, bool isE5M2A, bool isE5M2B) {
  Matrices result{std::vector<float>(kWgmmaRows * kWgmmaK), std::vector<float>(kWgmmaK * n),
                  std::vector<float>(kWgmmaRows * n), n};
  // Values of all sizes, of a few sizes, subnormals, and mostly zeros.
  const uint8_t kMasks[] = {0xff, 0x8f, 0x87, 0xff};
  unsigned kind = random() % 4;
  auto fill = [&](std::vector<float> &values, bool isE5M2) {
    for (float &value : values)
      do
        value = kind == 3 && random() % 8 ? 0.0f : decode(uint8_t(random() & kMasks[kind]), isE5M2);
      while (!std::isfinite(value));
  };
  fill(result.a, isE5M2A);
  fill(result.b, isE5M2B);
  // Half of the accumulators are not of a wgmma's: of 24 bits, and of any size.
  for (float &value : result.d)
    do
      value = llvm::bit_cast<float>(uint32_t(random()));
    while (!std::isfinite(value) || std::fabs(value) > 0x1p100f);
  for (size_t i = 0; i < result.d.size(); i += 2)
    result.d[i] = random() % 2 ? std::ldexp(float(int(random() % 16384) - 8192), int(random() % 40) - 30) : 0.0f;
  return result;
}

TEST(HopperAccumulator, FollowsTheRules) {
  std::mt19937 random(1);
  for (unsigned n : {8u, 16u, 24u, 96u, 256u})
    for (unsigned types = 0; types < 4; ++types)
      for (unsigned repeat = 0; repeat < 8; ++repeat) {
        Matrices in = draw(random, n, types & 1, types & 2);
        std::vector<float> d = in.d;
        multiplyAsHopper(d.data(), in.a.data(), in.b.data(), n, types & 1, types & 2);
        for (size_t i = 0; i < d.size(); ++i) {
          float expected = sumByTheRules(in.d[i], &in.a[i / n * kWgmmaK], &in.b[i % n], n, types & 1, types & 2);
          ASSERT_EQ(llvm::bit_cast<uint32_t>(d[i]), llvm::bit_cast<uint32_t>(expected))
              << "n " << n << ", types " << types << ", element " << i << ", from " << in.d[i];
        }
      }
}

TEST(HopperAccumulator, PassesOnWhatIsNotFinite) {
  std::mt19937 random(2);
  Matrices in = draw(random, 24, true, false);
  std::vector<float> plain = in.d;
  multiplyAsHopper(plain.data(), in.a.data(), in.b.data(), 24, true, false);
  std::vector<float> d = in.d;
  in.a[3 * kWgmmaK + 5] = NAN;                                // row 3
  in.b[7 * 24 + 10] = NAN;                                    // column 10
  in.a[4 * kWgmmaK + 7] = INFINITY, in.b[7 * 24 + 1] = -1.0f; // [4, 1]
  in.a[5 * kWgmmaK + 7] = INFINITY, in.b[7 * 24 + 2] = 0.0f;  // [4, 2] and [5, 2]
  d[6 * 24 + 20] = NAN, d[7 * 24 + 20] = -INFINITY, d[7 * 24 + 21] = INFINITY;
  std::vector<float> before = d;
  multiplyAsHopper(d.data(), in.a.data(), in.b.data(), 24, true, false);
  EXPECT_TRUE(std::isnan(d[3 * 24]) && std::isnan(d[3 * 24 + 23]));
  EXPECT_TRUE(std::isnan(d[10]) && std::isnan(d[63 * 24 + 10]));
  EXPECT_EQ(d[4 * 24 + 1], -INFINITY);
  EXPECT_TRUE(std::isnan(d[4 * 24 + 2]) && std::isnan(d[5 * 24 + 2]));
  EXPECT_TRUE(std::isnan(d[6 * 24 + 20]));
  EXPECT_EQ(d[7 * 24 + 20], -INFINITY);
  EXPECT_EQ(d[7 * 24 + 21], INFINITY);
  // What they do not reach is as without them.
  for (size_t column : {0, 3, 9, 22})
    EXPECT_EQ(d[8 * 24 + column], plain[8 * 24 + column]);
}

} // namespace
