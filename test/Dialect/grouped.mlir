// RUN: dgemm-opt %s | dgemm-opt | FileCheck %s

// Grouped layouts and strides, at the levels above the pipeline.

// CHECK-LABEL: func.func @contiguous
// CHECK: dgemm.gemm contiguous(%{{.*}}) aligned 64 lhs({{.*}} : ({{.*}}, memref<?xi32>)
func.func @contiguous(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                      %sb: memref<8x3x4xf32>, %d: memref<?x384xbf16>, %g: memref<?xi32>) {
  dgemm.gemm contiguous(%g) aligned 64 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<?x384xbf16>,
         memref<?xi32>)
  return
}

// CHECK-LABEL: func.func @masked
// CHECK: dgemm.gemm masked(%{{.*}}) expected 20 lhs({{.*}} : ({{.*}}, memref<8xi32>)
func.func @masked(%a: memref<8x64x512xf8E4M3FN>, %sa: memref<8x4x64xf32>, %b: memref<8x384x512xf8E4M3FN>,
                  %sb: memref<8x3x4xf32>, %d: memref<8x64x384xbf16>, %g: memref<8xi32>) {
  dgemm.gemm masked(%g) expected 20 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<8x64x512xf8E4M3FN>, memref<8x4x64xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>,
         memref<8x64x384xbf16>, memref<8xi32>)
  return
}

// CHECK-LABEL: func.func @offsets
// CHECK: dgemm.gemm offsets(%{{.*}}) aligned 1 expected 20 accumulate lhs({{.*}} : ({{.*}}, memref<8xi32>)
func.func @offsets(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                   %sb: memref<8x3x4xf32>, %d: memref<?x384xf32>, %g: memref<8xi32>) {
  dgemm.gemm offsets(%g) aligned 1 expected 20 accumulate lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<?x384xf32>,
         memref<8xi32>)
  return
}

// CHECK-LABEL: func.func @k_grouped
// CHECK: dgemm.gemm k_grouped(%{{.*}}) aligned 256 lhs({{.*}} : ({{.*}}, memref<8xi32>)
func.func @k_grouped(%a: memref<64x?xf8E4M3FN>, %sa: memref<?x64xf32>, %b: memref<384x?xf8E4M3FN>,
                     %sb: memref<?x384xf32>, %d: memref<8x64x384xf32>, %g: memref<8xi32>) {
  dgemm.gemm k_grouped(%g) aligned 256 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d)
      : (memref<64x?xf8E4M3FN>, memref<?x64xf32>, memref<384x?xf8E4M3FN>, memref<?x384xf32>, memref<8x64x384xf32>,
         memref<8xi32>)
  return
}

// Any shape; a leading dimension larger than the row; scales of A as [M, K/128] and of B as [K/128, N/128].
// CHECK-LABEL: func.func @strided
// CHECK: dgemm.gemm dense
func.func @strided(%a: memref<7x200xf8E4M3FN, strided<[203, 1]>>, %sa: memref<2x7xf32, strided<[1, 2]>>,
                   %b: memref<33x200xf8E4M3FN>, %sb: memref<1x2xf32, strided<[1, 1]>>, %d: memref<7x33xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<7x200xf8E4M3FN, strided<[203, 1]>>, memref<2x7xf32, strided<[1, 2]>>, memref<33x200xf8E4M3FN>,
         memref<1x2xf32, strided<[1, 1]>>, memref<7x33xbf16>)
  return
}

// Leading dimensions that are given at launch, and what is promised of dynamic sizes.
// CHECK-LABEL: func.func @dynamic_strides
// CHECK: dgemm.gemm dense divisible <k = 16, lda = 16> lhs(
func.func @dynamic_strides(%a: memref<?x?xf8E4M3FN, strided<[?, 1]>>, %sa: memref<?x?xf32, strided<[1, ?]>>,
                           %b: memref<33x?xf8E4M3FN>, %sb: memref<1x?xf32>, %d: memref<?x33xbf16, strided<[?, 1]>>) {
  dgemm.gemm dense divisible <k = 16, lda = 16> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x?xf8E4M3FN, strided<[?, 1]>>, memref<?x?xf32, strided<[1, ?]>>, memref<33x?xf8E4M3FN>, memref<1x?xf32>,
         memref<?x33xbf16, strided<[?, 1]>>)
  return
}

