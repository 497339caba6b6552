//===- InstructionTest.cpp - What each instruction does -------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"
#include <cmath>
#include <cstring>

using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

static uint32_t bits(float value) {
  uint32_t result;
  std::memcpy(&result, &value, 4);
  return result;
}

/// Runs `code`, which leaves its result in %r1, on one warp; gives what lane 0 has.
static uint32_t eval32(const std::string &code) {
  return evaluate(code +
                  "\nmul.wide.u32 %rd30, %lane, 4;\nadd.s64 %rd30, %rd30, %out;\nst.global.b32 [%rd30], %r1;")[0];
}
/// The result is in %rd1.
static uint64_t eval64(const std::string &code) {
  auto out =
      evaluate(code + "\nmul.wide.u32 %rd30, %lane, 8;\nadd.s64 %rd30, %rd30, %out;\nst.global.b64 [%rd30], %rd1;");
  return out[0] | uint64_t(out[1]) << 32;
}
static std::vector<uint32_t> evalLanes(const std::string &code) {
  return evaluate(code + "\nmul.wide.u32 %rd30, %lane, 4;\nadd.s64 %rd30, %rd30, %out;\nst.global.b32 [%rd30], %r1;");
}

TEST(Integer, Arithmetic) {
  EXPECT_EQ(eval32("add.s32 %r1, 7, -9;"), uint32_t(-2));
  EXPECT_EQ(eval32("sub.s32 %r1, 7, 9;"), uint32_t(-2));
  EXPECT_EQ(eval32("mul.lo.s32 %r1, 65537, 65537;"), 131073u);
  EXPECT_EQ(eval32("mul.hi.u32 %r1, 4294967295, 4294967295;"), 4294967294u);
  EXPECT_EQ(eval32("mul.hi.s32 %r1, -1, 2;"), uint32_t(-1));
  EXPECT_EQ(eval64("mul.wide.s32 %rd1, -3, 5;"), uint64_t(-15));
  EXPECT_EQ(eval64("mul.wide.u32 %rd1, -1, 2;"), 0x1fffffffeull);
  EXPECT_EQ(eval32("mad.lo.s32 %r1, 3, 4, 5;"), 17u);
  EXPECT_EQ(eval64("mov.b64 %rd2, 10; mad.wide.u32 %rd1, -1, 2, %rd2;"), 0x200000008ull);
  EXPECT_EQ(eval32("div.s32 %r1, -7, 2;"), uint32_t(-3));
  EXPECT_EQ(eval32("div.u32 %r1, -7, 2;"), 2147483644u);
  EXPECT_EQ(eval32("rem.s32 %r1, -7, 2;"), uint32_t(-1));
  EXPECT_EQ(eval32("min.s32 %r1, -7, 2;"), uint32_t(-7));
  EXPECT_EQ(eval32("min.u32 %r1, -7, 2;"), 2u);
  EXPECT_EQ(eval32("max.s32 %r1, -7, 2;"), 2u);
  EXPECT_EQ(eval32("neg.s32 %r1, 5;"), uint32_t(-5));
  EXPECT_EQ(eval32("abs.s32 %r1, -5;"), 5u);
  EXPECT_EQ(eval64("add.s64 %rd1, 4294967295, 1;"), 4294967296ull);
}

TEST(Integer, SixteenBitsWrap) {
  EXPECT_EQ(eval32("mov.b16 %rs1, 65535; add.s16 %rs1, %rs1, 2; cvt.u32.u16 %r1, %rs1;"), 1u);
  EXPECT_EQ(eval32("mov.b16 %rs1, -2; shr.s16 %rs1, %rs1, 1; cvt.s32.s16 %r1, %rs1;"), uint32_t(-1));
  EXPECT_EQ(eval32("mov.b16 %rs1, 300; mul.lo.s16 %rs1, %rs1, %rs1; cvt.u32.u16 %r1, %rs1;"), 90000u & 0xffff);
  EXPECT_EQ(eval32("mov.b16 %rs1, 300; mul.wide.u16 %r1, %rs1, %rs1;"), 90000u);
}

