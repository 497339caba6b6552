//===- DenseTest.cpp - The dense matrix of shapes and configs on the emulator --===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompiledKernel.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

namespace {

struct DenseCase {
  std::string name;
  GemmSizes sizes;
  std::string config;
  std::string dynamic = "";
  int64_t multiprocessors = 3;
  /// Of a dynamic N and K.
  int64_t nDivisor = 1, kDivisor = 1;
};

/// Every config field at two values or more, against shapes with and without tails; sizes small.
std::vector<DenseCase> makeCases() {
  const std::pair<const char *, const char *> configs[] = {
      {"Default", ""},
      {"OneWarpgroup", "block = 64x64x128, stages = 2, warpgroups = 1, split_k = 1"},
      {"NarrowN", "block = 64x8x128, stages = 16, warpgroups = 1, split_k = 1"},
      {"TwoWarpgroups", "block = 128x128x128, stages = 4, warpgroups = 2, group_m = 1, split_k = 1"},
      {"TwoWaves", "block = 128x40x128, stages = 6, warpgroups = 1, group_m = 3, split_k = 1"},
      {"FourWaves", "block = 256x128x128, stages = 3, warpgroups = 2, split_k = 1"},
      {"ThreeWarpgroups", "block = 192x96x128, stages = 3, warpgroups = 3, group_m = 2, split_k = 1"},
      {"SharedA", "block = 64x64x128, stages = 3, warpgroups = 1, cluster = 1x2"},
      {"SharedB", "block = 128x48x128, stages = 3, warpgroups = 2, cluster = 2x1"},
      {"Quad", "block = 64x64x128, stages = 3, warpgroups = 1, cluster = 2x2"},
      {"SplitInTwo", "block = 128x64x128, stages = 3, warpgroups = 1, split_k = 2"},
      {"SplitInSeven", "block = 64x56x128, stages = 2, warpgroups = 1, split_k = 7"},
      {"SplitInSix", "block = 128x96x128, stages = 2, warpgroups = 2, split_k = 6, b = evict_first"},
      {"Rotated", "block = 256x128x128, stages = 3, warpgroups = 2, rotate = true, split_k = 1"},
      {"Unrolled", "block = 128x144x128, stages = 3, warpgroups = 2, unroll = 2, split_k = 1"},
      {"WideN", "block = 128x256x128, stages = 3, warpgroups = 2, even_waves = true"},
      {"WideNAcrossScaleBlocks", "block = 64x208x128, stages = 3, warpgroups = 1, unroll = 2, split_k = 1"},
      {"EarlyStoreOfSlice", "block = 256x128x128, stages = 3, warpgroups = 2, early_store = true"},
      {"EarlyStoreOfHalf", "block = 128x80x128, stages = 3, warpgroups = 2, early_store = true, unroll = 2"},
      {"EarlyStoreRotated",
       "block = 256x64x128, stages = 3, warpgroups = 2, rotate = true, early_store = true, unroll = 2"},
      {"EarlyStoreWideN", "block = 128x208x128, stages = 4, warpgroups = 2, early_store = true"},
      {"Pingpong", "block = 128x128x128, stages = 3, pingpong = true"},
      {"PingpongOneSlice", "block = 64x208x128, stages = 5, rotate = true, pingpong = true"},
      {"PingpongPair", "block = 64x64x128, stages = 4, unroll = 2, cluster = 2x1, pingpong = true"},
      {"AcrossScaleBlocks", "block = 128x192x128, stages = 4, warpgroups = 2, split_k = 1"},
  };
  const GemmSizes shapes[] = {{8, 8, 16}, {64, 64, 128}, {72, 136, 272}, {200, 264, 1024}, {320, 520, 640}};
  std::vector<DenseCase> cases;
  for (auto [name, config] : configs) {
    for (const GemmSizes &sizes : shapes)
      cases.push_back({llvm::formatv("{0}_{1}x{2}x{3}", name, sizes.m, sizes.n, sizes.k), sizes, config});
    cases.push_back({std::string(name) + "_Dynamic", {200, 136, 400}, config, "mnk", 132, 8, 16});
  }
  cases.push_back({"DynamicM", {136, 128, 512}, "", "m"});
  cases.push_back({"DynamicNK", {136, 128, 512}, "", "nk", 3, 8, 16});
  // More K blocks than have slots for their scales of B, and an iteration of the unrolled loop that is left over.
  const GemmSizes deep = {72, 136, 9008};
  cases.push_back({"DeepUnrolled", deep, "block = 128x144x128, stages = 3, warpgroups = 2, unroll = 4"});
  cases.push_back({"DeepRotated", deep, "block = 64x64x128, stages = 3, rotate = true, unroll = 4"});
  cases.push_back(
      {"DeepEarlyStore", deep, "block = 128x256x128, stages = 4, rotate = true, unroll = 4, early_store = true"});
  cases.push_back({"DeepShared", deep, "block = 64x64x128, stages = 5, warpgroups = 1, cluster = 1x2"});
  cases.push_back({"DeepSplit", deep, "block = 64x64x128, stages = 13, warpgroups = 1, split_k = 2"});
  cases.push_back({"DeepDynamic", deep, "", "mnk", 132, 8, 16});
  // CTAs that have several tiles, with more K blocks than have slots and a tail.
  for (auto [name, block] : {std::pair("Serpentine", "block = 64x72x128, stages = 3, warpgroups = 1"),
                             std::pair("SerpentineRotated", "block = 128x256x128, early_store = true, "
                                                            "rotate = true, unroll = 4"),
                             std::pair("SerpentinePair", "block = 64x64x128, cluster = 2x1"),
                             std::pair("SerpentinePingpong", "block = 64x64x128, stages = 6, pingpong = true")})
    for (const GemmSizes &sizes : {GemmSizes{200, 776, 272}, GemmSizes{200, 776, 4640}})
      cases.push_back({llvm::formatv("{0}_K{1}", name, sizes.k), sizes, std::string(block) + ", serpentine = true"});
  cases.push_back({"SerpentineDynamic", {200, 776, 400}, "block = 64x64, serpentine = true", "mnk", 3, 8, 16});
  cases.push_back({"SerpentineAny", {200, 777, 401}, "block = 64x64, serpentine = true", "mnk"});
  // Without the promise that TMA can be used.
  cases.push_back({"AnyNK", {136, 131, 517}, "", "nk"});
  cases.push_back({"AnyMNK", {70, 136, 400}, "block = 64x48", "mnk"});
  return cases;
}

class DenseTest : public testing::TestWithParam<DenseCase> {};

} // namespace

