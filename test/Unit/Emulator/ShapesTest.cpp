//===- ShapesTest.cpp - Any shape, layout and config ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Draws problems at random and runs their kernels on the emulator. DGEMM_TEST_PROBLEMS sets how many, DGEMM_TEST_SEED
// where to begin: problem i of seed s is problem 0 of seed s + i.
//
//===----------------------------------------------------------------------===//

#include "CompiledKernel.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <array>
#include <cstdlib>
#include <numeric>
#include <random>

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

namespace {

struct Problem {
  GemmSizes sizes;
  GemmShape shape;
  std::string config, dynamic;

  std::string describe() const {
    return llvm::formatv("{0} groups={1} m={2} n={3} k={4} lda={5}/{6} ldb={7}/{8} ldd={9}/{10} scale_a_k={11} "
                         "scale_b_n={12} aligned={13} dynamic={14} divisors=n{15},k{16},lda{17},ldb{18},ldd{19} "
                         "out={20} accumulate={21} config={22}",
                         toString(sizes.layout), sizes.groups, sizes.m, sizes.n, sizes.k, shape.lda, sizes.lda,
                         shape.ldb, sizes.ldb, shape.ldd, sizes.ldd, shape.scaleAKInnermost, shape.scaleBNInnermost,
                         shape.rowAlignment, dynamic, shape.nDivisor, shape.kDivisor, shape.ldaDivisor,
                         shape.ldbDivisor, shape.lddDivisor, toString(shape.outType), shape.accumulate, config);
  }
};

class Draw {
public:
  explicit Draw(uint64_t seed) : random(seed) {}

  Problem problem();

private:
  int64_t upTo(int64_t limit) { return int64_t(random() % uint64_t(limit)); }
  int64_t pick(std::initializer_list<int64_t> values) { return values.begin()[upTo(int64_t(values.size()))]; }
  bool oneIn(int64_t n) { return upTo(n) == 0; }
  int64_t extent(int64_t most) {
    switch (upTo(4)) {
    case 0:
      return pick({1, 7, 8, 16, 17, 33, 56, 64, 100, 127, 128, 129});
    case 1:
      return 1 + upTo(most);
    default:
      return 16 * (1 + upTo(most / 16));
    }
  }
  std::string config(const GemmShape &shape);
  void batchStrides(Problem &p);
  void leadingDimension(int64_t row, int64_t padding, int64_t &compiled, int64_t &given, int64_t &divisor);
  /// A divisor of `size` to promise: the largest power of two up to `most`, or 1.
  int64_t promise(int64_t size, int64_t most) { return oneIn(2) ? std::gcd(size, most) : 1; }

