//===- GemmTest.cpp - The hand-written GEMM on the emulator ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GemmFixture.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <tuple>

using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

static void expectGood(Gemm &gemm, unsigned seeds) {
  gemm.build();
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    llvm::Expected<Report> report = gemm.run(seed);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    ASSERT_FALSE(report->hazard.has_value()) << "seed " << seed << ": " << report->hazard->str();
    EXPECT_LT(gemm.difference(), 5e-6);
  }
}

TEST(Gemm, RunsRightOnManySchedules) {
  Gemm gemm;
  expectGood(gemm, 8);
}

TEST(Gemm, ShapesAndTails) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 16}, {64, 64, 128}, {65, 72, 144}, {200, 136, 1024}}) {
    Gemm gemm;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    expectGood(gemm, 2);
  }
}

TEST(Gemm, StagesAndGrid) {
  for (unsigned stages : {1u, 2u, 5u})
    for (int64_t multiprocessors : {1, 3, 132}) {
      Gemm gemm;
      gemm.stages = stages;
      gemm.multiprocessors = multiprocessors;
      expectGood(gemm, 2);
    }
}

namespace {

/// One element of D from 32 products, scales 1. Powers of two as e4m3: subnormal below 2^-6.
double sumProducts(Accumulator accumulator, const std::vector<std::pair<uint8_t, uint8_t>> &products,
                   const std::string &types = "e4m3.e4m3") {
  Gemm gemm;
  gemm.m = 1;
  gemm.n = 8;
  gemm.k = 32;
  gemm.accumulator = accumulator;
  gemm.build();
  if (types != "e4m3.e4m3")
    EXPECT_TRUE(gemm.replace(".e4m3.e4m3 ", "." + types + " "));
  std::fill(gemm.a.begin(), gemm.a.end(), 0);
  std::fill(gemm.b.begin(), gemm.b.end(), 0);
  std::fill(gemm.scaleA.begin(), gemm.scaleA.end(), 1.0f);
  std::fill(gemm.scaleB.begin(), gemm.scaleB.end(), 1.0f);
  for (size_t i = 0; i < products.size(); ++i)
    std::tie(gemm.a[i], gemm.b[i]) = products[i];
  llvm::Expected<Report> report = gemm.run(1);
  EXPECT_TRUE(bool(report)) << llvm::toString(report.takeError());
  EXPECT_FALSE(report && report->hazard.has_value());
  uint32_t bits = uint32_t(gemm.d[0]) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

uint8_t power(int exponent) { return exponent < -6 ? 1 << (exponent + 9) : (exponent + 7) << 3; }

/// As e5m2: subnormal below 2^-14.
uint8_t wide(int exponent) { return exponent < -14 ? 1 << (exponent + 16) : (exponent + 15) << 2; }

/// A GEMM with scales of 1 and long sums of positive numbers, whose accumulators grow.
Gemm makeLongSum(Accumulator accumulator) {
  Gemm gemm;
  gemm.m = gemm.n = 64;
  gemm.k = 4096;
  gemm.accumulator = accumulator;
  gemm.build();
  for (uint8_t &value : gemm.a)
    value &= 0x7f;
  for (uint8_t &value : gemm.b)
    value &= 0x7f;
  std::fill(gemm.scaleA.begin(), gemm.scaleA.end(), 1.0f);
  std::fill(gemm.scaleB.begin(), gemm.scaleB.end(), 1.0f);
  return gemm;
}

double differenceOf(Gemm &gemm) {
  llvm::Expected<Report> report = gemm.run(1);
  EXPECT_TRUE(bool(report)) << llvm::toString(report.takeError());
  EXPECT_FALSE(report && report->hazard.has_value());
  return gemm.difference();
}

} // namespace

TEST(Accumulator, AsFoundOnTheHardware) {
  constexpr Accumulator kExact = Accumulator::Exact, kHopper = Accumulator::Hopper;
  constexpr uint8_t kMinus = 0x80;
  // 30 products of 2^2 beside one of 2^16: each is cut off to a multiple of 2^3.
  std::vector<std::pair<uint8_t, uint8_t>> products(30, {power(1), power(1)});
  products.push_back({power(8), power(8)});
  products.push_back({power(8) | kMinus, power(8)});
  EXPECT_EQ(sumProducts(kExact, products), 120);
  EXPECT_EQ(sumProducts(kHopper, products), 0);
  // One binary place more and they stay.
  for (size_t i = 0; i < 30; ++i)
    products[i].first = power(2);
  EXPECT_EQ(sumProducts(kHopper, products), 240);
  // A subnormal counts with the least exponent: 2^-9 * 2^8 as 2^2.
  products = {{power(-9), power(8)}, {power(-9) | kMinus, power(8)}, {power(-6), power(-6)}};
  EXPECT_EQ(sumProducts(kExact, products), 1.0 / 4096);
  EXPECT_EQ(sumProducts(kHopper, products), 0);
  // The product of two significands is not normalised: 1.5 * 1.5 * 2^0 counts with exponent 0.
  products = {{0x3c, 0x3c}, {0x3c | kMinus, 0x3c}, {power(-6), power(-6)}, {power(-6), power(-7)}};
  EXPECT_EQ(sumProducts(kHopper, products), 3.0 / 8192);
  products = {{0x7f, 0}, {power(0), power(0)}};
  EXPECT_TRUE(std::isnan(sumProducts(kHopper, products)));
}

/// Each matrix is read as its own type, and its subnormals count with the least exponent of that.
TEST(Accumulator, TakesEachMixOfTypes) {
  constexpr Accumulator kExact = Accumulator::Exact, kHopper = Accumulator::Hopper;
  constexpr uint8_t kMinus = 0x80, kInfinity = 0x7c, kNaN = 0x7e;
  for (Accumulator accumulator : {kExact, kHopper}) {
    EXPECT_EQ(sumProducts(accumulator, {{wide(10), wide(-12)}, {wide(-1), wide(3)}}, "e5m2.e5m2"), 4.25);
    EXPECT_EQ(sumProducts(accumulator, {{wide(10), power(-8)}, {wide(-1), power(3)}}, "e5m2.e4m3"), 8);
    EXPECT_EQ(sumProducts(accumulator, {{power(-8), wide(10)}, {power(3), wide(-1)}}, "e4m3.e5m2"), 8);
    EXPECT_EQ(sumProducts(accumulator, {{kInfinity, wide(0)}, {wide(3), wide(3)}}, "e5m2.e5m2"), INFINITY);
    EXPECT_TRUE(std::isnan(sumProducts(accumulator, {{kInfinity, 0}}, "e5m2.e4m3")));
    EXPECT_TRUE(std::isnan(sumProducts(accumulator, {{power(0), kNaN}}, "e4m3.e5m2")));
  }
  // 2^-16 * 2^15 counts as 2^1, beside which 2^-13 is lost; 2^-14 * 2^13 counts as 2^-1, and it stays.
  std::vector<std::pair<uint8_t, uint8_t>> products = {
      {wide(-16), wide(15)}, {wide(-16) | kMinus, wide(15)}, {wide(-6), wide(-7)}};
  EXPECT_EQ(sumProducts(kExact, products, "e5m2.e5m2"), std::ldexp(1, -13));
  EXPECT_EQ(sumProducts(kHopper, products, "e5m2.e5m2"), 0);
  products[0] = {wide(-14), wide(13)};
  products[1] = {wide(-14) | kMinus, wide(13)};
  EXPECT_EQ(sumProducts(kHopper, products, "e5m2.e5m2"), std::ldexp(1, -13));
}

/// The same sum, promoted to f32 after each K block or left to the tensor core to the end.
TEST(Accumulator, TellsAKernelThatForgetsPromotion) {
  for (Accumulator accumulator : {Accumulator::Exact, Accumulator::Hopper}) {
    Gemm promoted = makeLongSum(accumulator), forgetful = makeLongSum(accumulator);
    // The first wgmma of a K block adds to the sum so far, and the sum itself is what is stored.
    ASSERT_TRUE(forgetful.replace("setp.ne.b32 p, 0, 0;", "setp.ne.b32 p, %r22, 0;"));
    for (unsigned i = 0; i < 32; ++i) {
      std::string acc = "%acc" + std::to_string(i), part = "%part" + std::to_string(i),
                  scale = i % 4 < 2 ? "%r44" : "%r45";
      ASSERT_TRUE(forgetful.replace("fma.rn.f32 " + acc + ", " + part + ", " + scale + ", " + acc + ";",
                                    "mul.rn.f32 " + acc + ", " + part + ", " + scale + ";"));
    }
    EXPECT_LT(differenceOf(promoted), 5e-6);
    if (accumulator == Accumulator::Exact)
      EXPECT_LT(differenceOf(forgetful), 5e-6);
    else
      EXPECT_GT(differenceOf(forgetful), 5e-6);
  }
}

TEST(Gemm, EqualSeedsGiveEqualRuns) {
  Gemm gemm;
  gemm.build();
  auto first = gemm.run(5), second = gemm.run(5), third = gemm.run(6);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->ticks, second->ticks);
  EXPECT_EQ(first->warpInstructions, second->warpInstructions);
  EXPECT_NE(first->ticks, third->ticks);
}