TEST(Integer, Bits) {
  EXPECT_EQ(eval32("and.b32 %r1, 12, 10;"), 8u);
  EXPECT_EQ(eval32("or.b32 %r1, 12, 10;"), 14u);
  EXPECT_EQ(eval32("xor.b32 %r1, 12, 10;"), 6u);
  EXPECT_EQ(eval32("not.b32 %r1, 12;"), ~12u);
  EXPECT_EQ(eval32("shl.b32 %r1, 1, 31;"), 0x80000000u);
  EXPECT_EQ(eval32("shl.b32 %r1, 1, 32;"), 0u);
  EXPECT_EQ(eval32("shr.s32 %r1, -8, 40;"), ~0u);
  EXPECT_EQ(eval32("shr.u32 %r1, -8, 28;"), 15u);
  EXPECT_EQ(eval32("popc.b32 %r1, 255;"), 8u);
  EXPECT_EQ(eval32("clz.b32 %r1, 1;"), 31u);
  EXPECT_EQ(eval32("clz.b64 %r1, 1;"), 63u);
  EXPECT_EQ(eval32("brev.b32 %r1, 1;"), 0x80000000u);
  EXPECT_EQ(eval32("bfe.u32 %r1, 0x1234, 4, 8;"), 0x23u);
  EXPECT_EQ(eval32("bfe.s32 %r1, 0xf0, 4, 4;"), ~0u);
  EXPECT_EQ(eval32("bfi.b32 %r1, 0xab, 0, 8, 8;"), 0xab00u);
  EXPECT_EQ(eval32("prmt.b32 %r1, 0x33221100, 0x77665544, 0x7410;"), 0x77441100u);
  EXPECT_EQ(eval32("prmt.b32 %r1, 0x80, 0, 0x4448;"), 0x000000ffu);
  EXPECT_EQ(eval32("lop3.b32 %r1, 0xf0, 0xcc, 0xaa, 0x80;"), 0x80u);
  EXPECT_EQ(eval32("lop3.b32 %r1, 0xf0, 0xcc, 0xaa, 0x96;"), 0xf0u ^ 0xccu ^ 0xaau);
  EXPECT_EQ(eval32("shf.l.wrap.b32 %r1, 0x80000000, 1, 1;"), 3u);
  EXPECT_EQ(eval32("shf.r.wrap.b32 %r1, 0x2, 1, 1;"), 0x80000001u);
  EXPECT_EQ(eval32("shf.r.clamp.b32 %r1, 1, 7, 40;"), 7u);
  EXPECT_EQ(eval32("shf.r.wrap.b32 %r1, 0x200, 7, 40;"), 0x07000002u);
  EXPECT_EQ(eval32("shf.l.wrap.b32 %r1, 0x80000000, 1, 33;"), 3u);
  EXPECT_EQ(eval32("shf.l.clamp.b32 %r1, 0x80000000, 1, 33;"), 0x80000000u);
}

TEST(Float, FmaRoundsOnce) {
  float a = 1.0f + std::ldexp(1.0f, -23), b = 1.0f - std::ldexp(1.0f, -23), c = -1.0f;
  auto number = [](float value) {
    char text[16];
    snprintf(text, sizeof(text), "0f%08X", bits(value));
    return std::string(text);
  };
  EXPECT_EQ(eval32("fma.rn.f32 %r1, " + number(a) + ", " + number(b) + ", " + number(c) + ";"),
            bits(std::fma(a, b, c)));
  EXPECT_NE(std::fma(a, b, c), 0.0f);
  EXPECT_EQ(eval32("mul.rn.f32 %r1, 0f40000000, 0f40400000;"), bits(6.0f));
  EXPECT_EQ(eval32("add.rn.f32 %r1, 0f40000000, 0f40400000;"), bits(5.0f));
  EXPECT_EQ(eval32("sub.f32 %r1, 0f40000000, 0f40400000;"), bits(-1.0f));
  EXPECT_EQ(eval32("max.f32 %r1, 0f7FFFFFFF, 0f40400000;"), bits(3.0f));
  EXPECT_EQ(eval32("neg.f32 %r1, 0f40400000;"), bits(-3.0f));
  EXPECT_EQ(eval32("abs.f32 %r1, 0fC0400000;"), bits(3.0f));
  EXPECT_EQ(eval32("div.rn.f32 %r1, 0f40C00000, 0f40000000;"), bits(3.0f));
  EXPECT_EQ(eval32("copysign.f32 %r1, 0f80000000, 0f40400000;"), bits(-3.0f));
  EXPECT_EQ(eval32("copysign.f32 %r1, 0f3F800000, 0fC0400000;"), bits(3.0f));
}

TEST(Float, Functions) {
  EXPECT_EQ(eval32("sqrt.rn.f32 %r1, 0f40000000;"), bits(std::sqrt(2.0f)));
  EXPECT_EQ(eval32("sqrt.approx.ftz.f32 %r1, 0f40800000;"), bits(2.0f));
  EXPECT_EQ(eval32("sqrt.rn.f32 %r1, 0fBF800000;"), 0x7fffffffu);
  EXPECT_EQ(eval32("rsqrt.approx.ftz.f32 %r1, 0f40800000;"), bits(0.5f));
  EXPECT_EQ(eval32("rcp.approx.ftz.f32 %r1, 0f00000001;"), 0x7f800000u); // of a subnormal
  EXPECT_EQ(eval32("ex2.approx.ftz.f32 %r1, 0fC0000000;"), bits(0.25f));
  EXPECT_EQ(eval32("ex2.approx.f32 %r1, 0fC30C0000;"), bits(std::ldexp(1.0f, -140)));
  EXPECT_EQ(eval32("ex2.approx.ftz.f32 %r1, 0fC30C0000;"), 0u);
  EXPECT_EQ(eval32("lg2.approx.ftz.f32 %r1, 0f41000000;"), bits(3.0f));
  EXPECT_EQ(eval32("lg2.approx.ftz.f32 %r1, 0f00000000;"), 0xff800000u);
  EXPECT_EQ(eval32("tanh.approx.f32 %r1, 0fFF800000;"), bits(-1.0f));
}