TEST_P(DenseTest, IsRightAndClean) {
  const DenseCase &entry = GetParam();
  GemmShape shape;
  shape.nDivisor = entry.nDivisor;
  shape.kDivisor = entry.kDivisor;
  llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile(entry.sizes, entry.config, entry.dynamic, shape);
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  gemm->multiprocessors = entry.multiprocessors;
  for (unsigned seed = 1; seed <= 2; ++seed) {
    llvm::Expected<Report> report = gemm->run(seed);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    ASSERT_FALSE(report->hazard.has_value()) << report->hazard->str();
    EXPECT_TRUE(gemm->check().passed()) << gemm->check().describe();
  }
}

/// Partial sums are added in the same order, whichever CTA is first.
TEST(SplitK, IsTheSameBitForBitUnderAnySchedule) {
  llvm::Expected<CompiledGemm> gemm =
      CompiledGemm::compile({64, 200, 2048}, "block = 64x80x128, stages = 3, warpgroups = 1, split_k = 4");
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  gemm->multiprocessors = 8;
  std::vector<uint8_t> first;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    llvm::Expected<Report> report = gemm->run(seed);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    ASSERT_FALSE(report->hazard.has_value()) << report->hazard->str();
    if (first.empty())
      first = gemm->d.data;
    EXPECT_EQ(gemm->d.data, first) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Dense, DenseTest, testing::ValuesIn(makeCases()),
                         [](const testing::TestParamInfo<DenseCase> &info) { return info.param.name; });
