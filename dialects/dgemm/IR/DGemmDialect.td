//===- DGemmDialect.td - The dgemm dialect ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_DIALECT
#define DGEMM_IR_DIALECT

include "mlir/IR/OpBase.td"

def DGemm_Dialect : Dialect {
  let name = "dgemm";
  let cppNamespace = "::dgemm";
  let summary = "Scaled FP8 GEMM on NVIDIA Hopper, from problem to pipeline";
  let description = [{
    The dialect has three levels of IR. Each is complete: it parses, verifies and can start a test.

    - problem: `dgemm.gemm`, among any ops; `dgemm-outline-kernels` moves each into its own function;
    - tile: a `dgemm.kernel` that reads as a sequential program over tiles (`for_each_tile`, `load`, `scaled_mma` or
      `mma` + `promote`, `store`);
    - pipeline: the kernel split into warp roles around a ring of stages (`warp_specialize`, `acquire`, `commit`,
      `wait`, `release`).

    The upstream `nvvm` and `llvm` dialects come below these levels. See Rationale.md.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

class DGemm_Op<string mnemonic, list<Trait> traits = []> : Op<DGemm_Dialect, mnemonic, traits>;

// The allowed place of an op of a kernel. It is verified after the op itself.
class DGemm_PlaceTrait<string name> : NativeOpTrait<name> {
  let cppNamespace = "::dgemm";
}
def DGemm_DirectlyInKernel : DGemm_PlaceTrait<"DirectlyInKernel">;
def DGemm_InKernel : DGemm_PlaceTrait<"InKernel">;
def DGemm_InProducer : DGemm_PlaceTrait<"InProducer">;
def DGemm_InConsumer : DGemm_PlaceTrait<"InConsumer">;

#endif // DGEMM_IR_DIALECT
