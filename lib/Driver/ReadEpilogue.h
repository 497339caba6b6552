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
/// Their names, separated by commas.
std::string listReadyMadeEpilogues();

/// The epilogue that GemmShape::epilogue describes, for a D of `out`. If `out` is f32, ready-made epilogues are exact
/// to f32. Their operands with a value for each element have type `out`. Null after a diagnostic.
EpilogueAttr readEpilogue(mlir::MLIRContext *context, llvm::StringRef text, Type out);

} // namespace dgemm

#endif // DGEMM_LIB_DRIVER_READEPILOGUE_H
