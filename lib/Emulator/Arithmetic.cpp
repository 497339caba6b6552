//===- Arithmetic.cpp - Integer arithmetic --------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include <type_traits>

using namespace dgemm::emulator;

namespace {

template <typename T>
T *lanes(const Context &c, const Operand &operand) {
  if constexpr (sizeof(T) == 8)
    return reinterpret_cast<T *>(c.r64(operand));
  else
    return reinterpret_cast<T *>(c.r32(operand));
}

/// Element type to storage: 16-bit values live in 32-bit rows, zero-extended.
template <typename T>
using Storage = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

/// Runs `f` for the active lanes. The common case, in which all lanes are active, vectorises.
template <typename F>
void forLanes(LaneMask mask, F f) {
  if (mask == kAllLanes) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      f(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    f(unsigned(__builtin_ctz(mask)));
}

template <typename Op, typename T, typename R = T>
Step binary(Context &c, const Instruction &inst) {
  auto *d = lanes<Storage<R>>(c, c.op(inst, 0));
  auto *a = lanes<Storage<T>>(c, c.op(inst, 1));
  auto *b = lanes<Storage<T>>(c, c.op(inst, 2));
  forLanes(c.mask, [=](unsigned lane) {
    d[lane] = Storage<R>(std::make_unsigned_t<R>(Op::template apply<R>(T(a[lane]), T(b[lane]))));
  });
  return Step::Next;
}

template <typename Op, typename T>
Step unary(Context &c, const Instruction &inst) {
  auto *d = lanes<Storage<T>>(c, c.op(inst, 0));
  auto *a = lanes<Storage<T>>(c, c.op(inst, 1));
  forLanes(c.mask, [=](unsigned lane) { d[lane] = Storage<T>(std::make_unsigned_t<T>(Op::apply(T(a[lane])))); });
  return Step::Next;
}

/// d = a * b + c in the width of R.
template <typename Op, typename T, typename R>
Step mad(Context &c, const Instruction &inst) {
  auto *d = lanes<Storage<R>>(c, c.op(inst, 0));
  auto *a = lanes<Storage<T>>(c, c.op(inst, 1));
  auto *b = lanes<Storage<T>>(c, c.op(inst, 2));
  auto *s = lanes<Storage<R>>(c, c.op(inst, 3));
  forLanes(c.mask, [=](unsigned lane) {
    auto product = std::make_unsigned_t<R>(Op::template apply<R>(T(a[lane]), T(b[lane])));
    d[lane] = Storage<R>(std::make_unsigned_t<R>(product + std::make_unsigned_t<R>(s[lane])));
  });
  return Step::Next;
}

template <typename Op, typename T>
Step shift(Context &c, const Instruction &inst) {
  auto *d = lanes<Storage<T>>(c, c.op(inst, 0));
  auto *a = lanes<Storage<T>>(c, c.op(inst, 1));
  auto *b = c.r32(c.op(inst, 2));
  forLanes(c.mask,
           [=](unsigned lane) { d[lane] = Storage<T>(std::make_unsigned_t<T>(Op::apply(T(a[lane]), b[lane]))); });
  return Step::Next;
}

// Unsigned types promote to int when 16 bits wide; all arithmetic is done in 64 bits.
template <typename T>
uint64_t wide(T value) {
  return uint64_t(value);
}
struct AddOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return R(wide(a) + wide(b));
  }
};
struct SubOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return R(wide(a) - wide(b));
  }
};
struct MulLoOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return R(wide(a) * wide(b));
  }
};
struct MulHiOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return R((Wide(a) * Wide(b)) >> (8 * sizeof(T)));
  }
};
// PTX ISA, "div": division by zero gives an unspecified value; the hardware gives all ones.
struct DivOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    if (b == 0)
      return R(~T(0));
    return std::is_signed_v<T> && b == T(-1) ? R(0 - wide(a)) : R(a / b);
  }
};
struct RemOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    if (b == 0)
      return R(a);
    return std::is_signed_v<T> && b == T(-1) ? R(0) : R(a % b);
  }
};
struct MinOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return a < b ? a : b;
  }
};
struct MaxOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return a > b ? a : b;
  }
};
struct AndOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return a & b;
  }
};
struct OrOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return a | b;
  }
};
struct XorOp {
  template <typename R, typename T>
  static R apply(T a, T b) {
    return a ^ b;
  }
};
struct NotOp {
  template <typename T>
  static T apply(T a) {
    return T(~a);
  }
};
struct NegOp {
  template <typename T>
  static T apply(T a) {
    return T(0 - wide(a));
  }
};
struct AbsOp {
  template <typename T>
  static T apply(T a) {
    return a < 0 ? T(0 - wide(a)) : a;
  }
};
// Shift amounts above the width are clamped to it.
struct ShlOp {
  template <typename T>
  static T apply(T a, uint32_t n) {
    return n >= 8 * sizeof(T) ? T(0) : T(wide(a) << n);
  }
};
struct ShrOp {
  template <typename T>
  static T apply(T a, uint32_t n) {
    unsigned bits = 8 * sizeof(T);
    if (n >= bits)
      return std::is_signed_v<T> ? T(a >> (bits - 1)) : T(0);
    return T(a >> n);
  }
};