  std::mt19937_64 random;
};

/// Any legal one, with a shallow ring half of the time.
std::string Draw::config(const GemmShape &shape) {
  CompileOptions options;
  auto flag = [&] { return oneIn(2) ? "true" : "false"; };
  options.config = llvm::formatv("group_m={0}, even_waves={1}, serpentine={2}", pick({1, 2, 8}), flag(),
                                 shape.layout == GemmLayout::KGrouped ? "false" : flag());
  options.config += std::array{", early_store=true", ", pingpong=true", "", "", ""}[upTo(5)];
  if (oneIn(2))
    options.config += llvm::formatv(", stages={0}", pick({2, 3})).str();
  llvm::Expected<std::vector<std::string>> configs = listConfigs(shape, options);
  if (!configs)
    return llvm::toString(configs.takeError());
  return (*configs)[upTo(int64_t(configs->size()))];
}

/// None, one that is compiled for, or one that is given at launch with or without a promise.
void Draw::leadingDimension(int64_t row, int64_t padding, int64_t &compiled, int64_t &given, int64_t &divisor) {
  if (!oneIn(4))
    return;
  int64_t size = row + padding;
  if (oneIn(2)) {
    compiled = size;
    return;
  }
  given = size;
  divisor = promise(size, 16);
}

/// Matrices that follow each other with or without a gap, or lie between each other's rows.
void Draw::batchStrides(Problem &p) {
  auto draw = [&](int64_t rows, int64_t row, int64_t &pitch, int64_t given, int64_t &stride) {
    if (oneIn(2))
      return;
    if (oneIn(2)) {
      stride = rows * std::max({row, pitch, given}) + upTo(40);
      return;
    }
    if (given)
      return;
    stride = row + upTo(3) * 8;
    pitch = stride * p.sizes.groups + upTo(3) * 8;
  };
  draw(p.sizes.m, p.sizes.k, p.shape.lda, p.sizes.lda, p.shape.batchStrideA);
  draw(p.sizes.n, p.sizes.k, p.shape.ldb, p.sizes.ldb, p.shape.batchStrideB);
  draw(p.sizes.m, p.sizes.n, p.shape.ldd, p.sizes.ldd, p.shape.batchStrideD);
}

Problem Draw::problem() {
  Problem p;
  p.sizes = {extent(300), extent(300), extent(600)};
  p.sizes.layout = GemmLayout(upTo(6));
  bool isDense = p.sizes.layout == GemmLayout::Dense;
  p.sizes.groups = isDense ? 1 : pick({1, 2, 4, 5});
  switch (p.sizes.layout) {
  case GemmLayout::Offsets:
    p.shape.rowAlignment = pick({1, 1, 8, 24, 128});
    break;
  case GemmLayout::KGrouped:
    p.shape.rowAlignment = pick({128, 128, 384});
    break;
  default:
    p.shape.rowAlignment = pick({64, 128, 192, 256, 384});
  }
  p.shape.outType =
      ElementType(pick({int64_t(ElementType::BF16), int64_t(ElementType::BF16), int64_t(ElementType::F32)}));
  p.shape.accumulate = oneIn(3);
  leadingDimension(p.sizes.k, upTo(20), p.shape.lda, p.sizes.lda, p.shape.ldaDivisor);
  leadingDimension(p.sizes.k, 16 * upTo(3), p.shape.ldb, p.sizes.ldb, p.shape.ldbDivisor);
  leadingDimension(p.sizes.n, upTo(10), p.shape.ldd, p.sizes.ldd, p.shape.lddDivisor);
  p.shape.scaleAKInnermost = oneIn(4);
  p.shape.scaleBNInnermost = oneIn(4);
  if (oneIn(2))
    p.dynamic += "m";
  if (oneIn(4)) {
    p.dynamic += "n";
    p.shape.nDivisor = promise(p.sizes.n, 8);
  }
  if (oneIn(4)) {
    p.dynamic += "k";
    p.shape.kDivisor = promise(p.sizes.k, 16);
  }
  if (!isDense && oneIn(2))
    p.dynamic += "g";
  if (p.sizes.layout == GemmLayout::Batched && llvm::StringRef(p.dynamic).find_first_of("nk") == llvm::StringRef::npos)
    batchStrides(p);
  p.shape.pdl = oneIn(4);
  if (!oneIn(4)) {
    GemmShape shape = CompiledGemm::getShape(p.sizes, p.dynamic, p.shape);
    p.config = config(shape);
  }
  return p;
}

int64_t fromEnvironment(const char *name, int64_t otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atoll(text) : otherwise;
}

void expectClean(CompiledGemm &gemm, uint64_t seed) {
  llvm::Expected<Report> report = gemm.run(seed);
  ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
  ASSERT_FALSE(report->hazard.has_value()) << report->hazard->str();
  EXPECT_TRUE(gemm.check().passed()) << gemm.check().describe();
}

void runProblem(uint64_t seed) {
  Problem problem = Draw(seed).problem();
  SCOPED_TRACE("DGEMM_TEST_SEED=" + std::to_string(seed) + ": " + problem.describe());
  llvm::Expected<CompiledGemm> gemm =
      CompiledGemm::compile(problem.sizes, problem.config, problem.dynamic, problem.shape);
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  gemm->multiprocessors = 1 + int64_t(seed % 5);
  expectClean(*gemm, seed);
}

} // namespace

TEST(Shapes, RandomProblemsAreRightAndClean) {
  int64_t seed = fromEnvironment("DGEMM_TEST_SEED", 1), problems = fromEnvironment("DGEMM_TEST_PROBLEMS", 300);
  for (int64_t i = 0; i < problems && !HasFailure(); ++i)
    runProblem(uint64_t(seed + i));
}

namespace {
void runGroups(GemmSizes sizes, const std::string &config, llvm::ArrayRef<int64_t> groupRows) {
  llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile(sizes, config, "", {}, groupRows);
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  for (unsigned seed = 1; seed <= 3; ++seed)
    expectClean(*gemm, seed);
}
} // namespace

