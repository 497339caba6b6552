//===- Cubin.cpp - The kernels in a cubin -------------------------------- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Sass/Cubin.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/FormatVariadic.h"

using namespace dgemm::sass;
using llvm::object::ELF64LE;
using llvm::object::ELFFile;
namespace ELF = llvm::ELF;

static constexpr unsigned kSupportedSM = 90;
static constexpr llvm::StringLiteral kCodePrefix = ".text.";

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// 90 for sm_90 and sm_90a. CUDA 13 moved the number; the ABI version tells where it is.
static unsigned getSM(const ELFFile<ELF64LE> &file) {
  bool isFirstABI = file.getHeader().e_ident[ELF::EI_ABIVERSION] <= ELF::ELFABIVERSION_CUDA_V1;
  return isFirstABI ? file.getHeader().e_flags & ELF::EF_CUDA_SM
                    : (file.getHeader().e_flags & ELF::EF_CUDA_SM_MASK) >> ELF::EF_CUDA_SM_OFFSET;
}

static llvm::Expected<ELFFile<ELF64LE>> openELF(llvm::StringRef image) {
  if (!image.starts_with(llvm::StringRef(ELF::ElfMagic, 4)))
    return makeError("not a cubin: this is not an ELF file");
  // A CUDA ELF file is 64-bit little-endian; the reader below would misread any other.
  if (image.size() < sizeof(ELF64LE::Ehdr) || image[ELF::EI_CLASS] != ELF::ELFCLASS64 ||
      image[ELF::EI_DATA] != ELF::ELFDATA2LSB)
    return makeError("not a cubin: expected a complete 64-bit little-endian ELF file");
  llvm::Expected<ELFFile<ELF64LE>> file = ELFFile<ELF64LE>::create(image);
  if (!file)
    return file.takeError();
  if (unsigned machine = file->getHeader().e_machine; machine != ELF::EM_CUDA)
    return makeError(llvm::formatv("not a cubin: expected an ELF file of machine {0} (CUDA), but got machine {1}",
                                   unsigned(ELF::EM_CUDA), machine));
  if (unsigned sm = getSM(*file); sm != kSupportedSM)
    return makeError(llvm::formatv("expected a cubin for sm_{0} or sm_{0}a, but got one for sm_{1}", kSupportedSM, sm));
  return file;
}

llvm::Expected<Cubin> Cubin::parse(llvm::StringRef image) {
  llvm::Expected<ELFFile<ELF64LE>> file = openELF(image);
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return makeError("damaged cubin: " + llvm::toString(sections.takeError()));
  Cubin cubin;
  cubin.image = image.str();
  for (const ELF64LE::Shdr &section : *sections) {
    llvm::Expected<llvm::StringRef> name = file->getSectionName(section);
    if (!name)
      return makeError("damaged cubin: " + llvm::toString(name.takeError()));
    if (section.sh_type != ELF::SHT_PROGBITS || !(section.sh_flags & ELF::SHF_EXECINSTR) ||
        !name->starts_with(kCodePrefix))
      continue;
    llvm::Expected<llvm::ArrayRef<uint8_t>> bytes = file->getSectionContents(section);
    if (!bytes)
      return makeError("damaged cubin: " + llvm::toString(bytes.takeError()));
    if (bytes->size() % Instruction::kBytes != 0)
      return makeError(llvm::formatv("damaged cubin: section '{0}' has {1} bytes, not a multiple of {2}", *name,
                                     bytes->size(), Instruction::kBytes));
    KernelCode kernel;
    kernel.name = name->drop_front(kCodePrefix.size()).str();
    kernel.offset = section.sh_offset;
    for (size_t at = 0; at < bytes->size(); at += Instruction::kBytes)
      kernel.instructions.push_back(Instruction::read(reinterpret_cast<const char *>(bytes->data()) + at));
    cubin.kernels.push_back(std::move(kernel));
  }
  if (cubin.kernels.empty())
    return makeError("the cubin has no kernel: it has no code section '.text.NAME'");
  return cubin;
}

std::string Cubin::write() const {
  std::string result = image;
  for (const KernelCode &kernel : kernels)
    for (auto [index, instruction] : llvm::enumerate(kernel.instructions))
      instruction.write(&result[kernel.offset + index * Instruction::kBytes]);
  return result;
}
