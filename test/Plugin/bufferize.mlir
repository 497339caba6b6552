// Tensors become memrefs by one-shot bufferization of the distribution's mlir-opt.
// REQUIRES: plugin
// DEFINE: %{bufferize} = %{mlir-opt} --pass-pipeline='builtin.module(canonicalize,one-shot-bufferize{bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map},cse,canonicalize)'
// RUN: %{bufferize} %s | FileCheck %s --implicit-check-not=tensor
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(one-shot-bufferize{bufferize-function-boundaries})' %s | FileCheck %s --check-prefix=DYNAMIC

!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<384x512xf8E4M3FN>
!sb = tensor<3x4xf32>
!d = tensor<64x384xbf16>

// Nobody else reads the tensor that D starts from: its memory becomes D.
// CHECK-LABEL: func.func @in_place(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<64x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: memref<4x64xf32>, %[[B:[a-z0-9]+]]: memref<384x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: memref<3x4xf32>, %[[D:[a-z0-9]+]]: memref<64x384xbf16>)
// CHECK-NEXT: dgemm.gemm dense lhs(%[[A]] scaled %[[SA]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%[[D]]) : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>){{$}}
// CHECK-NEXT: return %[[D]]

// With the layouts that bufferization gives arguments unless told otherwise, the innermost stride is taken to be 1: the launch
// checks it.
// DYNAMIC-LABEL: func.func @in_place(
// DYNAMIC-SAME: %[[A:[a-z0-9]+]]: memref<64x512xf8E4M3FN, strided<[?, ?], offset: ?>>
// DYNAMIC: %[[TAKEN:.*]] = memref.cast %[[A]] : memref<64x512xf8E4M3FN, strided<[?, ?], offset: ?>> to memref<64x512xf8E4M3FN, strided<[?, 1], offset: ?>>
// DYNAMIC: dgemm.gemm dense lhs(%[[TAKEN]] scaled
func.func @in_place(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %d: !d {bufferization.writable = true}) -> !d {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) : (!a, !sa, !b, !sb, !d) -> !d
  return %0 : !d
}

// The tensor is read again: D gets memory of its own. Every element is written, so that nothing is copied into it.
// CHECK-LABEL: func.func @out_of_place(
// CHECK-SAME: %[[D:[a-z0-9]+]]: memref<64x384xbf16>)
// CHECK-NEXT: %[[NEW:.*]] = memref.alloc() {alignment = 64 : i64} : memref<64x384xbf16>
// CHECK-NEXT: dgemm.gemm dense {{.*}} out(%[[NEW]])
// CHECK-NEXT: return %[[NEW]], %[[D]]
func.func @out_of_place(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %d: !d) -> (!d, !d) {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) : (!a, !sa, !b, !sb, !d) -> !d
  return %0, %d : !d, !d
}

// Rows beyond masked_m keep what they had, so the tensor is copied.
// CHECK-LABEL: func.func @masked(
// CHECK-SAME: %[[D:[a-z0-9]+]]: memref<2x64x384xbf16>, %[[ROWS:[a-z0-9]+]]: memref<2xi32>)
// CHECK-NEXT: %[[NEW:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x64x384xbf16>
// CHECK-NEXT: memref.copy %[[D]], %[[NEW]]
// CHECK-NEXT: dgemm.gemm masked(%[[ROWS]]) {{.*}} out(%[[NEW]])
func.func @masked(%a: tensor<2x64x512xf8E4M3FN>, %sa: tensor<2x4x64xf32>, %b: tensor<2x384x512xf8E4M3FN>, %sb: tensor<2x3x4xf32>,
                  %d: tensor<2x64x384xbf16>, %rows: tensor<2xi32>) -> (tensor<2x64x384xbf16>, tensor<2x64x384xbf16>) {
  %0 = dgemm.gemm masked(%rows) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<2x64x512xf8E4M3FN>, tensor<2x4x64xf32>, tensor<2x384x512xf8E4M3FN>, tensor<2x3x4xf32>, tensor<2x64x384xbf16>,
         tensor<2xi32>) -> tensor<2x64x384xbf16>
  return %0, %d : tensor<2x64x384xbf16>, tensor<2x64x384xbf16>
}