TEST(Shapes, BatchesOfAnyStrides) {
  GemmShape shape;
  shape.lda = 3 * 160;
  shape.batchStrideA = 160; // x[:, g]
  shape.ldd = 3 * 72 + 8;
  shape.batchStrideD = 72;
  shape.batchStrideB = 72 * 160 + 5; // no multiple of 16 bytes: without TMA
  for (const char *dynamic : {"", "m", "mg"})
    for (int64_t m : {1, 64, 200}) {
      llvm::Expected<CompiledGemm> gemm =
          CompiledGemm::compile({m, 72, 160, GemmLayout::Batched, 3}, "block=64x40", dynamic, shape);
      ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
      expectClean(*gemm, uint64_t(m));
    }
}

TEST(Shapes, TheLastRowsOfEachMatrixOfABatchAreClipped) {
  // The number of a group counts for nothing there: 2 + 128 is more than 129.
  for (const char *dynamic : {"", "m"}) {
    llvm::Expected<CompiledGemm> gemm =
        CompiledGemm::compile({129, 40, 160, GemmLayout::Batched, 5}, "block=128x40", dynamic);
    ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
    expectClean(*gemm, 1);
  }
}

TEST(Shapes, NothingIsLaunchedForNoRows) {
  for (GemmLayout layout : {GemmLayout::Dense, GemmLayout::Contiguous, GemmLayout::Masked, GemmLayout::Offsets,
                            GemmLayout::KGrouped, GemmLayout::Batched}) {
    llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile({0, 72, 160, layout, 2}, "block=64x40", "m");
    ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
    llvm::Expected<Report> report = gemm->run(1);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    EXPECT_FALSE(report->hazard.has_value()) << report->hazard->str();
    EXPECT_EQ(report->ctas, 0u);
    EXPECT_TRUE(gemm->check().passed());
  }
}

TEST(Shapes, OneKernelTakesEveryNAndK) {
  llvm::Expected<CompiledGemm> compiled = CompiledGemm::compile({9, 8, 16}, "block=64x40", "mnk");
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  for (int64_t n : {1, 8, 33, 56, 128})
    for (int64_t k : {1, 17, 128, 200}) {
      SCOPED_TRACE(llvm::formatv("n={0} k={1}", n, k).str());
      llvm::cantFail(compiled->setSizes({9, n, k}));
      expectClean(*compiled, uint64_t(n + k));
    }
}

TEST(Shapes, ABrokenPromiseIsRefused) {
  GemmShape shape;
  shape.kDivisor = 16;
  llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile({9, 8, 32}, "block=64x40", "k", shape);
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  llvm::cantFail(gemm->setSizes({9, 8, 40}));
  llvm::Expected<Report> report = gemm->run(1);
  ASSERT_FALSE(bool(report));
  EXPECT_EQ(llvm::toString(report.takeError()),
            "size K = 40 is not a multiple of 16, as kernel 'dgemm_m9_n8_kx' was promised when it was compiled");
}

TEST(Shapes, GroupAlignmentIsThatOfTheConfig) {
  GemmShape shape;
  shape.n = 256;
  shape.k = 512;
  shape.layout = GemmLayout::Contiguous;
  CompileOptions options;
  for (auto [config, rows] :
       {std::pair("block=64x128", 64), {"block=128x128", 128}, {"block=64x128,cluster=2x1", 64}}) {
    options.config = config;
    llvm::Expected<int64_t> alignment = getMAlignmentForContiguousLayout(shape, options);
    ASSERT_TRUE(bool(alignment)) << llvm::toString(alignment.takeError());
    EXPECT_EQ(*alignment, rows);
    llvm::Expected<CompiledKernel> kernel = compileKernel(shape, options, Stage::Launch);
    ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
    EXPECT_EQ(kernel->launch.rowAlignment, rows);
  }
  // The cost model keeps to what the caller can do.
  shape.rowAlignment = 64;
  EXPECT_EQ(llvm::cantFail(getMAlignmentForContiguousLayout(shape)), 64);
  shape.layout = GemmLayout::Dense;
  EXPECT_EQ(llvm::toString(getMAlignmentForContiguousLayout(shape).takeError()),
            "expected a contiguous layout, but got a dense one");
}

