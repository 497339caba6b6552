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
  let summary = "lower the functions of epilogues to what the hardware has";
  let description = [{
    In each `dgemm.map`, a function that PTX has no instruction for becomes arithmetic: one of MLIR's polynomials, or,
    if its `fastmath` has `afn`, an approximation of the hardware (`ex2.approx`, `lg2.approx`, `tanh.approx`, ...).

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
  let summary = "create the tensor maps of the operands that move by TMA";
  let description = [{
    Appends an argument to the kernel for each tensor map that its `dgemm.load_async` and `dgemm.store` ops by `tma`
    need. The `dgemm.tensor_map` of the argument says how the host encodes the map. A box is a tile, or, with multicast,
    the slice of the tile that one of several CTAs loads for all. D has one map for each width of the panels that it is
    stored in. If the rows of a store end (`rows`), its maps see the rows of D through windows, one that ends before
    each row and one that ends with D.

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
  let summary = "assign the stage and the phase of each access to the ring";
  let description = [{
    Producer and consumers walk the stages of the ring in order, and flip the parity of the phase at each wrap. Each
    `dgemm.acquire`, `dgemm.wait`, `dgemm.commit` and `dgemm.release` gets its position. Loops carry the parts of the
    position that an iteration changes. If the K blocks of a tile are whole rounds of the ring, each tile starts at
    stage 0. If the producer copies the scales of B, a slot is part of the position, too. A `dgemm.skip` only moves the
    position of its warpgroup.

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
  let summary = "lower the ring to mbarriers, and loads to copies";
  let description = [{
    Expects positions (`dgemm-assign-stage-phase`) and tensor maps (`dgemm-create-tensor-maps`).

    - The ring becomes shared memory and two mbarriers for each stage: `full` (one arrival of the producer, and the
      bytes of the stage) and `empty` (one arrival of each math warp that reads the stage). They are initialised before the roles.
    - Loads become what their `by` says: bulk copies, `cp.async`, or loads and stores of all threads of the producer.
    - A `dgemm.view` becomes a `dgemm.tile_at`.
    - One thread prefetches the tensor maps. It also prefetches the tiles that are loaded first, if their `by` has a
      `prefetch_from`.
    - With `pdl`, the kernel lets the next kernel of the stream start, and waits for the previous one before a role
      begins.

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
  let summary = "lower sums over a cluster to sends and receives";
  let description = [{
    A `dgemm.reduce_cluster` becomes `dgemm.send_fragment` and `dgemm.add_received` with waits for two mbarriers.
    `drained` completes when the other CTAs have read what this CTA sent for the previous tile. `received` completes
    when all columns from the other CTAs have arrived. The tile loop carries the number of the tile; its last bit is the
    parity of the phases. `dgemm-lower-ring` has initialised the barriers.

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
  let summary = "lower stores by TMA to copies through shared memory";
  let description = [{
    A `dgemm.store` with scales becomes a `dgemm.quantize` and a store of its result.

    A `dgemm.store` by `tma` becomes `dgemm.store_fragment` to staging panels, a proxy fence, a barrier of the
    warpgroup, and TMA stores by the first thread of the warpgroup. The staging is reused once those stores have read
    it. As many stores of a tile go together as the staging holds. If the rows end inside a slice (`rows`), its box begins
    inside of the window that ends with them, so that TMA drops the other rows. Stores with `by` `registers` stay for
    `dgemm-lower-wgmma`. Memref arguments without any use left are dropped.

    ```mlir
    dgemm.store %acc, %d[%m, %n] by <tma> : ...
    // becomes
    // one thread waits until its previous stores have read the staging; barrier of the warpgroup
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
  let summary = "lower fragments to registers, mma to wgmma, and promote to FP32 multiply-adds";
  let description = [{
    A 64xN fragment becomes a struct of the N/2 f32 values that a thread of the warpgroup holds. `dgemm.mma` becomes a
    fence, four m64nNk32 `wgmma.mma_async` (the first with scale-d = 0), a commit and a wait. The accumulators then pass
    through an empty asm, because nothing else in LLVM IR orders their uses after the wait.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def LowerToNVVMPass : Pass<"dgemm-lower-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "lower kernels, tile loops and warp roles to upstream dialects";
  let description = [{
    The kernel becomes an `llvm.func` with `nvvm.kernel`, its thread count and its parameters: tensor maps by value as
    grid constants, pointers, and i32 sizes. The `dgemm.launch` attribute and the argument attributes hold what the host
    must know. Roles become branches on the warpgroup index with `setmaxnreg`. The result has only `llvm` and `nvvm`
    ops, without common subexpressions. Code outside a `dgemm.kernel` stays as it is; an index has its own width there.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

def EmbedKernelsPass : Pass<"dgemm-embed-kernels", "::mlir::ModuleOp"> {
  let summary = "embed kernels as text in host code, and lower launches to calls of the runtime";
  let description = [{
    Expects kernels after `dgemm-lower-to-nvvm`. Each declaration whose `dgemm.launches` names a kernel gets a body,
    which calls `dgemm_launch_or_abort` of libdgemm_runtime (`include/dgemm-c/Runtime.h`) with the descriptors of its
    memrefs. The PTX and the launch descriptor of the kernel become constants next to the declaration, and the kernel is
    erased. The result no longer needs dgemm: upstream passes lower it, and upstream's `mlir-runner` runs it.

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