template <typename Op>
Handler selectBinary(const Modifiers &mods) {
  switch (mods.type()) {
  case Type::S16:
    return binary<Op, int16_t>;
  case Type::U16:
  case Type::B16:
    return binary<Op, uint16_t>;
  case Type::S32:
    return binary<Op, int32_t>;
  case Type::U32:
  case Type::B32:
    return binary<Op, uint32_t>;
  case Type::S64:
    return binary<Op, int64_t>;
  case Type::U64:
  case Type::B64:
    return binary<Op, uint64_t>;
  default:
    return nullptr;
  }
}

template <typename Op>
Handler selectUnary(const Modifiers &mods) {
  switch (getByteWidth(mods.type())) {
  case 2:
    return unary<Op, int16_t>;
  case 4:
    return unary<Op, int32_t>;
  case 8:
    return unary<Op, int64_t>;
  default:
    return nullptr;
  }
}

template <typename Op, template <typename, typename, typename> class Form>
Handler selectWiden(Type type) {
  switch (type) {
  case Type::S16:
    return Form<Op, int16_t, int32_t>::run;
  case Type::U16:
    return Form<Op, uint16_t, uint32_t>::run;
  case Type::S32:
    return Form<Op, int32_t, int64_t>::run;
  case Type::U32:
    return Form<Op, uint32_t, uint64_t>::run;
  default:
    return nullptr;
  }
}
template <typename Op, typename T, typename R>
struct BinaryForm {
  static Step run(Context &c, const Instruction &inst) { return binary<Op, T, R>(c, inst); }
};
template <typename Op, typename T, typename R>
struct MadForm {
  static Step run(Context &c, const Instruction &inst) { return mad<Op, T, R>(c, inst); }
};

template <typename Op>
Handler selectMad(Type type) {
  switch (type) {
  case Type::S16:
    return mad<Op, int16_t, int16_t>;
  case Type::U16:
    return mad<Op, uint16_t, uint16_t>;
  case Type::S32:
    return mad<Op, int32_t, int32_t>;
  case Type::U32:
    return mad<Op, uint32_t, uint32_t>;
  case Type::S64:
    return mad<Op, int64_t, int64_t>;
  case Type::U64:
    return mad<Op, uint64_t, uint64_t>;
  default:
    return nullptr;
  }
}

template <typename Op>
Handler selectShift(const Modifiers &mods) {
  switch (mods.type()) {
  case Type::S16:
    return shift<Op, int16_t>;
  case Type::U16:
  case Type::B16:
    return shift<Op, uint16_t>;
  case Type::S32:
    return shift<Op, int32_t>;
  case Type::U32:
  case Type::B32:
    return shift<Op, uint32_t>;
  case Type::S64:
    return shift<Op, int64_t>;
  case Type::U64:
  case Type::B64:
    return shift<Op, uint64_t>;
  default:
    return nullptr;
  }
}

