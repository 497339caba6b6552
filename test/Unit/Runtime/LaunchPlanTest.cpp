//===- LaunchPlanTest.cpp - Limits of tensor maps and grids ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/LaunchPlan.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace llvm;

namespace {

/// A good map of A: [M, K] in FP8.
TensorMapInfo makeMap() {
  SizeExpr m = SizeExpr::name("M"), k = SizeExpr::name("K");
  return {"a", ElementType::F8E4M3FN, {k, m}, {k}, {128, 64}, {1, 1}, 128, 0, 256, false};
}

std::string evaluate(const TensorMapInfo &map, int64_t m = 200, int64_t k = 7168) {
  Sizes sizes;
  sizes["M"] = m;
  sizes["K"] = k;
  Expected<TensorMapValues> values = evaluateTensorMap("map_a", map, sizes);
  return values ? "" : toString(values.takeError());
}

std::string edit(function_ref<void(TensorMapInfo &)> change) {
  TensorMapInfo map = makeMap();
  change(map);
  return evaluate(map);
}

TEST(LaunchPlan, EvaluatesATensorMap) {
  Sizes sizes;
  sizes["M"] = 200;
  sizes["K"] = 528;
  Expected<TensorMapValues> values = evaluateTensorMap("map_a", makeMap(), sizes);
  ASSERT_TRUE(bool(values)) << toString(values.takeError());
  EXPECT_EQ(values->dims[0], 528u);
  EXPECT_EQ(values->dims[1], 200u);
  EXPECT_EQ(values->strides[0], 528u);
  EXPECT_EQ(values->box[0], 128u);
  EXPECT_EQ(values->l2Promotion, 256);
}

TEST(LaunchPlan, NamesTheLimitOfATensorMap) {
  EXPECT_EQ(evaluate(makeMap(), 200, 7160),
            "tensor map 'map_a' has strides[0] = 7160 bytes; it must be a multiple of 16");
  EXPECT_EQ(evaluate(makeMap(), 0), "tensor map 'map_a' has dims[1] = 0; allowed are 1 to 2^32");
  EXPECT_EQ(evaluate(makeMap(), int64_t(1) << 33),
            "tensor map 'map_a' has dims[1] = 8589934592; allowed are 1 to 2^32");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.box[1] = 257; }),
            "tensor map 'map_a' has box[1] = 257; allowed are 1 to 256");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.box[0] = 0; }),
            "tensor map 'map_a' has box[0] = 0; allowed are 1 to 256");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.box[0] = 144; }),
            "tensor map 'map_a' has an innermost box of 144 bytes; its swizzle of 128 allows at most 128");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.box[0] = 24; }),
            "tensor map 'map_a' has an innermost box of 24 bytes; it must be a multiple of 16");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.elementStrides[1] = 9; }),
            "tensor map 'map_a' has element_strides[1] = 9; allowed are 1 to 8");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.strides[0] = int64_t(1) << 40; }),
            "tensor map 'map_a' has strides[0] = 1099511627776 bytes; it must be below 2^40");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.strides[0] = 64; }),
            "tensor map 'map_a' has strides[0] = 64 bytes; the inner dimensions need 7168");
  EXPECT_EQ(
      edit([](TensorMapInfo &map) { map.oobFillNaN = true; }),
      "tensor map 'map_a' fills with NaN; f8E4M3FN is encoded as an integer type and can be filled with zero only");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.interleave = 16; }),
            "tensor map 'map_a' has rank 2; interleaving needs at least 3");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.offset = -64; }),
            "tensor map 'map_a' has rank 2; windows of rows need at least 3");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.dims[0] = SizeExpr::name("G"); }),
            "tensor map 'map_a', dims[0]: size 'G' has no value");
  EXPECT_EQ(edit([](TensorMapInfo &map) { map.box[0] = -1; }), "tensor map 'map_a' has box[0] = -1");
}

TEST(LaunchPlan, ChecksTheBaseAddress) {
  TensorMapValues map;
  map.name = "map_a";
  EXPECT_EQ(toString(checkTensorMapAddress(map, 0x1000)), "");
  EXPECT_EQ(toString(checkTensorMapAddress(map, 0x1008)),
            "tensor map 'map_a' has the base address 0x1008; it must be a multiple of 16");
}

int64_t grid(int64_t tiles, int64_t cluster, int64_t multiprocessors = 132, bool evenWaves = false) {
  LaunchDescriptor launch;
  launch.tiles = SizeExpr::binary(SizeExpr::Op::Mul, SizeExpr::name("M"), 1);
  launch.cluster = {cluster, 1, 1};
  launch.evenWaves = evenWaves;
  Sizes sizes;
  sizes["M"] = tiles;
  return cantFail(computeGrid(launch, sizes, multiprocessors));
}

