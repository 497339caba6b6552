//===- Passes.h - Passes of lib/Conversion -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_CONVERSION_PASSES_H
#define DGEMM_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace dgemm {

#define GEN_PASS_DECL
#include "dgemm/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dgemm/Conversion/Passes.h.inc"

} // namespace dgemm

#endif // DGEMM_CONVERSION_PASSES_H
