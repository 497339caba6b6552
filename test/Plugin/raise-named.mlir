// Operands that are dequantised by ops of their own, and a named product of them: stock passes bring them into one op first.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(linalg-generalize-named-ops,linalg-fuse-elementwise-ops,linalg-specialize-generic-ops,dgemm-raise,canonicalize)' %s | FileCheck %s

#id = affine_map<(i, j) -> (i, j)>
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<64x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<4x64xf32>, %[[B:[a-z0-9]+]]: tensor<256x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: tensor<2x4xf32>
// CHECK: dgemm.gemm dense lhs(%[[A]] scaled %[[SA]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128])
// CHECK-NOT: linalg.generic
func.func @layer(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<256x512xf8E4M3FN>, %sb: tensor<2x4xf32>) -> tensor<64x256xf32> {
  %zero = arith.constant 0.0 : f32
  %ea = tensor.empty() : tensor<64x512xf32>
  %wide_a = linalg.generic {indexing_maps = [#id, affine_map<(i, j) -> (j floordiv 128, i)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a, %sa : tensor<64x512xf8E4M3FN>, tensor<4x64xf32>) outs(%ea : tensor<64x512xf32>) {
  ^bb0(%x: f8E4M3FN, %s: f32, %old: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.mulf %0, %s : f32
    linalg.yield %1 : f32
  } -> tensor<64x512xf32>
  %eb = tensor.empty() : tensor<256x512xf32>
  %wide_b = linalg.generic {indexing_maps = [#id, affine_map<(i, j) -> (i floordiv 128, j floordiv 128)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%b, %sb : tensor<256x512xf8E4M3FN>, tensor<2x4xf32>) outs(%eb : tensor<256x512xf32>) {
  ^bb0(%x: f8E4M3FN, %s: f32, %old: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.mulf %0, %s : f32
    linalg.yield %1 : f32
  } -> tensor<256x512xf32>
  %ed = tensor.empty() : tensor<64x256xf32>
  %zd = linalg.fill ins(%zero : f32) outs(%ed : tensor<64x256xf32>) -> tensor<64x256xf32>
  %d = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%wide_a, %wide_b : tensor<64x512xf32>, tensor<256x512xf32>) outs(%zd : tensor<64x256xf32>) -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}