TEST(Float, ZerosAndNaNs) {
  constexpr uint32_t kNaN = 0x7fffffff, kMinusZero = 0x80000000;
  EXPECT_EQ(eval32("min.f32 %r1, 0f00000000, 0f80000000;"), kMinusZero);
  EXPECT_EQ(eval32("min.f32 %r1, 0f80000000, 0f00000000;"), kMinusZero);
  EXPECT_EQ(eval32("max.f32 %r1, 0f80000000, 0f00000000;"), 0u);
  EXPECT_EQ(eval32("max.f32 %r1, 0f00000000, 0f80000000;"), 0u);
  EXPECT_EQ(eval32("min.f32 %r1, 0f7FC01234, 0f40400000;"), bits(3.0f));
  EXPECT_EQ(eval32("min.NaN.f32 %r1, 0f7FC01234, 0f40400000;"), kNaN);
  EXPECT_EQ(eval32("max.f32 %r1, 0f7FC01234, 0fFFC00001;"), kNaN);
  // Payloads are lost.
  EXPECT_EQ(eval32("add.f32 %r1, 0f7FC01234, 0f40400000;"), kNaN);
  EXPECT_EQ(eval32("mul.f32 %r1, 0fFFC01234, 0f40400000;"), kNaN);
  EXPECT_EQ(eval32("fma.rn.f32 %r1, 0f7F800000, 0f00000000, 0f40400000;"), kNaN);
  EXPECT_EQ(eval32("setp.lt.u32 %p1, %lane, 3; @%p1 fma.rn.f32 %r1, 0f7FC01234, 0f3F800000, 0f40400000;"), kNaN);
  EXPECT_EQ(eval32("sub.f32 %r1, 0f7F800000, 0f7F800000;"), kNaN);
  EXPECT_EQ(eval32("rcp.rn.f32 %r1, 0fFFC01234;"), kNaN);
  EXPECT_EQ(eval32("mov.b16 %rs1, 0xfe12; cvt.f32.f16 %r1, %rs1;"), kNaN);
}

// PTX ISA 9.0, "min" and "max" of half precision.
TEST(Float, MinAndMaxOfHalves) {
  auto pick = [](const std::string &opcode, const char *a, const char *b) {
    return eval32(std::string("mov.b16 %rs1, ") + a + "; mov.b16 %rs2, " + b + "; " + opcode +
                  " %rs3, %rs1, %rs2; cvt.u32.u16 %r1, %rs3;");
  };
  EXPECT_EQ(pick("max.bf16", "0xc000", "0xbf80"), 0xbf80u); // -2 and -1
  EXPECT_EQ(pick("min.bf16", "0xc000", "0xbf80"), 0xc000u);
  EXPECT_EQ(pick("max.f16", "0xc000", "0xbc00"), 0xbc00u);
  EXPECT_EQ(pick("min.f16", "0xc000", "0xbc00"), 0xc000u);
  EXPECT_EQ(pick("max.bf16", "0x8000", "0x0000"), 0u);
  EXPECT_EQ(pick("min.f16", "0x0000", "0x8000"), 0x8000u);
  // A NaN gives way to a number, unless .NaN says otherwise; it has no payload.
  EXPECT_EQ(pick("max.bf16", "0xffc1", "0xbf80"), 0xbf80u);
  EXPECT_EQ(pick("max.NaN.bf16", "0xffc1", "0xbf80"), 0x7fffu);
  EXPECT_EQ(pick("min.NaN.bf16", "0xbf80", "0x7fc0"), 0x7fffu);
  EXPECT_EQ(pick("min.NaN.bf16", "0xbf80", "0x3f80"), 0xbf80u);
  EXPECT_EQ(pick("min.f16", "0xfe01", "0x7e01"), 0x7fffu);
  EXPECT_EQ(pick("max.NaN.f16", "0x3c00", "0x7e01"), 0x7fffu);
  // Subnormal values are kept, but for .ftz.
  EXPECT_EQ(pick("max.f16", "0x0001", "0x0000"), 1u);
  EXPECT_EQ(pick("max.ftz.f16", "0x0001", "0x8400"), 0u);
  EXPECT_EQ(pick("min.ftz.f16", "0x83ff", "0x0400"), 0x8000u);
  EXPECT_EQ(pick("max.bf16", "0x0001", "0x8000"), 1u);
  EXPECT_EQ(eval32("mov.b16 %rs1, 1; mov.b16 %rs2, 0; setp.gt.ftz.f16 %p1, %rs1, %rs2; selp.b32 %r1, 1, 0, %p1;"), 0u);
  EXPECT_NE(decodeError("max.ftz.bf16 %rs1, %rs2, %rs3;").find("this combination of modifiers and types"),
            std::string::npos);
}

