//===- Parser.h - PTX to decoded form ---------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_PARSER_H
#define DGEMM_LIB_EMULATOR_PARSER_H

#include "Kernel.h"
#include "llvm/Support/Error.h"

namespace dgemm::emulator {

/// Decodes the kernel `entry` of a PTX module. Error: names its line.
llvm::Expected<Kernel> parseKernel(llvm::StringRef ptx, llvm::StringRef entry);

/// Fills Instruction::reconverge of all branches: the immediate post-dominator (ControlFlow.cpp).
void computeReconvergence(Kernel &kernel);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_PARSER_H
