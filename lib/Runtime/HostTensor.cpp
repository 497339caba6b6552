//===- HostTensor.cpp - Operands in host memory ---------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/HostTensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

using namespace llvm;

namespace dgemm {

HostTensor HostTensor::create(StringRef name, ElementType type, ArrayRef<int64_t> shape) {
  HostTensor tensor;
  tensor.name = name.str();
  tensor.type = type;
  tensor.shape = shape.vec();
  tensor.data.resize(tensor.getNumElements() * getByteWidth(type));
  return tensor;
}

int64_t HostTensor::getNumElements() const { return product_of(shape, int64_t(1)); }

Expected<OperandLayout> OperandLayout::evaluate(const OperandInfo &operand, const Sizes &sizes) {
  OperandLayout layout;
  layout.name = operand.name;
  layout.type = operand.type;
  auto evaluateAll = [&](ArrayRef<SizeExpr> exprs, StringRef what, SmallVectorImpl<int64_t> &out) -> Error {
    for (const auto &[index, expr] : enumerate(exprs)) {
      Expected<int64_t> value = expr.evaluate(sizes);
      if (!value)
        return createStringError(
            formatv("operand '{0}', {1}[{2}]: {3}", operand.name, what, index, toString(value.takeError())));
      if (*value < 0)
        return createStringError(formatv("operand '{0}', {1}[{2}] is {3}", operand.name, what, index, *value));
      out.push_back(*value);
    }
    return Error::success();
  };
  if (Error error = evaluateAll(operand.shape, "shape", layout.shape))
    return error;
  if (Error error = evaluateAll(operand.strides, "strides", layout.strides))
    return error;
  if (layout.strides.back() != 1)
    return createStringError(formatv("operand '{0}' has an innermost stride of {1}; only 1 is supported", operand.name,
                                     layout.strides.back()));
  for (size_t i = 0; i + 1 < layout.shape.size(); ++i)
    if (layout.strides[i] < layout.shape[i + 1] * layout.strides[i + 1])
      return createStringError(
          formatv("operand '{0}' overlaps itself: strides[{1}] is {2} but {3} elements lie below it", operand.name, i,
                  layout.strides[i], layout.shape[i + 1] * layout.strides[i + 1]));
  return layout;
}

uint64_t OperandLayout::getNumBytes() const {
  return uint64_t(shape.front()) * uint64_t(strides.front()) * getByteWidth(type);
}

bool OperandLayout::isDense() const { return product_of(shape, int64_t(1)) == shape.front() * strides.front(); }

/// Calls `body(dense byte offset, strided byte offset)` for each innermost row.
static void forEachRow(const OperandLayout &layout, function_ref<void(uint64_t, uint64_t)> body) {
  unsigned width = getByteWidth(layout.type);
  int64_t rowElements = layout.shape.back();
  ArrayRef<int64_t> outer = ArrayRef<int64_t>(layout.shape).drop_back();
  int64_t numRows = product_of(outer, int64_t(1));
  for (int64_t row = 0; row < numRows; ++row) {
    int64_t offset = 0, rest = row;
    for (size_t dim = outer.size(); dim-- > 0; rest /= outer[dim])
      offset += rest % outer[dim] * layout.strides[dim];
    body(uint64_t(row * rowElements) * width, uint64_t(offset) * width);
  }
}

Error checkFits(const HostTensor &tensor, const OperandLayout &layout) {
  if (tensor.type != layout.type || ArrayRef<int64_t>(tensor.shape) != ArrayRef<int64_t>(layout.shape))
    return createStringError(
        formatv("operand '{0}' is {1:$[x]}x{2} in the launch descriptor but {3:$[x]}x{4} was given", layout.name,
                make_range(layout.shape.begin(), layout.shape.end()), toString(layout.type),
                make_range(tensor.shape.begin(), tensor.shape.end()), toString(tensor.type)));
  return Error::success();
}

Expected<std::vector<uint8_t>> pack(const HostTensor &tensor, const OperandLayout &layout, uint8_t padding) {
  if (Error error = checkFits(tensor, layout))
    return error;
  if (layout.isDense())
    return tensor.data;
  std::vector<uint8_t> bytes(layout.getNumBytes(), padding);
  uint64_t rowBytes = uint64_t(layout.shape.back()) * getByteWidth(layout.type);
  forEachRow(layout, [&](uint64_t dense, uint64_t strided) {
    std::memcpy(bytes.data() + strided, tensor.data.data() + dense, rowBytes);
  });
  return bytes;
}

Expected<HostTensor> unpack(ArrayRef<uint8_t> bytes, const OperandLayout &layout) {
  if (bytes.size() < layout.getNumBytes())
    return createStringError(
        formatv("operand '{0}' takes {1} bytes but {2} were given", layout.name, layout.getNumBytes(), bytes.size()));
  HostTensor tensor = HostTensor::create(layout.name, layout.type, layout.shape);
  uint64_t rowBytes = uint64_t(layout.shape.back()) * getByteWidth(layout.type);
  if (layout.isDense())
    std::memcpy(tensor.data.data(), bytes.data(), tensor.data.size());
  else
    forEachRow(layout, [&](uint64_t dense, uint64_t strided) {
      std::memcpy(tensor.data.data() + dense, bytes.data() + strided, rowBytes);
    });
  return tensor;
}

} // namespace dgemm
