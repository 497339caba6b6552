//===- Instruction.cpp - A machine instruction of Hopper ---------------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Instruction.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"

using namespace dgemm::sass;
using llvm::support::endian::read64le;
using llvm::support::endian::write64le;

// Bits of the high quadword.
static constexpr unsigned kStallBit = 41, kYieldBit = 45, kWriteBarrierBit = 46, kReadBarrierBit = 49, kWaitBit = 52,
                          kReuseBit = 58;

Instruction Instruction::read(const char *bytes) { return {read64le(bytes), read64le(bytes + 8)}; }

void Instruction::write(char *bytes) const {
  write64le(bytes, low);
  write64le(bytes + 8, high);
}

unsigned Instruction::getField(unsigned bit, unsigned width) const {
  return (bit < 64 ? low >> bit : high >> (bit - 64)) & llvm::maskTrailingOnes<uint64_t>(width);
}

ControlBits Instruction::getControl() const {
  ControlBits control;
  control.stall = getField(64 + kStallBit, 4);
  control.yields = !getField(64 + kYieldBit, 1); // 1 means stay
  control.writeBarrier = getField(64 + kWriteBarrierBit, 3);
  control.readBarrier = getField(64 + kReadBarrierBit, 3);
  control.waitMask = getField(64 + kWaitBit, 6);
  control.reuse = getField(64 + kReuseBit, 4);
  return control;
}

void Instruction::setYields(bool yields) {
  uint64_t stays = uint64_t(1) << kYieldBit;
  high = yields ? high & ~stays : high | stays;
}

bool Instruction::isLocalMemory() const { return getMnemonic() == "LDL" || getMnemonic() == "STL"; }

std::optional<int64_t> Instruction::getBranchOffset() const {
  if (getOpcode() != 0x147)
    return std::nullopt;
  // In units of 4 bytes: the low 8 bits at 16, the others at 34 to 81.
  uint64_t words = uint64_t(getField(16, 8)) | (low >> 34) << 8 | (high & 0x3ffff) << 38;
  return llvm::SignExtend64<56>(words) * 4;
}

llvm::raw_ostream &dgemm::sass::operator<<(llvm::raw_ostream &os, const ControlBits &control) {
  os << 'B';
  for (unsigned barrier = 0; barrier < 6; ++barrier)
    os << (control.waitMask >> barrier & 1 ? char('0' + barrier) : '-');
  auto print = [&](char name, unsigned barrier) { os << ':' << name << (barrier < 6 ? char('0' + barrier) : '-'); };
  print('R', control.readBarrier);
  print('W', control.writeBarrier);
  return os << ':' << (control.yields ? 'Y' : '-') << llvm::format(":S%02u", control.stall);
}

//===----------------------------------------------------------------------===//
// FFMA
//===----------------------------------------------------------------------===//

namespace {
/// The kind of a source operand of FFMA.
enum class Source { Register, Immediate, Constant, Uniform };
struct FFMAForm {
  Source b, c;
};
} // namespace

/// std::nullopt for a form that FFMA does not have.
static std::optional<FFMAForm> getFFMAForm(unsigned form) {
  switch (form) {
  case 1:
    return FFMAForm{Source::Register, Source::Register};
  case 2:
    return FFMAForm{Source::Register, Source::Immediate};
  case 3:
    return FFMAForm{Source::Register, Source::Constant};
  case 4:
    return FFMAForm{Source::Immediate, Source::Register};
  case 5:
    return FFMAForm{Source::Constant, Source::Register};
  case 6:
    return FFMAForm{Source::Uniform, Source::Register};
  case 7:
    return FFMAForm{Source::Register, Source::Uniform};
  }
  return std::nullopt;
}

llvm::SmallVector<unsigned, 4> Instruction::getFFMARegisters() const {
  llvm::SmallVector<unsigned, 4> registers = {getField(16, 8), getField(24, 8), getField(64, 8)};
  if (getForm() == 1)
    registers.push_back(getField(32, 8));
  llvm::erase(registers, kZeroRegister);
  return registers;
}

void Instruction::printFFMA(llvm::raw_ostream &os) const {
  auto printRegister = [&](unsigned number) {
    if (number == kZeroRegister)
      os << "RZ";
    else
      os << 'R' << number;
  };
  // The wide field of the quadword, at 32, has B. In the forms where C is not a register it has C, and B is at 64.
  auto printOperand = [&](Source source, unsigned slot, bool isNegative, unsigned registerBit) {
    os << ", ";
    if (source == Source::Immediate) {
      os << llvm::format("%.20g", double(llvm::bit_cast<float>(getField(32, 32))));
      return;
    }
    os << (isNegative ? "-" : "");
    if (source == Source::Constant)
      os << llvm::format("c[0x%x][0x%x]", getField(54, 5), getField(38, 16));
    else if (source == Source::Uniform && getField(32, 6) == 63)
      os << "URZ";
    else if (source == Source::Uniform)
      os << "UR" << getField(32, 6);
    else
      printRegister(getField(registerBit, 8));
    if (source == Source::Register && getControl().reuse >> slot & 1)
      os << ".reuse";
  };
  FFMAForm form = *getFFMAForm(getForm());
  os << "FFMA" << (getField(80, 1) ? ".FTZ" : "");
  constexpr llvm::StringLiteral kRounding[] = {"", ".RM", ".RP", ".RZ"};
  os << kRounding[getField(78, 2)] << (getField(77, 1) ? ".SAT" : "") << ' ';
  printRegister(getField(16, 8));
  printOperand(Source::Register, 0, getField(72, 1), 24);
  printOperand(form.b, 1, form.b != Source::Register || form.c == Source::Register ? getField(63, 1) : getField(75, 1),
               form.c == Source::Register ? 32 : 64);
  printOperand(form.c, 2, form.c == Source::Register ? getField(75, 1) : getField(63, 1), 64);
}

void Instruction::print(llvm::raw_ostream &os) const {
  if (unsigned guard = getField(12, 4); guard != 7) {
    os << '@' << (guard & 8 ? "!" : "");
    if ((guard & 7) == 7)
      os << "PT ";
    else
      os << 'P' << (guard & 7) << ' ';
  }
  if (isFFMA() && getFFMAForm(getForm()))
    printFFMA(os);
  else if (!getMnemonic().empty())
    os << getMnemonic();
  else
    os << llvm::format_hex(getOpcode(), 5);
}
