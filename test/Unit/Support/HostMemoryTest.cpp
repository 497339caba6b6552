//===- HostMemoryTest.cpp - Memory of this machine ------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Support/HostMemory.h"
#include "llvm/Support/Compiler.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <sys/resource.h>

using namespace dgemm;
using namespace llvm;

namespace {

TEST(HostMemory, AllocatesFilledBytes) {
  Expected<std::vector<uint8_t>> bytes = allocateBytes(3, 0xff, "a test");
  ASSERT_TRUE(bool(bytes));
  EXPECT_EQ(*bytes, std::vector<uint8_t>(3, 0xff));
  EXPECT_FALSE(bool(checkHostMemory(0, "nothing")));
}

TEST(HostMemory, SaysWhatTheMachineDoesNotHave) {
  std::string said = toString(checkHostMemory(uint64_t(1) << 62, "a test"));
  EXPECT_EQ(said.find("a test would need 4294967296.0 GiB of memory; this machine has "), 0u) << said;
}

TEST(HostMemory, SaysWhatTheSystemRefuses) {
  if (LLVM_ADDRESS_SANITIZER_BUILD)
    GTEST_SKIP() << "the sanitizer itself needs addresses";
  auto checkBelowLimit = [] {
    rlimit limit{uint64_t(1) << 30, uint64_t(1) << 30};
    setrlimit(RLIMIT_AS, &limit);
    errs() << toString(checkHostMemory(uint64_t(3) << 29, "a test"));
    std::_Exit(0);
  };
  EXPECT_EXIT(checkBelowLimit(), ::testing::ExitedWithCode(0),
              "a test would need 1.5 GiB of memory, which the system refuses");
}

} // namespace