TEST(LaunchPlan, MakesThePersistentGrid) {
  EXPECT_EQ(grid(56, 1), 56);
  EXPECT_EQ(grid(1000, 1), 132);
  EXPECT_EQ(grid(1000, 2), 132);
  EXPECT_EQ(grid(1000, 2, 131), 130);
  EXPECT_EQ(grid(57, 2), 56);
  EXPECT_EQ(grid(1, 2), 2);
  EXPECT_EQ(grid(0, 2), 0);
}

TEST(LaunchPlan, SizesBelowAStrideDoNotWrap) {
  EXPECT_EQ(edit([](TensorMapInfo &map) {
              map.dims = {16, int64_t(1) << 32, 2};
              map.strides = {int64_t(1) << 32, (int64_t(1) << 32) + 16};
              map.box = {16, 1, 1};
              map.elementStrides = {1, 1, 1};
            }),
            "tensor map 'map_a' has strides[1] = 4294967312 bytes; the inner dimensions need 18446744073709551615");
}

TEST(LaunchPlan, MatricesMayLieBetweenEachOthersRows) {
  // x[:, g] of x[rows, 3, 32]
  auto batch = [](int64_t step) {
    return edit([&](TensorMapInfo &map) {
      map.dims = {32, 100, 3};
      map.strides = {96, step};
      map.box = {32, 1, 1};
      map.swizzle = 0;
      map.elementStrides = {1, 1, 1};
    });
  };
  EXPECT_EQ(batch(32), "");
  EXPECT_EQ(batch(48), "tensor map 'map_a' has strides[0] = 96 bytes; the inner dimensions need 144");
}

/// Windows of 64 rows of a bf16 D[M, 128], of which the first begins 64 rows before D.
TEST(LaunchPlan, WindowsOfRowsOverlap) {
  SizeExpr m = SizeExpr::name("M");
  TensorMapInfo map = makeMap();
  map.type = ElementType::BF16;
  map.dims = {128, 64, SizeExpr::add(m, 1)};
  map.strides = {256, 256};
  map.box = {64, 64, 1};
  map.elementStrides = {1, 1, 1};
  EXPECT_EQ(evaluate(map), "tensor map 'map_a' has strides[1] = 256 bytes; the inner dimensions need 16384");
  map.offset = -64 * 256;
  Sizes sizes;
  sizes["M"] = 200;
  Expected<TensorMapValues> values = evaluateTensorMap("map_a", map, sizes);
  ASSERT_TRUE(bool(values)) << toString(values.takeError());
  EXPECT_EQ(values->dims[2], 201u);
  EXPECT_EQ(values->getAddress(0x10000), 0x10000u - 64 * 256);
  map.strides = {256, 240}; // the rows of the operand themselves
  EXPECT_EQ(evaluate(map), "tensor map 'map_a' has strides[1] = 240 bytes; the inner dimensions need 256");
  map.offset = SizeExpr::name("G");
  EXPECT_EQ(evaluate(map), "tensor map 'map_a', offset: size 'G' has no value");
}

/// Groups of 200 rows follow each other without a gap, although each has 201 windows.
TEST(LaunchPlan, WindowsOfRowsInGroups) {
  TensorMapInfo map = makeMap();
  map.type = ElementType::BF16;
  map.dims = {128, 64, 201, 3};
  map.strides = {256, 256, 200 * 256};
  map.box = {64, 64, 1, 1};
  map.elementStrides = {1, 1, 1, 1};
  map.offset = -64 * 256;
  EXPECT_EQ(evaluate(map), "");
  map.strides = {256, 256, 199 * 256};
  EXPECT_EQ(evaluate(map), "tensor map 'map_a' has strides[2] = 50944 bytes; the inner dimensions need 51200");
}

TEST(LaunchPlan, LaunchesNoMoreThanTheWavesTake) {
  EXPECT_EQ(grid(896, 1, 132, /*evenWaves=*/true), 128); // 7 waves
  EXPECT_EQ(grid(352, 1, 132, true), 118);               // 3 waves, of which the last has 116 tiles
  EXPECT_EQ(grid(352, 2, 132, true), 118);
  EXPECT_EQ(grid(350, 2, 131, true), 118);
  EXPECT_EQ(grid(56, 1, 132, true), 56);
  EXPECT_EQ(grid(1, 2, 132, true), 2);
  EXPECT_EQ(grid(0, 1, 132, true), 0);
}

} // namespace
