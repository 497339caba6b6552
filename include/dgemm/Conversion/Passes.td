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

def ExpandEpiloguesPass : Pass<"dgemm-expand-epilogues"> {
  let summary = "functions of epilogues to what the hardware has";
  let description = [{
    In each `dgemm.map`, functions that PTX has no instruction for become arithmetic: MLIR's polynomials; or where their
    `fastmath` has `afn`, the approximations of the hardware (`ex2.approx`, `lg2.approx`, `tanh.approx`, ...).

    ```mlir
    %1 = math.exp %0 fastmath<afn> : f32
    // becomes
    %t = arith.mulf %0, %log2e : f32
    %1 = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%t) : (f32) -> f32
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::NVVM::NVVMDialect", "::mlir::vector::VectorDialect"];
}

def CreateTensorMapsPass : Pass<"dgemm-create-tensor-maps"> {
  let summary = "tensor maps of the operands that move by TMA";
  let description = [{
    Appends an argument to the kernel for each tensor map that its `dgemm.load_async` and `dgemm.store` by `tma` want. Its
    `dgemm.tensor_map` says how the host encodes it. A box is a tile, or the slice of it that one of several CTAs loads for all; D
    has one map for each width of the panels that it is stored in.

    ```mlir
    dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, ...) ... {
      ... dgemm.load_async %a[%m, %k] into %stage[0] by <tma> : ...
    // becomes
    dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, ...,
                       %a_map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "a", ..., box = [128, 128], ...>}) ... {
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def AssignStagePhasePass : Pass<"dgemm-assign-stage-phase"> {
  let summary = "the stage and the phase of each access to the ring";
  let description = [{
    Producer and consumers walk the stages of the ring in order, and flip the parity of the phase at each wrap. Each
    `dgemm.acquire`, `dgemm.wait`, `dgemm.commit` and `dgemm.release` gets its position, which the loops carry: of it what an
    iteration changes. Where the K blocks of a tile are whole rounds of the ring, each tile starts at stage 0. Where the
    producer brings the scales of B, a slot is counted on, too.

    ```mlir
    scf.for %k = ... {
      %stage = dgemm.acquire %ring : ...
      ...
      dgemm.commit %ring : ...
    }
    // becomes
    %end:2 = scf.for %k = ... iter_args(%i = %c0_i32, %p = %c0_i32) -> (i32, i32) {
      %stage = dgemm.acquire %ring[%i] parity %p : ...
      ...
      dgemm.commit %ring[%i] : ...
      %next = arith.addi %i, %c1_i32 : i32
      ...
      scf.yield %nexti, %nextp : i32, i32
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def LowerRingPass : Pass<"dgemm-lower-ring"> {
  let summary = "the ring to mbarriers, loads to copies";
  let description = [{
    Expects positions (`dgemm-assign-stage-phase`) and tensor maps (`dgemm-create-tensor-maps`).

    - The ring becomes shared memory and two mbarriers a stage: `full` (one arrival, that of the producer, and the bytes of
      the stage) and `empty` (one arrival of each math warp). They are initialised before the roles.
    - Loads are done as their `by` says: bulk copies, `cp.async`, or loads and stores of all threads of the producer.
    - A `dgemm.view` becomes a `dgemm.tile_at`.
    - One thread prefetches the tensor maps, and the tiles that are loaded first where their `by` has a `prefetch_from`.
    - With `pdl` the kernel lets the next one of the stream start, and waits for the one in front of it before a role begins.

    ```mlir
    %stage = dgemm.wait %ring[%i] parity %p : ...
    %ta = dgemm.view %stage[0] from %r : ...
    dgemm.release %ring[%i] : ...
    // becomes, with addresses of shared memory
    scf.while ... { %done = nvvm.mbarrier.try_wait %full, %p ... }
    %ta = dgemm.tile_at %tile : ...
    scf.if %elected { nvvm.mbarrier.arrive %empty }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def LowerReductionsPass : Pass<"dgemm-lower-reductions"> {
  let summary = "sums over a cluster to what is sent and received";
  let description = [{
    A `dgemm.reduce_cluster` becomes `dgemm.send_fragment` and `dgemm.add_received` with waits for two mbarriers: `drained`, that
    what was sent of the tile before has been read, and `received`. The tile loop carries the number of the tile, of which
    the parity of their phases is the last bit. `dgemm-lower-ring` has initialised the barriers.

    ```mlir
    %sum, %column = dgemm.reduce_cluster %acc split = 4 : ...
    // becomes
    // wait for %drained, arm %received
    dgemm.send_fragment %acc to %buffer signal %received split = 4 : ...
    // wait for %received
    %sum = dgemm.add_received %acc from %buffer split = 4 : ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def LowerStoresPass : Pass<"dgemm-lower-stores"> {
  let summary = "stores by TMA through shared memory";
  let description = [{
    A `dgemm.store` by `tma` becomes `dgemm.store_fragment` to staging panels, a proxy fence, a barrier of the warpgroup, and TMA
    stores by its first thread. The staging is reused once those stores have read it; of the stores of a tile as many go
    together as it holds. Rows that end inside of a tile (`rows`) are stored by registers, as are the stores that say so:
    these stay for `dgemm-lower-wgmma`. Memref arguments that nothing reads any more are dropped.

    ```mlir
    dgemm.store %acc, %d[%m, %n] by <tma> : ...
    // becomes
    // one thread waits until its last stores have read the staging; barrier of the warpgroup
    dgemm.store_fragment %acc[0] into %panel : ...
    nvvm.fence.proxy ...
    // barrier of the warpgroup; one thread:
    nvvm.cp.async.bulk.tensor.global.shared.cta %d_map, %address, box[%n, %m] : ...
    ```
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

def EmbedKernelsPass : Pass<"dgemm-embed-kernels", "::mlir::ModuleOp"> {
  let summary = "kernels as text in host code, launches as calls of the runtime";
  let description = [{
    Expects kernels after `dgemm-lower-to-nvvm`. Each declaration whose `dgemm.launches` names one gets a body, which
    calls `dgemm_launch_or_abort` of libdgemm_runtime (`include/dgemm-c/Runtime.h`) with the descriptors of its memrefs. PTX and launch
    descriptor of the kernel become constants beside it, and the kernel goes. What is left knows nothing of dgemm: stock passes lower
    it, and stock `mlir-runner` runs it.

    ```mlir
    func.func private @layer_launch(...) attributes {dgemm.launches = @dgemm_kernels::@layer}
    gpu.module @dgemm_kernels { llvm.func @layer(...) ... }
    // becomes
    func.func private @layer_launch(...) {
      ...
      llvm.call @dgemm_launch_or_abort(%layer_kernel, %count, %descriptors, %stream)
      return
    }
    llvm.mlir.global internal @layer_kernel() ...
    llvm.mlir.global internal constant @layer_ptx(".version ...")
    llvm.mlir.global internal constant @layer_descriptor("{ ...")
    ```
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
}

#endif // DGEMM_CONVERSION_PASSES
