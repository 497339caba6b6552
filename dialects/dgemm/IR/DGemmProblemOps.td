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

def DGemm_GemmOp : DGemm_Op<"gemm"> {
  let summary = "a dense GEMM with block scales";
  let description = [{
    With A = `lhs` [M, K], B = `rhs` [N, K] (e4m3, K innermost), the scales of A [ceil(K/128), M] and of B
    [ceil(N/128), ceil(K/128)] (f32), and D = `out` [M, N] (bf16):

    ```
    D[m, n] = bf16( sum over k blocks of 128:  (sum over k in block: A[m, k] * B[n, k]) * scale_A[k/128, m]
                                                                                       * scale_B[n/128, k/128] )
    ```

    The tensor core's FP8 accumulator keeps fewer bits than f32, so each 128-deep partial sum is promoted to f32.
    The M stride of scale_A is M rounded up to a multiple of 4 (16 bytes).

    - C1: `lhs` and `rhs` are f8E4M3FN, scales f32, `out` bf16.
    - C2: the scales of `lhs` are by [1, 128], those of `rhs` by [128, 128].
    - C3: M, N and K agree between the operands, and the scales have the extents above.
    - C4: M and N are multiples of 8 and K is a multiple of 16 where static: TMA wants 16-byte row strides.
    - C5: rows are contiguous (identity layout).
    - C6: `config`, where given, suits the machine (see `#dgemm.config`).

    Example:
    ```mlir
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        : (memref<?x7168xf8E4M3FN>, memref<56x?xf32>, memref<4096x7168xf8E4M3FN>, memref<32x56xf32>, memref<?x4096xbf16>)
    ```
  }];
  let arguments = (ins AnyMemRef:$lhs, AnyMemRef:$lhsScale, AnyMemRef:$rhs, AnyMemRef:$rhsScale, AnyMemRef:$out,
                       DenseI64ArrayAttr:$lhsGranularity, DenseI64ArrayAttr:$rhsGranularity,
                       OptionalAttr<DGemm_ConfigAttr>:$config);
  let assemblyFormat = [{
    `dense` `lhs` `(` $lhs `scaled` $lhsScale `by` $lhsGranularity `)`
    `rhs` `(` $rhs `scaled` $rhsScale `by` $rhsGranularity `)` `out` `(` $out `)` (`config` $config^)? attr-dict `:`
    `(` type($lhs) `,` type($lhsScale) `,` type($rhs) `,` type($rhsScale) `,` type($out) `)`
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MemRefType getLhsType() { return cast<MemRefType>(getLhs().getType()); }
    MemRefType getRhsType() { return cast<MemRefType>(getRhs().getType()); }
    MemRefType getOutType() { return cast<MemRefType>(getOut().getType()); }
    /// Extents in elements, ShapedType::kDynamic for `?`.
    int64_t getM() { return getOutType().getDimSize(0); }
    int64_t getN() { return getOutType().getDimSize(1); }
    int64_t getK() { return getLhsType().getDimSize(1); }
  }];
}

#endif // DGEMM_IR_PROBLEM_OPS