// A dead gemm on tensors vanishes.
// CHECK-LABEL: func.func @dead(
// CHECK-NEXT: return
func.func @dead(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %d: !d) {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) : (!a, !sa, !b, !sb, !d) -> !d
  return
}

// Scales of tensors are packed, where memrefs without strides have padded rows: the type says so, unless there is no difference.
// CHECK-LABEL: func.func @scales(
// CHECK-SAME: %[[SA:[a-z0-9]+]]: memref<4x66xf32>
// CHECK: %[[PACKED:.*]] = memref.cast %[[SA]] : memref<4x66xf32> to memref<4x66xf32, strided<[66, 1]>>
// CHECK: dgemm.gemm dense lhs({{.*}} scaled %[[PACKED]] by
func.func @scales(%a: tensor<66x512xf8E4M3FN>, %sa: tensor<4x66xf32>, %b: !b, %sb: !sb, %d: tensor<66x384xbf16>) -> tensor<66x384xbf16> {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<66x512xf8E4M3FN>, tensor<4x66xf32>, !b, !sb, tensor<66x384xbf16>) -> tensor<66x384xbf16>
  return %0 : tensor<66x384xbf16>
}
// CHECK-LABEL: func.func @one_row_of_scales(
// CHECK-NOT: memref.cast
// CHECK: dgemm.gemm
func.func @one_row_of_scales(%a: tensor<66x512xf8E4M3FN>, %sa: tensor<1x66xf32>, %b: !b, %sb: tensor<1x1xf32>, %d: tensor<66x384xbf16>) -> tensor<66x384xbf16> {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [full, full]) out(%d)
      : (tensor<66x512xf8E4M3FN>, tensor<1x66xf32>, !b, tensor<1x1xf32>, tensor<66x384xbf16>) -> tensor<66x384xbf16>
  return %0 : tensor<66x384xbf16>
}

// A dynamic M or N may be any number, unless a multiple of 4 is promised.
// CHECK-LABEL: func.func @dynamic_scales(
// CHECK-SAME: %[[SA:[a-z0-9]+]]: memref<4x?xf32>
// CHECK: %[[PACKED:.*]] = memref.cast %[[SA]] : memref<4x?xf32> to memref<4x?xf32, strided<[?, 1]>>
// CHECK: dgemm.gemm dense lhs({{.*}} scaled %[[PACKED]] by
func.func @dynamic_scales(%a: tensor<?x512xf8E4M3FN>, %sa: tensor<4x?xf32>, %b: !b, %sb: !sb, %d: tensor<?x384xbf16>) -> tensor<?x384xbf16> {
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<?x512xf8E4M3FN>, tensor<4x?xf32>, !b, !sb, tensor<?x384xbf16>) -> tensor<?x384xbf16>
  return %0 : tensor<?x384xbf16>
}
// CHECK-LABEL: func.func @promised_scales(
// CHECK-SAME: %[[SB:[a-z0-9]+]]: memref<4x?xf32>
// CHECK-NOT: memref.cast
// CHECK: dgemm.gemm dense {{.*}} rhs({{.*}} scaled %[[SB]] by
func.func @promised_scales(%a: !a, %sa: !sa, %b: tensor<?x512xf8E4M3FN>, %sb: tensor<4x?xf32>, %d: tensor<64x?xbf16>) -> tensor<64x?xbf16> {
  %0 = dgemm.gemm dense divisible <n = 8> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d)
      : (!a, !sa, tensor<?x512xf8E4M3FN>, tensor<4x?xf32>, tensor<64x?xbf16>) -> tensor<64x?xbf16>
  return %0 : tensor<64x?xbf16>
}

