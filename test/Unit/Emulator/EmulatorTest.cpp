//===- EmulatorTest.cpp - Helpers for emulator tests ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"
#include <cstring>

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

std::string SmallKernel::ptx() const {
  std::string text = ".version 8.6\n.target sm_90a\n.address_size 64\n"
                     ".extern .shared .align 1024 .b8 smem[];\n"
                     ".visible .entry k(.param .u64 .ptr .global .align 4 k_param_0, .param .u64 k_param_1";
  if (!map.dims.empty())
    text += ", .param .align 64 .b8 k_param_2[128]";
  text += ")\n" + performance +
          "\n{\n.reg .b64 %in, %out;\n.reg .b32 %tid, %lane, %warp, %cta;\n.reg .pred %p<20>;\n"
          ".reg .b16 %rs<20>;\n.reg .b32 %r<40>;\n.reg .b64 %rd<40>;\n"
          "ld.param.b64 %in, [k_param_0];\nld.param.b64 %out, [k_param_1];\n"
          "mov.u32 %tid, %tid.x;\nmov.u32 %lane, %laneid;\nshr.u32 %warp, %tid, 5;\n"
          "mov.u32 %cta, %ctaid.x;\n";
  return text + body + "\nret;\n}\n";
}

LaunchDescriptor SmallKernel::launch() const {
  LaunchDescriptor launch;
  launch.entry = "k";
  launch.target = "sm_90a";
  launch.threads = threads;
  launch.cluster = {cluster, 1, 1};
  launch.sharedMemory = sharedMemory;
  launch.tiles = ctas;
  launch.programmaticStreamSerialization = overlapsPrevious;
  OperandInfo input{"in", ElementType::F32, {int64_t(in.size())}, {1}, false};
  OperandInfo output{"out", ElementType::F32, {int64_t(outWords)}, {1}, checkOutputs};
  launch.operands = {input, output};
  ParameterInfo first, second;
  first.name = first.operand = "in";
  second.name = second.operand = "out";
  launch.parameters = {first, second};
  if (!map.dims.empty()) {
    ParameterInfo third;
    third.kind = ParameterInfo::Kind::TensorMap;
    third.name = "map";
    third.tensorMap = map;
    launch.parameters.push_back(third);
  }
  return launch;
}

void SmallKernel::run(uint64_t seed) {
  out.assign(outWords, 0);
  std::vector<HostBuffer> buffers = {{"in", in.data(), in.size() * 4, inOffset},
                                     {"out", out.data(), out.size() * 4, 0}};
  Options options;
  options.seed = seed;
  options.checkOutputs = checkOutputs;
  options.reconvergence = reconvergence;
  options.livelockInstructions = 200000;
  llvm::Expected<Report> result = emulator::run(ptx(), launch(), Sizes(), buffers, options);
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  report = std::move(*result);
}

void SmallKernel::expectHazard(HazardKind kind, unsigned seeds) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    run(seed);
    ASSERT_TRUE(report.hazard.has_value()) << "no hazard with seed " << seed;
    ASSERT_EQ(toString(report.hazard->kind).str(), toString(kind).str()) << report.hazard->str();
  }
}

void SmallKernel::expectClean(unsigned seeds) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    run(seed);
    ASSERT_FALSE(report.hazard.has_value()) << "seed " << seed << ": " << report.hazard->str();
  }
}

std::string dgemm::emulator::test::decodeError(const std::string &body) {
  SmallKernel kernel;
  kernel.body = body;
  llvm::Expected<Program> program = Program::parse(kernel.ptx(), "k");
  return program ? std::string() : llvm::toString(program.takeError());
}

std::vector<uint32_t> dgemm::emulator::test::evaluate(const std::string &body, std::vector<uint32_t> in) {
  SmallKernel kernel;
  kernel.body = body;
  kernel.outWords = 64;
  if (!in.empty())
    kernel.in = std::move(in);
  kernel.expectClean(1);
  return kernel.out;
}
