//===- CheckQuantizedTest.cpp - The check of an FP8 D ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Reference.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

constexpr int64_t kM = 20, kN = 200, kK = 512, kBlocks = 2;

/// A D with one partial block in each row, in [G, M, N] of two groups if masked, and its right result.
struct Quantized {
  GemmInputs inputs;
  Reference reference;
  HostTensor d, scales;

  explicit Quantized(ElementType type, CheckMode mode = CheckMode::Full, GemmLayout layout = GemmLayout::Dense) {
    GemmSizes sizes{kM, kN, kK, layout};
    bool isMasked = layout == GemmLayout::Masked;
    sizes.groups = isMasked ? 2 : 1;
    Recipe recipe;
    recipe.out = type;
    recipe.quantized = Granularity{1, 128};
    std::vector<int64_t> rows = isMasked ? std::vector<int64_t>{kM, 3} : std::vector<int64_t>();
    inputs = cantFail(makeRandomInputs(sizes, 5, rows, 1, recipe));
    d = cantFail(HostTensor::create("d", type, {sizes.groups, kM, kN}));
    scales = cantFail(HostTensor::create("scale_d", ElementType::F32, {sizes.groups, kBlocks, kM}));
    std::fill(d.data.begin(), d.data.end(), kPoison);
    std::fill(scales.data.begin(), scales.data.end(), kPoison);
    Reference all = Reference::compute(inputs, CheckMode::Full, 1);
    for (size_t i = 0; i < all.getRows().size(); ++i)
      quantize(all.getRows()[i], all.getRow(i));
    reference = Reference::compute(inputs, mode, 1);
  }

  void quantize(int64_t row, ArrayRef<double> sums) {
    for (int64_t block = 0; block < kBlocks; ++block) {
      std::vector<float> values;
      for (double sum : sums.slice(block * 128, std::min<int64_t>(128, kN - block * 128)))
        values.push_back(float(sum));
      float amax = 1e-4f;
      for (float value : values)
        amax = std::max(amax, std::fabs(value));
      float scale = amax / getLargestFP8(d.type);
      getScale(row, block) = scale;
      encodeScaledFP8(d.type, values, scale, &getCode(row, block * 128));
    }
  }
  uint8_t &getCode(int64_t row, int64_t column) { return d.data[row * kN + column]; }
  float &getScale(int64_t row, int64_t block) {
    return scales.as<float>()[(row / kM * kBlocks + block) * kM + row % kM];
  }
  CheckResult check() const { return reference.compare(d, scales); }
};

const ElementType kTypes[] = {ElementType::F8E4M3FN, ElementType::F8E5M2};

TEST(CheckQuantized, PassesARightResult) {
  for (ElementType type : kTypes)
    for (CheckMode mode : {CheckMode::Full, CheckMode::Sample}) {
      CheckResult check = Quantized(type, mode).check();
      EXPECT_TRUE(check.passed()) << check.describe();
      EXPECT_EQ(check.elements, kM * kN);
      // Of what lies between two numbers, the error is up to half of a step, and most elements are not near a tie.
      EXPECT_LE(check.maxUlps, 0.501);
      EXPECT_GT(check.maxUlps, 0.3);
      EXPECT_GT(check.nearTies, 0);
      EXPECT_LT(check.nearTies, kM * kN / 2);
      EXPECT_NE(check.describe().find("of these may be either of two numbers or more"), std::string::npos);
      EXPECT_EQ(check.toJSON().getInteger("near_ties"), check.nearTies);
    }
}

TEST(CheckQuantized, FindsAnotherNumber) {
  for (ElementType type : kTypes) {
    Quantized run(type);
    // Two steps further for an element that is no zero, so that no tie explains it.
    for (int64_t column = 0;; ++column)
      if (uint8_t &code = run.getCode(7, column); (code & 0x7f) > 8 && (code & 0x7f) < 0x70) {
        code += 2;
        break;
      }
    CheckResult check = run.check();
    EXPECT_FALSE(check.passed());
    EXPECT_EQ(check.beyondBounds, 1);
    EXPECT_EQ(check.badScales, 0);
  }
}

TEST(CheckQuantized, FindsAWrongScale) {
  for (float factor : {1.03f, 0.97f, 2.0f, 1 / 128.0f}) {
    Quantized run(ElementType::F8E4M3FN);
    run.getScale(3, 1) *= factor;
    CheckResult check = run.check();
    EXPECT_FALSE(check.passed()) << factor;
    EXPECT_EQ(check.badScales, 1) << factor;
  }
}

/// Scale and elements agree, but the block is not as large as it could be.
TEST(CheckQuantized, FindsAScaleOfAnotherLargestElement) {
  Quantized run(ElementType::F8E4M3FN);
  float &scale = run.getScale(3, 0);
  scale *= 1.25f;
  std::vector<float> values;
  for (double sum : run.reference.getRow(3).take_front(128))
    values.push_back(float(sum));
  encodeScaledFP8(ElementType::F8E4M3FN, values, scale, &run.getCode(3, 0));
  CheckResult check = run.check();
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.beyondBounds, 0);
  EXPECT_EQ(check.badScales, 1);
}

TEST(CheckQuantized, FindsWhatIsNotWritten) {
  Quantized run(ElementType::F8E4M3FN);
  run.getCode(4, 9) = kPoison;
  run.getCode(5, 9) = 0x7f;
  CheckResult check = run.check();
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.unwritten, 1);
  EXPECT_EQ(check.nans, 1);
  EXPECT_EQ(check.firstBadRow, 4);
  EXPECT_EQ(check.firstBadColumn, 9);
  Quantized other(ElementType::F8E5M2, CheckMode::Sample);
  other.getScale(6, 1) = bit_cast<float>(~0u);
  EXPECT_FALSE(other.check().passed());
  EXPECT_EQ(other.check().unwritten, 1);
}

/// Scales of a group follow each other, and those of rows in no group stay as they are.
TEST(CheckQuantized, KnowsGroups) {
  Quantized run(ElementType::F8E4M3FN, CheckMode::Full, GemmLayout::Masked);
  EXPECT_TRUE(run.check().passed()) << run.check().describe();
  EXPECT_EQ(run.check().rows, kM + 3);
  run.getScale(kM + 5, 1) = 1;
  run.getCode(kM + 5, 3) = 0;
  EXPECT_FALSE(run.check().passed());
  EXPECT_EQ(run.check().overwritten, 2);
}

} // namespace
