//===- ReadEpilogue.h - Epilogues as text -----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_DRIVER_READEPILOGUE_H
#define DGEMM_LIB_DRIVER_READEPILOGUE_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// The functions of a ready-made epilogue; empty if none has this name.
llvm::StringRef getReadyMadeEpilogue(llvm::StringRef name);
/// Their names, with commas between.
std::string listReadyMadeEpilogues();

/// The epilogue that GemmShape::epilogue describes, for a D of `out`. Ready-made ones are exact to f32 where that is
/// f32, and their operands with a value for each element are of that type. Null after a diagnostic.
EpilogueAttr readEpilogue(mlir::MLIRContext *context, llvm::StringRef text, Type out);

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_READEPILOGUE_H
