//===- LimitsTest.cpp - Numbers out of range, and runs without an end -----===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

namespace {

const std::string kEndless = "mov.b32 %r1, smem;\n$L:\nst.shared.b32 [%r1], %tid;\nbra $L;";

SmallKernel make(const std::string &body) {
  SmallKernel kernel;
  kernel.body = body;
  kernel.threads = 1;
  kernel.sharedMemory = 1024;
  kernel.outWords = 64;
  return kernel;
}

/// Runs a kernel under a changed launch descriptor or options. The error's text, that of the hazard, or "clean".
std::string outcome(SmallKernel kernel, llvm::function_ref<void(LaunchDescriptor &, Options &)> change) {
  LaunchDescriptor launch = kernel.launch();
  Options options;
  options.checkOutputs = false;
  change(launch, options);
  kernel.out.assign(kernel.outWords, 0);
  std::vector<HostBuffer> buffers = {{"in", kernel.in.data(), kernel.in.size() * 4, 0},
                                     {"out", kernel.out.data(), kernel.out.size() * 4, 0}};
  llvm::Expected<Report> report = emulator::run(kernel.ptx(), launch, Sizes(), buffers, options);
  if (!report)
    return llvm::toString(report.takeError());
  return report->hazard ? report->hazard->str() : "clean";
}

bool contains(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
  return text.find(part) != std::string::npos;
}

} // namespace

TEST(TimeLimit, EndsAKernelThatStoresForEver) {
  std::string text = outcome(make(kEndless), [](LaunchDescriptor &, Options &o) { o.timeoutSeconds = 0.05; });
  EXPECT_TRUE(contains(text, "kernel 'k' did not end within 0.05 s on the emulator: 0 of 1 CTAs were done after "));
}

TEST(TimeLimit, IsNoneUnlessGiven) {
  EXPECT_EQ(outcome(make("nanosleep.u32 100;"), [](LaunchDescriptor &, Options &) {}), "clean");
}

TEST(TimeLimit, TheProgressCallbackCanEndARun) {
  unsigned calls = 0;
  std::string text = outcome(make(kEndless), [&](LaunchDescriptor &, Options &o) {
    o.progress = [&](const Progress &progress) {
      EXPECT_EQ(progress.ctasTotal, 1u);
      return ++calls < 3;
    };
  });
  EXPECT_EQ(text, "stopped");
  EXPECT_EQ(calls, 3u);
}

TEST(Limits, OperandsOfTheLaunchDescriptor) {
  auto outShape = [](std::vector<SizeExpr> shape, std::vector<SizeExpr> strides, bool isOutput) {
    return outcome(make(""), [&](LaunchDescriptor &l, Options &) {
      l.operands[1].shape = shape;
      l.operands[1].strides = strides;
      l.operands[1].isOutput = isOutput;
    });
  };
  constexpr int64_t kMost = INT64_MAX;
  EXPECT_EQ(outShape({8, 8}, {8, 1}, true), "clean");
  EXPECT_EQ(outShape({4, 0, 4}, {8, 8, 1}, true), "clean");
  EXPECT_EQ(outShape({1, kMost}, {64, 1}, false), "operand 'out' has more bytes than fit into 63 bits");
  EXPECT_EQ(outShape({2, kMost}, {0, 0}, true), "elements of output operand 'out' overlap");
  EXPECT_EQ(outShape({8, 8}, {1, 1}, true), "elements of output operand 'out' overlap");
  // 2 * (2^62 + 8) * 4 wraps around to a few bytes.
  EXPECT_EQ(outShape({3, 8}, {(int64_t(1) << 62) + 8, 1}, false), "operand 'out' has more bytes than fit into 63 bits");
  EXPECT_EQ(outShape({8, 8}, {-8, 1}, false), "operand 'out' has extent 8 with stride -8; both must be at least 0");
  EXPECT_EQ(outShape({8, 9}, {8, 1}, false), "the buffer of operand 'out' has 256 bytes; it needs 260");
}

