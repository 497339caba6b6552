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
  let summary = "raise scaled FP8 products in linalg to dgemm.gemm";
  let description = [{
    A `linalg.generic` on tensors becomes a `dgemm.gemm` if it sums, in f32 and from zero, the products of two FP8
    operands (K innermost in both) and of their f32 scales. The indexing map of the scales says which elements have one
    scale: a row and 128 of K ([M, K/128] or [K/128, M]), a 128x128 block, a row, or all. Scales that are missing are 1.
    An element-wise rounding to bf16 or f16 becomes the type of D. A dimension in front of all operands is a batch, and
    makes a `batched` gemm. The `dgemm.gemm` multiplies partial sums, not each product, by the scales.

    Separate ops may dequantise the operands, and a `linalg.matmul` or `linalg.contract` may multiply them. The passes
    `linalg-generalize-named-ops,linalg-fuse-elementwise-ops,linalg-specialize-generic-ops` bring these into the form
    above; the last one is for the fill. An op that sums FP8 products in another way is left alone, with a remark that
    says why.

    Scaled dots of StableHLO are raised, too. Their ops are known by name, so they may be unregistered
    (`mlir-opt --allow-unregistered-dialect`, with the generic form of ops that `print_generic_op_form` of JAX writes):
    - `stablehlo.composite` of the name `xla.scaled_dot`, which `jax.lax.scaled_dot` makes;
    - `stablehlo.custom_call` of the target `__op$block_scaled_dot`, which `jax.nn.scaled_matmul` makes.

    Their operands are A, B and the scales of each (f32, for each row and 128 of K, or for each row). K is innermost in
    A and B. If B is contracted along its first dimension, it must be the `stablehlo.transpose` of such a matrix. There
    may be a batch in front. `symbol-dce` then removes the function of a composite. Any other scaled dot is left alone,
    with a remark.

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

def FuseEpiloguePass : Pass<"dgemm-fuse-epilogue"> {
  let summary = "fold element-wise linalg ops behind dgemm.gemm into its epilogue";
  let description = [{
    An element-wise op of linalg on tensors, generic or named, becomes the epilogue of the `dgemm.gemm` whose result it
    reads, if nothing else reads that result. Ops that follow are folded in turn. The result of the last one is D.

    The indexing maps of the other tensors say what they have a value for. `(m, n)` is an element, `(n)` or `(0, n)` a
    column, `(m)` or `(m, 0)` a row, and `()` or `(0, 0)` all of D. In a masked or batched layout, the group is in
    front. Scalars from outside the op become tensors of one element. Constants, `linalg.fill` and `linalg.broadcast` in
    front of an operand become part of the epilogue. The body has ops that [an epilogue may have](../epilogues.md),
    `arith.extf` and `arith.truncf`. Values in an epilogue are f32. So values between the sum and D are not rounded to
    bf16 or f16, but D is.

    An op that does not fit is left alone, and a remark says why. `dgemm-raise` makes gemms in programs that have none
    yet. `linalg-fuse-elementwise-ops` joins chains of ops if some of them have several users.

    ```mlir
    %sum = dgemm.gemm dense lhs(...) rhs(...) out(%empty) : ... -> tensor<64x256xf32>
    %biased = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>,
                                               affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]}
        ins(%sum, %bias : tensor<64x256xf32>, tensor<256xf32>) outs(%out : tensor<64x256xbf16>) {
    ^bb0(%x: f32, %b: f32, %old: bf16):
      %0 = arith.addf %x, %b : f32
      %1 = arith.truncf %0 : f32 to bf16
      linalg.yield %1 : bf16
    } -> tensor<64x256xbf16>
    // becomes
    %d = dgemm.gemm dense lhs(...) rhs(...) out(%out) epilogue(%bias : tensor<256xf32> along n named "epilogue0") {
    ^bb0(%x: f32, %b: f32):
      %0 = arith.addf %x, %b : f32
      dgemm.yield %0 : f32
    } : ... -> tensor<64x256xbf16>
    ```
  }];
  let dependentDialects = ["::dgemm::DGemmDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def SelectConfigPass : Pass<"dgemm-select-config"> {
  let summary = "attach a #dgemm.config to each problem";
  let description = [{
    A `dgemm.gemm` that has a config keeps it. Any other gets the config that a tuned table (`Analysis/TunedTable.h`)
    has for it on the machine. If there is none, it gets the cheapest legal config by the cost model
    (`Analysis/CostModel.h`). Its `dgemm.config_source` names the source. Configs that ptxas was seen to spill
    (`Analysis/SpillData.h`) are not chosen.

    Fields given in `config` are taken as they are: a tuned config that contradicts them is not used, and the model
    chooses the other fields. A `config` between < and > is a whole config, and nothing is chosen.

    The machine is the `dgemm.machine` of the module. A module that has problems but no machine gets the machine of the
    options.

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
           "GPU to choose for, if the module names none: h100 (default), h100-pcie, h200, gh200 or h20">,
    Option<"multiprocessors", "multiprocessors", "int64_t", "0", "multiprocessors to use; 0 for those of the machine">,
    Option<"tunedTable", "tuned-table", "std::string", "\"\"",
           "file of a tuned table, searched before those of the library">,
    Option<"spillData", "spill-data", "std::string", "\"\"",
           "file that says which configs ptxas spills, instead of the library's data">,
    ListOption<"avoided", "avoid", "std::string", "whole configs that must not be chosen">,
  ];
}

def OutlineKernelsPass : Pass<"dgemm-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "move each problem to its own function, and call it";
  let description = [{
    Each `dgemm.gemm`, wherever it is, becomes a call of a function that is declared next to it and whose
    `dgemm.launches` names a kernel. The kernel is a function with only the gemm, in one `gpu.module` at the end of the
    module. Gemms of the same problem and config share a kernel. Other attributes of the gemm move to the call, and all
    other code stays as it is. A function with `dgemm.kernel` is already meant as a kernel.

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
           "add #dgemm.target to the gpu.module, for gpu-module-to-binary to make an object">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect"];
}

def TileProblemPass : Pass<"dgemm-tile-problem", "::mlir::ModuleOp"> {
  let summary = "lower a problem to a persistent kernel over tiles";
  let description = [{
    Replaces each function that holds one `dgemm.gemm` with a config (and nothing else) by a `dgemm.kernel` of the same
    name. The kernel has a loop over output tiles. This loop has a loop over K blocks, with loads and a
    `dgemm.scaled_mma`, and then a `dgemm.store`. The arguments are the operands of the gemm in its own order, followed
    by the dynamic sizes. With `serpentine`, `dgemm.walk_k` gives the order of the K blocks.

    A `dgemm.gemm` anywhere else is an error: `dgemm-outline-kernels` has not run. Anything that a kernel would lose is
    an error, too: other arguments, results, attributes and callers of the function.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PromoteAccumulatorsPass : Pass<"dgemm-promote-accumulators"> {
  let summary = "make two-level accumulation explicit";
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

    - Tiles of A and B are loaded by TMA if their strides allow it, otherwise by ordinary loads of all threads of the
      producer. Tiles that several CTAs of a cluster need are multicast.
    - Tiles of scales are loaded by TMA. Up to four rows of scales of A are copied by `cp.async` instead, in a dense
      layout without multicast, with a block M of 64 and scales of B by `cp.async`.
    - Scales of blocks of B go through shared memory, by `cp.async`, if TMA loads everything else; otherwise the
      consumers read them.
    - D is stored by TMA if its strides allow it, it is not f32, and K is not divided between CTAs.
    - For a dense layout without multicast, the tiles of A and B that a CTA loads first may be prefetched.

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
    producer repeats the loops and fills the stages of a `dgemm.ring`. Each of the `warpgroups` consumers also repeats
    the loops, and computes its rows of the tile, 64 at a time. A stage is released as soon as the tensor cores have
    read it, before the last promotion.

    A block N above 200 is computed in two halves, one mma after the other. For a masked layout, a consumer computes
    only the slices of 64 rows that begin inside the group (`scf.if`).

    With `pingpong`, the tile loop of the consumers carries the number of the tile. A consumer computes all rows of every
    second tile. It skips the stages of the other consumer's tiles, so one of them stores while the other computes:

    ```mlir
    dgemm.for_each_tile (%m, %n) of ... iter_args(%number = %c0) -> index {
      %owner = arith.remui %number, %c2 : index
      %isown = arith.cmpi eq, %owner, %wg : index
      scf.if %isown {
        dgemm.await_turn %number
        %acc = scf.for %k = ...
        dgemm.pass_turn %number
        dgemm.store %acc, ...
      } else {
        dgemm.skip %c56 of %ring : ...
      }
      %next = arith.addi %number, %c1 : index
      dgemm.yield %next : index
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def ScheduleKLoopPass : Pass<"dgemm-schedule-k-loop"> {
  let summary = "schedule the waits, mma, promotions and stores of a consumer";
  let description = [{
    Gives each op of a consumer's K loop a stage and an order (`scf::pipelineForLoop`), as the config of the kernel
    says.

    `rotate = true`: the wait for the next stage, the addresses of its tiles and the loads of its scales come after the
    start of a K block's last mma, and the K loop carries their results. Scales that lie in global memory are loaded a
    whole K block ahead. The stage is released after the wait for the next one, which costs time if the ring has few
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

    `pingpong = true`: if only mmas add to the sums, those of a K block start before those of the block before are
    complete. The stage is released one K block later (`dgemm.mma_wait_reads`).

    `early_store = true`: if the number of K blocks is known and at least two, the last K block is moved out of the
    loop, after it. The part of the tile that is complete before the last mma (a slice, or a half of the columns) is
    stored between `dgemm.mma_start` and `dgemm.mma_wait` of that mma. If a K block has only one mma, the last one is
    divided. Stores of values that a branch yields (masked tiles) move into the branch first.

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

    Sums that are scaled after the loop are scaled just before their stores. If only mmas add to several slices, each
    slice is scaled in the last K block, as soon as it is complete. The sum of a single slice is scaled in halves of its
    columns: the second half is scaled while TMA reads the first half.

    ```mlir
    %left = dgemm.columns %acc from 0 : ...
    %scaled0 = dgemm.promote %left scaled %ra, %xb0 at %n into %zero : ...
    dgemm.store %scaled0, %d[...] part [0, 128] : ...
    %right = dgemm.columns %acc from 128 : ...
    %scaled1 = dgemm.promote %right scaled %ra, %xb1 at %n into %scaled0 from 128 : ...
    dgemm.store %scaled1, %d[...] part [128, 128] : ...
    ```

    If only mmas add to the sums of a loop, and K begins at 0, its first K block moves to before the loop. An mma into a
    `dgemm.zero` needs no zeros in registers.

    `unroll` above 1: an iteration has `unroll` K blocks, if the number of K blocks is known (K is static and not split)
    and at least twice `unroll`. A second loop runs the remaining K blocks. With early_store, a loop of fewer K blocks
    than `unroll` becomes straight code. Between the K blocks of an iteration, ptxas starts the wait for the next stage
    among the multiplications of a promotion, which it does not do across the end of a loop. Each mma takes over the
    registers of a partial sum that was promoted before it. With accuracy = balanced, two K blocks of an iteration have one
    partial sum if each has one mma.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

#endif // DGEMM_TRANSFORMS_PASSES