// A slice is read where it lies, from any row and column, and D is written into a slice.
// CHECK-LABEL: func.func @slices(
// CHECK: %[[PART:.*]] = memref.subview %{{.*}}[%{{.*}}, 16] [64, 512] [1, 1] : memref<128x1024xf8E4M3FN> to memref<64x512xf8E4M3FN, strided<[1024, 1], offset: ?>>
// CHECK: %[[ROWS:.*]] = memref.subview %[[WHOLE:.*]][%{{.*}}, 0] [64, 384] [1, 1] : memref<128x384xbf16> to memref<64x384xbf16, strided<[384, 1], offset: ?>>
// CHECK-NEXT: dgemm.gemm dense lhs(%[[PART]] {{.*}} out(%[[ROWS]])
// CHECK-NEXT: return %[[WHOLE]]
func.func @slices(%big: tensor<128x1024xf8E4M3FN>, %sa: !sa, %b: !b, %sb: !sb, %d: tensor<128x384xbf16> {bufferization.writable = true}, %row: index)
    -> tensor<128x384xbf16> {
  %a = tensor.extract_slice %big[%row, 16] [64, 512] [1, 1] : tensor<128x1024xf8E4M3FN> to !a
  %part = tensor.extract_slice %d[%row, 0] [64, 384] [1, 1] : tensor<128x384xbf16> to !d
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%part) : (!a, !sa, !b, !sb, !d) -> !d
  %1 = tensor.insert_slice %0 into %d[%row, 0] [64, 384] [1, 1] : !d into tensor<128x384xbf16>
  return %1 : tensor<128x384xbf16>
}

// Operands of an epilogue keep their place. Rows whose distance is not known are taken to be packed.
// CHECK-LABEL: func.func @epilogue(
// CHECK-SAME: %[[BIAS:[a-z0-9]+]]: memref<384xf32>, %[[RESIDUAL:[a-z0-9]+]]: memref<64x384xbf16>
// CHECK: dgemm.gemm dense {{.*}} epilogue(%[[BIAS]] : memref<384xf32> along n named "epilogue0", %[[RESIDUAL]] : memref<64x384xbf16> along mn named "epilogue1") {
// DYNAMIC-LABEL: func.func @epilogue(
// DYNAMIC-SAME: %[[BIAS:[a-z0-9]+]]: memref<384xf32, strided<[?], offset: ?>>, %[[RESIDUAL:[a-z0-9]+]]: memref<64x384xbf16, strided<[?, ?], offset: ?>>
// DYNAMIC-DAG: %[[B:.*]] = memref.cast %[[BIAS]] : {{.*}} to memref<384xf32, strided<[1], offset: ?>>
// DYNAMIC-DAG: %[[R:.*]] = memref.cast %[[RESIDUAL]] : {{.*}} to memref<64x384xbf16, strided<[384, 1], offset: ?>>
// DYNAMIC: epilogue(%[[B]] : memref<384xf32, strided<[1], offset: ?>> along n named "epilogue0", %[[R]] : memref<64x384xbf16, strided<[384, 1], offset: ?>> along mn named "epilogue1") {
func.func @epilogue(%bias: tensor<384xf32>, %residual: !d, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !d {
  %d = tensor.empty() : !d
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : tensor<384xf32> along n named "epilogue0", %residual : !d along mn named "epilogue1") {
  ^bb0(%x: f32, %b0: f32, %r: f32):
    %1 = arith.addf %x, %b0 : f32
    %2 = arith.addf %1, %r : f32
    dgemm.yield %2 : f32
  } : (!a, !sa, !b, !sb, !d) -> !d
  return %0 : !d
}

// Ends of groups.
// CHECK-LABEL: func.func @offsets(
// CHECK: dgemm.gemm offsets(%{{.*}}) aligned 1 lhs({{.*}} out(%{{.*}}) : ({{.*}}, memref<64x384xbf16>, memref<3xi32>)
func.func @offsets(%a: !a, %sa: !sa, %b: tensor<3x384x512xf8E4M3FN>, %sb: tensor<3x3x4xf32>, %ends: tensor<3xi32>, %d: !d {bufferization.writable = true}) -> !d {
  %0 = dgemm.gemm offsets(%ends) aligned 1 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (!a, !sa, tensor<3x384x512xf8E4M3FN>, tensor<3x3x4xf32>, !d, tensor<3xi32>) -> !d
  return %0 : !d
}
