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
#include <cstdlib>
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
    return llvm::formatv("{0} groups={1} m={2} n={3} k={4} lda={5} ldb={6} ldd={7} scale_a_k={8} scale_b_n={9} "
                         "aligned={10} dynamic={11} config={12}",
                         toString(sizes.layout), sizes.groups, sizes.m, sizes.n, sizes.k, shape.lda, shape.ldb,
                         shape.ldd, shape.scaleAKInnermost, shape.scaleBNInnermost, shape.rowAlignment, dynamic,
                         config);
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

  std::mt19937_64 random;
};

/// Any legal one, with a shallow ring half of the time.
std::string Draw::config(const GemmShape &shape) {
  CompileOptions options;
  options.config = llvm::formatv("group_m={0}", pick({1, 2, 8}));
  if (oneIn(2))
    options.config += llvm::formatv(", stages={0}", pick({2, 3})).str();
  llvm::Expected<std::vector<std::string>> configs = listConfigs(shape, options);
  if (!configs)
    return llvm::toString(configs.takeError());
  return (*configs)[upTo(int64_t(configs->size()))];
}

Problem Draw::problem() {
  Problem p;
  p.sizes = {extent(300), extent(300), extent(600)};
  p.sizes.layout = GemmLayout(upTo(3));
  bool isDense = p.sizes.layout == GemmLayout::Dense;
  p.sizes.groups = isDense ? 1 : pick({1, 2, 4, 5});
  p.shape.rowAlignment = pick({64, 128, 192, 256, 384});
  if (oneIn(4))
    p.shape.lda = p.sizes.k + upTo(20);
  if (oneIn(4))
    p.shape.ldb = p.sizes.k + 16 * upTo(3);
  if (oneIn(4))
    p.shape.ldd = p.sizes.n + upTo(10);
  p.shape.scaleAKInnermost = oneIn(4);
  p.shape.scaleBNInnermost = oneIn(4);
  // Groups and strides that depend on M want it static.
  bool isFree = p.sizes.layout != GemmLayout::Masked || !(p.shape.lda || p.shape.ldd || p.shape.scaleAKInnermost);
  p.dynamic = isFree && oneIn(2) ? "m" : "";
  if (!isDense && oneIn(2))
    p.dynamic += "g";
  if (!oneIn(4)) {
    GemmShape shape = p.shape;
    shape.layout = p.sizes.layout;
    std::tie(shape.m, shape.n, shape.k, shape.groups) = std::tie(p.sizes.m, p.sizes.n, p.sizes.k, p.sizes.groups);
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

TEST(Groups, MaskedFromNoneToAllRows) {
  for (int64_t most : {1, 8, 33, 200})
    for (int64_t rows : {int64_t(0), int64_t(1), most / 2, most})
      runGroups({most, 72, 160, GemmLayout::Masked, 3}, "block=64x40", {rows, most, 0});
  runGroups({200, 72, 160, GemmLayout::Masked, 3}, "block=256x40", {0, 0, 0});
  runGroups({200, 72, 160, GemmLayout::Masked, 3}, "block=256x40", {1, 65, 129});
}

TEST(Groups, ContiguousWithPaddingAndEmptyGroups) {
  runGroups({512, 72, 160, GemmLayout::Contiguous, 4}, "block=64x40", {1, 0, 65, 64});
  runGroups({512, 72, 160, GemmLayout::Contiguous, 4}, "block=128x40", {128, 0, 1, 100});
  runGroups({300, 72, 160, GemmLayout::Contiguous, 1}, "block=64x40", {300});
  runGroups({512, 72, 160, GemmLayout::Contiguous, 2}, "block=128x40", {0, 0});
}
