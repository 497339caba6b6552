//===- InstructionTest.cpp - Tests of the SASS decoder ------------------ -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Instruction.h"
#include "gtest/gtest.h"

using namespace dgemm::sass;

template <typename T>
static std::string toText(const T &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

static std::string toText(const Instruction &instruction) {
  std::string text;
  llvm::raw_string_ostream os(text);
  instruction.print(os);
  return text;
}

/// FFMA R0, R1, ... with registers 2 and 3 or `wide` in the other operands, stalling for one cycle.
static Instruction makeFFMA(unsigned form, unsigned reuse = 0, uint64_t wide = 2) {
  uint64_t uniform = form >= 6 ? uint64_t(1) << 27 : 0;
  return {0x023 | form << 9 | 7 << 12 | 1 << 24 | wide << 32,
          uint64_t(3) | uniform | uint64_t(0x000fe2) << 40 | uint64_t(reuse) << 58};
}

// Encodings and texts of this file are those of nvdisasm 13.2 for sm_90a.

TEST(SassInstruction, Mnemonics) {
  EXPECT_EQ(Instruction(0x00e00000041879f3, 0x000fe20008700818).getMnemonic(), "QGMMA");
  EXPECT_EQ(Instruction(0x00000000000079c5, 0x000fe20000000000).getMnemonic(), "WARPGROUP");
  EXPECT_EQ(Instruction(0x000000ffffff79a7, 0x000fe20008100008).getMnemonic(), "SYNCS");
  EXPECT_EQ(Instruction(0x00000002ff0075a7, 0x000e240008000148).getMnemonic(), "SYNCS");
  EXPECT_EQ(Instruction(0x0004000000027984, 0x000fe20000000800).getMnemonic(), "LDS");
  EXPECT_EQ(Instruction(0x000000000000794d, 0x000fea0003800000).getMnemonic(), "EXIT");
  EXPECT_EQ(Instruction(0x0000000000007918, 0x000fc00000000000).getMnemonic(), "NOP");
  EXPECT_EQ(Instruction(0x0000000c10, 0).getMnemonic(), "IADD3");
  EXPECT_EQ(Instruction(0x1ff, 0).getMnemonic(), "");
  EXPECT_EQ(toText(Instruction(0x71ff, 0)), "0x1ff");
}

TEST(SassInstruction, QGMMAStartsSum) {
  EXPECT_TRUE(Instruction(0x00e00000041879f3, 0x000fe2000c7008ff).startsSum());
  EXPECT_FALSE(Instruction(0x00e00000041879f3, 0x000fe20008700818).startsSum());
}

TEST(SassInstruction, LocalMemory) {
  EXPECT_TRUE(Instruction(0x983, 0).isLocalMemory());
  EXPECT_TRUE(Instruction(0x387, 0).isLocalMemory());
  EXPECT_FALSE(Instruction(0x984, 0).isLocalMemory());
}

TEST(SassInstruction, BranchOffset) {
  // At 0x1e0 to 0x790, at 0x530 to 0x1a0, at 0x7b0 to 0x1f0, at 0x7c0 to itself.
  EXPECT_EQ(Instruction(0x0000000400688947, 0x001fea0003800000).getBranchOffset(), 0x790 - 0x1f0);
  EXPECT_EQ(Instruction(0xfffffffc00180947, 0x000fec000383ffff).getBranchOffset(), 0x1a0 - 0x540);
  EXPECT_EQ(Instruction(0xfffffff8008c7947, 0x000fea000383ffff).getBranchOffset(), 0x1f0 - 0x7c0);
  EXPECT_EQ(Instruction(0xfffffffc00fc7947, 0x000fc0000383ffff).getBranchOffset(), -16);
  EXPECT_EQ(Instruction(0x0000000000007918, 0).getBranchOffset(), std::nullopt);
}

TEST(SassInstruction, ControlBits) {
  // SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR8], R2, which sets scoreboard 0, and the branch that waits for it.
  EXPECT_EQ(toText(Instruction(0x00000002ff0075a7, 0x000e240008000148).getControl()), "B------:R-:W0:-:S02");
  EXPECT_EQ(toText(Instruction(0x0000000400688947, 0x001fea0003800000).getControl()), "B0-----:R-:W-:-:S05");
  EXPECT_EQ(toText(Instruction(0x0000000000007918, 0x000fc00000000000).getControl()), "B------:R-:W-:Y:S00");
  // FFMA R5, R24, R2.reuse, R5 of a kernel of 256 threads; FFMA R5, R24, R68, R5 of one of 384.
  Instruction stays(0x0000000218057223, 0x080fe20000000005), yields(0x0000004418057223, 0x000fc20000000005);
  EXPECT_EQ(toText(stays.getControl()), "B------:R-:W-:-:S01");
  EXPECT_EQ(stays.getControl().reuse, 2u);
  EXPECT_EQ(toText(yields.getControl()), "B------:R-:W-:Y:S01");
  EXPECT_EQ(yields.getControl().reuse, 0u);
}

TEST(SassInstruction, HintsAreTheOnlyBitsSet) {
  Instruction instruction(0x0000000218057223, 0x080fe20000000005);
  instruction.setYields(true);
  EXPECT_EQ(instruction.getHigh(), 0x080fc20000000005u);
  instruction.clearReuse();
  EXPECT_EQ(instruction.getHigh(), 0x000fc20000000005u);
  instruction.setYields(false);
  EXPECT_EQ(instruction.getHigh(), 0x000fe20000000005u);
  EXPECT_EQ(instruction.getLow(), 0x0000000218057223u);
}

TEST(SassInstruction, BytesRoundTrip) {
  char bytes[Instruction::kBytes];
  Instruction instruction(0x0123456789abcdef, 0xfedcba9876543210);
  instruction.write(bytes);
  EXPECT_EQ(uint8_t(bytes[0]), 0xef);
  EXPECT_EQ(uint8_t(bytes[15]), 0xfe);
  EXPECT_EQ(Instruction::read(bytes), instruction);
}

TEST(SassInstruction, FormsOfFFMA) {
  EXPECT_EQ(toText(makeFFMA(1)), "FFMA R0, R1, R2, R3");
  EXPECT_EQ(toText(makeFFMA(1, 7)), "FFMA R0, R1.reuse, R2.reuse, R3.reuse");
  EXPECT_EQ(toText(makeFFMA(2, 2, 0x3f800000)), "FFMA R0, R1, R3.reuse, 1");
  EXPECT_EQ(toText(makeFFMA(3, 3, 0x210 << 6)), "FFMA R0, R1.reuse, R3.reuse, c[0x0][0x210]");
  EXPECT_EQ(toText(makeFFMA(4, 4, 0x3f800000)), "FFMA R0, R1, 1, R3.reuse");
  EXPECT_EQ(toText(makeFFMA(5, 5, 0x210 << 6)), "FFMA R0, R1.reuse, c[0x0][0x210], R3.reuse");
  EXPECT_EQ(toText(makeFFMA(6, 4)), "FFMA R0, R1, UR2, R3.reuse");
  EXPECT_EQ(toText(makeFFMA(7, 2)), "FFMA R0, R1, R3.reuse, UR2");
}

TEST(SassInstruction, RegistersOfFFMA) {
  using Registers = llvm::SmallVector<unsigned, 4>;
  EXPECT_EQ(makeFFMA(1).getFFMARegisters(), Registers({0, 1, 3, 2}));
  EXPECT_EQ(makeFFMA(6).getFFMARegisters(), Registers({0, 1, 3}));
  EXPECT_EQ(makeFFMA(1, 0, 255).getFFMARegisters(), Registers({0, 1, 3}));
}
