//===- DGemmPlugin.cpp - The dialect and the passes for mlir-opt -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   mlir-opt-22 --load-dialect-plugin=DGemmPlugin.so --load-pass-plugin=DGemmPlugin.so
//               --pass-pipeline='builtin.module(dgemm-to-nvvm)'
//
//===----------------------------------------------------------------------===//

#include "dgemm/Pipelines/Pipelines.h"
#include "dgemm/Target/EmitPTX.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Support/Compiler.h"

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "DGemm", DGEMM_VERSION, [](mlir::DialectRegistry *registry) {
            dgemm::registerDialects(*registry);
            dgemm::registerTranslations(*registry);
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "DGemm", DGEMM_VERSION, dgemm::registerPassesAndPipelines};
}
