//===- GemmInputsTest.cpp - Random operands -------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/GemmInputs.h"
#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Npy.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

TEST(GemmInputs, HasTheShapesOfTheProblem) {
  GemmInputs inputs = cantFail(makeRandomInputs({200, 136, 528}, 1));
  EXPECT_EQ(inputs.a.shape, (std::vector<int64_t>{200, 528}));
  EXPECT_EQ(inputs.scaleA.shape, (std::vector<int64_t>{5, 200}));
  EXPECT_EQ(inputs.b.shape, (std::vector<int64_t>{136, 528}));
  EXPECT_EQ(inputs.scaleB.shape, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(inputs.find("scale_b"), &inputs.scaleB);
  EXPECT_EQ(inputs.find("d"), nullptr);
}

TEST(GemmInputs, DependsOnTheSeedOnly) {
  GemmInputs one = cantFail(makeRandomInputs({64, 256, 256}, 1)), same = cantFail(makeRandomInputs({64, 256, 256}, 1)),
             other = cantFail(makeRandomInputs({64, 256, 256}, 2));
  EXPECT_EQ(one.a.data, same.a.data);
  EXPECT_EQ(one.scaleB.data, same.scaleB.data);
  EXPECT_NE(one.a.data, other.a.data);
  EXPECT_NE(one.b.data, other.b.data);
}

/// Largest magnitude in a block of FP8 values.
float getMax(const HostTensor &tensor, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  float result = 0;
  for (int64_t i = row; i < std::min(row + rows, tensor.shape[0]); ++i)
    for (int64_t j = column; j < std::min(column + columns, tensor.shape[1]); ++j)
      result = std::max(result, std::fabs(decodeF8E4M3FN(tensor.data[i * tensor.shape[1] + j])));
  return result;
}

TEST(GemmInputs, EveryScaleBlockUsesTheWholeRange) {
  GemmInputs inputs = cantFail(makeRandomInputs({70, 136, 528}, 3));
  for (int64_t row = 0; row < 70; ++row)
    for (int64_t block = 0; block < 5; ++block)
      ASSERT_EQ(getMax(inputs.a, row, block * 128, 1, 128), 448.0f) << row << " " << block;
  for (int64_t rowBlock = 0; rowBlock < 2; ++rowBlock)
    for (int64_t block = 0; block < 5; ++block)
      ASSERT_EQ(getMax(inputs.b, rowBlock * 128, block * 128, 128, 128), 448.0f) << rowBlock << " " << block;
}

TEST(GemmInputs, IsNormallyDistributed) {
  GemmInputs inputs = cantFail(makeRandomInputs({512, 8, 1024}, 4));
  double sum = 0, squares = 0, fourths = 0;
  for (int64_t i = 0; i < 512; ++i)
    for (int64_t j = 0; j < 1024; ++j) {
      double value = double(decodeF8E4M3FN(inputs.a.data[i * 1024 + j])) * inputs.scaleA.as<float>()[j / 128 * 512 + i];
      sum += value;
      squares += value * value;
      fourths += value * value * value * value;
    }
  double count = 512 * 1024;
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.01);
  EXPECT_NEAR(fourths / count, 3, 0.06);
}

TEST(GemmInputs, ReadsScalesOfAAsTheProblemWritesThem) {
  SmallString<128> path;
  ASSERT_FALSE(sys::fs::createTemporaryFile("dgemm", "npy", path));
  HostTensor scales = cantFail(HostTensor::create("scale_a", ElementType::F32, {8, 3}));
  for (size_t i = 0; i < 24; ++i)
    scales.as<float>()[i] = float(i);
  ASSERT_FALSE(errorToBool(writeNpy(path, scales)));
  GemmInputs inputs = cantFail(makeRandomInputs({8, 8, 300}, 1));
  ASSERT_FALSE(errorToBool(readInputs({"", std::string(path), "", ""}, inputs)));
  sys::fs::remove(path);
  EXPECT_EQ(inputs.scaleA.shape, (std::vector<int64_t>{3, 8}));
  EXPECT_EQ(inputs.scaleA.as<float>()[2 * 8 + 5], float(5 * 3 + 2));
}

TEST(GemmInputs, RefusesWhatDoesNotFitMemory) {
  GemmSizes sizes;
  sizes.m = sizes.n = sizes.k = 2147483647;
  std::string said = toString(makeRandomInputs(sizes, 0).takeError());
  EXPECT_EQ(said.find("the operands would take "), 0u) << said;
  EXPECT_NE(said.find("GiB of memory; this machine has "), std::string::npos) << said;
  sizes.layout = GemmLayout::Masked;
  sizes.groups = 2147483647;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0).takeError()),
            "operand 'a' of 2147483647x2147483647x2147483647 elements takes more bytes than fit 63 bits");
  sizes.m = int64_t(1) << 40;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0).takeError()),
            "expected M to be 0 to 2147483647, but got 1099511627776");
}

TEST(GemmInputs, RefusesGroupsOfADenseLayout) {
  GemmSizes sizes;
  sizes.m = sizes.n = sizes.k = 16;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0, {8, 8}).takeError()), "2 group sizes are given for a dense layout");
}

} // namespace
