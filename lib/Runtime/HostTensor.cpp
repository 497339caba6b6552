//===- HostTensor.cpp - Operands in host memory ---------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/HostTensor.h"
#include "dgemm/Launch/OperandBytes.h"
#include "dgemm/Support/HostMemory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>

using namespace llvm;

namespace dgemm {

Expected<HostTensor> HostTensor::create(StringRef name, ElementType type, ArrayRef<int64_t> shape) {
  Expected<uint64_t> bytes = countBytes(name, type, shape);
  if (!bytes)
    return bytes.takeError();
  HostTensor tensor;
  tensor.name = name.str();
  tensor.type = type;
  tensor.shape = shape.vec();
  if (Error error = allocateBytes(*bytes, 0, "operand '" + name + "'").moveInto(tensor.data))
    return error;
  return tensor;
}

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
      out.push_back(*value);
    }
    return Error::success();
  };
  if (Error error = evaluateAll(operand.shape, "shape", layout.shape))
    return error;
  if (Error error = evaluateAll(operand.strides, "strides", layout.strides))
    return error;
  if (Error error = countBytes(operand.name, operand.type, layout.shape, layout.strides).moveInto(layout.numBytes))
    return error;
  if (layout.numBytes == 0)
    return layout;
  SmallVector<size_t, 3> order = to_vector<3>(seq<size_t>(0, layout.shape.size()));
  llvm::sort(order, [&](size_t x, size_t y) { return layout.strides[x] < layout.strides[y]; });
  int64_t below = 1;
  for (size_t dim : order) {
    if (layout.shape[dim] > 1 && layout.strides[dim] < below)
      return createStringError(
          formatv("operand '{0}' overlaps itself: strides[{1}] is {2} but the inner dimensions have {3} elements",
                  operand.name, dim, layout.strides[dim], below));
    below = std::max(below, layout.shape[dim] * layout.strides[dim]);
  }
  return layout;
}

bool OperandLayout::isDense() const {
  if (numBytes == 0)
    return true;
  int64_t packed = 1;
  for (auto [extent, stride] : zip_equal(reverse(shape), reverse(strides))) {
    if (stride != packed)
      return false;
    packed *= extent;
  }
  return true;
}

/// Calls `body(dense byte offset, strided byte offset, bytes)` for each run of bytes that is contiguous in both.
static void forEachRun(const OperandLayout &layout, function_ref<void(uint64_t, uint64_t, uint64_t)> body) {
  unsigned width = getByteWidth(layout.type);
  ArrayRef<int64_t> shape = layout.shape;
  bool hasRows = layout.strides.back() == 1;
  ArrayRef<int64_t> outer = hasRows ? shape.drop_back() : shape;
  int64_t length = hasRows ? shape.back() : 1, runs = product_of(outer, int64_t(1));
  for (int64_t run = 0; run < runs; ++run) {
    int64_t offset = 0, rest = run;
    for (size_t dim = outer.size(); dim-- > 0; rest /= outer[dim])
      offset += rest % outer[dim] * layout.strides[dim];
    body(uint64_t(run * length) * width, uint64_t(offset) * width, uint64_t(length) * width);
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
  Expected<std::vector<uint8_t>> bytes =
      allocateBytes(layout.getNumBytes(), padding, "operand '" + Twine(layout.name) + "'");
  if (!bytes)
    return bytes;
  forEachRun(layout, [&](uint64_t dense, uint64_t strided, uint64_t size) {
    std::copy_n(tensor.data.data() + dense, size, bytes->data() + strided);
  });
  return bytes;
}

Expected<HostTensor> unpack(ArrayRef<uint8_t> bytes, const OperandLayout &layout) {
  if (bytes.size() < layout.getNumBytes())
    return createStringError(
        formatv("operand '{0}' takes {1} bytes but {2} were given", layout.name, layout.getNumBytes(), bytes.size()));
  Expected<HostTensor> tensor = HostTensor::create(layout.name, layout.type, layout.shape);
  if (!tensor)
    return tensor;
  if (layout.isDense())
    std::copy_n(bytes.begin(), tensor->data.size(), tensor->data.begin());
  else
    forEachRun(layout, [&](uint64_t dense, uint64_t strided, uint64_t size) {
      std::copy_n(bytes.data() + strided, size, tensor->data.data() + dense);
    });
  return tensor;
}

Expected<HostTensor> unpackOutput(ArrayRef<uint8_t> bytes, const OperandLayout &layout, uint8_t padding) {
  Expected<HostTensor> tensor = unpack(bytes, layout);
  if (!tensor || layout.isDense())
    return tensor;
  Expected<std::vector<uint8_t>> expected = pack(*tensor, layout, padding);
  if (!expected)
    return expected.takeError();
  if (ArrayRef(*expected) != bytes.take_front(expected->size()))
    return createStringError(formatv("the kernel wrote between the rows of '{0}'", layout.name));
  return tensor;
}

} // namespace dgemm
