//===- Instruction.h - A machine instruction of Hopper ----------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A 128-bit SASS instruction of sm_90. The decoder knows what rewriting and counting need: opcode, control bits, the
// operands of FFMA, the target of BRA. docs/sass.md has the table of fields. Depends on LLVM Support only.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SASS_INSTRUCTION_H
#define DGEMM_SASS_INSTRUCTION_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <optional>

namespace dgemm::sass {

/// The control bits of the scheduler.
struct ControlBits {
  /// Cycles until the warp's next instruction may issue.
  unsigned stall = 0;
  /// The scheduler may switch to another warp.
  bool yields = false;
  /// Scoreboards 0 to 5 that the instruction sets when it has written its result, or read its operands; 7 for none.
  unsigned writeBarrier = 7, readBarrier = 7;
  /// Scoreboards to wait for, one bit each.
  unsigned waitMask = 0;
  /// Operand slots whose register stays in the operand cache for the next instruction: bit 0 for A, 1 for B, 2 for C.
  unsigned reuse = 0;
};

/// Prints in the format of maxas: "B0-----:R-:W1:Y:S04".
llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const ControlBits &control);

class Instruction {
public:
  static constexpr unsigned kBytes = 16;
  static constexpr unsigned kZeroRegister = 255;

  Instruction() = default;
  /// Bits 0 to 63 and 64 to 127.
  Instruction(uint64_t low, uint64_t high) : low(low), high(high) {}
  /// `bytes` are kBytes, little-endian.
  static Instruction read(const char *bytes);
  void write(char *bytes) const;

  uint64_t getLow() const { return low; }
  uint64_t getHigh() const { return high; }
  bool operator==(const Instruction &other) const { return low == other.low && high == other.high; }
  bool operator!=(const Instruction &other) const { return !(*this == other); }

  /// The operation, bits 0 to 8.
  unsigned getOpcode() const { return low & 0x1ff; }
  /// The form of operands B and C, bits 9 to 11.
  unsigned getForm() const { return low >> 9 & 7; }
  /// "FFMA", "QGMMA"; empty for an operation that this decoder does not know.
  llvm::StringRef getMnemonic() const;
  bool isFFMA() const { return getOpcode() == 0x023; }
  bool isQGMMA() const { return getOpcode() == 0x1f3; }
  /// Loads and stores of local memory: spills and stack.
  bool isLocalMemory() const;
  /// QGMMA: true if it starts a sum (operand C is zero).
  bool startsSum() const { return isQGMMA() && (high & 0xff) == kZeroRegister; }
  /// BRA: bytes from the end of the instruction to the target.
  std::optional<int64_t> getBranchOffset() const;

  ControlBits getControl() const;
  void setYields(bool yields);
  void clearReuse() { high &= ~(uint64_t(0xf) << 58); }
  /// True if they differ only in the yield bit and the reuse flags.
  Instruction withoutHints() const { return {low, high & ~(uint64_t(0xf) << 58 | uint64_t(1) << 45)}; }

  /// FFMA: the destination and the registers that it reads, without RZ.
  llvm::SmallVector<unsigned, 4> getFFMARegisters() const;
  /// FFMA: nvdisasm's text, "FFMA R5, R24, R2.reuse, R5"; other operations: the mnemonic, or the opcode in hex.
  void print(llvm::raw_ostream &os) const;

private:
  void printFFMA(llvm::raw_ostream &os) const;
  unsigned getField(unsigned bit, unsigned width) const;

  uint64_t low = 0, high = 0;
};

} // namespace dgemm::sass

#endif // DGEMM_SASS_INSTRUCTION_H