TEST(Float, MinAndMaxOfPairs) {
  auto pick = [](const std::string &opcode) {
    return eval32("mov.b32 %r2, 0xffc13f80; mov.b32 %r3, 0xbf80bf80; " + opcode + " %r1, %r2, %r3;");
  };
  EXPECT_EQ(pick("max.bf16x2"), 0xbf803f80u);
  EXPECT_EQ(pick("max.NaN.bf16x2"), 0x7fff3f80u);
  EXPECT_EQ(pick("min.NaN.bf16x2"), 0x7fffbf80u);
  EXPECT_EQ(eval32("mov.b32 %r2, 0x3c00fe01; mov.b32 %r3, 0x40008001; min.ftz.f16x2 %r1, %r2, %r3;"), 0x3c008000u);
}

TEST(Float, MinAndMaxOfMagnitudes) {
  EXPECT_EQ(eval32("max.xorsign.abs.f32 %r1, 0fC0400000, 0f40000000;"), bits(-3.0f));
  EXPECT_EQ(eval32("min.xorsign.abs.f32 %r1, 0fC0400000, 0fC0000000;"), bits(2.0f));
  // The sign of a NaN counts, and a NaN has none.
  EXPECT_EQ(eval32("max.xorsign.abs.f32 %r1, 0fFFC00000, 0f40000000;"), bits(-2.0f));
  EXPECT_EQ(eval32("max.NaN.xorsign.abs.f32 %r1, 0fFFC00000, 0f40000000;"), 0x7fffffffu);
  EXPECT_EQ(eval32("mov.b32 %r2, 0xc0003f80; mov.b32 %r3, 0x3f80c000; max.xorsign.abs.bf16x2 %r1, %r2, %r3;"),
            0xc000c000u);
  EXPECT_EQ(eval32("mov.b16 %rs1, 0x3c00; mov.b16 %rs2, 0xc000; min.xorsign.abs.f16 %rs3, %rs1, %rs2; "
                   "cvt.u32.u16 %r1, %rs3;"),
            0xbc00u);
}

TEST(Float, HalvesAreComparedByValue) {
  auto compare = [](const std::string &what, const char *a, const char *b) {
    return eval32(std::string("mov.b16 %rs1, ") + a + "; mov.b16 %rs2, " + b + "; setp." + what +
                  " %p1, %rs1, %rs2; selp.b32 %r1, 1, 0, %p1;");
  };
  EXPECT_EQ(compare("lt.f16", "0xc000", "0xbc00"), 1u);  // -2 < -1
  EXPECT_EQ(compare("lt.bf16", "0xc000", "0xbf80"), 1u); // the same
  EXPECT_EQ(compare("eq.f16", "0x8000", "0x0000"), 1u);
  EXPECT_EQ(compare("eq.bf16", "0x7fff", "0x7fff"), 0u);
  EXPECT_EQ(compare("neu.f16", "0x7fff", "0x7fff"), 1u);
}

TEST(Convert, OddCases) {
  EXPECT_EQ(eval64("cvt.rzi.s64.f32 %rd1, 0f7FC00000;"), 0x8000000000000000ull);
  EXPECT_EQ(eval64("cvt.rni.u64.f32 %rd1, 0fFFC00000;"), 0x8000000000000000ull);
  EXPECT_EQ(eval32("cvt.rni.u32.f32 %r1, 0f7FC00000;"), 0u);
  // A narrow signed value fills its register with its sign.
  EXPECT_EQ(eval32("cvt.s8.s32 %r1, 0x1234ff;"), 0xffffffffu);
  EXPECT_EQ(eval32("cvt.s8.s32 %r1, 0x12347f;"), 0x7fu);
  EXPECT_EQ(eval32("cvt.u8.s32 %r1, 0x1234ff;"), 0xffu);
  EXPECT_EQ(eval32("cvt.s16.s32 %r1, 0x12ffff;"), 0xffffffffu);
  EXPECT_EQ(eval32("cvt.rzi.s8.f32 %r1, 0fC0000000;"), uint32_t(-2));
  // 2^24 + 2^16 + 1 lies just above the middle of two bf16 values, and on it once rounded to f32.
  EXPECT_EQ(eval32("mov.b16 %rs1, 0xc000; abs.bf16 %rs1, %rs1; cvt.u32.u16 %r1, %rs1;"), 0x4000u);
  EXPECT_EQ(eval32("mov.b16 %rs1, 0x4000; neg.f16 %rs1, %rs1; cvt.u32.u16 %r1, %rs1;"), 0xc000u);
  EXPECT_EQ(eval32("cvt.rn.bf16.s32 %rs1, 16842753; cvt.u32.u16 %r1, %rs1;"), 0x4b81u);
  EXPECT_EQ(eval32("cvt.rn.bf16.s32 %rs1, 16842752; cvt.u32.u16 %r1, %rs1;"), 0x4b80u);
  EXPECT_EQ(eval32("cvt.rn.f16.s32 %rs1, -3; cvt.u32.u16 %r1, %rs1;"), 0xc200u);
  EXPECT_EQ(eval32("cvt.rn.f16.u32 %rs1, -3; cvt.u32.u16 %r1, %rs1;"), 0x7c00u);
}

