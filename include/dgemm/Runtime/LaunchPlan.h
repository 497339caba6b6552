//===- LaunchPlan.h - A launch descriptor's expressions, evaluated -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_LAUNCHPLAN_H
#define DGEMM_RUNTIME_LAUNCHPLAN_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/SmallVector.h"

namespace dgemm {

/// TensorMapInfo in numbers, innermost dimension first.
struct TensorMapValues {
  std::string name;
  ElementType type = ElementType::F32;
  llvm::SmallVector<uint64_t, 5> dims;
  llvm::SmallVector<uint64_t, 5> strides;
  llvm::SmallVector<uint32_t, 5> box;
  llvm::SmallVector<uint32_t, 5> elementStrides;
  int64_t swizzle = 0, interleave = 0, l2Promotion = 0;
  bool oobFillNaN = false;
  /// Bytes from the operand to the first element of a map that has windows.
  std::optional<int64_t> offset = std::nullopt;

  uint64_t getAddress(uint64_t operand) const { return operand + uint64_t(offset.value_or(0)); }
};

/// Evaluates `map` and checks all requirements of cuTensorMapEncodeTiled (cuda.h, CUDA 13.0) except the address. Error:
/// names the parameter, the value and the limit.
llvm::Expected<TensorMapValues> evaluateTensorMap(llvm::StringRef name, const TensorMapInfo &map, const Sizes &sizes);
/// Error: `address`, that of the map's first element, is not aligned as the map requires.
llvm::Error checkTensorMapAddress(const TensorMapValues &map, uint64_t address);

/// CTAs to launch on a device that runs `multiprocessors` of them at a time; 0 when there is nothing to do. At least
/// one cluster otherwise.
llvm::Expected<int64_t> computeGrid(const LaunchDescriptor &launch, const Sizes &sizes, int64_t multiprocessors);

} // namespace dgemm

#endif // DGEMM_RUNTIME_LAUNCHPLAN_H