TEST(Limits, ClusterAndSharedMemoryOfTheLaunchDescriptor) {
  EXPECT_TRUE(contains(
      outcome(make(""), [](LaunchDescriptor &l, Options &) { l.cluster = {int64_t(1) << 31, int64_t(1) << 31, 4}; }),
      "a cluster of 2147483648x2147483648x4"));
  EXPECT_TRUE(contains(outcome(make(""), [](LaunchDescriptor &l, Options &) { l.sharedMemory = INT64_MAX; }),
                       "9223372036854775807 bytes of dynamic shared memory"));
}

TEST(Limits, ParametersAreReadWithinTheirBytes) {
  for (const char *address : {"0xfffffffffffffff8", "16", "12"})
    make(std::string("ld.param.b64 %rd1, [") + address + "];").expectHazard(HazardKind::OutOfBounds, 1);
}

TEST(Limits, DeclarationsOfTheKernel) {
  auto decode = [](const std::string &head, const std::string &parameters = "", const std::string &performance = "") {
    llvm::Expected<Program> program =
        Program::parse(".version 8.6\n.target sm_90a\n.address_size 64\n" + head + ".visible .entry k(" + parameters +
                           ")" + performance + " {\nret;\n}\n",
                       "k");
    return program ? std::string() : llvm::toString(program.takeError());
  };
  EXPECT_TRUE(contains(decode("", ".param .align 4294967295 .b8 p[8]"), "must be a power of two up to 128"));
  EXPECT_TRUE(contains(decode("", ".param .b64 p[4294967296]"), "parameters have 32764 bytes at most"));
  EXPECT_TRUE(contains(decode("", ".param .b8 p[32764], .param .b8 q"), "parameters have 32764 bytes at most"));
  EXPECT_TRUE(contains(decode("", "", ".reqntid 65536, 65536"), "'.reqntid' takes up to three numbers"));
  EXPECT_TRUE(contains(decode("", "", ".reqntid 1, 1, 1, 1"), "'.reqntid' takes up to three numbers"));
  std::string shared;
  for (unsigned i = 0; i < 5000; ++i)
    shared += ".shared .b64 s" + std::to_string(i) + "[232448];\n";
  EXPECT_TRUE(contains(decode(shared), "bytes of static shared memory; a CTA can have 232448"));
}

TEST(Limits, RegistersThatAreNotUsedTakeNoRoom) {
  std::string body;
  for (unsigned i = 0; i < 100; ++i)
    body += ".reg .b64 %big" + std::to_string(i) + "_<1000000000>;\n";
  SmallKernel kernel = make(body + "mov.b64 %big7_999999999, 5;\nst.global.b64 [%out], %big7_999999999;");
  kernel.expectClean(1);
  EXPECT_EQ(kernel.out[0], 5u);
  make("mov.b32 %r1, 1;\n.reg .b32 %q<4>;\nmov.b32 %q3, %r1;").expectClean(1);
  EXPECT_TRUE(contains(decodeError(".reg .b32 %x<4>;\nmov.b32 %x4, 0;"), "unknown register or symbol '%x4'"));
  EXPECT_TRUE(contains(decodeError(".reg .b32 %x<4>;\nmov.b32 %x01, 0;"), "unknown register or symbol '%x01'"));
  EXPECT_TRUE(contains(decodeError(".reg .b32 %x<4>;\n.reg .b32 %x3;"), "register '%x3' is declared twice"));
  EXPECT_TRUE(contains(decodeError(".reg .b32 %x3;\n.reg .b32 %x<4>;"), "a register of '%x<4>' is declared twice"));
}

TEST(Limits, GroupsToWaitFor) {
  make("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group -9223372036854775808;")
      .expectHazard(HazardKind::IllegalInstruction, 1);
  SmallKernel wgmma = make("wgmma.wait_group.sync.aligned -9223372036854775808;");
  wgmma.threads = 128;
  wgmma.expectHazard(HazardKind::IllegalInstruction, 1);
}
