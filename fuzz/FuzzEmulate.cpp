//===- FuzzEmulate.cpp - Fuzzes the emulator: a launch descriptor and PTX -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// An input is a launch descriptor, a line "---", and PTX. The PTX is parsed even if the descriptor is invalid, because
// many faults are in the PTX reader.
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"
#include "dgemm/Emulator/Emulator.h"
#include "dgemm/Runtime/HostTensor.h"

using namespace dgemm;
using namespace dgemm::fuzz;

/// Limits of the bytes of an operand, of threads, and of instructions of warps; larger runs show nothing new. The good
/// kernels run about 4000 instructions, and a million stores of lanes take half a second under sanitizers.
constexpr uint64_t kMostBytes = 1 << 20;
constexpr int64_t kMostThreads = 4096;
constexpr uint64_t kMostInstructions = 50000;

static void run(const emulator::Program &program, const LaunchDescriptor &launch) {
  llvm::Expected<Sizes> sizes = launch.bindSizes(chooseSizes(launch));
  if (!sizes)
    return llvm::consumeError(sizes.takeError());
  std::vector<std::vector<uint8_t>> memory;
  std::vector<emulator::HostBuffer> buffers;
  for (const OperandInfo &operand : launch.operands) {
    llvm::Expected<OperandLayout> layout = OperandLayout::evaluate(operand, *sizes);
    if (!layout)
      return llvm::consumeError(layout.takeError());
    if (layout->getNumBytes() > kMostBytes)
      return;
    memory.emplace_back(layout->getNumBytes());
    buffers.push_back({operand.name, memory.back().data(), memory.back().size(), 0});
  }
  if (launch.threads > kMostThreads)
    return;
  emulator::Options options;
  options.multiprocessors = 2;
  options.residentCtas = 2;
  options.livelockInstructions = kMostInstructions;
  options.progress = [](const emulator::Progress &progress) { return progress.warpInstructions < kMostInstructions; };
  llvm::consumeError(emulator::run(program, launch, *sizes, buffers, options).takeError());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto [json, ptx] = toText(data, size).split("\n---\n");
  llvm::Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(json);
  llvm::Expected<emulator::Program> program = emulator::Program::parse(ptx, launch ? launch->entry : "k");
  if (program && launch)
    run(*program, *launch);
  llvm::consumeError(program.takeError());
  llvm::consumeError(launch.takeError());
  return 0;
}
