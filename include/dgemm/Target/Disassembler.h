//===- Disassembler.h - Cubin to text through nvdisasm ----------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_DISASSEMBLER_H
#define DGEMM_TARGET_DISASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace dgemm {

/// Looks for nvdisasm as findAssembler does for ptxas: `explicitPath`, $DGEMM_NVDISASM, $PATH, the nvidia-cuda-nvdisasm
/// wheel, /usr/local/cuda/bin. Error: nothing found, or not an nvdisasm.
llvm::Expected<std::string> findDisassembler(llvm::StringRef explicitPath = "");

/// The code of `cubin` as text, each instruction with its encoding. Error: nvdisasm refuses it; has nvdisasm's own
/// message.
llvm::Expected<std::string> disassemble(llvm::StringRef nvdisasm, llvm::StringRef cubin);

} // namespace dgemm

#endif // DGEMM_TARGET_DISASSEMBLER_H
