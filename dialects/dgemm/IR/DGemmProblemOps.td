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
    The operands are A = `lhs` [M, K] and B = `rhs` [N, K] (e4m3 or e5m2, K innermost), their scales (f32), and D =
    `out` [M, N] (bf16, f16, f32, or FP8 with scales of its own):

    ```
    D[m, n] = sum over k blocks of 128:  (sum over k in block: A[m, k] * B[n, k]) * scale of A[m, k] * scale of B[n, k]
    ```

    `by` gives the block of an operand that has one scale, as [rows, k]: `[1, 128]`, `[128, 128]`, `[1, full]` (a scale
    for each row) or `[full, full]` (one scale). The shape of the scales follows from it (`#dgemm.scaled`). The row
    pitch of scales for each row is the number of rows, rounded up to a multiple of 4 (16 bytes), unless their type
    gives strides. An operand without `scaled` has no scales: its elements are used as they are.

    The FP8 accumulator of the tensor cores keeps fewer bits than f32, so each partial sum over 128 of K is promoted to
    f32. Scales that are the same along K are multiplied in after the sum. If no scales of A and B vary along K,
    `accuracy(fast)` omits the promotion.

    A grouped layout has G groups, each with its own B or its own columns of K:
    - `contiguous(%m_indices)`: the rows of all groups lie in one A and one D. `m_indices` [M] (i32) gives the group of
      each row. A row with -1, or with any other number that is no group, is padding; its row of D may hold anything. B
      is [G, N, K], and its scales have G in front too. Each group starts at a multiple of `aligned` rows (default 128).
    - `offsets(%ends)`: like `contiguous`, but `ends` [G] (i32), in ascending order, gives the row after the last row of
      each group. A group begins at the end of the previous one, rounded up to a multiple of `aligned` rows (default
      128; 1 for no padding). It has no rows if its end is not after its beginning. Ends are clamped to [0, M]. Rows
      that are in no group are not written.
    - `k_grouped(%ends)`: A and B are those of a dense problem, and each group has a range of columns of K. `ends` [G]
      (i32) gives the column after the last column of each group, as for `offsets`. `aligned` is a multiple of 128. D is
      [G, M, N], with a product for each group; the product of a group without columns is zero. The columns between the
      end of a group and the next multiple of 128 hold zeros.
    - `masked(%masked_m)`: all operands have G in front, with M rows for each group. Only the first `masked_m`[g] (i32)
      rows are computed and written. A value below 0 counts as 0, and a value above M as M. `expected` is a hint:
      the expected number of these rows. For other layouts it is the expected value of a dynamic M.
    - `batched`: all operands have G in front, with M rows for each group. All rows are computed. The strides of G and
      of the rows may have any order: the rows of one matrix may be between the rows of another.

    `epilogue` is a region of scalar arithmetic that computes what is stored to D in place of the sum. Its first
    argument is the scaled sum in f32. The other arguments are values of the operands that it names, as f32; `along`
    says what an operand has a value for (see `#dgemm.epilogue_operand`). A `gated` epilogue has two sums as its first
    arguments: those of column n and of column N/2 + n of B. D then has N/2 columns. `named` gives the name of an
    operand in the launch descriptor; it is `epilogue0` and so on if left out. An op with `fastmath<afn>` may be
    computed by the approximation of the hardware.

    - C1: `lhs` and `rhs` are f8E4M3FN or f8E5M2, scales f32, `out` bf16, f16 or f32, or f8E4M3FN or f8E5M2 with scales.
    - C2: the block of a scale is one of those above.
    - C3: M, N and K agree between the operands, and the scales have the extents that follow.

    With `out(%d scaled %sd : memref<...> by [1, 128])` D is quantised (see `#dgemm.quantized`): the kernel writes FP8
    elements, and a scale for each row and 128 columns. The epilogue, if there is one, runs before that. D and its
    scales may be the A of the next gemm.

    `divisible` says what dynamic sizes are multiples of. An operand whose strides are not known to be multiples of 16
    bytes is read and written without TMA. TMA requires `k = 16` for a dynamic K, and `n = 8` for a dynamic N, or
    `n = 16` if D is FP8.

    A stride may be `?`. For the rows of A, B and D it is then a size given at launch: LDA, LDB or LDD (in elements).
    Any other `?` follows from the strides and extents inside it, without a gap.

    `accumulate` adds the product to what D holds, in D's type: the sum over K is rounded to that type, and then the sum
    with D is rounded. Each element is added to once, so the result is the same from run to run.

    `pdl` requests programmatic dependent launch: the next kernel of the stream may start while this one runs. This
    kernel first sets itself up and then waits for the previous one (PTX ISA 9.0, griddepcontrol).

    Operands are memrefs, or tensors in destination style: the result starts from `out`, because rows beyond `masked_m`
    keep their contents. One-shot bufferization turns tensors into memrefs; the memrefs of scales are packed, without
    padding.

    - C4: `fast` and `balanced` require that no scales vary along K. Sizes are positive and below 2^31. Only dynamic
      sizes are `divisible`.
    - C5: the innermost stride of A, B and D is 1; that of scales is static. The launch handles the offset of an operand
      in its memory. An operand lies in global memory, without a memory space. Tensors have no encoding. Either all
      operands are memrefs, or all are tensors.
    - C6: `config`, if given, suits the machine (see `#dgemm.config`).
    - C7: operands of the epilogue are f32, bf16 or f16, have the shapes of `#dgemm.epilogue_operand`, and are packed.
      An operand along `mn` may have strides, like D. If its row stride is `?`, it is LDD, like that of D.
    - C8: the region takes nothing from outside it. Its values are f32 or i1, and each of its ops has a form in PTX.
    - C9: `gated` comes with an epilogue; see C6 of `#dgemm.problem`. An epilogue comes without `accumulate`, `offsets`
      and `k_grouped`.
    - C10: a D with scales comes without `accumulate` and `k_grouped`, and its operands are memrefs. A tile has whole
      blocks of its scales: block N is a multiple of 128, or with `gated` 256. There is no split_k.

    Example:
    ```mlir
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        epilogue(%bias : memref<4096xf32> along n named "bias") {
      ^bb0(%x: f32, %b0: f32):
        %y = arith.addf %x, %b0 : f32
        dgemm.yield %y : f32
      }
        : (memref<?x7168xf8E4M3FN>, memref<56x?xf32>, memref<4096x7168xf8E4M3FN>, memref<32x56xf32>, memref<?x4096xbf16>)
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128])
        out(%q scaled %sq : memref<32x?xf32> by [1, 128])
        : (memref<?x7168xf8E4M3FN>, memref<56x?xf32>, memref<4096x7168xf8E4M3FN>, memref<32x56xf32>,
           memref<?x4096xf8E4M3FN>)
    %d1 = dgemm.gemm dense lhs(%ta scaled %tsa by [1, full]) rhs(%tb) out(%d0)
        : (tensor<64x256xf8E4M3FN>, tensor<1x64xf32>, tensor<128x256xf8E4M3FN>, tensor<64x128xf32>)
        -> tensor<64x128xf32>
    ```
  }];
  let arguments = (ins DGemm_MemRefOrTensor:$lhs, Optional<DGemm_MemRefOrTensor>:$lhsScale, DGemm_MemRefOrTensor:$rhs,
                       Optional<DGemm_MemRefOrTensor>:$rhsScale, DGemm_MemRefOrTensor:$out,
                       Optional<DGemm_MemRefOrTensor>:$groups, Variadic<DGemm_MemRefOrTensor>:$epilogueOperands,
                       Optional<DGemm_MemRefOrTensor>:$outScale,
                       DGemm_Layout:$layout, OptionalAttr<I64Attr>:$alignment,
                       OptionalAttr<I64Attr>:$expectedRows, OptionalAttr<DGemm_DivisorsAttr>:$divisors, DefaultValuedAttr<DGemm_AccuracyKind, "AccuracyKind::Exact">:$accuracy, UnitAttr:$accumulate, UnitAttr:$pdl,
                       OptionalAttr<DenseI64ArrayAttr>:$lhsGranularity, OptionalAttr<DenseI64ArrayAttr>:$rhsGranularity,
                       OptionalAttr<DenseI64ArrayAttr>:$outGranularity,
                       OptionalAttr<ArrayAttr>:$epilogueRoles, UnitAttr:$gated, OptionalAttr<DGemm_ConfigAttr>:$config);
  let regions = (region AnyRegion:$epilogue);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    $layout (`(` $groups^ `)`)? (`aligned` $alignment^)? (`expected` $expectedRows^)? (`divisible` $divisors^)? (`accuracy` `(` $accuracy^ `)`)? (`accumulate` $accumulate^)? (`pdl` $pdl^)?
    `lhs` `(` $lhs (`scaled` $lhsScale^ `by` custom<Granularity>($lhsGranularity))? `)` `rhs` `(` $rhs (`scaled` $rhsScale^ `by` custom<Granularity>($rhsGranularity))? `)` `out` `(` $out (`scaled` $outScale^ `:` type($outScale) `by` custom<Granularity>($outGranularity))? `)` (`config` $config^)?
    `` custom<Epilogue>($epilogueOperands, type($epilogueOperands), $epilogueRoles, $gated, $epilogue) attr-dict `:`
    `(` type($lhs) `` custom<ScaleType>(ref($lhsScale), type($lhsScale)) `,` type($rhs) `` custom<ScaleType>(ref($rhsScale), type($rhsScale)) `,` type($out) (`,` type($groups)^)? `)` (`->` type($result)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ShapedType getLhsType() { return cast<ShapedType>(getLhs().getType()); }
    ShapedType getRhsType() { return cast<ShapedType>(getRhs().getType()); }
    ShapedType getOutType() { return cast<ShapedType>(getOut().getType()); }
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// True if elements of the result may depend on what `out` held before.
    bool keepsElementsOfOut() {
      return getAccumulate() || getLayout() == Layout::Masked || getLayout() == Layout::Offsets;
    }
    /// Extents in elements; ShapedType::kDynamic for `?`.
    int64_t getM() { return getOutType().getShape().drop_back().back(); }
    int64_t getN() { return getGated() ? getRhsType().getShape().drop_back().back() : getOutType().getShape().back(); }
    int64_t getK() { return getLhsType().getShape().back(); }
    /// 1 for a dense problem.
    int64_t getNumGroups() {
      if (getLayout() == Layout::Dense)
        return 1;
      return (getLayout() == Layout::KGrouped ? getOutType() : getRhsType()).getDimSize(0);
    }
    /// The start of each group is a multiple of this, in rows or columns of K, if all groups are in one A.
    int64_t getRowAlignment() { return getAlignment().value_or(128); }
    /// The problem that the operand types and attributes describe. The op must have been verified.
    ProblemAttr getProblem();
    bool hasEpilogue() { return !getEpilogue().empty(); }
    /// The operands with their roles, in order.
    SmallVector<std::pair<Operand, Value>> getRoles();
  }];
}

#endif // DGEMM_IR_PROBLEM_OPS