TEST(Convert, Widths) {
  EXPECT_EQ(eval64("cvt.u64.u32 %rd1, -1;"), 0xffffffffull);
  EXPECT_EQ(eval64("cvt.s64.s32 %rd1, -1;"), ~0ull);
  EXPECT_EQ(eval32("mov.b64 %rd2, 0x123456789; cvt.u32.u64 %r1, %rd2;"), 0x23456789u);
  EXPECT_EQ(eval32("cvt.rn.f32.s32 %r1, -3;"), bits(-3.0f));
  EXPECT_EQ(eval32("cvt.rn.f32.u32 %r1, -3;"), bits(4294967293.0f));
  EXPECT_EQ(eval32("cvt.rzi.s32.f32 %r1, 0fC0700000;"), uint32_t(-3));
  EXPECT_EQ(eval32("cvt.rzi.u32.f32 %r1, 0fC0700000;"), 0u);
}

TEST(Convert, Halves) {
  // 1 + 2^-8 lies between two bf16 values; even wins.
  EXPECT_EQ(eval32("cvt.rn.bf16x2.f32 %r1, 0f40000000, 0f3F808000;"), 0x40003f80u);
  EXPECT_EQ(eval32("cvt.rn.bf16x2.f32 %r1, 0f40000000, 0f3F818000;"), 0x40003f82u);
  EXPECT_EQ(eval32("cvt.rn.f16x2.f32 %r1, 0f40000000, 0f3F800000;"), 0x40003c00u);
  EXPECT_EQ(eval32("cvt.rn.bf16.f32 %rs1, 0f40490FDB; cvt.u32.u16 %r1, %rs1;"), 0x4049u);
  EXPECT_EQ(eval32("cvt.rn.f16.f32 %rs1, 0f33800000; cvt.u32.u16 %r1, %rs1;"), 1u); // smallest subnormal
  EXPECT_EQ(eval32("mov.b16 %rs1, 0x3c01; cvt.f32.f16 %r1, %rs1;"), bits(1.0f + std::ldexp(1.0f, -10)));
  // 65504 is the largest, and 65520 half way to what would follow; NaN is canonical.
  EXPECT_EQ(eval32("cvt.rn.f16x2.f32 %r1, 0f477FEFFF, 0fC77FF000;"), 0x7bfffc00u);
  EXPECT_EQ(eval32("cvt.rn.f16x2.f32 %r1, 0f7FC01234, 0f33000000;"), 0x7fff0000u);
}

/// Pairs of FP8: e4m3 has steps of 2^-9 below 2^-6, of 1/8 from 1 on, and ends at 448; e5m2 ends at 57344.
TEST(Convert, Fp8) {
  auto pair = [](const std::string &type, const std::string &high, const std::string &low) {
    return eval32("cvt.rn.satfinite." + type + "x2.f32 %rs1, " + high + ", " + low + "; cvt.u32.u16 %r1, %rs1;");
  };
  EXPECT_EQ(pair("e4m3", "0f3F800000", "0fC0000000"), 0x38c0u);
  // 1.0625 and 1.1875 lie between two numbers; even wins. A bit more goes up.
  EXPECT_EQ(pair("e4m3", "0f3F880000", "0f3F980000"), 0x383au);
  EXPECT_EQ(pair("e4m3", "0f3F880001", "0f3F97FFFF"), 0x3939u);
  // 464 and all beyond it, and infinities, become 448.
  EXPECT_EQ(pair("e4m3", "0f43E80000", "0fFF800000"), 0x7efeu);
  EXPECT_EQ(pair("e4m3", "0f7FC00000", "0f80000000"), 0x7f80u);
  // 2^-10 is half of the smallest number, and 3 2^-10 half way between the first two.
  EXPECT_EQ(pair("e4m3", "0f3A800000", "0f3B400000"), 0x0002u);
  EXPECT_EQ(pair("e5m2", "0f3F800000", "0f3F900000"), 0x3c3cu);
  EXPECT_EQ(pair("e5m2", "0f47700000", "0fFF800000"), 0x7bfbu);
  EXPECT_EQ(pair("e5m2", "0fFFC00000", "0f37000001"), 0x7f01u);
}

/// Pairs and quadruples of f32, as an epilogue of an f32 D stores them and scales are read.
TEST(Memory, VectorsOfFloats) {
  std::vector<uint32_t> in(64);
  for (unsigned i = 0; i < 64; ++i)
    in[i] = bits(float(i));
  auto out = evaluate("mul.wide.u32 %rd1, %lane, 8;\nadd.s64 %rd2, %rd1, %in;\nadd.s64 %rd3, %rd1, %out;\n"
                      "ld.global.nc.v2.f32 {%r1, %r2}, [%rd2];\nmul.rn.f32 %r1, %r1, %r2;\n"
                      "st.global.v2.f32 [%rd3], {%r2, %r1};",
                      in);
  EXPECT_EQ(out[2], bits(3.0f));
  EXPECT_EQ(out[3], bits(6.0f));
  out = evaluate("setp.lt.u32 %p1, %lane, 16;\nmul.wide.u32 %rd1, %lane, 16;\nadd.s64 %rd2, %rd1, %in;\n"
                 "add.s64 %rd3, %rd1, %out;\n@%p1 ld.global.v4.f32 {%r1, %r2, %r3, %r4}, [%rd2];\n"
                 "@%p1 st.global.v4.f32 [%rd3], {%r4, %r3, %r2, %r1};",
                 in);
  EXPECT_EQ(out[0], bits(3.0f));
  EXPECT_EQ(out[63], bits(60.0f));
}

