// What makes kernels takes gemms in memory.
// RUN: not dgemm-opt %s --dgemm-select-config 2>&1 | FileCheck %s
// RUN: not dgemm-opt %s --dgemm-outline-kernels 2>&1 | FileCheck %s
// RUN: not dgemm-opt %s --dgemm-tile-problem 2>&1 | FileCheck %s
// CHECK: tensors-errors.mlir:[[# @LINE + 3]]:8: error: 'dgemm.gemm' op expected operands to be memrefs, but got tensors; run one-shot-bufferize first
func.func @gemm(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<384x512xf8E4M3FN>, %sb: tensor<3x4xf32>,
                %d: tensor<64x384xbf16>) -> tensor<64x384xbf16> {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<384x512xf8E4M3FN>, tensor<3x4xf32>, tensor<64x384xbf16>)
      -> tensor<64x384xbf16>
  return %0 : tensor<64x384xbf16>
}
