// Scaled products that front ends write in linalg become gemms, by the distribution's mlir-opt.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-raise,canonicalize)' %s -split-input-file | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#d = affine_map<(m, n, k) -> (m, n)>
#rows_of_a = affine_map<(m, n, k) -> (m, k floordiv 128)>
#blocks_of_b = affine_map<(m, n, k) -> (n floordiv 128, k floordiv 128)>
#id = affine_map<(i, j) -> (i, j)>

// Scales of A as a quantiser writes them are transposed. Rounding becomes the type of D.
// CHECK-LABEL: func.func @deepseek(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<64x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<64x4xf32>, %[[B:[a-z0-9]+]]: tensor<256x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: tensor<2x4xf32>
// CHECK: %[[OUT:.*]] = tensor.empty() : tensor<64x256xbf16>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[SA]] : tensor<64x4xf32>) outs(%{{.*}} : tensor<4x64xf32>) permutation = [1, 0]
// CHECK: %[[D:.*]] = dgemm.gemm dense lhs(%[[A]] scaled %[[T]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%[[OUT]]) : {{.*}} -> tensor<64x256xbf16>
// CHECK-NEXT: return %[[D]]
func.func @deepseek(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<64x4xf32>, %b: tensor<256x512xf8E4M3FN>, %sb: tensor<2x4xf32>) -> tensor<64x256xbf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x256xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<64x256xf32>) -> tensor<64x256xf32>
  %sum = linalg.generic {indexing_maps = [#a, #rows_of_a, #b, #blocks_of_b, #d], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %sa, %b, %sb : tensor<64x512xf8E4M3FN>, tensor<64x4xf32>, tensor<256x512xf8E4M3FN>, tensor<2x4xf32>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %sx: f32, %y: f8E4M3FN, %sy: f32, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.mulf %0, %sx : f32
    %2 = arith.extf %y : f8E4M3FN to f32
    %3 = arith.mulf %2, %sy : f32
    %4 = arith.mulf %1, %3 : f32
    %5 = arith.addf %acc, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<64x256xf32>
  %o = tensor.empty() : tensor<64x256xbf16>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%sum : tensor<64x256xf32>) outs(%o : tensor<64x256xbf16>) {
  ^bb0(%x: f32, %old: bf16):
    %0 = arith.truncf %x : f32 to bf16
    linalg.yield %0 : bf16
  } -> tensor<64x256xbf16>
  return %d : tensor<64x256xbf16>
}

// -----

#a = affine_map<(n, m, k) -> (m, k)>
#b = affine_map<(n, m, k) -> (n, k)>
#d = affine_map<(n, m, k) -> (m, n)>

