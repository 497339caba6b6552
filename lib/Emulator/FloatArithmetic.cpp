//===- FloatArithmetic.cpp - Floating point, comparison and conversion ----===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "llvm/ADT/APFloat.h"
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

using namespace dgemm::emulator;

namespace {

float toFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
uint32_t toBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
/// The NaN that operations give for any payloads of their sources.
float canonical(float value) { return std::isnan(value) ? toFloat(kCanonicalNaN) : value; }
/// With `ftz`: zero for a subnormal of `type`.
float flush(float value, bool ftz, Type type = Type::F32) {
  float leastNormal = type == Type::F16 ? 0x1p-14f : std::numeric_limits<float>::min();
  return ftz && std::fabs(value) < leastNormal ? std::copysign(0.0f, value) : value;
}

// The loops below vectorise with AVX2 and FMA if the CPU has them; else they use the C library's exact fma.
#if defined(__x86_64__) && defined(__ELF__)
#define DGEMM_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define DGEMM_CLONES
#endif

DGEMM_CLONES void fmaRow(float *d, const float *a, const float *b, const float *s) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    float value = __builtin_fmaf(a[lane], b[lane], s[lane]);
    d[lane] = value == value ? value : __builtin_bit_cast(float, kCanonicalNaN);
  }
}

float *row(Context &c, const Operand &operand) { return reinterpret_cast<float *>(c.r32(operand)); }

/// For the trace: a run of FP32 arithmetic is a promotion.
void countMath(Context &c) {
  if (c.warp.mathCount++ == 0)
    c.warp.mathSince = c.machine.now;
}

Step execFma(Context &c, const Instruction &inst) {
  float *d = row(c, c.op(inst, 0)), *a = row(c, c.op(inst, 1)), *b = row(c, c.op(inst, 2)), *s = row(c, c.op(inst, 3));
  countMath(c);
  bool ftz = inst.mods[Field::Ftz];
  if (c.mask == kAllLanes && !ftz) {
    fmaRow(d, a, b, s);
    return Step::Next;
  }
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    d[l] = canonical(flush(std::fma(flush(a[l], ftz), flush(b[l], ftz), flush(s[l], ftz)), ftz));
  }
  return Step::Next;
}

template <typename Op>
Step floatBinary(Context &c, const Instruction &inst) {
  float *d = row(c, c.op(inst, 0)), *a = row(c, c.op(inst, 1)), *b = row(c, c.op(inst, 2));
  countMath(c);
  bool ftz = inst.mods[Field::Ftz];
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    d[l] = canonical(flush(Op::apply(flush(a[l], ftz), flush(b[l], ftz)), ftz));
  }
  return Step::Next;
}

struct FAdd {
  static float apply(float a, float b) { return a + b; }
};
struct FSub {
  static float apply(float a, float b) { return a - b; }
};
struct FMul {
  static float apply(float a, float b) { return a * b; }
};
struct FDiv {
  static float apply(float a, float b) { return a / b; }
};
// PTX ISA, "min" and "max": +0 is above -0; a NaN gives way to a number unless .NaN says otherwise.
struct FMin {
  static float apply(float a, float b, bool nan) {
    if (std::isnan(a) || std::isnan(b))
      return nan ? NAN : std::isnan(a) ? b : a;
    return a < b || (a == b && std::signbit(a)) ? a : b;
  }
};
struct FMax {
  static float apply(float a, float b, bool nan) {
    if (std::isnan(a) || std::isnan(b))
      return nan ? NAN : std::isnan(a) ? b : a;
    return a > b || (a == b && std::signbit(b)) ? a : b;
  }
};

Step execFloatUnary(Context &c, const Instruction &inst) {
  bool ftz = inst.mods[Field::Ftz], isAbs = inst.mods[Field::Mode];
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    float value = flush(row(c, c.op(inst, 1))[l], ftz);
    row(c, c.op(inst, 0))[l] = isAbs ? std::fabs(value) : -value;
  }
  return Step::Next;
}
/// PTX ISA, "copysign": the sign of the first source, and the bits of the second otherwise.
Step execCopysign(Context &c, const Instruction &inst) {
  constexpr uint32_t kSign = 0x80000000;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    auto sign = uint32_t(c.get(c.op(inst, 1), l)), value = uint32_t(c.get(c.op(inst, 2), l));
    c.set(c.op(inst, 0), l, (sign & kSign) | (value & ~kSign));
  }
  return Step::Next;
}

