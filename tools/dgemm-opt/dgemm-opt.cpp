//===- dgemm-opt.cpp - The mlir-opt of the dgemm dialect -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Pipelines/Pipelines.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  dgemm::registerDialects(registry);
  dgemm::registerPassesAndPipelines();
  mlir::registerTransformsPasses();
  llvm::cl::AddExtraVersionPrinter([](llvm::raw_ostream &os) { os << "  dgemm-opt version " DGEMM_VERSION "\n"; });
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "dgemm optimizer driver\n", registry));
}
