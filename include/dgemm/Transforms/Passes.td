//===- Passes.td - From problem to warp roles -*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TRANSFORMS_PASSES
#define DGEMM_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def RaiseGemmPass : Pass<"dgemm-raise"> {
  let summary = "scaled FP8 products in linalg to dgemm.gemm";
  let description = [{
    A `linalg.generic` on tensors that sums products of two FP8 operands, K innermost in both, and of their f32 scales, from zero
    and in f32, becomes a `dgemm.gemm`. Scales may be one for each row and 128 of K ([M, K/128] or [K/128, M]), for each 128x128
    block, for each row or for all, told by their indexing maps; without scales they are 1. An element-wise rounding to bf16 or
    f16 becomes the type of D. Scales are multiplied to partial sums, and not to each product.

    Operands that are dequantised by ops of their own, and `linalg.matmul` or `linalg.contract` of these, come into this form
    by `linalg-generalize-named-ops,linalg-fuse-elementwise-ops,linalg-specialize-generic-ops`, the last for the fill. What sums FP8 products in another way is left alone, with a
    remark that says why.

    ```mlir
    %d = linalg.generic {
        indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k floordiv 128)>,
                         affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (n floordiv 128, k floordiv 128)>,
                         affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %sa, %b, %sb : ...) outs(%zeros : tensor<64x256xf32>) { // acc + ext(a) * sa * (ext(b) * sb)
    // becomes
    %transposed = linalg.transpose ins(%sa : tensor<64x4xf32>) outs(%empty : tensor<4x64xf32>) permutation = [1, 0]
    %d = dgemm.gemm dense lhs(%a scaled %transposed by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%zeros) : ...
    ```
  }];
  let dependentDialects = ["::dgemm::DGemmDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def SelectConfigPass : Pass<"dgemm-select-config"> {
  let summary = "attach a #dgemm.config to each problem";
  let description = [{
    A `dgemm.gemm` that has a config keeps it. Any other gets, with `dgemm.config_source` to say from where, the one that a
    tuned table (`Analysis/TunedTable.h`) has for it on the machine, else the cheapest legal one by the cost model (`Analysis/CostModel.h`). Fields given in `config` are taken as they
    are: a tuned config that contradicts them is not used, and the model chooses the rest. Configs that ptxas was seen to spill
    (`Analysis/SpillData.h`) are not chosen. Between < and > they are a whole config, and nothing is left to choose.

    The machine is the `dgemm.machine` of the module; a module that has problems and no machine gets that of the options.

    ```mlir
    dgemm.gemm dense lhs(...) rhs(...) out(%d) : (...)
    // becomes
    dgemm.gemm dense lhs(...) rhs(...) out(%d)
        config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>> : (...)
    ```
  }];
  let options = [
    Option<"config", "config", "std::string", "\"\"",
           "fields to take as given, for example 'block = 128x192x128, stages = 4'">,
    Option<"machine", "machine", "std::string", "\"\"",
           "GPU to choose for, where the module names none: h100 (default), h100-pcie, h200, gh200 or h20">,
    Option<"multiprocessors", "multiprocessors", "int64_t", "0", "multiprocessors to take, 0 for those of the machine">,
    Option<"tunedTable", "tuned-table", "std::string", "\"\"",
           "file of a tuned table to look into before those of the library">,
    Option<"spillData", "spill-data", "std::string", "\"\"",
           "file that says which configs ptxas spills, in place of the library's">,
    ListOption<"avoided", "avoid", "std::string", "whole configs that are not to be chosen">,
  ];
}

def OutlineKernelsPass : Pass<"dgemm-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "each problem to a function of its own and a call";
  let description = [{
    Each `dgemm.gemm`, wherever it stands, becomes a call of a function that is declared beside it, and whose
    `dgemm.launches` names a kernel. The kernel is a function of the gemm alone in one `gpu.module` at the end of the module;
    gemms of the same problem and config share one. All else stays as it is: other attributes of the gemm go to the call. A
    function with `dgemm.kernel` is meant as a kernel already.

    ```mlir
    func.func @layer(%p: i1, ...) {
      scf.if %p {
        dgemm.gemm dense lhs(%a ...) rhs(%b ...) out(%d) config <...> : (...)
      }
      return
    }
    // becomes
    func.func @layer(%p: i1, ...) {
      scf.if %p {
        func.call @layer_launch(%a, %sa, %b, %sb, %d) : (...) -> ()
      }
      return
    }
    func.func private @layer_launch(...) attributes {dgemm.launches = @dgemm_kernels::@layer}
    gpu.module @dgemm_kernels {
      func.func @layer(...) attributes {dgemm.kernel} {
        dgemm.gemm dense lhs(...) rhs(...) out(...) config <...> : (...)
        return
      }
    }
    ```
  }];
  let options = [
    Option<"attachTarget", "attach-target", "bool", "false",
           "the gpu.module has #dgemm.target, of which gpu-module-to-binary makes an object">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect"];
}