/// A function of one value, to the nearest f32: an approximation of the hardware is some value near it.
template <double (*function)(double)>
Step execFunction(Context &c, const Instruction &inst) {
  bool ftz = inst.mods[Field::Ftz];
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    auto value = static_cast<float>(function(flush(row(c, c.op(inst, 1))[l], ftz)));
    row(c, c.op(inst, 0))[l] = canonical(flush(value, ftz));
  }
  return Step::Next;
}
double reciprocal(double value) { return 1 / value; }
double reciprocalRoot(double value) { return 1 / std::sqrt(value); }

Handler onlyF32(const Modifiers &mods, Handler handler) { return mods.type() == Type::F32 ? handler : nullptr; }

template <typename T>
bool compareInts(Compare compare, T a, T b) {
  switch (compare) {
  case Compare::Eq:
    return a == b;
  case Compare::Ne:
    return a != b;
  case Compare::Lt:
  case Compare::Lo:
    return a < b;
  case Compare::Le:
  case Compare::Ls:
    return a <= b;
  case Compare::Gt:
  case Compare::Hi:
    return a > b;
  case Compare::Ge:
  case Compare::Hs:
    return a >= b;
  default:
    return false;
  }
}

bool compareFloats(Compare compare, float a, float b) {
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (compare) {
  case Compare::Equ:
    return unordered || a == b;
  case Compare::Neu:
    return unordered || a != b;
  case Compare::Ltu:
    return unordered || a < b;
  case Compare::Leu:
    return unordered || a <= b;
  case Compare::Gtu:
    return unordered || a > b;
  case Compare::Geu:
    return unordered || a >= b;
  case Compare::Num:
    return !unordered;
  case Compare::Nan:
    return unordered;
  default:
    return !unordered && compareInts(compare, a, b);
  }
}

int64_t signExtend(uint64_t value, Type type) {
  switch (getByteWidth(type)) {
  case 1:
    return int8_t(value);
  case 2:
    return int16_t(value);
  case 4:
    return int32_t(value);
  default:
    return int64_t(value);
  }
}
uint64_t truncate(uint64_t value, Type type) {
  unsigned bytes = getByteWidth(type);
  return bytes >= 8 ? value : value & ((uint64_t(1) << (8 * bytes)) - 1);
}

bool isFloat(Type type) { return type == Type::F32 || type == Type::F16 || type == Type::BF16; }
float readFloat(uint64_t bits, Type type) {
  return type == Type::F32 ? toFloat(uint32_t(bits)) : type == Type::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
}
uint64_t writeFloat(float value, Type type) {
  return type == Type::F32 ? toBits(value) : type == Type::F16 ? floatToHalf(value) : floatToBfloat(value);
}

/// One min or max. PTX ISA: .xorsign.abs compares magnitudes, and gives the result the product of the signs.
template <typename Op>
uint64_t pickFloat(uint64_t x, uint64_t y, Type type, const Modifiers &mods) {
  bool ftz = mods[Field::Ftz], nan = mods[Field::Nan], isXorSign = mods[Field::Mode];
  float a = flush(readFloat(x, type), ftz, type), b = flush(readFloat(y, type), ftz, type);
  if (!isXorSign)
    return writeFloat(canonical(Op::apply(a, b, nan)), type);
  float value = canonical(Op::apply(std::fabs(a), std::fabs(b), nan));
  bool isNegative = ((x ^ y) >> (8 * getByteWidth(type) - 1)) & 1;
  return writeFloat(isNegative && !std::isnan(value) ? -value : value, type);
}

