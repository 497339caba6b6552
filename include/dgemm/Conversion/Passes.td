//===- Passes.td - From tiles to NVVM -*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_CONVERSION_PASSES
#define DGEMM_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def LowerTMAPass : Pass<"dgemm-lower-tma", "::mlir::ModuleOp"> {
  let summary = "rings, tile loads and stores to tensor maps, bulk copies and mbarriers";
  let description = [{
    - Memref operands that tiles are loaded from or stored to become tensor map arguments (`dgemm.tensor_map`).
    - The ring becomes shared memory and two mbarriers a stage: `full` (one arrival, that of the producer, and the bytes
      of the stage) and `empty` (one arrival of each math warp). Stage index and phase parity are carried by the loops.
    - `dgemm.store` becomes `dgemm.store_fragment` to staging panels, a proxy fence, a barrier of the warpgroup, and TMA
      stores by its first thread; the staging is reused once those stores have read it.
    - One thread prefetches the tiles that are loaded first, where their `by` has a `prefetch_from`.
    - With `pdl` the kernel lets the next one of the stream start, and waits for the one in front of it before a role begins.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def LowerWGMMAPass : Pass<"dgemm-lower-wgmma"> {
  let summary = "fragments to registers, mma to wgmma, promote to FP32 multiply-adds";
  let description = [{
    A 64xN fragment becomes a struct of the N/2 f32 values that a thread of the warpgroup holds. `dgemm.mma` becomes
    fence, four m64nNk32 `wgmma.mma_async` (the first with scale-d = 0), commit and wait; the accumulators then pass
    through an empty asm, since nothing else in LLVM IR orders their uses behind the wait.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def LowerToNVVMPass : Pass<"dgemm-lower-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "kernels, tile loops and warp roles to upstream dialects";
  let description = [{
    The kernel becomes an `llvm.func` with `nvvm.kernel`, its thread count and its parameters: tensor maps by value as
    grid constants, pointers, and i32 sizes. What the host must know stands in the `dgemm.launch` attribute and in the
    argument attributes. Roles become branches on the warpgroup index with `setmaxnreg`; all that is left is `llvm` and
    `nvvm`, without common subexpressions. What is no `dgemm.kernel` stays as it is: there an index has its own width.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

#endif // DGEMM_CONVERSION_PASSES