TEST(Groups, MaskedFromNoneToAllRows) {
  for (int64_t most : {1, 8, 33, 200})
    for (int64_t rows : {int64_t(0), int64_t(1), most / 2, most})
      runGroups({most, 72, 160, GemmLayout::Masked, 3}, "block=64x40", {rows, most, 0});
  runGroups({200, 72, 160, GemmLayout::Masked, 3}, "block=256x40", {0, 0, 0});
  runGroups({200, 72, 160, GemmLayout::Masked, 3}, "block=256x40", {1, 65, 129});
  // Warpgroups with all slices, one or none of a tile, in every form of the K loop.
  for (const char *config :
       {"block=256x48,rotate=true", "block=256x48,unroll=2", "block=256x48,cluster=2x1,even_waves=true", "block=192x48",
        "block=128x208", "block=128x48,warpgroups=1", "block=256x48,early_store=true",
        "block=256x48,early_store=true,rotate=true", "block=128x208,early_store=true",
        "block=128x48,warpgroups=2,early_store=true", "block=128x48,pingpong=true",
        "block=64x48,pingpong=true,rotate=true,unroll=2"})
    runGroups({300, 208, 1296, GemmLayout::Masked, 5}, config, {1, 64, 130, 192, 300});
}

TEST(Groups, ContiguousWithPaddingAndEmptyGroups) {
  runGroups({512, 72, 160, GemmLayout::Contiguous, 4}, "block=64x40", {1, 0, 65, 64});
  runGroups({512, 72, 160, GemmLayout::Contiguous, 4}, "block=128x40", {128, 0, 1, 100});
  runGroups({300, 72, 160, GemmLayout::Contiguous, 1}, "block=64x40", {300});
  runGroups({512, 72, 160, GemmLayout::Contiguous, 2}, "block=128x40", {0, 0});
}

TEST(Groups, OffsetsWithoutPaddingAndWithIt) {
  GemmShape shape;
  for (int64_t alignment : {1, 16, 128}) {
    shape.rowAlignment = alignment;
    for (const char *config : {"block=64x40", "block=128x48,warpgroups=2", "block=256x48,cluster=2x1,even_waves=true",
                               "block=128x48,split_k=2", "block=192x48,serpentine=true"})
      for (std::vector<int64_t> rows :
           std::vector<std::vector<int64_t>>{{1, 0, 65, 64, 20}, {0, 0, 0, 0, 0}, {0, 200, 1, 0, 7}}) {
        llvm::Expected<CompiledGemm> gemm =
            CompiledGemm::compile({800, 72, 160, GemmLayout::Offsets, 5}, config, "", shape, rows);
        ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
        expectClean(*gemm, 1);
      }
  }
}

/// The rows of a group end anywhere in a slice, in each type of D and each width of its panels. Rows of the next group
/// and rows of no group stay as they are.
TEST(Groups, RowsEndAnywhereInASlice) {
  constexpr int64_t kRows[] = {0, 1, 7, 8, 9, 20, 63, 64, 65, 100, 127};
  std::mt19937_64 random(7);
  for (const char *config :
       {"block=64x120,split_k=1", "block=128x72,split_k=1,warpgroups=2", "block=128x72,split_k=1,warpgroups=1",
        "block=256x48,split_k=1,early_store=true", "block=192x120,cluster=1x2"})
    for (GemmLayout layout : {GemmLayout::Offsets, GemmLayout::Masked})
      for (ElementType type : {ElementType::BF16, ElementType::F32})
        for (bool accumulate : {false, true}) {
          SCOPED_TRACE(
              llvm::formatv("{0} {1} {2} accumulate={3}", config, toString(layout), toString(type), accumulate).str());
          GemmShape shape;
          shape.rowAlignment = 1;
          shape.outType = type;
          shape.accumulate = accumulate;
          std::vector<int64_t> rows(6);
          for (int64_t &own : rows)
            own = kRows[random() % std::size(kRows)];
          int64_t m = layout == GemmLayout::Masked ? 130 : std::accumulate(rows.begin(), rows.end(), int64_t(5));
          llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile({m, 136, 160, layout, 6}, config, "m", shape, rows);
          ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
          EXPECT_EQ(gemm->ptx.find("\tst.global"), std::string::npos);
          expectClean(*gemm, random());
          llvm::shuffle(rows.begin(), rows.end(), random);
          llvm::cantFail(gemm->setSizes(gemm->sizes, rows)); // the same kernel
          expectClean(*gemm, random());
        }
}