// Loops in another order, a scale for each row and one for all, sizes that are not known.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?x512xf8E5M2>, %[[SA:[a-z0-9]+]]: tensor<?x1xf32>, %[[B:[a-z0-9]+]]: tensor<256x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: tensor<f32>
// CHECK-DAG: %[[ROW:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0, 1]] output_shape [1, %{{.*}}] : tensor<?xf32> into tensor<1x?xf32>
// CHECK-DAG: %[[ONE:.*]] = tensor.expand_shape %[[SB]] [] output_shape [1, 1] : tensor<f32> into tensor<1x1xf32>
// CHECK: dgemm.gemm dense lhs(%[[A]] scaled %[[ROW]] by [1, full]) rhs(%[[B]] scaled %[[ONE]] by [full, full]) out(%{{.*}}) : {{.*}} -> tensor<?x256xf32>
func.func @rows(%a: tensor<?x512xf8E5M2>, %sa: tensor<?x1xf32>, %b: tensor<256x512xf8E4M3FN>, %sb: tensor<f32>, %rows: index) -> tensor<?x256xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%rows) : tensor<?x256xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x256xf32>) -> tensor<?x256xf32>
  %sum = linalg.generic {indexing_maps = [#b, affine_map<(n, m, k) -> ()>, #a, affine_map<(n, m, k) -> (m, 0)>, #d],
                         iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%b, %sb, %a, %sa : tensor<256x512xf8E4M3FN>, tensor<f32>, tensor<?x512xf8E5M2>, tensor<?x1xf32>) outs(%z : tensor<?x256xf32>) {
  ^bb0(%y: f8E4M3FN, %sy: f32, %x: f8E5M2, %sx: f32, %acc: f32):
    %0 = arith.extf %x : f8E5M2 to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %1, %0 : f32
    %3 = arith.mulf %sx, %sy : f32
    %4 = arith.mulf %2, %3 : f32
    %5 = arith.addf %4, %acc : f32
    linalg.yield %5 : f32
  } -> tensor<?x256xf32>
  return %sum : tensor<?x256xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#d = affine_map<(m, n, k) -> (m, n)>

// Without scales they are 1.
// CHECK-LABEL: func.func @unscaled(
// CHECK: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<1x1xf32>
// CHECK: dgemm.gemm dense lhs(%{{.*}} scaled %[[ONE]] by [full, full]) rhs(%{{.*}} scaled %[[ONE]] by [full, full])
func.func @unscaled(%a: tensor<64x512xf8E4M3FN>, %b: tensor<256x512xf8E4M3FN>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  %sum = linalg.generic {indexing_maps = [#a, #b, #d], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<64x256xf32>
  return %sum : tensor<64x256xf32>
}

// -----

#a = affine_map<(g, m, n, k) -> (g, m, k)>
#b = affine_map<(g, m, n, k) -> (g, n, k)>
#d = affine_map<(g, m, n, k) -> (g, m, n)>
#id = affine_map<(g, i, j) -> (g, i, j)>

// A batch: a product for each. Scales are brought into order behind the batch.
// CHECK-LABEL: func.func @batch(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<3x64x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<3x64x4xf32>, %[[B:[a-z0-9]+]]: tensor<3x256x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: tensor<3x2x4xf32>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[SA]] : tensor<3x64x4xf32>) outs(%{{.*}} : tensor<3x4x64xf32>) permutation = [0, 2, 1]
// CHECK: %[[D:.*]] = dgemm.gemm batched lhs(%[[A]] scaled %[[T]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%{{.*}}) : {{.*}} -> tensor<3x64x256xbf16>
// CHECK-NEXT: return %[[D]]
func.func @batch(%a: tensor<3x64x512xf8E4M3FN>, %sa: tensor<3x64x4xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>) -> tensor<3x64x256xbf16> {
  %z = arith.constant dense<0.0> : tensor<3x64x256xf32>
  %sum = linalg.generic {indexing_maps = [#a, affine_map<(g, m, n, k) -> (g, m, k floordiv 128)>, #b, affine_map<(g, m, n, k) -> (g, n floordiv 128, k floordiv 128)>, #d],
                         iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %sa, %b, %sb : tensor<3x64x512xf8E4M3FN>, tensor<3x64x4xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>) outs(%z : tensor<3x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %sx: f32, %y: f8E4M3FN, %sy: f32, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.mulf %0, %sx : f32
    %2 = arith.extf %y : f8E4M3FN to f32
    %3 = arith.mulf %2, %sy : f32
    %4 = arith.mulf %1, %3 : f32
    %5 = arith.addf %acc, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<3x64x256xf32>
  %o = tensor.empty() : tensor<3x64x256xbf16>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%sum : tensor<3x64x256xf32>) outs(%o : tensor<3x64x256xbf16>) {
  ^bb0(%x: f32, %old: bf16):
    %0 = arith.truncf %x : f32 to bf16
    linalg.yield %0 : bf16
  } -> tensor<3x64x256xbf16>
  return %d : tensor<3x64x256xbf16>
}

// Any number of products, a scale of each for A, and none for B.
// CHECK-LABEL: func.func @numbers(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?x64x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<?xf32>, %[[B:[a-z0-9]+]]: tensor<?x256x512xf8E4M3FN>
// CHECK-DAG: %[[WIDE:.*]] = tensor.expand_shape %[[SA]] {{\[\[}}0, 1, 2]] output_shape [%{{.*}}, 1, 1] : tensor<?xf32> into tensor<?x1x1xf32>
// CHECK-DAG: %[[ONES:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<?x1x1xf32>) -> tensor<?x1x1xf32>
// CHECK: dgemm.gemm batched lhs(%[[A]] scaled %[[WIDE]] by [full, full]) rhs(%[[B]] scaled %[[ONES]] by [full, full]) out(%{{.*}}) : {{.*}} -> tensor<?x64x256xf32>
func.func @numbers(%a: tensor<?x64x512xf8E4M3FN>, %sa: tensor<?xf32>, %b: tensor<?x256x512xf8E4M3FN>, %count: index) -> tensor<?x64x256xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%count) : tensor<?x64x256xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x64x256xf32>) -> tensor<?x64x256xf32>
  %sum = linalg.generic {indexing_maps = [#a, affine_map<(g, m, n, k) -> (g)>, #b, #d], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %sa, %b : tensor<?x64x512xf8E4M3FN>, tensor<?xf32>, tensor<?x256x512xf8E4M3FN>) outs(%z : tensor<?x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %sx: f32, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.mulf %0, %sx : f32
    %2 = arith.extf %y : f8E4M3FN to f32
    %3 = arith.mulf %1, %2 : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<?x64x256xf32>
  return %sum : tensor<?x64x256xf32>
}