/// min and max; a packed type has two halves.
template <typename Op>
Step execPickFloat(Context &c, const Instruction &inst) {
  Type type = inst.mods.type();
  bool isPacked = type == Type::F16x2 || type == Type::BF16x2;
  Type half = type == Type::F16x2 ? Type::F16 : Type::BF16;
  countMath(c);
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    uint64_t x = c.get(c.op(inst, 1), l), y = c.get(c.op(inst, 2), l);
    uint64_t value = isPacked ? pickFloat<Op>(x & 0xffff, y & 0xffff, half, inst.mods) |
                                    pickFloat<Op>(x >> 16, y >> 16, half, inst.mods) << 16
                              : pickFloat<Op>(x, y, type, inst.mods);
    c.set(c.op(inst, 0), l, value);
  }
  return Step::Next;
}

/// PTX ISA, "min" and "max": .ftz is not for bf16.
bool isLegalPick(const Modifiers &m) { return !m[Field::Ftz] || (m.type() != Type::BF16 && m.type() != Type::BF16x2); }

LaneMask compareRows(Context &c, const Instruction &inst) {
  const Operand &a = c.op(inst, 2), &b = c.op(inst, 3);
  Compare compare = Compare(inst.mods[Field::Compare]);
  Type type = inst.mods.type();
  LaneMask result = 0;
  for (unsigned l = 0; l < kLanes; ++l) {
    uint64_t x = c.get(a, l), y = c.get(b, l);
    bool ftz = inst.mods[Field::Ftz];
    bool holds = isFloat(type)    ? compareFloats(compare, flush(readFloat(x, type), ftz, type),
                                                  flush(readFloat(y, type), ftz, type))
                 : isSigned(type) ? compareInts<int64_t>(compare, signExtend(x, type), signExtend(y, type))
                                  : compareInts<uint64_t>(compare, truncate(x, type), truncate(y, type));
    result |= LaneMask(holds) << l;
  }
  return result;
}

/// setp.cmp[.logic].type p[|q], a, b[, r]
Step execSetp(Context &c, const Instruction &inst) {
  LaneMask holds = compareRows(c, inst), fails = ~holds;
  const Operand &last = c.op(inst, inst.numOperands - 1);
  if (Logic logic = Logic(inst.mods[Field::Logic]); logic != Logic::None) {
    LaneMask other = c.predSource(last);
    auto combine = [&](LaneMask value) {
      return logic == Logic::And ? value & other : logic == Logic::Or ? value | other : value ^ other;
    };
    holds = combine(holds);
    fails = combine(fails);
  }
  c.setPred(c.op(inst, 0), holds);
  if (c.op(inst, 1).kind == Operand::Pred)
    c.setPred(c.op(inst, 1), fails);
  return Step::Next;
}

Step execSelp(Context &c, const Instruction &inst) {
  LaneMask pick = c.predSource(c.op(inst, 3));
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    c.set(c.op(inst, 0), l, c.get(c.op(inst, (pick >> l) & 1 ? 1 : 2), l));
  }
  return Step::Next;
}

double roundToInteger(double value, Round round) {
  switch (round) {
  case Round::Rzi:
    return std::trunc(value);
  case Round::Rmi:
    return std::floor(value);
  case Round::Rpi:
    return std::ceil(value);
  default:
    return std::nearbyint(value);
  }
}

/// PTX ISA, "cvt": out of range it clamps; NaN gives zero, or the highest bit alone in 64 bits.
uint64_t floatToInteger(float value, Type to, Round round) {
  unsigned bits = 8 * getByteWidth(to);
  if (std::isnan(value))
    return bits == 64 ? uint64_t(1) << 63 : 0;
  double rounded = roundToInteger(value, round);
  double low = isSigned(to) ? -std::ldexp(1.0, bits - 1) : 0;
  double high = std::ldexp(1.0, isSigned(to) ? bits - 1 : bits);
  if (rounded <= low)
    return truncate(isSigned(to) ? uint64_t(1) << (bits - 1) : 0, to);
  if (rounded >= high)
    return truncate(isSigned(to) ? (uint64_t(1) << (bits - 1)) - 1 : ~uint64_t(0), to);
  return truncate(isSigned(to) ? uint64_t(int64_t(rounded)) : uint64_t(rounded), to);
}