/// One product for each group of columns of K, which the device knows. Groups of none are zero, or as D was.
TEST(Groups, AlongK) {
  GemmShape shape;
  shape.scaleB = ScaleGranularity::RowBlock;
  std::vector<int64_t> columns = {1152, 0, 1, 17, 128, 200, 0, 128, 256};
  for (bool accumulate : {false, true})
    for (ElementType type : {ElementType::F32, ElementType::BF16})
      for (const char *config : {"block=64x40", "block=128x48,warpgroups=2,rotate=true", "block=128x48,cluster=2x1",
                                 "block=64x40,rotate=false,unroll=4"}) {
        shape.accumulate = accumulate;
        shape.outType = type;
        llvm::Expected<CompiledGemm> gemm =
            CompiledGemm::compile({200, 72, 2432, GemmLayout::KGrouped, 9}, config, "", shape, columns);
        ASSERT_TRUE(bool(gemm)) << config << llvm::toString(gemm.takeError());
        for (unsigned seed = 1; seed <= 2; ++seed)
          expectClean(*gemm, seed);
        llvm::cantFail(gemm->setSizes(gemm->sizes, {0, 0, 0, 2432, 0, 0, 0, 0, 0})); // the same kernel
        expectClean(*gemm, 1);
      }
  shape = GemmShape(); // scales of B by 128 x 128, and sizes that TMA does not take
  for (int64_t k : {640, 637}) {
    llvm::Expected<CompiledGemm> gemm =
        CompiledGemm::compile({70, 33, k, GemmLayout::KGrouped, 3}, "block=64x40", "mnkg", shape, {200, 0, 130});
    ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
    expectClean(*gemm, 1);
  }
}

/// More groups than a warp looks at in one step, of which few have rows.
TEST(Groups, ManyGroupsOfWhichFewHaveRows) {
  for (int64_t groups : {31, 33, 127, 129, 300}) {
    std::vector<int64_t> rows(groups);
    for (int64_t group : {int64_t(0), groups / 2, groups - 1})
      rows[group] = 1 + group % 60;
    runGroups({64, 40, 128, GemmLayout::Masked, groups}, "block=64x40", rows);
    runGroups({600, 40, 128, GemmLayout::Offsets, groups}, "block=64x40", rows);
  }
}

/// Whatever the ends of groups are on the device, rows lie within M, and no group has fewer than none.
TEST(Offsets, AreClampedWhereTheyAreRead) {
  GemmShape shape;
  shape.rowAlignment = 1;
  llvm::Expected<CompiledGemm> gemm =
      CompiledGemm::compile({100, 72, 256, GemmLayout::Offsets, 4}, "block=64x72", "", shape, {0, 0, 100, 0});
  ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
  llvm::copy(std::array<int32_t, 4>{-64, INT32_MIN, INT32_MAX, 5}, gemm->inputs.groups.as<int32_t>().begin());
  llvm::Expected<Report> report = gemm->run(/*seed=*/1);
  ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
  ASSERT_FALSE(report->hazard.has_value()) << report->hazard->str();
}

/// In each form of the epilogue.
TEST(Accumulate, AddsToWhatDHolds) {
  GemmShape shape;
  shape.accumulate = true;
  for (ElementType type : {ElementType::BF16, ElementType::F16, ElementType::F32})
    for (int64_t n : {72, 71})
      for (const char *config : {"block=64x40", "block=128x48,warpgroups=2,split_k=2", "block=128x96,cluster=2x1",
                                 "block=128x208,early_store=true", "block=64x96,pingpong=true"}) {
        shape.outType = type;
        llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile({200, n, 400}, config, "", shape);
        ASSERT_TRUE(bool(gemm)) << config << llvm::toString(gemm.takeError());
        expectClean(*gemm, 1);
      }
}

/// Whatever masked_m holds on the device, each group has from none to M rows: no tile is walked that is not there.
TEST(MaskedRows, AreClampedWhereTheyAreRead) {
  GemmSizes sizes;
  std::tie(sizes.m, sizes.n, sizes.k, sizes.groups) = std::tuple(100, 72, 256, 4);
  sizes.layout = GemmLayout::Masked;
  GemmShape shape;
  shape.layout = GemmLayout::Masked;
  for (std::string order : {"even_waves = false", "even_waves = true"}) {
    llvm::Expected<CompiledGemm> gemm = CompiledGemm::compile(
        sizes, "block = 64x72x128, stages = 3, warpgroups = 1, " + order, "", shape, {0, 100, 0, 5});
    ASSERT_TRUE(bool(gemm)) << llvm::toString(gemm.takeError());
    llvm::copy(std::array<int32_t, 4>{-64, INT32_MAX, INT32_MIN, 5}, gemm->inputs.groups.as<int32_t>().begin());
    llvm::Expected<Report> report = gemm->run(/*seed=*/1);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    ASSERT_FALSE(report->hazard.has_value()) << report->hazard->str();
    EXPECT_TRUE(gemm->check().passed()) << gemm->check().describe();
  }
}
