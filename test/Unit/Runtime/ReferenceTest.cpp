//===- ReferenceTest.cpp - The reference and the comparison ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Reference.h"
#include "dgemm/Runtime/Formats.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

double getNaive(const GemmInputs &inputs, int64_t row, int64_t column) {
  int64_t m = inputs.sizes.m, k = inputs.sizes.k;
  double sum = 0;
  for (int64_t i = 0; i < k; ++i)
    sum += double(decodeF8E4M3FN(inputs.a.data[row * k + i])) * double(decodeF8E4M3FN(inputs.b.data[column * k + i])) *
           double(inputs.scaleA.as<float>()[i / 128 * m + row]) *
           double(inputs.scaleB.as<float>()[column / 128 * inputs.scaleB.shape[1] + i / 128]);
  return sum;
}

/// A right D, rounded to bf16.
HostTensor makeResult(const GemmInputs &inputs) {
  HostTensor d = cantFail(HostTensor::create("d", ElementType::BF16, {inputs.sizes.m, inputs.sizes.n}));
  Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
  for (int64_t row = 0; row < inputs.sizes.m; ++row)
    for (int64_t column = 0; column < inputs.sizes.n; ++column)
      d.as<uint16_t>()[row * inputs.sizes.n + column] = encodeBF16(float(reference.getRow(row)[column]));
  return d;
}

TEST(Reference, AgreesWithTheNaiveLoop) {
  for (GemmSizes sizes : {GemmSizes{1, 1, 1}, {8, 136, 528}, {72, 576, 256}, {130, 8, 144}, {5, 129, 127}}) {
    GemmInputs inputs = cantFail(makeRandomInputs(sizes, 7));
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    ASSERT_EQ(int64_t(reference.getRows().size()), sizes.m);
    for (int64_t row = 0; row < sizes.m; ++row)
      for (int64_t column = 0; column < sizes.n; ++column)
        ASSERT_NEAR(reference.getRow(row)[column], getNaive(inputs, row, column), 1e-9)
            << sizes.m << "x" << sizes.n << "x" << sizes.k << " at " << row << ", " << column;
  }
}

TEST(Reference, SamplesRowsFromEverywhere) {
  GemmInputs inputs = cantFail(makeRandomInputs({1000, 136, 256}, 7));
  Reference reference = Reference::compute(inputs, CheckMode::Sample, 3);
  ArrayRef<int64_t> rows = reference.getRows();
  EXPECT_GE(rows.size(), 62u);
  EXPECT_LE(rows.size(), 64u);
  EXPECT_EQ(rows.front(), 0);
  EXPECT_EQ(rows.back(), 999);
  for (size_t i = 0; i < rows.size(); i += 13)
    EXPECT_NEAR(reference.getRow(i)[135], getNaive(inputs, rows[i], 135), 1e-9);
}

TEST(Reference, ChoosesTheMode) {
  GemmInputs small = cantFail(makeRandomInputs({64, 64, 64}, 1));
  EXPECT_EQ(Reference::compute(small, CheckMode::Auto, 0).getMode(), CheckMode::Full);
  GemmInputs none = cantFail(makeRandomInputs({64, 64, 64}, 1));
  Reference reference = Reference::compute(none, CheckMode::None, 0);
  EXPECT_TRUE(reference.compare(cantFail(HostTensor::create("d", ElementType::BF16, {64, 64}))).passed());
}

TEST(Reference, PassesARightResult) {
  for (CheckMode mode : {CheckMode::Full, CheckMode::Sample}) {
    GemmInputs inputs = cantFail(makeRandomInputs({300, 264, 400}, 9));
    CheckResult check = Reference::compute(inputs, mode, 1).compare(makeResult(inputs));
    EXPECT_TRUE(check.passed()) << check.describe();
    EXPECT_LT(check.difference, 3e-6);
    EXPECT_GT(check.difference, 1e-7); // bf16 has its price
    EXPECT_EQ(check.elements, check.rows * 264);
  }
}

/// The check of a right result with `change` done to it.
CheckResult checkBroken(CheckMode mode, function_ref<void(MutableArrayRef<uint16_t>)> change) {
  GemmInputs inputs = cantFail(makeRandomInputs({300, 264, 400}, 9));
  HostTensor d = makeResult(inputs);
  change(d.as<uint16_t>());
  return Reference::compute(inputs, mode, 1).compare(d);
}

TEST(Reference, FindsWhatWasNotWritten) {
  CheckResult check = checkBroken(CheckMode::Sample, [](MutableArrayRef<uint16_t> d) {
    d[7 * 264 + 5] = 0xffff;
    d[7 * 264 + 6] = 0x7fc0;
    d[8 * 264] = 0x7f80;
  });
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.unwritten, 1);
  EXPECT_EQ(check.nans, 1);
  EXPECT_EQ(check.infinities, 1);
  EXPECT_EQ(check.describe().find("1 elements of D were not written, 1 are NaN, 1 infinite, the first at [7, 5]; "), 0u)
      << check.describe();
}

TEST(Reference, FindsOneWrongElement) {
  CheckResult check = checkBroken(CheckMode::Full, [](MutableArrayRef<uint16_t> d) { d[100 * 264 + 50] ^= 0x8300; });
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.worstRow, 100);
  EXPECT_EQ(check.worstColumn, 50);
}

TEST(Reference, FindsAWrongScale) {
  GemmInputs inputs = cantFail(makeRandomInputs({128, 264, 400}, 9));
  HostTensor d = makeResult(inputs);
  std::swap(inputs.scaleB.as<float>()[4], inputs.scaleB.as<float>()[0]); // scales differ by a few per cent
  EXPECT_FALSE(Reference::compute(inputs, CheckMode::Full, 1).compare(d).passed());
}

TEST(Reference, ChecksumsFindWrongRowsOutsideOfTheSample) {
  GemmInputs inputs = cantFail(makeRandomInputs({300, 264, 400}, 9));
  Reference reference = Reference::compute(inputs, CheckMode::Sample, 1);
  HostTensor d = makeResult(inputs);
  int64_t row = 1;
  while (is_contained(reference.getRows(), row))
    ++row;
  for (int64_t column = 64; column < 128; ++column) // one TMA store went wrong
    d.as<uint16_t>()[row * 264 + column] = d.as<uint16_t>()[(row + 1) * 264 + column];
  CheckResult check = reference.compare(d);
  EXPECT_FALSE(check.passed());
  EXPECT_LT(check.difference, kMaxDifference);
  EXPECT_EQ(check.badChecksums, 1);
  EXPECT_EQ(check.firstBadChecksum, row);
}

} // namespace
