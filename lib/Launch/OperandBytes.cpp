//===- OperandBytes.cpp - Sizes and strides in bytes ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Launch/OperandBytes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

static Error checkNotNegative(StringRef operand, ArrayRef<int64_t> values, StringRef what) {
  for (const auto &[index, value] : enumerate(values))
    if (value < 0)
      return createStringError(formatv("operand '{0}', {1}[{2}] is {3}", operand, what, index, value));
  return Error::success();
}

static Error makeTooLargeError(StringRef operand, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides) {
  std::string text = formatv("operand '{0}' of {1:$[x]} elements", operand, make_range(shape.begin(), shape.end()));
  if (!strides.empty())
    text += formatv(" with strides of {0:$[, ]}", make_range(strides.begin(), strides.end()));
  return createStringError(text + " needs more bytes than fit into 63 bits");
}

Expected<uint64_t> countBytes(StringRef operand, ElementType type, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides) {
  if (shape.size() != strides.size())
    return createStringError(
        formatv("operand '{0}' has {1} extents, but {2} strides", operand, shape.size(), strides.size()));
  if (Error error = checkNotNegative(operand, shape, "shape"))
    return error;
  if (Error error = checkNotNegative(operand, strides, "strides"))
    return error;
  if (is_contained(shape, 0))
    return 0;
  int64_t elements = 1, bytes = 0;
  for (auto [extent, stride] : zip_equal(shape, strides)) {
    int64_t end = 0;
    if (MulOverflow(extent, stride, end))
      return makeTooLargeError(operand, shape, strides);
    elements = std::max(elements, end);
  }
  if (MulOverflow(elements, int64_t(getByteWidth(type)), bytes))
    return makeTooLargeError(operand, shape, strides);
  return uint64_t(bytes);
}

Expected<uint64_t> countBytes(StringRef operand, ElementType type, ArrayRef<int64_t> shape) {
  if (Error error = checkNotNegative(operand, shape, "shape"))
    return error;
  if (is_contained(shape, 0))
    return 0;
  int64_t bytes = getByteWidth(type);
  for (int64_t extent : shape)
    if (MulOverflow(bytes, extent, bytes))
      return makeTooLargeError(operand, shape, {});
  return uint64_t(bytes);
}

} // namespace dgemm