TEST(Move, PiecesAndPredicates) {
  EXPECT_EQ(eval64("mov.b32 %r2, 1; mov.b32 %r3, 2; mov.b64 %rd1, {%r2, %r3};"), 0x200000001ull);
  EXPECT_EQ(eval32("mov.b64 %rd2, 0x200000001; mov.b64 {_, %r1}, %rd2;"), 2u);
  EXPECT_EQ(eval32("mov.b32 %r2, 0x20001; mov.b32 {%rs1, %rs2}, %r2; mov.b32 %r1, {%rs2, %rs1};"), 0x10002u);
  EXPECT_EQ(eval32("setp.lt.s32 %p1, -1, 0; selp.b32 %r1, 5, 6, %p1;"), 5u);
  EXPECT_EQ(eval32("setp.lt.u32 %p1, -1, 0; selp.b32 %r1, 5, 6, %p1;"), 6u);
  EXPECT_EQ(eval32("mov.pred %p1, -1; selp.b32 %r1, 5, 6, %p1;"), 5u);
  EXPECT_EQ(eval32("mov.pred %p1, 0; selp.b32 %r1, 5, 6, %p1;"), 6u);
  EXPECT_EQ(eval32("setp.eq.s32 %p1, 1, 1; mov.pred %p2, !%p1; selp.b32 %r1, 5, 6, %p2;"), 6u);
  EXPECT_EQ(eval32("setp.eq.s32 %p1|%p2, 1, 1; selp.b32 %r1, 5, 6, %p2;"), 6u);
  EXPECT_EQ(eval32("setp.eq.s32 %p1, 1, 1; setp.eq.and.s32 %p2, 1, 1, !%p1; selp.b32 %r1, 5, 6, %p2;"), 6u);
  EXPECT_EQ(eval32("setp.eq.s32 %p1, 1, 1; not.pred %p2, %p1; or.pred %p3, %p1, %p2; selp.b32 %r1, 5, 6, %p3;"), 5u);
}

TEST(Warp, ShuffleVoteElect) {
  auto lanes = evalLanes("shfl.sync.idx.b32 %r1, %lane, 5, 31, -1;");
  EXPECT_EQ(lanes[0], 5u);
  EXPECT_EQ(lanes[31], 5u);
  lanes = evalLanes("shfl.sync.bfly.b32 %r1, %lane, 1, 31, -1;");
  EXPECT_EQ(lanes[4], 5u);
  lanes = evalLanes("shfl.sync.down.b32 %r1, %lane, 3, 31, -1;");
  EXPECT_EQ(lanes[0], 3u);
  EXPECT_EQ(lanes[30], 30u);
  lanes = evalLanes("shfl.sync.up.b32 %r1, %lane, 3, 0, -1;");
  EXPECT_EQ(lanes[5], 2u);
  EXPECT_EQ(lanes[1], 1u);
  // One of them, whichever.
  lanes = evalLanes("elect.sync %r2|%p1, -1; selp.b32 %r1, %r2, 32, %p1;");
  unsigned elected = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (lanes[lane] != 32) {
      EXPECT_EQ(lanes[lane], lane);
      ++elected;
    }
  EXPECT_EQ(elected, 1u);
  EXPECT_EQ(eval32("setp.lt.u32 %p1, %lane, 4; vote.sync.ballot.b32 %r1, %p1, -1;"), 15u);
  EXPECT_EQ(eval32("setp.lt.u32 %p1, %lane, 4; vote.sync.any.pred %p2, %p1, -1; selp.b32 %r1, 1, 0, %p2;"), 1u);
  EXPECT_EQ(eval32("setp.lt.u32 %p1, %lane, 4; vote.sync.all.pred %p2, %p1, -1; selp.b32 %r1, 1, 0, %p2;"), 0u);
  EXPECT_EQ(eval32("redux.sync.add.u32 %r1, %lane, -1;"), 496u);
}

TEST(Divergence, SidesMeetAgain) {
  auto lanes = evalLanes("setp.lt.u32 %p1, %lane, 10;\n@%p1 bra $A;\nmov.b32 %r1, 1;\nbra $B;\n$A:\nmov.b32 %r1, 2;\n"
                         "$B:\nactivemask.b32 %r2;\nadd.s32 %r1, %r1, %r2;");
  EXPECT_EQ(lanes[0], 1u);
  EXPECT_EQ(lanes[31], 0u);
}

