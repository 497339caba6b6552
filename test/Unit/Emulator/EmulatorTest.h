//===- EmulatorTest.h - Helpers for emulator tests --------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TEST_UNIT_EMULATOR_EMULATORTEST_H
#define DGEMM_TEST_UNIT_EMULATOR_EMULATORTEST_H

#include "dgemm/Emulator/Emulator.h"
#include "gtest/gtest.h"
#include <map>

namespace dgemm::emulator::test {

/// A small kernel with one output operand "out" of 32-bit words and one input operand "in".
struct SmallKernel {
  /// PTX of the body, registers included.
  std::string body;
  int64_t threads = 32;
  int64_t sharedMemory = 0;
  int64_t ctas = 1;
  int64_t cluster = 1;
  size_t outWords = 0;
  std::vector<uint32_t> in = std::vector<uint32_t>(64);
  unsigned inOffset = 0;
  std::vector<uint32_t> out;
  bool checkOutputs = false;
  /// Launched so that it starts before the kernel in front of it has ended.
  bool overlapsPrevious = false;
  Reconvergence reconvergence = Reconvergence::PostDominator;
  std::string performance;
  /// Tensor map on "in", of 32-bit elements: parameter 2 when its dims are set.
  TensorMapInfo map;
  Report report;

  std::string ptx() const;
  LaunchDescriptor launch() const;
  /// Runs it with a seed; an llvm::Error fails the test.
  void run(uint64_t seed = 1);
  /// Runs it with seeds 1 to `seeds`: all of them give this hazard.
  void expectHazard(HazardKind kind, unsigned seeds = 8);
  void expectClean(unsigned seeds = 8);
};

/// Error text of decoding a kernel with this body; empty if it decodes.
std::string decodeError(const std::string &body);

/// Runs a body on one warp: %in and %out hold the addresses, %lane the lane; gives the words of "out".
std::vector<uint32_t> evaluate(const std::string &body, std::vector<uint32_t> in = {});

} // namespace dgemm::emulator::test

#endif // DGEMM_TEST_UNIT_EMULATOR_EMULATORTEST_H
