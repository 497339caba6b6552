//===- FormatsTest.cpp - FP8 and 16-bit floats in software ----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

float decodeWithAPFloat(const fltSemantics &semantics, unsigned width, uint64_t bits) {
  APFloat value(semantics, APInt(width, bits));
  bool losesInfo;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToFloat();
}

uint64_t encodeWithAPFloat(const fltSemantics &semantics, float value) {
  APFloat converted(value);
  bool losesInfo;
  converted.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
  return converted.bitcastToAPInt().getZExtValue();
}

TEST(Formats, DecodesAllF8) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    float expected = decodeWithAPFloat(APFloat::Float8E4M3FN(), 8, bits);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(decodeF8E4M3FN(uint8_t(bits)))) << bits;
      EXPECT_TRUE(std::isnan(getFP8Table(ElementType::F8E4M3FN)[bits])) << bits;
      continue;
    }
    EXPECT_EQ(bit_cast<uint32_t>(decodeF8E4M3FN(uint8_t(bits))), bit_cast<uint32_t>(expected)) << bits;
    EXPECT_EQ(getFP8Table(ElementType::F8E4M3FN)[bits], double(expected)) << bits;
  }
}

/// Floats of every sign and exponent, with mantissas around what decides the rounding.
template <typename Body>
void forEachInterestingFloat(Body body) {
  for (uint32_t high = 0; high < 0x10000; ++high)
    for (uint32_t low : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      body(bit_cast<float>(high << 16 | low));
}

TEST(Formats, EncodesF8AsAPFloat) {
  forEachInterestingFloat([](float value) {
    uint8_t bits = encodeF8E4M3FN(value);
    if (std::isnan(value)) {
      ASSERT_EQ(bits & 0x7f, 0x7f);
      return;
    }
    ASSERT_EQ(bits, encodeWithAPFloat(APFloat::Float8E4M3FN(), value)) << value;
  });
  EXPECT_EQ(encodeF8E4M3FN(464.0f), 0x7e); // the tie goes to 448
  EXPECT_EQ(encodeF8E4M3FN(std::nextafter(464.0f, 1e9f)), 0x7f);
}

TEST(Formats, F8RoundTrips) {
  for (unsigned bits = 0; bits < 256; ++bits)
    if ((bits & 0x7f) != 0x7f)
      EXPECT_EQ(encodeF8E4M3FN(decodeF8E4M3FN(uint8_t(bits))), bits);
}

TEST(Formats, EncodesBF16AsAPFloat) {
  forEachInterestingFloat([](float value) {
    uint16_t bits = encodeBF16(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(decodeBF16(bits)));
      return;
    }
    ASSERT_EQ(bits, encodeWithAPFloat(APFloat::BFloat(), value)) << value;
  });
}

TEST(Formats, DecodesAllBF16) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    float expected = decodeWithAPFloat(APFloat::BFloat(), 16, bits), value = decodeBF16(uint16_t(bits));
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(value) : value == expected) << bits;
  }
}

TEST(Formats, EncodesManyWithAScale) {
  std::vector<float> values;
  for (int i = -100; i <= 100; ++i)
    values.push_back(float(i) * 0.37f);
  std::vector<uint8_t> bits(values.size());
  encodeScaledFP8(ElementType::F8E4M3FN, values, 0.0825f, bits.data());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(bits[i], encodeF8E4M3FN(values[i] / 0.0825f));
  encodeScaledFP8(ElementType::F8E5M2, values, 0.0825f, bits.data());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(bits[i], encodeF8E5M2(values[i] / 0.0825f));
}

TEST(Formats, DecodesAllE5M2AndF16) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    float expected = decodeWithAPFloat(APFloat::IEEEhalf(), 16, bits), value = decodeF16(uint16_t(bits));
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(value) : bit_cast<uint32_t>(value) == bit_cast<uint32_t>(expected))
        << bits;
  }
  for (unsigned bits = 0; bits < 0x100; ++bits) {
    float expected = decodeWithAPFloat(APFloat::Float8E5M2(), 8, bits), value = decodeF8E5M2(uint8_t(bits));
    double entry = getFP8Table(ElementType::F8E5M2)[bits];
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(value) && std::isnan(entry)
                                     : bit_cast<uint32_t>(value) == bit_cast<uint32_t>(expected) && entry == value)
        << bits;
  }
  EXPECT_EQ(decodeF8E5M2(encodeF8E5M2(getLargestFP8(ElementType::F8E5M2))), 57344.0f);
  EXPECT_EQ(decodeF8E4M3FN(encodeF8E4M3FN(getLargestFP8(ElementType::F8E4M3FN))), 448.0f);
}

TEST(Formats, EncodesE5M2AndF16AsAPFloat) {
  forEachInterestingFloat([](float value) {
    uint16_t half = encodeF16(value);
    uint8_t byte = encodeF8E5M2(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(decodeF16(half)));
      ASSERT_TRUE(std::isnan(decodeF8E5M2(byte)));
      return;
    }
    ASSERT_EQ(half, encodeWithAPFloat(APFloat::IEEEhalf(), value)) << value;
    ASSERT_EQ(byte, encodeWithAPFloat(APFloat::Float8E5M2(), value)) << value;
  });
}

TEST(Formats, RoundsScalesUpToPowersOfTwo) {
  for (unsigned bits = 0; bits < 255; ++bits) {
    float value = decodeF8E8M0FNU(uint8_t(bits));
    EXPECT_EQ(value, decodeWithAPFloat(APFloat::Float8E8M0FNU(), 8, bits));
    EXPECT_EQ(encodeUpF8E8M0FNU(value), bits);
    EXPECT_EQ(encodeUpF8E8M0FNU(std::nextafter(value, 0.0f)), bits);
    EXPECT_EQ(encodeUpF8E8M0FNU(std::nextafter(value, INFINITY)), std::min(bits + 1, 254u));
  }
  EXPECT_EQ(encodeUpF8E8M0FNU(0.0f), 0);
  EXPECT_EQ(encodeUpF8E8M0FNU(INFINITY), 254);
  EXPECT_EQ(encodeUpF8E8M0FNU(NAN), 255);
  EXPECT_TRUE(std::isnan(decodeF8E8M0FNU(255)));
}

} // namespace
