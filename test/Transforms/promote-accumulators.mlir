// RUN: dgemm-opt %s --dgemm-promote-accumulators | FileCheck %s

// dgemm-promote-accumulators makes the two levels of accumulation explicit. The FP8 accumulator of the tensor core keeps
// fewer bits than f32, so it sums one K block of 128 only, from a fresh start; the scaled running sum is f32.

// CHECK-LABEL: func.func @scaled_mma(
// CHECK-SAME: %[[TA:[a-z0-9]+]]: !dgemm.tile<{{[^>]*}}>, %[[TB:[a-z0-9]+]]: !dgemm.tile<{{[^>]*}}>, %[[RA:[a-z0-9]+]]: !dgemm.frag<128x1xf32>, %[[XB:[a-z0-9]+]]: vector<2xf32>, %[[N:[a-z0-9]+]]: index, %[[SUM:[a-z0-9]+]]: !dgemm.frag<128x192xf32>)
func.func @scaled_mma(%ta: !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, %tb: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>,
                      %ra: !dgemm.frag<128x1xf32>, %xb: vector<2xf32>, %n: index,
                      %sum: !dgemm.frag<128x192xf32>) -> !dgemm.frag<128x192xf32> {
  // The tensor cores multiply the tiles, without scales and without the running sum.
  // CHECK-NEXT: %[[PART:.*]] = dgemm.mma %[[TA]], %[[TB]] : {{.*}} -> !dgemm.frag<128x192xf32>
  // The CUDA cores scale that and add it to the running sum.
  // CHECK-NEXT: %[[NEXT:.*]] = dgemm.promote %[[PART]] scaled %[[RA]], %[[XB]] at %[[N]] into %[[SUM]]
  %next = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %n into %sum
      : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>,
        !dgemm.frag<128x1xf32>, vector<2xf32>, !dgemm.frag<128x192xf32>
  // CHECK-NEXT: return %[[NEXT]]
  return %next : !dgemm.frag<128x192xf32>
}
