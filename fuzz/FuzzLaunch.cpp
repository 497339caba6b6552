//===- FuzzLaunch.cpp - Fuzzes the reader of launch descriptors -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzInput.h"
#include "dgemm/Runtime/HostTensor.h"
#include "dgemm/Runtime/LaunchPlan.h"
#include "dgemm/Runtime/Recipe.h"

using namespace dgemm;
using namespace dgemm::fuzz;

/// Computes what a launch computes from a descriptor before it accesses memory; errors are allowed.
static void plan(const LaunchDescriptor &launch) {
  llvm::Expected<Sizes> sizes = launch.bindSizes(chooseSizes(launch));
  if (!sizes)
    return llvm::consumeError(sizes.takeError());
  llvm::consumeError(computeGrid(launch, *sizes, /*multiprocessors=*/132).takeError());
  for (const ParameterInfo &parameter : launch.parameters) {
    if (parameter.kind == ParameterInfo::Kind::Size)
      llvm::consumeError(parameter.value.evaluate(*sizes).takeError());
    if (parameter.kind != ParameterInfo::Kind::TensorMap)
      continue;
    llvm::Expected<TensorMapValues> map = evaluateTensorMap(parameter.name, parameter.tensorMap, *sizes);
    llvm::consumeError(map ? checkTensorMapAddress(*map, /*address=*/4096) : map.takeError());
  }
  llvm::consumeError(Recipe::get(launch, *sizes).takeError());
  for (const OperandInfo &operand : launch.operands) {
    llvm::Expected<OperandLayout> layout = OperandLayout::evaluate(operand, *sizes);
    if (!layout) {
      llvm::consumeError(layout.takeError());
      continue;
    }
    (void)layout->isDense();
    (void)layout->getNumBytes();
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(toText(data, size));
  if (!launch) {
    llvm::consumeError(launch.takeError());
    return 0;
  }
  std::string text = launch->toJSON();
  llvm::Expected<LaunchDescriptor> again = LaunchDescriptor::fromJSON(text);
  require(bool(again), "a written descriptor cannot be read");
  require(again->toJSON() == text, "a descriptor changes when it is written and read");
  plan(*launch);
  return 0;
}
