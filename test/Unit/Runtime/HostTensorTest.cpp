//===- HostTensorTest.cpp - Operands in host memory -----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/HostTensor.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace llvm;

namespace {

/// [K/128, M] with the rows padded to 16 bytes.
OperandInfo makeScaleA() {
  SizeExpr m = SizeExpr::name("M");
  SizeExpr padded = SizeExpr::binary(SizeExpr::Op::Mul, SizeExpr::binary(SizeExpr::Op::CeilDiv, m, 4), 4);
  return {"scale_a",
          ElementType::F32,
          {SizeExpr::binary(SizeExpr::Op::CeilDiv, SizeExpr::name("K"), 128), m},
          {padded, 1},
          false};
}

OperandLayout evaluate(int64_t m, int64_t k) {
  Sizes sizes;
  sizes["M"] = m;
  sizes["K"] = k;
  return cantFail(OperandLayout::evaluate(makeScaleA(), sizes));
}

TEST(HostTensor, PacksPaddedRows) {
  OperandLayout layout = evaluate(6, 300);
  EXPECT_EQ(layout.getNumBytes(), 3u * 8 * 4);
  EXPECT_FALSE(layout.isDense());
  HostTensor tensor = cantFail(HostTensor::create("scale_a", ElementType::F32, {3, 6}));
  for (size_t i = 0; i < 18; ++i)
    tensor.as<float>()[i] = float(i);
  Expected<std::vector<uint8_t>> bytes = pack(tensor, layout, 0xff);
  ASSERT_TRUE(bool(bytes));
  const float *values = reinterpret_cast<const float *>(bytes->data());
  EXPECT_EQ(values[5], 5.0f);
  EXPECT_TRUE(values[6] != values[6]); // the padding is NaN
  EXPECT_EQ(values[8], 6.0f);
  EXPECT_EQ(values[21], 17.0f);
  Expected<HostTensor> again = unpack(*bytes, layout);
  ASSERT_TRUE(bool(again));
  EXPECT_EQ(again->data, tensor.data);
}

TEST(HostTensor, FindsWritesToThePaddingOfAnOutput) {
  OperandLayout layout = evaluate(6, 300);
  HostTensor tensor = cantFail(HostTensor::create("scale_a", ElementType::F32, {3, 6}));
  std::vector<uint8_t> bytes = cantFail(pack(tensor, layout, 0xff));
  EXPECT_EQ(cantFail(unpackOutput(bytes, layout, 0xff)).data, tensor.data);
  bytes[7 * 4] = 0; // behind the first row of 6
  EXPECT_EQ(toString(unpackOutput(bytes, layout, 0xff).takeError()), "the kernel wrote between the rows of 'scale_a'");
}

TEST(HostTensor, KnowsDenseLayouts) {
  OperandLayout layout = evaluate(8, 256);
  EXPECT_TRUE(layout.isDense());
  HostTensor tensor = cantFail(HostTensor::create("scale_a", ElementType::F32, {2, 8}));
  tensor.as<float>()[15] = 7;
  EXPECT_EQ(cantFail(pack(tensor, layout, 0xff)), tensor.data);
}

TEST(HostTensor, ReportsMisfits) {
  OperandLayout layout = evaluate(8, 256);
  EXPECT_EQ(toString(pack(cantFail(HostTensor::create("s", ElementType::F32, {8, 2})), layout, 0).takeError()),
            "operand 'scale_a' is 2x8xf32 in the launch descriptor but 8x2xf32 was given");
  std::vector<uint8_t> few(60);
  EXPECT_EQ(toString(unpack(few, layout).takeError()), "operand 'scale_a' takes 64 bytes but 60 were given");

  OperandInfo overlapping = makeScaleA();
  overlapping.strides[0] = 4;
  Sizes sizes;
  sizes["M"] = 8;
  sizes["K"] = 256;
  EXPECT_EQ(toString(OperandLayout::evaluate(overlapping, sizes).takeError()),
            "operand 'scale_a' overlaps itself: strides[0] is 4 but the inner dimensions have 8 elements");
  sizes.erase("M");
  EXPECT_EQ(toString(OperandLayout::evaluate(makeScaleA(), sizes).takeError()),
            "operand 'scale_a', shape[1]: size 'M' has no value");
}

std::string evaluateError(SizeExpr rows, SizeExpr columns, SizeExpr stride) {
  OperandInfo operand{"d", ElementType::BF16, {rows, columns}, {stride, 1}, true};
  return toString(OperandLayout::evaluate(operand, Sizes()).takeError());
}

TEST(HostTensor, ChecksSizesAndStridesForOverflow) {
  // 4611686018428436480 * 4 wraps to 4194304: what lies behind that many bytes would be written.
  EXPECT_EQ(
      evaluateError(4, 256, 4611686018428436480),
      "operand 'd' of 4x256 elements with strides of 4611686018428436480, 1 needs more bytes than fit into 63 bits");
  EXPECT_EQ(
      evaluateError(4, INT64_MAX, INT64_MAX),
      "operand 'd' of 4x9223372036854775807 elements with strides of 9223372036854775807, 1 needs more bytes than "
      "fit into 63 bits");
  EXPECT_EQ(
      evaluateError(1, 256, int64_t(1) << 62),
      "operand 'd' of 1x256 elements with strides of 4611686018427387904, 1 needs more bytes than fit into 63 bits");
  EXPECT_EQ(evaluateError(4, -1, 256), "operand 'd', shape[1] is -1");
  EXPECT_EQ(evaluateError(4, 256, -256), "operand 'd', strides[0] is -256");
  EXPECT_EQ(evaluateError(0, INT64_MAX, INT64_MAX), "");
  EXPECT_EQ(toString(HostTensor::create("b", ElementType::F32, {1 << 30, 1 << 30, 1 << 30}).takeError()),
            "operand 'b' of 1073741824x1073741824x1073741824 elements needs more bytes than fit into 63 bits");
}

TEST(HostTensor, SaysWhatMemoryIsMissing) {
  std::string said = toString(HostTensor::create("b", ElementType::F32, {1 << 20, 1 << 30}).takeError());
  EXPECT_EQ(said.find("operand 'b' would need 4194304.0 GiB of memory; this machine has "), 0u) << said;
}

} // namespace
