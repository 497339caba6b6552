//===- ReferenceTest.cpp - The reference and the comparison ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Reference.h"
#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

/// A scale as the granularity says, spelled out once more; `row` is one of a group.
double getScale(const ScaledType &type, const HostTensor &scales, int64_t group, int64_t row, int64_t i) {
  if (!type.granularity)
    return 1;
  auto [rows, k] = *type.granularity;
  size_t outer = scales.shape[scales.shape.size() - 2], inner = scales.shape.back();
  size_t index = rows == 1 ? (group * outer + i / k) * inner + row : (group * outer + row / rows) * inner + i / k;
  return type.scale == ElementType::F32 ? double(scales.as<float>()[index])
                                        : std::ldexp(1.0, int(scales.data[index]) - 127);
}

double getNaive(const GemmInputs &inputs, int64_t row, int64_t column) {
  int64_t m = inputs.sizes.m, n = inputs.sizes.n, k = inputs.sizes.k, group = inputs.groupOfRow[row];
  int64_t groupOfA = inputs.sizes.layout == GemmLayout::Masked ? row / m : 0;
  const double *a = getFP8Table(inputs.recipe.a.element), *b = getFP8Table(inputs.recipe.b.element);
  double sum = 0;
  for (int64_t i = 0; i < k; ++i)
    sum += a[inputs.a.data[row * k + i]] * b[inputs.b.data[(group * n + column) * k + i]] *
           getScale(inputs.recipe.a, inputs.scaleA, groupOfA, row - groupOfA * m, i) *
           getScale(inputs.recipe.b, inputs.scaleB, group, column, i);
  return sum;
}

/// Rounded to D's type.
void setElement(HostTensor &d, size_t index, double value) {
  if (d.type == ElementType::F32)
    d.as<float>()[index] = float(value);
  else
    d.as<uint16_t>()[index] = d.type == ElementType::F16 ? encodeF16(float(value)) : encodeBF16(float(value));
}

