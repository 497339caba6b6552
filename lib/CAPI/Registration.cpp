//===- Registration.cpp - The dialect and passes for mlir-c -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm-c/Registration.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/Pipelines/Pipelines.h"
#include "dgemm/Target/EmitPTX.h"
#include "mlir/CAPI/Registration.h"

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(DGemm, dgemm, ::dgemm::DGemmDialect)

void dgemmRegisterDialects(MlirDialectRegistry registry) {
  dgemm::registerDialects(*unwrap(registry));
  dgemm::registerTranslations(*unwrap(registry));
}

void dgemmRegisterPasses() { dgemm::registerPassesAndPipelines(); }
