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
#include "llvm/Support/xxhash.h"
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

TEST(GemmInputs, HasValuesOfTheDistribution) {
  // Magnitudes below 1/16 of the largest of their block, and values with a sign.
  auto count = [](Distribution distribution) {
    GemmInputs inputs = cantFail(makeRandomInputs({64, 128, 1024}, 1, {}, 1, {}, distribution));
    int64_t small = count_if(inputs.a.data, [](uint8_t byte) { return decodeF8E4M3FN(byte & 0x7f) < 28; });
    return std::pair(small, count_if(inputs.a.data, [](uint8_t byte) { return byte & 0x80; }));
  };
  auto [normalSmall, normalSigns] = count(Distribution::Normal);
  auto [heavySmall, heavySigns] = count(Distribution::HeavyTailed);
  auto [sameSmall, sameSigns] = count(Distribution::SameSign);
  EXPECT_LT(normalSmall, 64 * 1024 / 5);
  EXPECT_GT(heavySmall, 64 * 1024 / 3);
  EXPECT_EQ(sameSmall, normalSmall);
  EXPECT_NEAR(double(normalSigns), 64 * 1024 / 2, 1000);
  EXPECT_NEAR(double(heavySigns), 64 * 1024 / 2, 1000);
  EXPECT_EQ(sameSigns, 0);
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

/// Results and bug reports name seeds: their inputs stay.
TEST(GemmInputs, KeepsTheInputsOfEachSeed) {
  const GemmSizes kSizes[] = {
      {200, 136, 528}, {70, 130, 300, GemmLayout::Masked, 3}, {512, 136, 272, GemmLayout::Contiguous, 3}};
  const uint64_t kHashes[][4] = {
      {0xa282391a672b6ce1ull, 0x5c30a60732ac12c9ull, 0x7a32449bfd104bfcull, 0xdb5c530c6e142624ull},
      {0x8b5cf8e947b49c53ull, 0xe76be9904beed1aeull, 0x558d43e77b90d198ull, 0x1ebf0ec1d3096890ull},
      {0x0211c1419283827eull, 0x210bbd9671be7c7cull, 0xc6b6c1f1d5995d7eull, 0x06c108d3c6f3b482ull}};
  for (const auto &[sizes, hashes] : zip_equal(kSizes, kHashes)) {
    GemmInputs inputs = cantFail(makeRandomInputs(sizes, 5, {}, 128));
    EXPECT_EQ(xxh3_64bits(inputs.a.data), hashes[0]);
    EXPECT_EQ(xxh3_64bits(inputs.scaleA.data), hashes[1]);
    EXPECT_EQ(xxh3_64bits(inputs.b.data), hashes[2]);
    EXPECT_EQ(xxh3_64bits(inputs.scaleB.data), hashes[3]);
  }
}

//===----------------------------------------------------------------------===//
// Recipes
//===----------------------------------------------------------------------===//

constexpr int64_t kRows = 200, kK = 528;
/// Blocks of row, tensor, and of all kinds of sizes.
const Granularity kGranularities[] = {{1, 128}, {128, 128}, {1, kK},    {kRows, kK}, {1, 64},
                                      {1, 32},  {1, 256},   {256, 256}, {128, kK},   {48, 96}};

float decodeFP8(ElementType type, uint8_t bits) { return float(getFP8Table(type)[bits]); }

float getScale(const HostTensor &scales, int64_t index) {
  return scales.type == ElementType::F32 ? scales.as<float>()[index] : decodeF8E8M0FNU(scales.data[index]);
}

/// A of kRows x kK, with a recipe of one type for A and another for B.
GemmInputs makeInputs(ElementType type, std::optional<Granularity> granularity, ElementType scale = ElementType::F32) {
  Recipe recipe;
  recipe.a = {type, granularity, scale};
  return cantFail(makeRandomInputs({kRows, 8, kK}, 3, {}, 1, recipe));
}

TEST(GemmInputs, QuantizesEachBlockOfARecipe) {
  for (ElementType type : {ElementType::F8E4M3FN, ElementType::F8E5M2})
    for (ElementType scale : {ElementType::F32, ElementType::F8E8M0FNU})
      for (Granularity block : kGranularities) {
        SCOPED_TRACE(testing::Message() << toString(type).str() << " " << block.rows << "x" << block.k);
        GemmInputs inputs = makeInputs(type, block, scale);
        auto [outer, inner] = block.getShape(kRows, kK);
        ASSERT_EQ(inputs.scaleA.shape, (std::vector<int64_t>{outer, inner}));
        ASSERT_EQ(inputs.a.type, type);
        std::vector<float> largest(outer * inner);
        double squares = 0;
        for (int64_t row = 0; row < kRows; ++row)
          for (int64_t k = 0; k < kK; ++k) {
            int64_t index = block.getIndex(kRows, kK, row, k);
            float value = decodeFP8(type, inputs.a.data[row * kK + k]);
            largest[index] = std::max(largest[index], std::fabs(value));
            squares += std::pow(double(value) * getScale(inputs.scaleA, index), 2);
          }
        EXPECT_NEAR(squares / (kRows * kK), 1, 0.02);
        for (float value : largest) { // a power of two leaves up to half of the range
          EXPECT_LE(value, getLargestFP8(type));
          EXPECT_GE(value, getLargestFP8(type) / (scale == ElementType::F32 ? 1 : 2));
        }
      }
}

TEST(GemmInputs, WithoutScalesAreNormalAsTheyAre) {
  for (ElementType type : {ElementType::F8E4M3FN, ElementType::F8E5M2}) {
    GemmInputs inputs = makeInputs(type, std::nullopt);
    EXPECT_EQ(inputs.find("scale_a"), nullptr);
    EXPECT_EQ(inputs.find(""), nullptr);
    EXPECT_NE(inputs.find("scale_b"), nullptr);
    double squares = 0;
    for (uint8_t bits : inputs.a.data)
      squares += std::pow(decodeFP8(type, bits), 2);
    EXPECT_NEAR(squares / (kRows * kK), 1, 0.02);
  }
}

TEST(GemmInputs, PoisonBlocksOfRowsThatAreNotComputed) {
  Recipe recipe;
  recipe.a.element = ElementType::F8E5M2;
  for (Granularity block : {Granularity{1, 64}, {64, 128}, {200, 272}}) {
    recipe.a.granularity = block;
    GemmInputs inputs = cantFail(makeRandomInputs({200, 8, 272, GemmLayout::Masked, 3}, 1, {0, 65, 200}, 1, recipe));
    for (int64_t group = 0; group < 3; ++group)
      for (int64_t row = 0; row < 200; ++row) {
        int64_t rows = group == 0 ? 0 : group == 1 ? 65 : 200;
        EXPECT_EQ(std::isnan(decodeF8E5M2(inputs.a.data[(group * 200 + row) * 272 + 100])), row >= rows);
        auto [outer, inner] = block.getShape(200, 272);
        float scale = inputs.scaleA.as<float>()[group * outer * inner + block.getIndex(200, 272, row, 271)];
        EXPECT_EQ(std::isnan(scale), row / block.rows * block.rows >= rows) << group << " " << row;
      }
  }
}

TEST(GemmInputs, HaveTheBytesThatTheRecipeMoves) {
  GemmSizes sizes{200, 136, 528};
  EXPECT_EQ(sizes.getBytes(Recipe()), 200 * 528 + 136 * 528 + 4 * (5 * 200 + 2 * 5) + 2 * 200 * 136);
  Recipe recipe;
  recipe.a.granularity = std::nullopt;
  recipe.b = {ElementType::F8E5M2, Granularity{1, 528}, ElementType::F8E8M0FNU};
  recipe.out = ElementType::F32;
  EXPECT_EQ(sizes.getBytes(recipe), 200 * 528 + 136 * 528 + 136 + 4 * 200 * 136);
}

TEST(GemmInputs, ReadsScalesOfEachGranularity) {
  SmallString<128> path;
  ASSERT_FALSE(sys::fs::createTemporaryFile("dgemm", "npy", path));
  for (Granularity block : {Granularity{1, 300}, {8, 300}, {4, 128}}) {
    Recipe recipe;
    recipe.a.granularity = recipe.b.granularity = block;
    GemmInputs inputs = cantFail(makeRandomInputs({8, 8, 300}, 1, {}, 1, recipe));
    std::vector<int64_t> shape = inputs.scaleB.shape;
    if (block.rows == 1)
      std::swap(shape[0], shape[1]);
    HostTensor scales = cantFail(HostTensor::create("scale_b", ElementType::F32, shape));
    for (size_t i = 0; i < scales.as<float>().size(); ++i)
      scales.as<float>()[i] = float(i);
    ASSERT_FALSE(errorToBool(writeNpy(path, scales)));
    ASSERT_FALSE(errorToBool(readInputs({"", "", "", std::string(path)}, inputs)));
    EXPECT_EQ(inputs.scaleB.data, scales.data);
    inputs.recipe.a.granularity = std::nullopt;
    EXPECT_EQ(toString(readInputs({"", std::string(path), "", ""}, inputs)),
              "'" + std::string(path) + "' is given for scale_a, but the kernel has no such scales");
  }
  sys::fs::remove(path);
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
  EXPECT_EQ(said.find("the operands would need "), 0u) << said;
  EXPECT_NE(said.find("GiB of memory; this machine has "), std::string::npos) << said;
  sizes.layout = GemmLayout::Masked;
  sizes.groups = 2147483647;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0).takeError()),
            "operand 'a' of 2147483647x2147483647x2147483647 elements needs more bytes than fit into 63 bits");
  sizes.m = int64_t(1) << 40;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0).takeError()),
            "expected M to be 0 to 2147483647, but got 1099511627776");
}

