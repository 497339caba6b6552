// RUN: dgemm-opt %s --dgemm-promote-accumulators | FileCheck %s

// dgemm-promote-accumulators makes the two levels of accumulation explicit. The FP8 accumulator of the tensor core keeps
// fewer bits than f32, so it sums one K block of 128 only, from a fresh start; the scaled running sum is f32.

// CHECK-LABEL: dgemm.kernel @scaled_mma(
dgemm.kernel @scaled_mma(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
  %N = arith.constant 384 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 192] group_m = 8 {
    // CHECK: %[[SUM:.*]] = dgemm.zero
    %sum = dgemm.zero : <128x192xf32>
    // CHECK: %[[TA:.*]] = dgemm.load %a
    %ta = dgemm.load %a[%m, %n] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
    // CHECK: %[[TB:.*]] = dgemm.load %b
    %tb = dgemm.load %b[%n, %n] : memref<384x512xf8E4M3FN> -> !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>
    // CHECK: %[[RA:.*]] = dgemm.load_scales
    %ra = dgemm.load_scales %scale_a[%n, %m] : memref<4x?xf32> -> !dgemm.frag<128x1xf32>
    // CHECK: %[[XB:.*]] = dgemm.load_scales
    %xb = dgemm.load_scales %scale_b[%n, %n] : memref<3x4xf32> -> vector<2xf32>
    // The tensor cores multiply the tiles, without scales and without the running sum.
    // CHECK-NEXT: %[[PART:.*]] = dgemm.mma %[[TA]], %[[TB]] : {{.*}} -> !dgemm.frag<128x192xf32>
    // The CUDA cores scale that and add it to the running sum.
    // CHECK-NEXT: %[[NEXT:.*]] = dgemm.promote %[[PART]] scaled %[[RA]], %[[XB]] at %n into %[[SUM]]
    %next = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %n into %sum
        : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>,
          !dgemm.frag<128x1xf32>, vector<2xf32>, !dgemm.frag<128x192xf32>
    // CHECK-NEXT: dgemm.store %[[NEXT]]
    dgemm.store %next, %d[%m, %n] : !dgemm.frag<128x192xf32>, memref<?x384xbf16>
  }
}

// With fast accuracy the tensor cores add to the running sum.
// CHECK-LABEL: dgemm.kernel @fast(
dgemm.kernel @fast(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<1x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E5M2> {dgemm.operand = "b"}, %scale_b: memref<1x1xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E5M2 by [full, full] of f32>, accuracy = fast>
    config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
  // CHECK: %[[SUM:.*]] = dgemm.zero
  %sum = dgemm.zero : <128x192xf32>
  %ta = dgemm.load %a[%M, %M] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%M, %M] : memref<384x512xf8E5M2> -> !dgemm.tile<192x128xf8E5M2, swizzle = 128>
  // CHECK: %[[NEXT:.*]] = dgemm.mma %{{.*}}, %{{.*}} into %[[SUM]] : !dgemm.frag<128x192xf32> : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E5M2, swizzle = 128> -> !dgemm.frag<128x192xf32>
  %next = dgemm.scaled_mma %ta, %tb into %sum
      : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E5M2, swizzle = 128>, !dgemm.frag<128x192xf32>
  // CHECK-NEXT: dgemm.store %[[NEXT]]
  dgemm.store %next, %d[%M, %M] : !dgemm.frag<128x192xf32>, memref<?x384xbf16>
}