// A tile loop over groups has the group, and where masked its rows, behind the offsets.
// CHECK-LABEL: dgemm.kernel @loops
// CHECK-SAME: problem <sizes = [64, 384, 512, 8], layout = masked, strides = {scale_a = array<i64: 256, 1, 4>}>
dgemm.kernel @loops(%g: memref<8xi32> {dgemm.operand = "masked_m"}, %a: memref<8x64x512xf8E4M3FN> {dgemm.operand = "a"},
                    %sa: memref<8x4x64xf32, strided<[256, 1, 4]>> {dgemm.operand = "scale_a"},
                    %b: memref<8x384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<8x3x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<8x64x384xbf16> {dgemm.operand = "d"}) problem <sizes = [64, 384, 512, 8], layout = masked, strides = {scale_a = array<i64: 256, 1, 4>}>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  %c384 = arith.constant 384 : index
  // CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]], %[[G:.*]], %[[ROWS:.*]]) of (%{{.*}}, %{{.*}}) masked %masked_m : memref<8xi32> tile = [64, 96]
  dgemm.for_each_tile (%m, %n, %group, %rows) of (%c64, %c384) masked %g : memref<8xi32> tile = [64, 96] group_m = 1 {
    %acc = dgemm.zero : <64x96xf32>
    // CHECK: dgemm.load_scales %scale_a[%[[G]], %{{.*}}, %[[M]]] : memref<8x4x64xf32, strided<[256, 1, 4]>> -> !dgemm.frag<64x1xf32>
    %k = arith.constant 0 : index
    %scales = dgemm.load_scales %sa[%group, %k, %m] : memref<8x4x64xf32, strided<[256, 1, 4]>> -> !dgemm.frag<64x1xf32>
    // CHECK: dgemm.store %{{.*}}, %d[%[[G]], %[[M]], %[[N]]] rows %[[ROWS]]
    dgemm.store %acc, %d[%group, %m, %n] rows %rows : !dgemm.frag<64x96xf32>, memref<8x64x384xbf16>
  }
}

// CHECK-LABEL: dgemm.kernel @ends
// CHECK: problem <sizes = [64, 384, 512, 8], layout = offsets, alignment = 16, accumulate = true>
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]], %{{.*}}, %[[ROWS:.*]]) of ({{.*}}) offsets %offsets : memref<8xi32>
// CHECK: dgemm.store %{{.*}}, %d[%[[M]], %[[N]]] accumulate rows %[[ROWS]]
dgemm.kernel @ends(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                   %b: memref<8x384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<8x3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<64x384xbf16> {dgemm.operand = "d"}, %ends: memref<8xi32> {dgemm.operand = "offsets"})
    problem <sizes = [64, 384, 512, 8], layout = offsets, alignment = 16, accumulate = true>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  %c384 = arith.constant 384 : index
  dgemm.for_each_tile (%m, %n, %g, %rows) of (%c64, %c384) offsets %ends : memref<8xi32> tile = [64, 96] group_m = 1 {
    %acc = dgemm.zero : <64x96xf32>
    dgemm.store %acc, %d[%m, %n] accumulate rows %rows : !dgemm.frag<64x96xf32>, memref<64x384xbf16>
  }
}

// CHECK-LABEL: dgemm.kernel @indices
// CHECK: dgemm.for_each_tile (%{{.*}}, %{{.*}}, %{{.*}}) of ({{.*}}) contiguous %m_indices : memref<64xi32>
dgemm.kernel @indices(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                      %b: memref<8x384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<8x3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<64x384xbf16> {dgemm.operand = "d"}, %g: memref<64xi32> {dgemm.operand = "m_indices"})
    problem <sizes = [64, 384, 512, 8], layout = contiguous> config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  %c384 = arith.constant 384 : index
  dgemm.for_each_tile (%m, %n, %group) of (%c64, %c384) contiguous %g : memref<64xi32> tile = [64, 96] group_m = 1 {
  }
}

// CHECK-LABEL: func.func @batched
// CHECK: dgemm.gemm batched lhs(%{{.*}} scaled %{{.*}} by [1, 128]) rhs
func.func @batched(%a: memref<8x?x512xf8E4M3FN, strided<[512, 4096, 1]>>, %sa: memref<8x4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                   %sb: memref<8x3x4xf32>, %d: memref<8x?x384xbf16, strided<[384, 3072, 1]>>) {
  dgemm.gemm batched lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<8x?x512xf8E4M3FN, strided<[512, 4096, 1]>>, memref<8x4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>,
         memref<8x?x384xbf16, strided<[384, 3072, 1]>>)
  return
}

// CHECK-LABEL: dgemm.kernel @batches
// CHECK: problem <sizes = [64, 384, 512, 8], layout = batched>
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]], %[[G:.*]]) of ({{.*}}) batched tile = [64, 96]
// CHECK: dgemm.store %{{.*}}, %d[%[[G]], %[[M]], %[[N]]] :
dgemm.kernel @batches(%a: memref<8x64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<8x4x64xf32> {dgemm.operand = "scale_a"},
                      %b: memref<8x384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<8x3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<8x64x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512, 8], layout = batched>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  %c384 = arith.constant 384 : index
  dgemm.for_each_tile (%m, %n, %g) of (%c64, %c384) batched tile = [64, 96] group_m = 1 {
    %acc = dgemm.zero : <64x96xf32>
    dgemm.store %acc, %d[%g, %m, %n] : !dgemm.frag<64x96xf32>, memref<8x64x384xbf16>
  }
}