TEST(GemmInputs, OffsetsAreTheEndsOfGroups) {
  GemmSizes sizes{100, 8, 128, GemmLayout::Offsets, 4};
  for (auto [alignment, ends] : {std::pair(1, std::array<int32_t, 4>{3, 3, 13, 20}), {8, {3, 3, 18, 31}}}) {
    GemmInputs inputs = cantFail(makeRandomInputs(sizes, 1, {3, 0, 10, 7}, alignment));
    EXPECT_EQ(inputs.groups.name, "offsets");
    EXPECT_EQ(inputs.groups.as<int32_t>(), ArrayRef<int32_t>(ends));
    EXPECT_EQ(inputs.sizes.validRows, 20);
    EXPECT_EQ(inputs.groupOfRow[ends[2] - 1], 2);
    EXPECT_EQ(inputs.groupOfRow[ends[3] - 1], 3);
    EXPECT_EQ(inputs.groupOfRow[ends[3]], -1);
  }
  EXPECT_EQ(toString(makeRandomInputs(sizes, 1, {50, 0, 50, 1}, 1).takeError()),
            "the groups take 101 rows (each starts at a multiple of 1), but M is 100");
}

TEST(GemmInputs, GroupsOfKHaveColumns) {
  GemmSizes sizes{8, 8, 512, GemmLayout::KGrouped, 3};
  GemmInputs inputs = cantFail(makeRandomInputs(sizes, 1, {100, 0, 130}, 128));
  EXPECT_EQ(inputs.groups.as<int32_t>(), ArrayRef<int32_t>({100, 100, 258}));
  EXPECT_EQ(inputs.columnsOfGroup[2], (std::pair<int64_t, int64_t>(128, 258)));
  EXPECT_EQ(inputs.sizes.getRows(), 24);
  EXPECT_EQ(inputs.groupOfRow[23], 2);
  // Zeros behind a group, as the kernel multiplies them, and NaN where it has nothing to look for.
  EXPECT_EQ(inputs.a.data[100], 0);
  EXPECT_EQ(inputs.b.data[512 + 383], 0);
  EXPECT_EQ(inputs.b.data[512 + 384], 0x7f);
  EXPECT_EQ(toString(makeRandomInputs(sizes, 1, {100, 0, 400}, 128).takeError()),
            "group 2 has 400 columns from 128 on (each starts at a multiple of 128), but K is 512");
}

TEST(GemmInputs, HoldWhatIsAddedTo) {
  Recipe recipe;
  recipe.accumulate = true;
  for (ElementType type : {ElementType::BF16, ElementType::F16, ElementType::F32}) {
    recipe.out = type;
    GemmInputs inputs = cantFail(makeRandomInputs({100, 40, 400, GemmLayout::Masked, 2}, 1, {100, 60}, 1, recipe));
    ASSERT_EQ(inputs.find("d"), &inputs.d);
    double squares = 0;
    for (int64_t row = 0; row < 160; ++row)
      for (int64_t column = 0; column < 40; ++column)
        squares += inputs.getInitialD(row, column) * inputs.getInitialD(row, column);
    EXPECT_NEAR(squares / (160 * 40 * 400), 1, 0.1);
    EXPECT_TRUE(std::isnan(inputs.getInitialD(160, 0)));
  }
}

TEST(GemmInputs, RefusesGroupsOfADenseLayout) {
  GemmSizes sizes;
  sizes.m = sizes.n = sizes.k = 16;
  EXPECT_EQ(toString(makeRandomInputs(sizes, 0, {8, 8}).takeError()), "2 group sizes are given for a dense layout");
}

} // namespace
