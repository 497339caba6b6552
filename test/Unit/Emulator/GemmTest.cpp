//===- GemmTest.cpp - The hand-written GEMM on the emulator ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GemmFixture.h"
#include "gtest/gtest.h"

using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

static void expectGood(Gemm &gemm, unsigned seeds) {
  gemm.build();
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    llvm::Expected<Report> report = gemm.run(seed);
    ASSERT_TRUE(bool(report)) << llvm::toString(report.takeError());
    ASSERT_FALSE(report->hazard.has_value()) << "seed " << seed << ": " << report->hazard->str();
    EXPECT_LT(gemm.difference(), 5e-6);
  }
}

TEST(Gemm, RunsRightOnManySchedules) {
  Gemm gemm;
  expectGood(gemm, 8);
}

TEST(Gemm, ShapesAndTails) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 16}, {64, 64, 128}, {65, 72, 144}, {200, 136, 1024}}) {
    Gemm gemm;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    expectGood(gemm, 2);
  }
}

TEST(Gemm, StagesAndGrid) {
  for (unsigned stages : {1u, 2u, 5u})
    for (int64_t multiprocessors : {1, 3, 132}) {
      Gemm gemm;
      gemm.stages = stages;
      gemm.multiprocessors = multiprocessors;
      expectGood(gemm, 2);
    }
}

TEST(Gemm, EqualSeedsGiveEqualRuns) {
  Gemm gemm;
  gemm.build();
  auto first = gemm.run(5), second = gemm.run(5), third = gemm.run(6);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->ticks, second->ticks);
  EXPECT_EQ(first->warpInstructions, second->warpInstructions);
  EXPECT_NE(first->ticks, third->ticks);
}