/// Lane by lane, for rare operations.
template <typename F>
Step perLane(Context &c, F f) {
  forLanes(c.mask, f);
  return Step::Next;
}

Step execPopc(Context &c, const Instruction &inst) {
  return perLane(c, [&](unsigned l) { c.set(c.op(inst, 0), l, __builtin_popcountll(c.get(c.op(inst, 1), l))); });
}
Step execClz(Context &c, const Instruction &inst) {
  unsigned bits = 8 * getByteWidth(inst.mods.type());
  return perLane(c, [&](unsigned l) {
    uint64_t v = c.get(c.op(inst, 1), l);
    c.set(c.op(inst, 0), l, v ? __builtin_clzll(v) - (64 - bits) : bits);
  });
}
Step execBrev(Context &c, const Instruction &inst) {
  bool is64 = getByteWidth(inst.mods.type()) == 8;
  return perLane(c, [&](unsigned l) {
    uint64_t v = c.get(c.op(inst, 1), l);
    c.set(c.op(inst, 0), l, is64 ? __builtin_bitreverse64(v) : __builtin_bitreverse32(uint32_t(v)));
  });
}

/// PTX ISA, "bfe": the sign bit is that of the field, or of the whole when the field reaches past the end.
uint64_t extractField(uint64_t value, uint32_t position, uint32_t length, unsigned bits, bool isSign) {
  position &= 0xff;
  length &= 0xff;
  unsigned msb = bits - 1;
  uint64_t sign = 0;
  if (isSign && length) {
    unsigned at = std::min(position + length - 1, msb);
    sign = (value >> at) & 1;
  }
  uint64_t result = 0;
  for (unsigned i = 0; i < bits; ++i) {
    uint64_t bit = i < length && position + i <= msb ? (value >> (position + i)) & 1 : sign;
    result |= bit << i;
  }
  return result;
}
Step execBfe(Context &c, const Instruction &inst) {
  Type type = inst.mods.type();
  return perLane(c, [&](unsigned l) {
    c.set(c.op(inst, 0), l,
          extractField(c.get(c.op(inst, 1), l), c.get(c.op(inst, 2), l), c.get(c.op(inst, 3), l),
                       8 * getByteWidth(type), isSigned(type)));
  });
}
Step execBfi(Context &c, const Instruction &inst) {
  unsigned bits = 8 * getByteWidth(inst.mods.type());
  return perLane(c, [&](unsigned l) {
    uint64_t a = c.get(c.op(inst, 1), l), f = c.get(c.op(inst, 2), l);
    uint32_t position = c.get(c.op(inst, 3), l) & 0xff, length = c.get(c.op(inst, 4), l) & 0xff;
    for (unsigned i = 0; i < length && position + i < bits; ++i)
      f = (f & ~(uint64_t(1) << (position + i))) | (((a >> i) & 1) << (position + i));
    c.set(c.op(inst, 0), l, f);
  });
}

} // namespace

