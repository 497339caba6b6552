//===- HostTensor.h - Operands in host memory -------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors in host memory, and the memory layout of the launch descriptor's operands. Shared by every device.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_HOSTTENSOR_H
#define DGEMM_RUNTIME_HOSTTENSOR_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace dgemm {

/// Row-major and dense, for any layout on the device.
struct HostTensor {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;

  /// All bytes zero. Error: an extent is negative, or there is not enough memory.
  static llvm::Expected<HostTensor> create(llvm::StringRef name, ElementType type, llvm::ArrayRef<int64_t> shape);

  int64_t getNumElements() const { return int64_t(data.size() / getByteWidth(type)); }

  template <typename T>
  llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(data.data()), data.size() / sizeof(T)};
  }
  template <typename T>
  llvm::MutableArrayRef<T> as() {
    return {reinterpret_cast<T *>(data.data()), data.size() / sizeof(T)};
  }
};

/// The memory layout of an operand, in numbers.
struct OperandLayout {
  std::string name;
  ElementType type = ElementType::F32;
  /// In elements, outermost first.
  llvm::SmallVector<int64_t, 3> shape, strides;

  /// Error: an expression cannot be evaluated, an extent is negative, rows overlap, or the bytes do not fit 63 bits.
  static llvm::Expected<OperandLayout> evaluate(const OperandInfo &operand, const Sizes &sizes);

  /// Bytes from the first element to the end of the last row's padding.
  uint64_t getNumBytes() const { return numBytes; }
  bool isDense() const;

private:
  uint64_t numBytes = 0;
};

/// Error: `tensor` has another type or shape than `layout`.
llvm::Error checkFits(const HostTensor &tensor, const OperandLayout &layout);
/// The bytes of `tensor` in `layout`; padding is filled with `padding`. Error: they do not match.
llvm::Expected<std::vector<uint8_t>> pack(const HostTensor &tensor, const OperandLayout &layout, uint8_t padding);
/// The inverse. Error: fewer bytes than the layout needs.
llvm::Expected<HostTensor> unpack(llvm::ArrayRef<uint8_t> bytes, const OperandLayout &layout);
/// The same of an output, whose padding was filled with `padding`. Error: the kernel wrote there.
llvm::Expected<HostTensor> unpackOutput(llvm::ArrayRef<uint8_t> bytes, const OperandLayout &layout, uint8_t padding);

} // namespace dgemm

#endif // DGEMM_RUNTIME_HOSTTENSOR_H
