// RUN: dgemm-opt %s --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-unroll-k-loop | FileCheck %s
// RUN: sed 's/512/640/g;s/<4x/<5x/g;s/<3x4x/<3x5x/g' %s | dgemm-opt --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-unroll-k-loop | FileCheck %s --check-prefix=ODD
// RUN: sed 's/512/384/g;s/<4x/<3x/g;s/<3x4x/<3x3x/g' %s | dgemm-opt --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-unroll-k-loop | FileCheck %s --check-prefix=FEW

// dgemm-unroll-k-loop: two K blocks in an iteration of the consumers' K loop. The producer stays as it is. The second mma takes
// over the registers of the first one's partial sum, once that is promoted.

// CHECK: producer
// CHECK: scf.for %{{.*}} step %c128
// CHECK: dgemm.acquire
// CHECK-NOT: dgemm.acquire
// CHECK: consumer (
// CHECK: %[[STEP:.*]] = arith.constant 256 : index
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %[[STEP]] iter_args(%[[SUM:.*]] = %{{.*}})
// CHECK: dgemm.wait
// CHECK: dgemm.load_vector
// CHECK: %[[PART:.*]] = dgemm.mma %{{[^ ]*}}, %{{[^ ]*}} :
// CHECK: dgemm.release
// CHECK: %[[FIRST:.*]] = dgemm.promote %[[PART]] {{.*}} into %[[SUM]]
// CHECK: dgemm.wait
// CHECK: dgemm.load_vector
// CHECK: dgemm.mma %{{[^ ]*}}, %{{[^ ]*}} over %[[PART]] :
// CHECK: dgemm.release
// CHECK: %[[NEXT:.*]] = dgemm.promote %{{.*}} into %[[FIRST]]
// CHECK: scf.yield %[[NEXT]]

// Of five K blocks one is left over. Three are too few to unroll.
// ODD: consumer (
// ODD: scf.for %{{.*}} = %c0 to %[[FOUR:.*]] step
// ODD: dgemm.wait
// ODD: dgemm.wait
// ODD: scf.yield
// ODD: dgemm.wait
// ODD: dgemm.promote
// ODD-NOT: dgemm.wait
// FEW: consumer (
// FEW: dgemm.wait
// FEW-NOT: dgemm.wait
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) sizes [-1, 384, 512]
    config <block = 128x128x128, stages = 3, math_warpgroups = 2, group_m = 8, unroll_k = 2> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 128] group_m = 8 {
    %zero = dgemm.zero : <128x128xf32>
    %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<128x128xf32>) {
      %block = arith.divui %k, %c128 : index
      %xb = dgemm.load_block_scales %scale_b[%n, %k] : memref<3x4xf32> -> vector<1xf32>
      %ta = dgemm.load %a[%m, %k] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.load %b[%n, %k] : memref<384x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
      %ts = dgemm.load %scale_a[%block, %m] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
      %ra = dgemm.load_fragment %ts : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
      %part = dgemm.mma %ta, %tb : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<128x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x128xf32>
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
          : !dgemm.frag<128x128xf32>, !dgemm.frag<128x1xf32>, vector<1xf32> -> !dgemm.frag<128x128xf32>
      scf.yield %next : !dgemm.frag<128x128xf32>
    }
    dgemm.store %acc, %d[%m, %n] : !dgemm.frag<128x128xf32>, memref<?x384xbf16>
  }
}
