//===- RecipeTest.cpp - Recipes from launch descriptors -------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Recipe.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace llvm;

namespace {

LaunchDescriptor makeDescriptor() {
  SizeExpr m = SizeExpr::name("M"), n = SizeExpr::name("N"), k = SizeExpr::name("K");
  LaunchDescriptor launch;
  launch.operands = {{"a", ElementType::F8E5M2, {m, k}, {k, 1}, false},
                     {"scale_a", ElementType::F32, {1, m}, {m, 1}, false, {{1, k}}},
                     {"b", ElementType::F8E4M3FN, {n, k}, {k, 1}, false},
                     {"scale_b", ElementType::F8E8M0FNU, {1, 1}, {1, 1}, false, {{n, k}}},
                     {"d", ElementType::F16, {m, n}, {n, 1}, true}};
  launch.accuracy = Accuracy::Fast;
  return launch;
}

const Sizes kSizes = {{"M", 0}, {"N", 96}, {"K", 640}};

/// The message for makeDescriptor() with `change` done to it.
std::string getError(function_ref<void(LaunchDescriptor &)> change) {
  LaunchDescriptor launch = makeDescriptor();
  change(launch);
  Expected<Recipe> recipe = Recipe::get(launch, kSizes);
  return recipe ? "" : toString(recipe.takeError());
}

TEST(Recipe, IsReadFromTheDescriptor) {
  Recipe recipe = cantFail(Recipe::get(makeDescriptor(), kSizes));
  EXPECT_EQ(recipe.a, (ScaledType{ElementType::F8E5M2, Granularity{1, 640}, ElementType::F32}));
  EXPECT_EQ(recipe.b, (ScaledType{ElementType::F8E4M3FN, Granularity{96, 640}, ElementType::F8E8M0FNU}));
  EXPECT_EQ(recipe.out, ElementType::F16);
  EXPECT_EQ(recipe.accuracy, Accuracy::Fast);
  EXPECT_EQ(json::Value(recipe.toJSON()),
            cantFail(json::parse(R"({"a": {"type": "f8E5M2", "scale_type": "f32", "granularity": [1, 640]},
                                     "b": {"type": "f8E4M3FN", "scale_type": "f8E8M0FNU", "granularity": [96, 640]},
                                     "d": {"type": "f16"}, "accuracy": "fast"})")));
  EXPECT_FALSE(recipe == Recipe());
}

TEST(Recipe, MayHaveNoScales) {
  LaunchDescriptor launch = makeDescriptor();
  launch.operands.erase(launch.operands.begin() + 1);
  Recipe recipe = cantFail(Recipe::get(launch, kSizes));
  EXPECT_EQ(recipe.a.granularity, std::nullopt);
  EXPECT_EQ(json::Value(json::Object(*recipe.toJSON().getObject("a"))), cantFail(json::parse(R"({"type": "f8E5M2"})")));
}

TEST(Recipe, MayQuantizeD) {
  LaunchDescriptor launch = makeDescriptor();
  launch.operands[4].type = ElementType::F8E5M2;
  launch.operands.push_back(
      {"scale_d", ElementType::F32, {1, SizeExpr::name("M")}, {SizeExpr::name("M"), 1}, true, {{1, 128}}});
  Recipe recipe = cantFail(Recipe::get(launch, kSizes));
  EXPECT_EQ(recipe.out, ElementType::F8E5M2);
  EXPECT_EQ(recipe.quantized, (Granularity{1, 128}));
  EXPECT_EQ(json::Value(json::Object(*recipe.toJSON().getObject("d"))),
            cantFail(json::parse(R"({"type": "f8E5M2", "scale_type": "f32", "granularity": [1, 128]})")));
  launch.operands.back().granularity = {SizeExpr(128), SizeExpr(128)};
  EXPECT_EQ(toString(Recipe::get(launch, kSizes).takeError()),
            "operand 'scale_d' of the launch descriptor has a scale for 128 rows; expected 1");
}

TEST(Recipe, TakesAMatrixOfNoRows) {
  LaunchDescriptor launch = makeDescriptor();
  launch.operands[1].granularity = {SizeExpr::name("M"), SizeExpr::name("K")};
  EXPECT_EQ(cantFail(Recipe::get(launch, kSizes)).a.granularity, (Granularity{1, 640}));
}

TEST(Recipe, NamesWhatIsWrong) {
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands.erase(launch.operands.begin()); }),
            "the launch descriptor has no operand 'a'");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands[2].type = ElementType::BF16; }),
            "operand 'b' of the launch descriptor is of bf16; expected f8E4M3FN or f8E5M2");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands[1].type = ElementType::F16; }),
            "operand 'scale_a' of the launch descriptor is of f16; expected f32 or f8E8M0FNU");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands[4].type = ElementType::I32; }),
            "operand 'd' of the launch descriptor is of i32; expected bf16 or f16 or f32");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands[4].type = ElementType::F8E4M3FN; }),
            "operand 'd' of the launch descriptor is of f8E4M3FN; expected bf16 or f16 or f32");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) { launch.operands[1].granularity = std::nullopt; }),
            "operand 'scale_a' of the launch descriptor has no granularity");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) {
              launch.operands[3].granularity = {SizeExpr::name("G"), SizeExpr::name("K")};
            }),
            "operand 'scale_b', granularity[0]: size 'G' has no value");
  EXPECT_EQ(getError([](LaunchDescriptor &launch) {
              launch.operands[3].granularity = {1, SizeExpr::binary(SizeExpr::Op::Add, SizeExpr::name("M"), -2)};
            }),
            "operand 'scale_b', granularity[1] is -2");
}

TEST(Granularity, SaysWhereScalesStand) {
  using Shape = std::array<int64_t, 2>;
  EXPECT_EQ((Granularity{1, 128}.getShape(200, 528)), (Shape{5, 200}));
  EXPECT_EQ((Granularity{128, 128}.getShape(200, 528)), (Shape{2, 5}));
  EXPECT_EQ((Granularity{1, 528}.getShape(200, 528)), (Shape{1, 200}));
  EXPECT_EQ((Granularity{200, 528}.getShape(200, 528)), (Shape{1, 1}));
  EXPECT_EQ((Granularity{1, 64}.getShape(200, 528)), (Shape{9, 200}));
  EXPECT_EQ((Granularity{1, 128}.getIndex(200, 528, 7, 300)), 2 * 200 + 7);
  EXPECT_EQ((Granularity{128, 128}.getIndex(200, 528, 130, 300)), 5 + 2);
  EXPECT_EQ((Granularity{200, 528}.getIndex(200, 528, 130, 300)), 0);
}

} // namespace