def TileProblemPass : Pass<"dgemm-tile-problem", "::mlir::ModuleOp"> {
  let summary = "problem to persistent kernel over tiles";
  let description = [{
    Replaces each function that holds one `dgemm.gemm` with a config (and nothing else) by a `dgemm.kernel` of the same
    name: a loop over output tiles, in it a loop over K blocks of loads and a `dgemm.scaled_mma`, then a `dgemm.store`.
    The arguments are the operands of the gemm in its own order, and behind them the dynamic sizes. A `dgemm.gemm` anywhere
    else, where `dgemm-outline-kernels` has not run, is an error, and so is what a kernel would lose: other arguments, results, attributes and callers of the function.
    With `serpentine` the K loop takes its K blocks where `dgemm.walk_k` says.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PromoteAccumulatorsPass : Pass<"dgemm-promote-accumulators"> {
  let summary = "two-level accumulation made explicit";
  let description = [{
    Splits each `dgemm.scaled_mma` into `dgemm.mma` (tensor cores, a fresh accumulator for one K block) and
    `dgemm.promote` (f32 on the CUDA cores, scaled, into the running sum).

    ```mlir
    %next = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %n into %sum : ...
    // becomes
    %part = dgemm.mma %ta, %tb : ...
    %next = dgemm.promote %part scaled %ra, %xb at %n into %sum : ...
    ```
  }];
}

def ChooseDataMovementPass : Pass<"dgemm-choose-data-movement"> {
  let summary = "decide how each load and store moves its data";
  let description = [{
    Puts a `#dgemm.movement` on each load and store of a kernel:

    - Tiles of A and B come by TMA where their strides allow it, else by ordinary loads of all threads of the producer.
      Those that several CTAs of a cluster need are multicast.
    - Scales of A come by TMA; up to four rows of them by `cp.async`, where nothing else hinders it.
    - Scales of B go through shared memory, by `cp.async`, where TMA brings all else; otherwise the consumers read them.
    - D is stored by TMA where its strides allow it and K is not divided between CTAs.
    - Of a dense layout without a cluster, the tiles of A and B that a CTA loads first are prefetched.

    ```mlir
    %xb = dgemm.load_scales %scale_b[%n, %k] : ...
    %tb = dgemm.load %b[%n, %k] : ...
    // becomes
    %xb = dgemm.load_scales %scale_b[%n, %k] by <cp_async> : ...
    %tb = dgemm.load %b[%n, %k] by <tma, multicast = column> : ...
    ```
  }];
}

def WarpSpecializePass : Pass<"dgemm-warp-specialize"> {
  let summary = "split a kernel into producer and consumer warps around a ring of stages";
  let description = [{
    Expects a kernel of one tile loop with one K loop of loads, `dgemm.mma` and `dgemm.promote`, and a store. The
    producer repeats the loops and fills the stages of a `dgemm.ring`; each of the `warpgroups` consumers repeats
    them too and computes its rows of the tile, 64 at a time. A stage is released as soon as the tensor cores have read
    it, before the last promotion.

    A block N above 200 is computed in two halves, one mma after the other. Of a masked layout a consumer takes only the
    slices of 64 rows that begin inside of the group (`scf.if`).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def ScheduleKLoopPass : Pass<"dgemm-schedule-k-loop"> {
  let summary = "in which order a consumer waits, multiplies, promotes and stores";
  let description = [{
    Gives each op of a consumer's K loop a stage and an order (`scf::pipelineForLoop`), as the config of the kernel says.

    `rotate = true`: the wait for the next stage, the addresses of its tiles and the loads of its scales stand
    behind the start of a K block's last mma, and the K loop carries them. Scales that lie in global memory are loaded a
    whole K block ahead. The stage is released behind the wait for the next one, which costs where the ring is short of
    stages.

    ```mlir
    %acc = scf.for %k = ... iter_args(%sum = %zero) {
      %xb = dgemm.load_scales %scale_b[%n, %k] : ...
      %stage = dgemm.wait %ring : ...
      %ta = dgemm.view %stage[0] from %r : ...
      ...
      %part = dgemm.mma %ta, %tb : ...
      dgemm.release %ring : ...
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum : ...
      scf.yield %next : ...
    }
    // becomes
    %acc:5 = scf.for %k = ... iter_args(%sum = %zero, %xb = %xb0, %ta = %ta0, ...) {
      %nextk = arith.addi %k, %c128 : index
      %more = arith.cmpi ult, %nextk, %K : index
      %nextxb = dgemm.load_scales %scale_b[%n, ...] : ...
      %started = dgemm.mma_start %ta, %tb : ...
      %stage = dgemm.wait %ring when %more : ...
      %nextta = dgemm.view %stage[0] from %r : ...
      ...
      %part = dgemm.mma_wait %started pending = 0 : ...
      dgemm.release %ring : ...
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum : ...
      scf.yield %next, %nextxb, %nextta, ... : ...
    }
    ```

    `early_store = true`: of a K loop with a known number of K blocks, two or more, the last one stands behind the loop.
    What of the tile is whole before its last mma (a slice, or a half of the columns) is stored between
    `dgemm.mma_start` and `dgemm.mma_wait` of that mma, which is divided where a K block has only one. Stores of what a
    branch yields (masked tiles) move into it first.

    ```mlir
    %part0 = dgemm.mma %a0, %b : ...
    %sum0 = dgemm.promote %part0 scaled ... into %acc#0 : ...
    %started = dgemm.mma_start %a1, %b over %part0 : ...
    dgemm.store %sum0, %d[...] : ...
    %part1 = dgemm.mma_wait %started pending = 0 : ...
    dgemm.release %ring : ...
    %sum1 = dgemm.promote %part1 scaled ... into %acc#1 : ...
    dgemm.store %sum1, %d[...] : ...
    ```

    `unroll` above 1: so many K blocks stand in an iteration, where their number is known (K is static and not split)
    and at least twice that; a second loop runs what is left over. With early_store, a loop of fewer K blocks than
    `unroll` becomes straight code. ptxas then starts the wait for the next stage among the multiplications of a
    promotion, which it does not do across the end of a loop. Each mma takes over the registers of a partial sum that was
    promoted before it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

#endif // DGEMM_TRANSFORMS_PASSES
