// Element-wise linalg ops behind a gemm become its epilogue.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-fuse-epilogue,cse,canonicalize)' %s | FileCheck %s --implicit-check-not=linalg.

!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
!d = tensor<64x256xbf16>
#mn = affine_map<(m, n) -> (m, n)>
#n = affine_map<(m, n) -> (n)>
#m = affine_map<(m, n) -> (m)>

// One op with operands of every kind, a cast of one operand, and a rounding of D. D starts as the result of the last op does.
// CHECK-LABEL: func.func @all(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<256xf32>, %[[ROW:[a-z0-9]+]]: tensor<64xf16>, %[[OLD:[a-z0-9]+]]: tensor<64x256xbf16>, %[[ONE:[a-z0-9]+]]: tensor<f32>, %[[SCALAR:[a-z0-9]+]]: f32
// CHECK-DAG: %[[OUT:.*]] = tensor.empty() : tensor<64x256xbf16>
// CHECK-DAG: %[[RANK1:.*]] = tensor.expand_shape %[[ONE]] [] output_shape [1] : tensor<f32> into tensor<1xf32>
// CHECK-DAG: %[[ELEMENT:.*]] = tensor.from_elements %[[SCALAR]] : tensor<1xf32>
// CHECK: %[[D:.*]] = dgemm.gemm dense lhs(%{{.*}} scaled %{{.*}} by [1, 128]) rhs(%{{.*}} scaled %{{.*}} by [128, 128]) out(%[[OUT]])
// CHECK-SAME: epilogue(%[[BIAS]] : tensor<256xf32> along n named "epilogue0", %[[ROW]] : tensor<64xf16> along m named "epilogue1", %[[OLD]] : tensor<64x256xbf16> along mn named "epilogue2", %[[RANK1]] : tensor<1xf32> along none named "epilogue3", %[[ELEMENT]] : tensor<1xf32> along none named "epilogue4") {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[E0:.*]]: f32, %[[E1:.*]]: f32, %[[E2:.*]]: f32, %[[E3:.*]]: f32, %[[E4:.*]]: f32):
// CHECK-NEXT: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT: %[[V0:.*]] = arith.addf %[[X]], %[[E0]] : f32
// CHECK-NEXT: %[[V1:.*]] = arith.mulf %[[V0]], %[[E1]] : f32
// CHECK-NEXT: %[[V2:.*]] = arith.addf %[[V1]], %[[E2]] : f32
// CHECK-NEXT: %[[V3:.*]] = arith.mulf %[[V2]], %[[E3]] : f32
// CHECK-NEXT: %[[V4:.*]] = arith.mulf %[[V3]], %[[E4]] : f32
// CHECK-NEXT: %[[V5:.*]] = math.tanh %[[V4]] fastmath<afn> : f32
// CHECK-NEXT: %[[IS:.*]] = arith.cmpf ogt, %[[V5]], %[[HALF]] : f32
// CHECK-NEXT: %[[V6:.*]] = arith.select %[[IS]], %[[V5]], %[[HALF]] : f32
// CHECK-NEXT: dgemm.yield %[[V6]] : f32
// CHECK-NEXT: } : ({{.*}}, tensor<64x256xbf16>) -> tensor<64x256xbf16>
// CHECK-NEXT: return %[[D]]
func.func @all(%bias: tensor<256xf32>, %row: tensor<64xf16>, %old: !d, %one: tensor<f32>, %scalar: f32, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !d {
  %half = arith.constant 0.5 : f32
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  %o = tensor.empty() : !d
  %d = linalg.generic {indexing_maps = [#mn, #n, #m, #mn, affine_map<(m, n) -> ()>, #mn], iterator_types = ["parallel", "parallel"]}
      ins(%sum, %bias, %row, %old, %one : !f, tensor<256xf32>, tensor<64xf16>, !d, tensor<f32>) outs(%o : !d) {
  ^bb0(%x: f32, %e0: f32, %e1: f16, %e2: bf16, %e3: f32, %never: bf16):
    %w1 = arith.extf %e1 : f16 to f32
    %w2 = arith.extf %e2 : bf16 to f32
    %0 = arith.addf %x, %e0 : f32
    %1 = arith.mulf %0, %w1 : f32
    %2 = arith.addf %1, %w2 : f32
    %3 = arith.mulf %2, %e3 : f32
    %4 = arith.mulf %3, %scalar : f32
    %5 = math.tanh %4 fastmath<afn> : f32
    %6 = arith.cmpf ogt, %5, %half : f32
    %7 = arith.select %6, %5, %half : f32
    %8 = arith.truncf %7 : f32 to bf16
    linalg.yield %8 : bf16
  } -> !d
  return %d : !d
}

// Named ops in turn: a broadcast bias, a fill, an op of the result with itself. Each op is done in f32.
// CHECK-LABEL: func.func @named(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<256xbf16>
// CHECK: dgemm.gemm dense {{.*}} epilogue(%[[BIAS]] : tensor<256xbf16> along n named "epilogue0") {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[E0:.*]]: f32):
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %[[V0:.*]] = arith.addf %[[X]], %[[E0]] : f32
// CHECK-NEXT: %[[V1:.*]] = arith.maximumf %[[V0]], %[[ZERO]] : f32
// CHECK-NEXT: %[[V2:.*]] = arith.mulf %[[V1]], %[[V1]] : f32
// CHECK-NEXT: %[[V3:.*]] = math.exp %[[V2]] : f32
// CHECK-NEXT: dgemm.yield %[[V3]] : f32
func.func @named(%bias: tensor<256xbf16>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !d {
  %zero = arith.constant 0.0 : bf16
  %e = tensor.empty() : !d
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !d) -> !d
  %wide = linalg.broadcast ins(%bias : tensor<256xbf16>) outs(%e : !d) dimensions = [0]
  %zeros = linalg.fill ins(%zero : bf16) outs(%e : !d) -> !d
  %0 = linalg.add ins(%sum, %wide : !d, !d) outs(%e : !d) -> !d
  %1 = linalg.max ins(%0, %zeros : !d, !d) outs(%e : !d) -> !d
  %2 = linalg.mul ins(%1, %1 : !d, !d) outs(%e : !d) -> !d
  %3 = linalg.exp ins(%2 : !d) outs(%e : !d) -> !d
  return %3 : !d
}

// An op that writes over the product: D starts as the product did. Loops in another order, dimensions of extent 1, a
// constant tensor, and an epilogue that is there already.
// CHECK-LABEL: func.func @in_place(
// CHECK-SAME: %[[INIT:[a-z0-9]+]]: tensor<64x256xf32>, %[[BIAS:[a-z0-9]+]]: tensor<1x256xf32>, %[[ROW:[a-z0-9]+]]: tensor<64x1xf32>, %[[BEFORE:[a-z0-9]+]]: tensor<256xf32>
// CHECK-DAG: %[[C:.*]] = tensor.collapse_shape %[[BIAS]] {{\[\[}}0, 1]] : tensor<1x256xf32> into tensor<256xf32>
// CHECK-DAG: %[[R:.*]] = tensor.collapse_shape %[[ROW]] {{\[\[}}0, 1]] : tensor<64x1xf32> into tensor<64xf32>
// CHECK: dgemm.gemm dense {{.*}} out(%[[INIT]]) epilogue(%[[BEFORE]] : tensor<256xf32> along n named "before", %[[C]] : tensor<256xf32> along n named "epilogue1", %[[R]] : tensor<64xf32> along m named "epilogue2") {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[E0:.*]]: f32, %[[E1:.*]]: f32, %[[E2:.*]]: f32):
// CHECK-NEXT: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT: %[[V0:.*]] = arith.addf %[[X]], %[[E0]] : f32
// CHECK-NEXT: %[[V1:.*]] = arith.addf %[[V0]], %[[E1]] : f32
// CHECK-NEXT: %[[V2:.*]] = arith.divf %[[V1]], %[[E2]] : f32
// CHECK-NEXT: %[[V3:.*]] = arith.mulf %[[V2]], %[[TWO]] : f32
// CHECK-NEXT: dgemm.yield %[[V3]] : f32
func.func @in_place(%init: !f, %bias: tensor<1x256xf32>, %row: tensor<64x1xf32>, %before: tensor<256xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %two = arith.constant dense<2.0> : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      epilogue(%before : tensor<256xf32> along n named "before") {
  ^bb0(%x: f32, %e0: f32):
    %0 = arith.addf %x, %e0 : f32
    dgemm.yield %0 : f32
  } : (!a, !sa, !b, !sb, !f) -> !f
  %d = linalg.generic {indexing_maps = [affine_map<(n, m) -> (0, n)>, affine_map<(n, m) -> (m, 0)>, affine_map<(n, m) -> (m, n)>, affine_map<(n, m) -> (m, n)>], iterator_types = ["parallel", "parallel"]}
      ins(%bias, %row, %two : tensor<1x256xf32>, tensor<64x1xf32>, !f) outs(%sum : !f) {
  ^bb0(%e0: f32, %e1: f32, %e2: f32, %x: f32):
    %0 = arith.addf %x, %e0 : f32
    %1 = arith.divf %0, %e1 : f32
    %2 = arith.mulf %1, %e2 : f32
    linalg.yield %2 : f32
  } -> !f
  return %d : !f
}

// Groups: a bias of each, and a number of each. Nothing is known of the rows beyond masked_m.
// CHECK-LABEL: func.func @masked(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<3x256xf32>, %[[GROUP:[a-z0-9]+]]: tensor<3xf32>
// CHECK: dgemm.gemm masked(%{{.*}}) {{.*}} epilogue(%[[BIAS]] : tensor<3x256xf32> along n named "epilogue0", %[[GROUP]] : tensor<3xf32> along g named "epilogue1") {
func.func @masked(%bias: tensor<3x256xf32>, %group: tensor<3xf32>, %a: tensor<3x64x512xf8E4M3FN>, %sa: tensor<3x4x64xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %counts: tensor<3xi32>) -> tensor<3x64x256xbf16> {
  %e = tensor.empty() : tensor<3x64x256xbf16>
  %sum = dgemm.gemm masked(%counts) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e)
      : (tensor<3x64x512xf8E4M3FN>, tensor<3x4x64xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<3x64x256xbf16>, tensor<3xi32>) -> tensor<3x64x256xbf16>
  %d = linalg.generic {indexing_maps = [affine_map<(g, m, n) -> (g, m, n)>, affine_map<(g, m, n) -> (g, n)>, affine_map<(g, m, n) -> (g)>, affine_map<(g, m, n) -> (g, m, n)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%sum, %bias, %group : tensor<3x64x256xbf16>, tensor<3x256xf32>, tensor<3xf32>) outs(%e : tensor<3x64x256xbf16>) {
  ^bb0(%x: bf16, %e0: f32, %e1: f32, %old: bf16):
    %0 = arith.extf %x : bf16 to f32
    %1 = arith.addf %0, %e0 : f32
    %2 = arith.mulf %1, %e1 : f32
    %3 = arith.truncf %2 : f32 to bf16
    linalg.yield %3 : bf16
  } -> tensor<3x64x256xbf16>
  return %d : tensor<3x64x256xbf16>
}

// Rows of a contiguous layout, of any number.
// CHECK-LABEL: func.func @contiguous(
// CHECK-SAME: %[[ROW:[a-z0-9]+]]: tensor<?xf32>
// CHECK: dgemm.gemm contiguous(%{{.*}}) {{.*}} epilogue(%[[ROW]] : tensor<?xf32> along m named "epilogue0") {
func.func @contiguous(%row: tensor<?xf32>, %a: tensor<?x512xf8E4M3FN>, %sa: tensor<4x?xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %groups: tensor<?xi32>, %init: tensor<?x256xbf16>) -> tensor<?x256xbf16> {
  %sum = dgemm.gemm contiguous(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<?x512xf8E4M3FN>, tensor<4x?xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<?x256xbf16>, tensor<?xi32>) -> tensor<?x256xbf16>
  %d = linalg.generic {indexing_maps = [#m, #mn], iterator_types = ["parallel", "parallel"]} ins(%row : tensor<?xf32>) outs(%sum : tensor<?x256xbf16>) {
  ^bb0(%e0: f32, %x: bf16):
    %0 = arith.extf %x : bf16 to f32
    %1 = arith.mulf %0, %e0 : f32
    %2 = arith.truncf %1 : f32 to bf16
    linalg.yield %2 : bf16
  } -> tensor<?x256xbf16>
  return %d : tensor<?x256xbf16>
}

// A batch: a bias of each product.
// CHECK-LABEL: func.func @batched(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: tensor<3x256xf32>
// CHECK: dgemm.gemm batched lhs({{.*}} epilogue(%[[BIAS]] : tensor<3x256xf32> along n named "epilogue0") {
func.func @batched(%bias: tensor<3x256xf32>, %a: tensor<3x64x512xf8E4M3FN>, %sa: tensor<3x4x64xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %init: tensor<3x64x256xf32>) -> tensor<3x64x256xf32> {
  %sum = dgemm.gemm batched lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<3x64x512xf8E4M3FN>, tensor<3x4x64xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<3x64x256xf32>) -> tensor<3x64x256xf32>
  %wide = linalg.broadcast ins(%bias : tensor<3x256xf32>) outs(%init : tensor<3x64x256xf32>) dimensions = [1]
  %d = linalg.add ins(%sum, %wide : tensor<3x64x256xf32>, tensor<3x64x256xf32>) outs(%init : tensor<3x64x256xf32>) -> tensor<3x64x256xf32>
  return %d : tensor<3x64x256xf32>
}
