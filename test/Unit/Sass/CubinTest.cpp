//===- CubinTest.cpp - Tests of reading and writing cubins -------------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Cubin.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFTypes.h"
#include "gtest/gtest.h"
#include <cstring>

using namespace dgemm::sass;
using llvm::object::ELF64LE;
namespace ELF = llvm::ELF;

namespace {

constexpr llvm::StringRef kNames("\0.shstrtab\0.text.kernel\0", 24);
constexpr unsigned kNameOfStrings = 1, kNameOfCode = 11;

/// A cubin as ptxas 13.0 lays it out, with one kernel of two instructions; its fields may be changed before build().
struct CubinBuilder {
  ELF64LE::Ehdr header;
  ELF64LE::Shdr sections[3];
  std::string code = std::string(2 * Instruction::kBytes, '\x11');

  CubinBuilder() {
    std::memset(&header, 0, sizeof(header));
    std::memset(sections, 0, sizeof(sections));
    std::memcpy(header.e_ident, ELF::ElfMagic, 4);
    header.e_ident[ELF::EI_CLASS] = ELF::ELFCLASS64;
    header.e_ident[ELF::EI_DATA] = ELF::ELFDATA2LSB;
    header.e_ident[ELF::EI_VERSION] = ELF::EV_CURRENT;
    header.e_ident[ELF::EI_OSABI] = 0x41;
    header.e_ident[ELF::EI_ABIVERSION] = 8;
    header.e_machine = ELF::EM_CUDA;
    header.e_flags = 0x06005a04;
    header.e_ehsize = sizeof(header);
    header.e_shentsize = sizeof(ELF64LE::Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 1;
    sections[1].sh_name = kNameOfStrings;
    sections[1].sh_type = ELF::SHT_STRTAB;
    sections[2].sh_name = kNameOfCode;
    sections[2].sh_type = ELF::SHT_PROGBITS;
    sections[2].sh_flags = ELF::SHF_ALLOC | ELF::SHF_EXECINSTR;
  }

  std::string build() {
    sections[1].sh_offset = sizeof(header);
    sections[1].sh_size = kNames.size();
    sections[2].sh_offset = sections[1].sh_offset + kNames.size();
    sections[2].sh_size = code.size();
    header.e_shoff = sections[2].sh_offset + code.size();
    std::string image(reinterpret_cast<const char *>(&header), sizeof(header));
    image += kNames;
    image += code;
    image.append(reinterpret_cast<const char *>(sections), sizeof(sections));
    return image;
  }
};

std::string getError(llvm::StringRef image) {
  llvm::Expected<Cubin> cubin = Cubin::parse(image);
  return cubin ? "" : llvm::toString(cubin.takeError());
}

} // namespace

TEST(SassCubin, ReadsAndWrites) {
  std::string image = CubinBuilder().build();
  llvm::Expected<Cubin> cubin = Cubin::parse(image);
  ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
  ASSERT_EQ(cubin->getKernels().size(), 1u);
  KernelCode &kernel = cubin->getKernels()[0];
  EXPECT_EQ(kernel.name, "kernel");
  EXPECT_EQ(kernel.instructions.size(), 2u);
  EXPECT_EQ(cubin->write(), image);

  kernel.instructions[1] = Instruction(0, 0);
  std::string expected = image;
  std::memset(&expected[kernel.offset + Instruction::kBytes], 0, Instruction::kBytes);
  EXPECT_EQ(cubin->write(), expected);
}

TEST(SassCubin, EarlierABI) {
  CubinBuilder builder;
  builder.header.e_ident[ELF::EI_ABIVERSION] = 7;
  builder.header.e_flags = 0x005a055a;
  EXPECT_EQ(getError(builder.build()), "");
}

TEST(SassCubin, NotACubin) {
  EXPECT_EQ(getError(""), "not a cubin: this is not an ELF file");
  EXPECT_EQ(getError(".version 8.0\n"), "not a cubin: this is not an ELF file");
  EXPECT_EQ(getError("\177ELF"), "not a cubin: expected a complete 64-bit little-endian ELF file");
  CubinBuilder builder;
  builder.header.e_machine = ELF::EM_X86_64;
  EXPECT_EQ(getError(builder.build()), "not a cubin: expected an ELF file of machine 190 (CUDA), but got machine 62");
  builder = CubinBuilder();
  builder.header.e_ident[ELF::EI_CLASS] = ELF::ELFCLASS32;
  EXPECT_EQ(getError(builder.build()), "not a cubin: expected a complete 64-bit little-endian ELF file");
}

TEST(SassCubin, OtherArchitecture) {
  CubinBuilder builder;
  builder.header.e_flags = 0x06005004;
  EXPECT_EQ(getError(builder.build()), "expected a cubin for sm_90 or sm_90a, but got one for sm_80");
}

TEST(SassCubin, NoKernel) {
  CubinBuilder builder;
  builder.sections[2].sh_flags = ELF::SHF_ALLOC;
  EXPECT_EQ(getError(builder.build()), "the cubin has no kernel: it has no code section '.text.NAME'");
}

TEST(SassCubin, Damaged) {
  CubinBuilder builder;
  builder.code.pop_back();
  EXPECT_EQ(getError(builder.build()), "damaged cubin: section '.text.kernel' has 31 bytes, not a multiple of 16");
  // Every truncation is an error, and none reads past the end.
  std::string image = CubinBuilder().build();
  for (size_t size = 0; size < image.size(); ++size)
    EXPECT_NE(getError(llvm::StringRef(image).take_front(size)), "") << size;
}