TEST(Divergence, LoopsOfDifferentLength) {
  auto lanes = evalLanes("mov.b32 %r1, 0;\n$L:\nadd.s32 %r1, %r1, 1;\nsetp.le.u32 %p1, %r1, %lane;\n@%p1 bra $L;\n"
                         "shfl.sync.idx.b32 %r2, %r1, 31, 31, -1;\nadd.s32 %r1, %r1, %r2;");
  EXPECT_EQ(lanes[0], 33u);
  EXPECT_EQ(lanes[31], 64u);
}

TEST(Divergence, SomeThreadsLeave) {
  auto lanes = evalLanes("setp.gt.u32 %p1, %lane, 3;\n@%p1 exit;\nactivemask.b32 %r1;");
  EXPECT_EQ(lanes[0], 15u);
  EXPECT_EQ(lanes[4], 0u);
}

TEST(Memory, VectorsAndBytes) {
  std::vector<uint32_t> in(64);
  for (unsigned i = 0; i < 64; ++i)
    in[i] = i * 0x01010101u;
  auto out = evaluate("mul.wide.u32 %rd1, %lane, 8;\nadd.s64 %rd2, %rd1, %in;\nadd.s64 %rd3, %rd1, %out;\n"
                      "ld.global.nc.v2.b32 {%r1, %r2}, [%rd2];\nst.global.v2.b32 [%rd3], {%r2, %r1};",
                      in);
  EXPECT_EQ(out[0], in[1]);
  EXPECT_EQ(out[63], in[62]);
  out = evaluate("ld.global.s8 %r1, [%in+4];\nld.global.u8 %r2, [%in+1020];\n"
                 "setp.eq.s32 %p1, %lane, 0;\n@%p1 st.global.v2.b32 [%out], {%r1, %r2};",
                 std::vector<uint32_t>(256, 0xfefefefe));
  EXPECT_EQ(out[0], 0xfffffffeu);
  EXPECT_EQ(out[1], 0xfeu);
}

TEST(Memory, Atomics) {
  EXPECT_EQ(evaluate("red.global.add.u32 [%out], %lane;")[0], 496u);
  EXPECT_EQ(evaluate("cvt.rn.f32.u32 %r1, %lane;\nred.global.add.f32 [%out], %r1;")[0], bits(496.0f));
  EXPECT_EQ(evaluate("atom.global.max.u32 %r1, [%out], %lane;")[0], 31u);
  EXPECT_EQ(evaluate("setp.eq.s32 %p1, %lane, 0;\n@%p1 atom.global.cas.b32 %r1, [%out], 0, 7;")[0], 7u);
}

TEST(Memory, SharedWithMatrices) {
  SmallKernel kernel;
  kernel.sharedMemory = 1024;
  kernel.outWords = 128;
  kernel.body = R"(mov.b32 %r1, smem; shl.b32 %r2, %lane, 4; add.s32 %r3, %r1, %r2;
    stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r3], {%lane, %lane, %lane, %lane};
    ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r4, %r5, %r6, %r7}, [%r3];
    ld.shared.v4.b32 {%r8, %r9, %r10, %r11}, [%r3];
    mul.wide.u32 %rd1, %lane, 16; add.s64 %rd1, %rd1, %out;
    st.global.v4.b32 [%rd1], {%r8, %r9, %r4, %r5};)";
  kernel.expectClean(1);
  // Row 1 of the first matrix is what lanes 4 to 7 gave.
  EXPECT_EQ(kernel.out[4], 4u);
  EXPECT_EQ(kernel.out[5], 5u);
  // Transposed, lane 0 holds elements (0, 0) and (1, 0): low halves of lanes 0 and 4.
  EXPECT_EQ(kernel.out[2], 4u << 16);
}

TEST(Decode, UnknownIsAnErrorWithItsLine) {
  EXPECT_EQ(decodeError("\nfrobnicate.b32 %r1, %r2;"), "PTX line 21: unknown instruction 'frobnicate.b32'");
  EXPECT_NE(decodeError("add.sat.s32 %r1, %r2, %r3;").find("unknown modifier '.sat'"), std::string::npos);
  EXPECT_NE(decodeError("ld.global.b128 %r1, [%rd1];").find("unknown modifier '.b128'"), std::string::npos);
  EXPECT_NE(decodeError("wgmma.mma_async.sync.aligned.m64n12k32.f32.e4m3.e4m3 {%r1}, %rd1, %rd1, %p1, 1, 1;")
                .find("unknown modifier '.m64n12k32'"),
            std::string::npos);
  EXPECT_NE(decodeError("cvt.rz.bf16.f32 %rs1, %r1;").find("unknown modifier '.rz'"), std::string::npos);
  EXPECT_NE(decodeError("cvt.bf16.f32 %rs1, %r1;").find("this combination of modifiers and types does not exist"),
            std::string::npos);
  EXPECT_NE(decodeError(".local .b32 x;").find("unknown directive '.local'"), std::string::npos);
}