Handler dgemm::emulator::selectAdd(const Modifiers &m) { return selectBinary<AddOp>(m); }
Handler dgemm::emulator::selectSub(const Modifiers &m) { return selectBinary<SubOp>(m); }
Handler dgemm::emulator::selectMulLo(const Modifiers &m) { return selectBinary<MulLoOp>(m); }
Handler dgemm::emulator::selectMulHi(const Modifiers &m) { return selectBinary<MulHiOp>(m); }
Handler dgemm::emulator::selectMulWide(const Modifiers &m) { return selectWiden<MulLoOp, BinaryForm>(m.type()); }
Handler dgemm::emulator::selectMadLo(const Modifiers &m) { return selectMad<MulLoOp>(m.type()); }
Handler dgemm::emulator::selectMadHi(const Modifiers &m) { return selectMad<MulHiOp>(m.type()); }
Handler dgemm::emulator::selectMadWide(const Modifiers &m) { return selectWiden<MulLoOp, MadForm>(m.type()); }
Handler dgemm::emulator::selectDiv(const Modifiers &m) { return selectBinary<DivOp>(m); }
Handler dgemm::emulator::selectRem(const Modifiers &m) { return selectBinary<RemOp>(m); }
Handler dgemm::emulator::selectMin(const Modifiers &m) { return selectBinary<MinOp>(m); }
Handler dgemm::emulator::selectMax(const Modifiers &m) { return selectBinary<MaxOp>(m); }
Handler dgemm::emulator::selectAnd(const Modifiers &m) {
  return m.type() == Type::Pred ? execPredLogic : selectBinary<AndOp>(m);
}
Handler dgemm::emulator::selectOr(const Modifiers &m) {
  return m.type() == Type::Pred ? execPredLogic : selectBinary<OrOp>(m);
}
Handler dgemm::emulator::selectXor(const Modifiers &m) {
  return m.type() == Type::Pred ? execPredLogic : selectBinary<XorOp>(m);
}
Handler dgemm::emulator::selectNot(const Modifiers &m) { return selectUnary<NotOp>(m); }
Handler dgemm::emulator::selectShl(const Modifiers &m) { return selectShift<ShlOp>(m); }
Handler dgemm::emulator::selectShr(const Modifiers &m) { return selectShift<ShrOp>(m); }
Handler dgemm::emulator::selectNeg(const Modifiers &m) { return selectUnary<NegOp>(m); }
Handler dgemm::emulator::selectAbs(const Modifiers &m) { return selectUnary<AbsOp>(m); }
Handler dgemm::emulator::selectPopc(const Modifiers &) { return execPopc; }
Handler dgemm::emulator::selectClz(const Modifiers &) { return execClz; }
Handler dgemm::emulator::selectBrev(const Modifiers &) { return execBrev; }
Handler dgemm::emulator::selectBfe(const Modifiers &) { return execBfe; }
Handler dgemm::emulator::selectBfi(const Modifiers &) { return execBfi; }

Step dgemm::emulator::execPrmt(Context &c, const Instruction &inst) {
  return perLane(c, [&](unsigned l) {
    uint64_t pool = c.get(c.op(inst, 1), l) | (c.get(c.op(inst, 2), l) << 32);
    uint32_t selector = c.get(c.op(inst, 3), l), result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      uint32_t pick = (selector >> (4 * i)) & 0xf;
      uint32_t byte = (pool >> (8 * (pick & 7))) & 0xff;
      if (pick & 8)
        byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * i);
    }
    c.set(c.op(inst, 0), l, result);
  });
}

Step dgemm::emulator::execLop3(Context &c, const Instruction &inst) {
  uint32_t table = uint32_t(c.op(inst, 4).imm);
  return perLane(c, [&](unsigned l) {
    uint32_t x = c.get(c.op(inst, 1), l), y = c.get(c.op(inst, 2), l), z = c.get(c.op(inst, 3), l), result = 0;
    for (unsigned i = 0; i < 8; ++i)
      if ((table >> i) & 1)
        result |= (i & 4 ? x : ~x) & (i & 2 ? y : ~y) & (i & 1 ? z : ~z);
    c.set(c.op(inst, 0), l, result);
  });
}

Step dgemm::emulator::execShf(Context &c, const Instruction &inst) {
  bool left = inst.mods[Field::Mode], wrap = inst.mods[Field::Parity];
  return perLane(c, [&](unsigned l) {
    uint64_t pair = c.get(c.op(inst, 1), l) | (c.get(c.op(inst, 2), l) << 32);
    uint32_t n = c.get(c.op(inst, 3), l);
    n = wrap ? n & 31 : std::min(n, 32u);
    c.set(c.op(inst, 0), l, left ? uint32_t((pair << n) >> 32) : uint32_t(pair >> n));
  });
}
