// RUN: dgemm-opt %s | dgemm-opt | FileCheck %s

// A D of FP8 has scales, which the kernel computes: a scale for each row and 128 columns, with M innermost as those of A, or
// row-major.
// CHECK-LABEL: func.func @dense(
// CHECK: dgemm.gemm dense lhs({{.*}}) rhs({{.*}}) out(%{{.*}} scaled %{{.*}} : memref<3x?xf32> by [1, 128]) :
// CHECK-SAME: memref<?x384xf8E4M3FN>)
// CHECK: out(%{{.*}} scaled %{{.*}} : memref<3x?xf32, strided<[1, 3]>> by [1, 128]) :
func.func @dense(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                 %d: memref<?x384xf8E4M3FN>, %sd: memref<3x?xf32>, %e: memref<?x384xf8E5M2>, %se: memref<3x?xf32, strided<[1, 3]>>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128])
      out(%d scaled %sd : memref<3x?xf32> by [1, 128])
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xf8E4M3FN>)
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128])
      out(%e scaled %se : memref<3x?xf32, strided<[1, 3]>> by [1, 128])
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xf8E5M2>)
  return
}

// Groups are in front. With a gated epilogue, D has N/2 columns.
// CHECK-LABEL: func.func @masked(
// CHECK: out(%{{.*}} scaled %{{.*}} : memref<8x2x64xf32> by [1, 128]) epilogue gated {
func.func @masked(%a: memref<8x64x512xf8E4M3FN>, %sa: memref<8x4x64xf32>, %b: memref<8x512x512xf8E4M3FN>, %sb: memref<8x4x4xf32>,
                  %d: memref<8x64x256xf8E4M3FN>, %sd: memref<8x2x64xf32>, %groups: memref<8xi32>) {
  dgemm.gemm masked(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128])
      out(%d scaled %sd : memref<8x2x64xf32> by [1, 128]) epilogue gated {
    ^bb0(%gate: f32, %up: f32):
      %0 = arith.mulf %gate, %up : f32
      dgemm.yield %0 : f32
    }
      : (memref<8x64x512xf8E4M3FN>, memref<8x4x64xf32>, memref<8x512x512xf8E4M3FN>, memref<8x4x4xf32>, memref<8x64x256xf8E4M3FN>, memref<8xi32>)
  return
}

// The problem of a kernel states the scales; the store names them, until dgemm.quantize has written them.
// CHECK-LABEL: dgemm.kernel @kernel(
// CHECK-SAME: %scale_d: memref<3x?xf32> {dgemm.operand = "scale_d"}
// CHECK: problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
dgemm.kernel @kernel(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x256x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 256] group_m = 1 {
    %sum = dgemm.zero : <64x256xf32>
    // CHECK: dgemm.store %{{.*}}, %d[%m, %n] scaled %scale_d : memref<3x?xf32> : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
    dgemm.store %sum, %d[%tm, %tn] scaled %sd : memref<3x?xf32> : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
    // CHECK: dgemm.store %{{.*}}, %d[%m, %n] scaled %scale_d : memref<3x?xf32> rows %M part [128, 128] : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
    dgemm.store %sum, %d[%tm, %tn] scaled %sd : memref<3x?xf32> rows %M part [128, 128] : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
    // CHECK: %[[Q:.*]] = dgemm.quantize %{{.*}} at [%m, %n] rows %M part [128, 128] into %scale_d : !dgemm.frag<64x256xf32>, memref<3x?xf32>
    %q = dgemm.quantize %sum at [%tm, %tn] rows %M part [128, 128] into %sd : !dgemm.frag<64x256xf32>, memref<3x?xf32>
    // CHECK: dgemm.store %[[Q]], %d[%m, %n] : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
    dgemm.store %q, %d[%tm, %tn] : !dgemm.frag<64x256xf32>, memref<?x384xf8E4M3FN>
  }
}