/// To the nearest value of `to`, in one step.
uint64_t integerToFloat(uint64_t value, bool isSign, Type to) {
  if (to == Type::F32)
    return toBits(isSign ? float(int64_t(value)) : float(value));
  llvm::APFloat result(to == Type::F16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat());
  result.convertFromAPInt(llvm::APInt(64, value), isSign, llvm::APFloat::rmNearestTiesToEven);
  return result.bitcastToAPInt().getZExtValue();
}

/// A narrow value fills its register with its sign or with zeros.
uint64_t extend(uint64_t value, Type type) {
  return isSigned(type) ? uint64_t(signExtend(value, type)) : truncate(value, type);
}

uint64_t convert(uint64_t bits, Type to, Type from, const Modifiers &mods) {
  Round round = Round(mods[Field::Round]);
  if (isFloat(from)) {
    float value = flush(readFloat(bits, from), mods[Field::Ftz]);
    if (!isFloat(to))
      return extend(floatToInteger(value, to, round), to);
    if (round >= Round::Rni)
      value = roundToInteger(value, round);
    return writeFloat(flush(value, mods[Field::Ftz]), to);
  }
  uint64_t integer = extend(bits, from);
  return isFloat(to) ? integerToFloat(integer, isSigned(from), to) : extend(integer, to);
}

Step execCvt(Context &c, const Instruction &inst) {
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    c.set(c.op(inst, 0), l, convert(c.get(c.op(inst, 1), l), inst.mods.type(), inst.mods.type2(), inst.mods));
  }
  return Step::Next;
}

} // namespace

/// Of f16 and bf16: the sign bit.
Step dgemm::emulator::execHalfUnary(Context &c, const Instruction &inst) {
  constexpr uint64_t kSign = 0x8000;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    uint64_t bits = c.get(c.op(inst, 1), l);
    c.set(c.op(inst, 0), l, inst.mods[Field::Mode] ? bits & ~kSign : bits ^ kSign);
  }
  return Step::Next;
}

Handler dgemm::emulator::selectFma(const Modifiers &m) { return onlyF32(m, execFma); }
Handler dgemm::emulator::selectFloatAdd(const Modifiers &m) { return onlyF32(m, floatBinary<FAdd>); }
Handler dgemm::emulator::selectFloatSub(const Modifiers &m) { return onlyF32(m, floatBinary<FSub>); }
Handler dgemm::emulator::selectFloatMul(const Modifiers &m) { return onlyF32(m, floatBinary<FMul>); }
Handler dgemm::emulator::selectFloatDiv(const Modifiers &m) { return onlyF32(m, floatBinary<FDiv>); }
Handler dgemm::emulator::selectFloatMin(const Modifiers &m) { return isLegalPick(m) ? execPickFloat<FMin> : nullptr; }
Handler dgemm::emulator::selectFloatMax(const Modifiers &m) { return isLegalPick(m) ? execPickFloat<FMax> : nullptr; }
Handler dgemm::emulator::selectFloatNeg(const Modifiers &m) { return onlyF32(m, execFloatUnary); }
Handler dgemm::emulator::selectFloatAbs(const Modifiers &m) { return onlyF32(m, execFloatUnary); }
Handler dgemm::emulator::selectFloatRcp(const Modifiers &m) { return onlyF32(m, execFunction<reciprocal>); }
Handler dgemm::emulator::selectFloatCopysign(const Modifiers &m) { return onlyF32(m, execCopysign); }
Handler dgemm::emulator::selectFloatSqrt(const Modifiers &m) { return onlyF32(m, execFunction<std::sqrt>); }
Handler dgemm::emulator::selectFloatRsqrt(const Modifiers &m) { return onlyF32(m, execFunction<reciprocalRoot>); }
Handler dgemm::emulator::selectFloatEx2(const Modifiers &m) { return onlyF32(m, execFunction<std::exp2>); }
Handler dgemm::emulator::selectFloatLg2(const Modifiers &m) { return onlyF32(m, execFunction<std::log2>); }
Handler dgemm::emulator::selectFloatTanh(const Modifiers &m) { return onlyF32(m, execFunction<std::tanh>); }
Handler dgemm::emulator::selectSetp(const Modifiers &m) {
  // PTX ISA, "setp": the comparisons of each type.
  Compare compare = Compare(m[Field::Compare]);
  Type type = m.type();
  bool isBits = type == Type::B16 || type == Type::B32 || type == Type::B64;
  bool isUnsignedName = compare >= Compare::Lo && compare <= Compare::Hs;
  if (getByteWidth(type) == 1 || (isBits && compare > Compare::Ne) || (!isFloat(type) && compare >= Compare::Equ) ||
      (isUnsignedName && (isFloat(type) || isSigned(type))))
    return nullptr;
  return m[Field::Ftz] && type != Type::F32 && type != Type::F16 ? nullptr : execSetp;
}
Handler dgemm::emulator::selectSelp(const Modifiers &) { return execSelp; }