/// ptxas 13.0 refuses each of them.
TEST(Decode, FormsThatAreNoPTX) {
  for (const char *form :
       {"neg.u32 %r1, %r2;",
        "abs.u64 %rd1, %rd2;",
        "bfe.u16 %rs1, %rs2, %r1, %r2;",
        "mov.b8 %rs1, %rs2;",
        "mov.f16 %rs1, %rs2;",
        "selp.bf16 %rs1, %rs2, %rs3, %p1;",
        "selp.pred %p1, %p2, %p3, %p4;",
        "mapa.shared::cta.u32 %r1, %r2, %r3;",
        "barrier.cluster.wait.relaxed;",
        "setp.lt.b32 %p1, %r1, %r2;",
        "setp.lo.s32 %p1, %r1, %r2;",
        "setp.lo.f32 %p1, %r1, %r2;",
        "setp.equ.u32 %p1, %r1, %r2;",
        "setp.eq.ftz.u32 %p1, %r1, %r2;",
        "setp.eq.u8 %p1, %rs1, %rs2;",
        "setp.eq.f16 %p1|%p2, %rs1, %rs2;",
        "cvt.b32.b16 %r1, %rs1;",
        "cvt.ftz.s32.s16 %r1, %rs1;",
        "cvt.rn.bf16.s8 %rs1, %rs2;",
        "cvt.rni.u8.bf16 %rs1, %rs2;",
        "cvt.rn.ftz.f16.s32 %rs1, %r1;",
        "redux.sync.inc.u32 %r1, %r2, -1;",
        "redux.sync.and.s32 %r1, %r2, -1;",
        "redux.sync.add.f32 %r1, %r2, -1;",
        "redux.sync.xor.b64 %rd1, %rd2, -1;",
        "atom.global.inc.s32 %r1, [%rd1], %r2;",
        "atom.global.and.u32 %r1, [%rd1], %r2;",
        "atom.global.min.f32 %r1, [%rd1], %r2;",
        "red.global.add.f16 [%rd1], %rs1;",
        "red.global.add.b32 [%rd1], %r1;",
        "ld.release.gpu.global.b32 %r1, [%rd1];",
        "ld.gpu.global.b32 %r1, [%rd1];",
        "ld.acquire.global.b32 %r1, [%rd1];",
        "ld.weak.gpu.global.b32 %r1, [%rd1];",
        "ld.shared.nc.b32 %r1, [%r2];",
        "ld.mmio.b32 %r1, [%rd1];",
        "ld.global.f16 %rs1, [%rd1];",
        "ld.global.v4.b64 {%rd2, %rd3, %rd4, %rd5}, [%rd1];",
        "st.acquire.gpu.global.b32 [%rd1], %r1;",
        "st.volatile.global.wt.b32 [%rd1], %r1;",
        "st.shared.L1::evict_last.b32 [%r1], %r2;",
        "mbarrier.arrive.release.shared.b64 %rd1, [%r1];",
        "mbarrier.arrive.cta.shared.b64 %rd1, [%r1];",
        "mbarrier.expect_tx.relaxed.shared.b64 [%r1], 8;",
        "mbarrier.try_wait.acquire.shared.b64 %p1, [%r1], %rd1;",
        "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%rd1], 16, [%r1], "
        "%rs1;"})
    EXPECT_NE(decodeError(form), "") << form;
  for (const char *form :
       {"neg.s32 %r1, %r2;", "mov.b16 %rs1, %rs2;", "setp.ne.b32 %p1, %r1, %r2;", "setp.lt.ftz.f16 %p1, %rs1, %rs2;",
        "ld.relaxed.gpu.global.b32 %r1, [%rd1];", "ld.global.nc.L1::evict_last.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];",
        "ld.volatile.shared.b32 %r1, [%r2];", "st.release.cluster.shared::cluster.b32 [%r1], %r2;",
        "red.relaxed.gpu.global.add.noftz.bf16 [%rd1], %rs1;",
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, "
        "[%r1];"})
    EXPECT_EQ(decodeError(form), "") << form;
}

TEST(Decode, BadOperands) {
  EXPECT_NE(decodeError("add.s32 %r1, %r2;").find("expected ','"), std::string::npos);
  EXPECT_NE(decodeError("add.s32 %r1, %r2, %nope;").find("unknown register or symbol '%nope'"), std::string::npos);
  EXPECT_NE(decodeError("add.s32 %r1, %r2, %rd1;").find("does not have the width"), std::string::npos);
  EXPECT_NE(decodeError("bra $NOWHERE;").find("there is no label '$NOWHERE'"), std::string::npos);
  EXPECT_NE(decodeError("add.s32 5, %r2, %r3;").find("the destination is not a register"), std::string::npos);
  EXPECT_NE(decodeError("add.s32 %r1, %r2, %r3").find("unexpected operand"), std::string::npos);
  EXPECT_NE(decodeError("/* no end").find("comment has no end"), std::string::npos);
}

TEST(Decode, InlineScopes) {
  EXPECT_EQ(eval32("{ .reg .b32 t; mov.b32 t, 1; { .reg .b32 t; mov.b32 t, 2; } mov.b32 %r1, t; }"), 1u);
  EXPECT_EQ(eval32("{ bra DONE; mov.b32 %r1, 9; DONE: mov.b32 %r1, 3; }\n{ DONE: add.s32 %r1, %r1, 1; }"), 4u);
}
