//===- TensorMap.h - Tensor maps from the launch descriptor -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_TENSORMAP_H
#define DGEMM_LIB_EMULATOR_TENSORMAP_H

#include "GlobalMemory.h"
#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/SmallVector.h"
#include <functional>
#include <string>

namespace dgemm::emulator {

struct TensorMap {
  std::string parameter;
  Allocation *memory = nullptr;
  ElementType type = ElementType::F32;
  unsigned elementBytes = 4;
  llvm::SmallVector<int64_t, 5> dims;
  /// In bytes; strides[0] is that of dimension 1.
  llvm::SmallVector<int64_t, 4> strides;
  llvm::SmallVector<int64_t, 5> box;
  /// That of dimension 0 is 1.
  llvm::SmallVector<int64_t, 5> elementStrides;
  unsigned swizzle = 0;
  bool fillNaN = false;
  /// Bytes from the operand to the first element.
  int64_t offset = 0;

  unsigned rank() const { return dims.size(); }
  /// Elements of the box in shared memory along `dim`.
  int64_t extent(unsigned dim) const { return (box[dim] + elementStrides[dim] - 1) / elementStrides[dim]; }
  uint64_t boxBytes() const;
  /// Required alignment in shared memory: the period of the swizzle pattern, at least 128.
  unsigned sharedAlignment() const { return swizzle ? swizzle * 8 : 128; }

  /// Global offset of what is outside of the tensor: filled on loads and skipped on stores.
  static constexpr int64_t kOutside = INT64_MIN;
  /// Calls `row(shared offset, global offset or kOutside, bytes)` for runs that are contiguous and unswizzled within
  /// themselves: 16 bytes and less. With an offset, the tensor may begin before the operand: such runs have negative
  /// global offsets.
  void forEachPiece(llvm::ArrayRef<int64_t> coordinates,
                    llvm::function_ref<void(uint64_t, int64_t, unsigned)> piece) const;
};

/// 16-byte units of shared memory in swizzle mode `width` (PTX ISA, "Tensor swizzling modes"; the address is relative
/// to a base aligned to the pattern).
inline uint64_t swizzleOffset(uint64_t offset, unsigned width) {
  unsigned bits = width == 128 ? 7 : width == 64 ? 3 : width == 32 ? 1 : 0;
  return offset ^ ((offset >> 3) & (bits << 4));
}

/// Evaluates the map and checks what cuTensorMapEncodeTiled checks. Error: names the refused value and what is allowed.
llvm::Expected<TensorMap> makeTensorMap(const ParameterInfo &parameter, const Sizes &sizes, GlobalMemory &memory);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_TENSORMAP_H