/// A right D, rounded to its type.
HostTensor makeResult(const GemmInputs &inputs) {
  HostTensor d = cantFail(HostTensor::create("d", inputs.recipe.out, {inputs.sizes.m, inputs.sizes.n}));
  Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
  for (int64_t row = 0; row < inputs.sizes.m; ++row)
    for (int64_t column = 0; column < inputs.sizes.n; ++column)
      setElement(d, row * inputs.sizes.n + column, reference.getRow(row)[column]);
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

/// Every pair of granularities and scale types, each with other element types and another layout than its neighbours.
TEST(Reference, AgreesWithTheNaiveLoopForEachRecipe) {
  constexpr int64_t kM = 70, kN = 140, kK = 416;
  auto makeTypes = [](int64_t rows) {
    return std::vector<ScaledType>{{ElementType::F8E4M3FN, Granularity{rows, kK}},
                                   {ElementType::F8E5M2, Granularity{1, kK}},
                                   {ElementType::F8E4M3FN, Granularity{1, 128}},
                                   {ElementType::F8E5M2, Granularity{128, 128}},
                                   {ElementType::F8E5M2, std::nullopt},
                                   {ElementType::F8E4M3FN, Granularity{1, 64}},
                                   {ElementType::F8E4M3FN, Granularity{64, 256}},
                                   {ElementType::F8E4M3FN, Granularity{1, 32}, ElementType::F8E8M0FNU},
                                   {ElementType::F8E5M2, Granularity{rows, kK}, ElementType::F8E8M0FNU}};
  };
  const GemmLayout kLayouts[] = {GemmLayout::Dense, GemmLayout::Contiguous, GemmLayout::Masked};
  unsigned seed = 0;
  for (const ScaledType &a : makeTypes(kM))
    for (const ScaledType &b : makeTypes(kN)) {
      GemmSizes sizes{kM, kN, kK, kLayouts[++seed % 3]};
      sizes.groups = sizes.layout == GemmLayout::Dense ? 1 : 2;
      Recipe recipe;
      recipe.a = a;
      recipe.b = b;
      GemmInputs inputs = cantFail(makeRandomInputs(sizes, seed, {}, 16, recipe));
      Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
      SCOPED_TRACE(formatv("{0}, {1}", json::Value(recipe.toJSON()), toString(sizes.layout)).str());
      ArrayRef<int64_t> rows = reference.getRows();
      for (size_t i = 0; i < rows.size(); i += 3)
        for (int64_t column = i % 5; column < kN; column += 5)
          ASSERT_NEAR(reference.getRow(i)[column], getNaive(inputs, rows[i], column), 1e-8)
              << rows[i] << ", " << column;
    }
}

//===----------------------------------------------------------------------===//
// Types of D
//===----------------------------------------------------------------------===//

const ElementType kOutTypes[] = {ElementType::BF16, ElementType::F16, ElementType::F32};

GemmInputs makeInputsFor(ElementType out, GemmSizes sizes = {300, 264, 400}, Accuracy accuracy = Accuracy::Exact) {
  Recipe recipe;
  recipe.a.granularity = Granularity{1, sizes.k};
  recipe.b.granularity = std::nullopt;
  recipe.out = out;
  recipe.accuracy = accuracy;
  return cantFail(makeRandomInputs(sizes, 9, {}, 1, recipe));
}

TEST(Reference, PassesARightResultOfEachType) {
  for (ElementType out : kOutTypes)
    for (CheckMode mode : {CheckMode::Full, CheckMode::Sample}) {
      GemmInputs inputs = makeInputsFor(out);
      CheckResult check = Reference::compute(inputs, mode, 1).compare(makeResult(inputs));
      EXPECT_TRUE(check.passed()) << check.describe();
      EXPECT_NE(check.describe().find((" ulp of " + toString(out)).str()), std::string::npos);
      EXPECT_LE(check.maxUlps, 0.501); // rounding, by way of a float
      EXPECT_GT(check.maxUlps, 0.45);
      EXPECT_EQ(check.toJSON().getString("type"), toString(out));
    }
}

TEST(Reference, FindsWhatIsNoNumberInEachType) {
  for (ElementType out : kOutTypes) {
    GemmInputs inputs = makeInputsFor(out);
    HostTensor d = makeResult(inputs);
    int64_t width = getByteWidth(out);
    std::fill_n(d.data.begin() + (7 * 264 + 5) * width, width, kPoison);
    setElement(d, 7 * 264 + 6, NAN);
    setElement(d, 8 * 264, -INFINITY);
    CheckResult check = Reference::compute(inputs, CheckMode::Sample, 1).compare(d);
    EXPECT_FALSE(check.passed());
    EXPECT_EQ(check.unwritten, 1);
    EXPECT_EQ(check.nans, 1);
    EXPECT_EQ(check.infinities, 1);
    EXPECT_EQ(check.firstBadRow, 7);
    EXPECT_EQ(check.firstBadColumn, 5);
  }
}

/// What is finer than bf16 must not have gone through it.
TEST(Reference, RefusesAFinerTypeThatWasRoundedToBF16) {
  for (ElementType out : {ElementType::F16, ElementType::F32}) {
    GemmInputs inputs = makeInputsFor(out);
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    HostTensor d = makeResult(inputs);
    for (size_t i = 0; i < d.as<uint8_t>().size() / getByteWidth(out); ++i)
      setElement(d, i, decodeBF16(encodeBF16(float(reference.getRow(i / 264)[i % 264]))));
    CheckResult check = reference.compare(d);
    EXPECT_FALSE(check.passed()) << check.describe();
    EXPECT_LT(check.difference, kMaxDifference);
  }
}

/// Relative errors of 0.2 % and of 2 %: what a sum along all of a K of 16384 may cost, and more.
TEST(Reference, TakesMoreOfAFastKernel) {
  for (ElementType out : kOutTypes)
    for (double error : {0.002, 0.02}) {
      bool isFine = error == 0.002;
      GemmInputs inputs = makeInputsFor(out, {64, 64, 16384}, Accuracy::Fast);
      HostTensor d = makeResult(inputs);
      Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
      for (size_t i = 0; i < 64 * 64; ++i)
        setElement(d, i, reference.getRow(i / 64)[i % 64] * (1 + (i % 3 ? error : -error)));
      CheckResult check = reference.compare(d);
      EXPECT_EQ(check.passed(), isFine) << check.describe();
      inputs.recipe.accuracy = Accuracy::Exact;
      EXPECT_EQ(Reference::compute(inputs, CheckMode::Full, 0).compare(d).passed(), isFine && out == ElementType::BF16);
    }
}

TEST(Reference, TakesLittleMoreOfABalancedKernel) {
  for (double error : {1.5e-3, 6e-3}) {
    GemmInputs inputs = makeInputsFor(ElementType::F32, {64, 64, 16384}, Accuracy::Balanced);
    HostTensor d = makeResult(inputs);
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    for (size_t i = 0; i < 64 * 64; ++i)
      setElement(d, i, reference.getRow(i / 64)[i % 64] * (1 + (i % 3 ? error : -error)));
    EXPECT_EQ(reference.compare(d).passed(), error == 1.5e-3);
    inputs.recipe.accuracy = Accuracy::Exact;
    EXPECT_FALSE(Reference::compute(inputs, CheckMode::Full, 0).compare(d).passed());
  }
}

/// Elements that cancel are further off than rounding explains; one by one they are held against what they are sums of.
TEST(Reference, JudgesFewElementsByTheirMagnitude) {
  for (ElementType out : kOutTypes) {
    GemmInputs inputs = makeInputsFor(out, {1, 16, 512});
    HostTensor d = makeResult(inputs);
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    double magnitude = std::sqrt(512); // of a sum of 512 products of normal values
    for (size_t i = 0; i < 16; ++i)
      setElement(d, i, reference.getRow(0)[i] + (i % 2 ? 1 : -1) * magnitude * 0.003);
    EXPECT_TRUE(reference.compare(d).passed()) << reference.compare(d).describe();
    setElement(d, 3, reference.getRow(0)[3] + magnitude * 0.05);
    EXPECT_FALSE(reference.compare(d).passed());
    EXPECT_EQ(reference.compare(d).beyondBounds, 1);
  }
}

TEST(Reference, ChecksumsKnowTheRecipe) {
  for (ElementType out : kOutTypes) {
    GemmInputs inputs = makeInputsFor(out);
    HostTensor d = makeResult(inputs);
    Reference reference = Reference::compute(inputs, CheckMode::Sample, 1);
    int64_t row = 0; // one that is no sample
    while (is_contained(reference.getRows(), row))
      ++row;
    for (int64_t column = 100; column < 164; ++column)
      setElement(d, row * 264 + column, 0);
    CheckResult check = reference.compare(d);
    EXPECT_EQ(check.badChecksums, 1);
    EXPECT_EQ(check.firstBadChecksum, row);
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
