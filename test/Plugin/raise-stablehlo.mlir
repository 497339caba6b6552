// Scaled dots of StableHLO become gemms without the dialect, because ops are known by name. jax.lax.scaled_dot of JAX 0.11 prints them so.
// REQUIRES: plugin
// RUN: %{mlir-opt} --allow-unregistered-dialect --pass-pipeline='builtin.module(dgemm-raise,symbol-dce,canonicalize)' %s | FileCheck %s --implicit-check-not=stablehlo.composite --implicit-check-not=stablehlo.custom_call

// The function of the composite is not needed any more.
// CHECK-NOT: @xla.scaled_dot
// CHECK-LABEL: func.func @blocks(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<256x512xf8E4M3FN>, %[[B:[a-z0-9]+]]: tensor<128x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<256x4xf32>, %[[SB:[a-z0-9]+]]: tensor<128x4xf32>
// CHECK-DAG: %[[TA:.*]] = linalg.transpose ins(%[[SA]] : tensor<256x4xf32>) outs(%{{.*}} : tensor<4x256xf32>) permutation = [1, 0]
// CHECK-DAG: %[[TB:.*]] = linalg.transpose ins(%[[SB]] : tensor<128x4xf32>) outs(%{{.*}} : tensor<4x128xf32>) permutation = [1, 0]
// CHECK: %[[D:.*]] = dgemm.gemm dense lhs(%[[A]] scaled %[[TA]] by [1, 128]) rhs(%[[B]] scaled %[[TB]] by [1, 128]) out(%{{.*}}) : {{.*}} -> tensor<256x128xbf16>
// CHECK-NEXT: return %[[D]]
func.func @blocks(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [1]], [[], []]], preferred_element_type = bf16}, decomposition = @xla.scaled_dot, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}
func.func private @xla.scaled_dot(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  %0 = "stablehlo.anything"(%a, %b, %sa, %sb) : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// Operands in the order of a matrix product, and a scale for each row.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?x512xf8E5M2>, %[[B:[a-z0-9]+]]: tensor<128x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<?x1xf32>, %[[SB:[a-z0-9]+]]: tensor<1x128xf32>
// CHECK: dgemm.gemm dense lhs(%[[A]] scaled %{{.*}} by [1, full]) rhs(%[[B]] scaled %[[SB]] by [1, full]) out(%{{.*}}) : {{.*}} -> tensor<?x128xf32>
func.func @rows(%a: tensor<?x512xf8E5M2>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<?x1xf32>, %sb: tensor<1x128xf32>) -> tensor<?x128xf32> {
  %bt = "stablehlo.transpose"(%b) <{permutation = array<i64: 1, 0>}> : (tensor<128x512xf8E4M3FN>) -> tensor<512x128xf8E4M3FN>
  %0 = "stablehlo.composite"(%a, %bt, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [0]], [[], []]], preferred_element_type = f32}, decomposition = @xla.other, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<?x512xf8E5M2>, tensor<512x128xf8E4M3FN>, tensor<?x1xf32>, tensor<1x128xf32>) -> tensor<?x128xf32>
  return %0 : tensor<?x128xf32>
}
func.func private @xla.other(tensor<?x512xf8E5M2>, tensor<512x128xf8E4M3FN>, tensor<?x1xf32>, tensor<1x128xf32>) -> tensor<?x128xf32>

// A batch of one.
// CHECK-LABEL: func.func @batch(
// CHECK: dgemm.gemm dense lhs(%{{.*}} scaled %{{.*}} by [1, 128]) rhs(%{{.*}} scaled %{{.*}} by [1, full]) out(%{{.*}}) : (tensor<256x512xf8E4M3FN>, tensor<4x256xf32>, tensor<128x512xf8E4M3FN>, tensor<1x128xf32>, tensor<256x128xbf16>) -> tensor<256x128xbf16>
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1], [2]] output_shape [1, 256, 128] : tensor<256x128xbf16> into tensor<1x256x128xbf16>
func.func @batch(%a: tensor<1x256x512xf8E4M3FN>, %b: tensor<1x128x512xf8E4M3FN>, %sa: tensor<1x256x4xf32>, %sb: tensor<1x128x1xf32>) -> tensor<1x256x128xbf16> {
  %0 = "stablehlo.custom_call"(%a, %b, %sa, %sb) <{call_target_name = "__op$block_scaled_dot", backend_config = "{}"}> : (tensor<1x256x512xf8E4M3FN>, tensor<1x128x512xf8E4M3FN>, tensor<1x256x4xf32>, tensor<1x128x1xf32>) -> tensor<1x256x128xbf16>
  return %0 : tensor<1x256x128xbf16>
}

// A batch of more, whose B is transposed.
// CHECK-LABEL: func.func @batches(
// CHECK-SAME: %[[A:[a-z0-9]+]]: tensor<?x256x512xf8E4M3FN>, %[[B:[a-z0-9]+]]: tensor<?x128x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: tensor<?x256x4xf32>, %[[SB:[a-z0-9]+]]: tensor<?x1x128xf32>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[SA]] : tensor<?x256x4xf32>) outs(%{{.*}} : tensor<?x4x256xf32>) permutation = [0, 2, 1]
// CHECK: %[[D:.*]] = dgemm.gemm batched lhs(%[[A]] scaled %[[T]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [1, full]) out(%{{.*}}) : {{.*}} -> tensor<?x256x128xbf16>
// CHECK-NEXT: return %[[D]]
func.func @batches(%a: tensor<?x256x512xf8E4M3FN>, %b: tensor<?x128x512xf8E4M3FN>, %sa: tensor<?x256x4xf32>, %sb: tensor<?x1x128xf32>) -> tensor<?x256x128xbf16> {
  %bt = "stablehlo.transpose"(%b) <{permutation = array<i64: 0, 2, 1>}> : (tensor<?x128x512xf8E4M3FN>) -> tensor<?x512x128xf8E4M3FN>
  %0 = "stablehlo.composite"(%a, %bt, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[2], [1]], [[0], [0]]]}, decomposition = @xla.other_batch, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<?x256x512xf8E4M3FN>, tensor<?x512x128xf8E4M3FN>, tensor<?x256x4xf32>, tensor<?x1x128xf32>) -> tensor<?x256x128xbf16>
  return %0 : tensor<?x256x128xbf16>
}
func.func private @xla.other_batch(tensor<?x256x512xf8E4M3FN>, tensor<?x512x128xf8E4M3FN>, tensor<?x256x4xf32>, tensor<?x1x128xf32>) -> tensor<?x256x128xbf16>