/// Only the implemented roundings: to nearest for a narrowing, to an integer for a conversion to integers.
Handler dgemm::emulator::selectCvt(const Modifiers &m) {
  Type to = m.type(), from = m.type2();
  Round round = Round(m[Field::Round]);
  auto isBits = [](Type type) {
    return type == Type::B8 || type == Type::B16 || type == Type::B32 || type == Type::B64;
  };
  bool isByteOfBfloat = (to == Type::BF16 && getByteWidth(from) == 1) || (from == Type::BF16 && getByteWidth(to) == 1);
  if (isBits(to) || isBits(from) || isByteOfBfloat || (m[Field::Ftz] && to != Type::F32 && from != Type::F32))
    return nullptr;
  bool toInteger = isFloat(from) && !isFloat(to);
  bool narrows = (isFloat(to) && !isFloat(from)) || (isFloat(to) && getByteWidth(to) < getByteWidth(from));
  if (toInteger)
    return round >= Round::Rni ? execCvt : nullptr;
  if (narrows)
    return round == Round::Rn ? execCvt : nullptr;
  if (isFloat(to) && to == from)
    return round >= Round::Rni || round == Round::None ? execCvt : nullptr;
  return round == Round::None ? execCvt : nullptr;
}

Step dgemm::emulator::execPackedCvt(Context &c, const Instruction &inst) {
  // The first source goes to the upper half (PTX ISA, "cvt").
  Type half = inst.mods.type() == Type::BF16x2 ? Type::BF16 : Type::F16;
  bool relu = inst.mods[Field::Sat];
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    float high = toFloat(c.get(c.op(inst, 1), l)), low = toFloat(c.get(c.op(inst, 2), l));
    if (relu) {
      high = std::isnan(high) ? high : std::fmax(high, 0.0f);
      low = std::isnan(low) ? low : std::fmax(low, 0.0f);
    }
    c.set(c.op(inst, 0), l, writeFloat(low, half) | writeFloat(high, half) << 16);
  }
  return Step::Next;
}

Step dgemm::emulator::execFp8Cvt(Context &c, const Instruction &inst) {
  bool e5m2 = inst.mods.type() == Type::E5M2x2;
  for (LaneMask m = c.mask; m; m &= m - 1) {
    unsigned l = __builtin_ctz(m);
    // The first source goes to the upper byte (PTX ISA, "cvt").
    unsigned high = floatToFp8(toFloat(c.get(c.op(inst, 1), l)), e5m2);
    c.set(c.op(inst, 0), l, high << 8 | floatToFp8(toFloat(c.get(c.op(inst, 2), l)), e5m2));
  }
  return Step::Next;
}

Step dgemm::emulator::execPredLogic(Context &c, const Instruction &inst) {
  LaneMask a = c.predSource(c.op(inst, 1)), b = c.predSource(c.op(inst, 2));
  Logic logic = Logic(inst.mods[Field::Logic]);
  c.setPred(c.op(inst, 0), logic == Logic::And ? a & b : logic == Logic::Or ? a | b : a ^ b);
  return Step::Next;
}
Step dgemm::emulator::execPredNot(Context &c, const Instruction &inst) {
  c.setPred(c.op(inst, 0), ~c.predSource(c.op(inst, 1)));
  return Step::Next;
}
uint16_t dgemm::emulator::floatToBfloat(float value) {
  uint32_t bits = toBits(value);
  if (std::isnan(value))
    return 0x7fff;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float dgemm::emulator::halfToFloat(uint16_t bits) {
  int exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 31 && mantissa)
    return toFloat(kCanonicalNaN);
  float value = exponent == 31  ? INFINITY
                : exponent == 0 ? std::ldexp(float(mantissa), -24)
                                : std::ldexp(float(mantissa + 1024), exponent - 25);
  return bits & 0x8000 ? -value : value;
}

