//===- DGemmProblemOps.td - The GEMM problem ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_PROBLEM_OPS
#define DGEMM_IR_PROBLEM_OPS

include "DGemmAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def DGemm_MemRefOrTensor : AnyTypeOf<[AnyMemRef, AnyRankedTensor]>;

def DGemm_GemmOp : DGemm_Op<"gemm", [
    AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "a GEMM with block scales, dense or grouped";
  let description = [{
    With A = `lhs` [M, K], B = `rhs` [N, K] (e4m3 or e5m2, K innermost), their scales (f32), and D = `out` [M, N] (bf16, f16
    or f32):

    ```
    D[m, n] = sum over k blocks of 128:  (sum over k in block: A[m, k] * B[n, k]) * scale of A[m, k] * scale of B[n, k]
    ```

    `by` says which block of an operand has one scale, as [rows, k], and so the shape of the scales (`#dgemm.scaled`):
    `[1, 128]`, `[128, 128]`, `[1, full]` for a scale for each row, or `[full, full]` for one scale. Scales for each row
    have a row pitch of their number rounded up to a multiple of 4 (16 bytes), unless their type gives strides.

    The tensor core's FP8 accumulator keeps fewer bits than f32, so each 128-deep partial sum is promoted to f32. Scales
    that are the same along K are multiplied in behind the sum. Where both are, `accuracy(fast)` leaves the promotion out.

    With G groups, each has its own B:
    - `contiguous(%m_indices)`: the rows of all groups stand in one A and D; `m_indices` [M] (i32) gives the group of each
      row, -1 (or what is no group) for padding, whose rows of D may hold anything. B is [G, N, K], its scales have G in front too. Each group
      starts at a multiple of `aligned` rows (default 128).
    - `offsets(%ends)`: as `contiguous`, but `ends` [G] (i32) gives the row behind the last of each group, ascending. A group
      begins at the end of the one before it, rounded up to a multiple of `aligned` rows (default 128; 1 for no padding), and
      has no rows where it ends no later. Ends are clamped to [0, M]. Rows in no group are not written.
    - `k_grouped(%ends)`: A and B are those of a dense problem, and each group has columns of K: `ends` [G] (i32) gives the one
      behind its last, as for `offsets`; `aligned` is a multiple of 128. D is [G, M, N], a product for each group, which is zero
      where a group has no columns. The columns between the end of a group and the next multiple of 128 hold zeros.
    - `masked(%masked_m)`: all operands have G in front, with M rows for each group; only the first `masked_m`[g] (i32)
      of them are computed and written; below 0 counts as 0, above M as M. `expected` is a hint: how many these are (elsewhere: how large a dynamic M is).

    `epilogue` gives what D gets in place of the sum: a region of scalar arithmetic, whose first argument is the scaled sum
    in f32. The others are values of the operands that it names, each `along` what it has a value for (see
    `#dgemm.epilogue_operand`), as f32. An epilogue that is `gated` has two sums as its first arguments, those of column n and
    of column N/2 + n of B, and D has N/2 columns. `named` says what a launch descriptor calls an operand: `epilogue0` and so on
    if left out. With `fastmath<afn>` an op may be the approximation of the hardware.

    - C1: `lhs` and `rhs` are f8E4M3FN or f8E5M2, scales f32, `out` bf16, f16 or f32.
    - C2: the block of a scale is one of those above.
    - C3: M, N and K agree between the operands, and the scales have the extents that follow.
    `divisible` says what dynamic sizes are multiples of. An operand whose strides are not known to be multiples of 16
    bytes is read and written without TMA: a dynamic K wants `k = 16`, a dynamic N `n = 8` for it.

    Strides that are `?`: that of the rows of A, B and D is a size given at launch, LDA, LDB or LDD (in elements); any other
    follows from the strides and extents inside of it, with no space between.

    `accumulate` adds the product to what D holds, in D's type: the sum over K is rounded to it, then the sum with D is. Each
    element is added to once, so that the result is the same from run to run.

    `pdl` asks for programmatic dependent launch: the next kernel of the stream may start while this one runs, and this one,
    once it has set itself up, waits for the one in front of it (PTX ISA 9.0, griddepcontrol).

    Operands are memrefs, or tensors in destination style: `out` is what the result starts from, as rows beyond `masked_m`
    keep what they held. One-shot bufferization makes memrefs of them; those of scales are packed, without padding.

    - C4: `fast` wants scales that are the same along K. Sizes are positive and below 2^31; what is `divisible` is dynamic.
    - C5: the innermost stride of A, B and D is 1; that of scales is static. Where an operand begins in its memory is the
      launch's concern. It lies in global memory, without a memory space. Tensors have no encoding. Either all operands
      are memrefs, or all are tensors.
    - C6: `config`, where given, suits the machine (see `#dgemm.config`).
    - C7: operands of the epilogue are f32, bf16 or f16, have the shapes of `#dgemm.epilogue_operand`, and are packed; one
      along `mn` may have strides as D may. A row stride of it that is `?` is LDD, as that of D is.
    - C8: the region takes nothing from outside of it, its values are f32 or i1, and each of its ops is one that has a
      form in PTX.
    - C9: `gated` comes with an epilogue; see C6 of `#dgemm.problem`. An epilogue comes without `accumulate`, `offsets` and `k_grouped`.

    Example:
    ```mlir
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        epilogue(%bias : memref<4096xf32> along n named "bias") {
      ^bb0(%x: f32, %b0: f32):
        %y = arith.addf %x, %b0 : f32
        dgemm.yield %y : f32
      }
        : (memref<?x7168xf8E4M3FN>, memref<56x?xf32>, memref<4096x7168xf8E4M3FN>, memref<32x56xf32>, memref<?x4096xbf16>)
    %d1 = dgemm.gemm dense lhs(%ta scaled %tsa by [1, full]) rhs(%tb scaled %tsb by [full, full]) out(%d0)
        : (tensor<64x256xf8E4M3FN>, tensor<1x64xf32>, tensor<128x256xf8E4M3FN>, tensor<1x1xf32>, tensor<64x128xf32>)
        -> tensor<64x128xf32>
    ```
  }];
  let arguments = (ins DGemm_MemRefOrTensor:$lhs, DGemm_MemRefOrTensor:$lhsScale, DGemm_MemRefOrTensor:$rhs,
                       DGemm_MemRefOrTensor:$rhsScale, DGemm_MemRefOrTensor:$out, Optional<DGemm_MemRefOrTensor>:$groups,
                       Variadic<DGemm_MemRefOrTensor>:$epilogueOperands, DGemm_Layout:$layout, OptionalAttr<I64Attr>:$alignment,
                       OptionalAttr<I64Attr>:$expectedRows, OptionalAttr<DGemm_DivisorsAttr>:$divisors, DefaultValuedAttr<DGemm_AccuracyKind, "AccuracyKind::Exact">:$accuracy, UnitAttr:$accumulate, UnitAttr:$pdl,
                       DenseI64ArrayAttr:$lhsGranularity, DenseI64ArrayAttr:$rhsGranularity,
                       OptionalAttr<ArrayAttr>:$epilogueRoles, UnitAttr:$gated, OptionalAttr<DGemm_ConfigAttr>:$config);
  let regions = (region AnyRegion:$epilogue);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    $layout (`(` $groups^ `)`)? (`aligned` $alignment^)? (`expected` $expectedRows^)? (`divisible` $divisors^)? (`accuracy` `(` $accuracy^ `)`)? (`accumulate` $accumulate^)? (`pdl` $pdl^)?
    `lhs` `(` $lhs `scaled` $lhsScale `by` custom<Granularity>($lhsGranularity) `)` `rhs` `(` $rhs `scaled` $rhsScale `by` custom<Granularity>($rhsGranularity) `)` `out` `(` $out `)` (`config` $config^)?
    `` custom<Epilogue>($epilogueOperands, type($epilogueOperands), $epilogueRoles, $gated, $epilogue) attr-dict `:`
    `(` type($lhs) `,` type($lhsScale) `,` type($rhs) `,` type($rhsScale) `,` type($out) (`,` type($groups)^)? `)` (`->` type($result)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ShapedType getLhsType() { return cast<ShapedType>(getLhs().getType()); }
    ShapedType getRhsType() { return cast<ShapedType>(getRhs().getType()); }
    ShapedType getOutType() { return cast<ShapedType>(getOut().getType()); }
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// Elements of the result may be those of `out` before.
    bool keepsElementsOfOut() {
      return getAccumulate() || getLayout() == Layout::Masked || getLayout() == Layout::Offsets;
    }
    /// Extents in elements, ShapedType::kDynamic for `?`.
    int64_t getM() { return getOutType().getShape().drop_back().back(); }
    int64_t getN() { return getGated() ? getRhsType().getShape().drop_back().back() : getOutType().getShape().back(); }
    int64_t getK() { return getLhsType().getShape().back(); }
    /// 1 for a dense problem.
    int64_t getNumGroups() {
      if (getLayout() == Layout::Dense)
        return 1;
      return (getLayout() == Layout::KGrouped ? getOutType() : getRhsType()).getDimSize(0);
    }
    /// Rows, or columns of K, that the start of each group is a multiple of where all are in one A.
    int64_t getRowAlignment() { return getAlignment().value_or(128); }
    /// What the operand types and attributes say. The op has been verified.
    ProblemAttr getProblem();
    bool hasEpilogue() { return !getEpilogue().empty(); }
    /// The operands with their roles, in order.
    SmallVector<std::pair<Operand, Value>> getRoles();
  }];
}

#endif // DGEMM_IR_PROBLEM_OPS