uint16_t dgemm::emulator::floatToHalf(float value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  float magnitude = std::fabs(value);
  if (std::isnan(value))
    return 0x7fff;
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  int exponent;
  std::frexp(magnitude, &exponent);
  exponent = std::max(exponent, -13);
  // nearbyint rounds to even, with a carry into the exponent if needed.
  auto mantissa = uint32_t(std::nearbyint(std::ldexp(magnitude, 11 - exponent)));
  return magnitude == 0 ? sign : uint16_t(sign | (uint32_t(exponent + 13) * 1024 + mantissa));
}

const float *dgemm::emulator::getFp8Table(bool e5m2) {
  auto make = [](bool wide) {
    std::array<float, 256> table;
    unsigned mantissaBits = wide ? 2 : 3;
    int bias = wide ? 15 : 7;
    for (unsigned i = 0; i < 256; ++i) {
      int exponent = (i & 0x7f) >> mantissaBits, mantissa = i & ((1 << mantissaBits) - 1);
      float value = exponent == 0
                        ? std::ldexp(float(mantissa), 1 - bias - int(mantissaBits))
                        : std::ldexp(float(mantissa + (1 << mantissaBits)), exponent - bias - int(mantissaBits));
      if (wide && exponent == 31)
        value = mantissa ? NAN : INFINITY;
      if (!wide && (i & 0x7f) == 0x7f)
        value = NAN;
      table[i] = i & 0x80 ? -value : value;
    }
    return table;
  };
  static const std::array<float, 256> e4m3Table = make(false), e5m2Table = make(true);
  return e5m2 ? e5m2Table.data() : e4m3Table.data();
}

uint8_t dgemm::emulator::floatToFp8(float value, bool e5m2) {
  constexpr uint8_t kNaN = 0x7f;
  if (std::isnan(value))
    return kNaN;
  const float *table = getFp8Table(e5m2);
  unsigned largest = e5m2 ? 0x7b : 0x7e;
  uint8_t sign = std::signbit(value) ? 0x80 : 0;
  float magnitude = std::min(std::fabs(value), table[largest]);
  // The numbers of codes from 0 to `largest` ascend.
  unsigned above = unsigned(std::lower_bound(table, table + largest, magnitude) - table);
  if (above == 0 || table[above] == magnitude)
    return uint8_t(sign | above);
  // The distances are exact in double precision.
  double up = double(table[above]) - magnitude, down = magnitude - double(table[above - 1]);
  bool takesAbove = up < down || (up == down && above % 2 == 0);
  return uint8_t(sign | (takesAbove ? above : above - 1));
}

uint64_t dgemm::emulator::reduceBits(AtomicOp op, Type type, uint64_t memory, uint64_t value) {
  if (isFloat(type)) {
    float a = readFloat(memory, type), b = readFloat(value, type);
    float result = op == AtomicOp::Min   ? FMin::apply(a, b, false)
                   : op == AtomicOp::Max ? FMax::apply(a, b, false)
                                         : a + b;
    return writeFloat(canonical(result), type);
  }
  bool less = isSigned(type) ? signExtend(memory, type) < signExtend(value, type)
                             : truncate(memory, type) < truncate(value, type);
  switch (op) {
  case AtomicOp::Add:
    return truncate(memory + value, type);
  case AtomicOp::Min:
    return less ? memory : value;
  case AtomicOp::Max:
    return less ? value : memory;
  case AtomicOp::And:
    return memory & value;
  case AtomicOp::Or:
    return memory | value;
  case AtomicOp::Xor:
    return memory ^ value;
  case AtomicOp::Inc:
    return truncate(memory, type) >= truncate(value, type) ? 0 : memory + 1;
  case AtomicOp::Dec:
    return truncate(memory, type) == 0 || truncate(memory, type) > truncate(value, type) ? value : memory - 1;
  default:
    return value;
  }
}
