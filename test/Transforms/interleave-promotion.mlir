// RUN: dgemm-opt %s --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-interleave-promotion | FileCheck %s

// With two partials, dgemm-interleave-promotion divides the columns of each mma of a consumer: 104 become 56 and 48. One
// half is promoted while the tensor cores fill the other. This kernel has two slices of 64 rows a warpgroup.

// CHECK: } consumer (
// CHECK: %[[ACC:.*]]:2 = scf.for {{.*}} iter_args(%[[SUM0:.*]] = %{{.*}}, %[[SUM1:.*]] = %{{.*}})
// CHECK: %[[FULL:.*]] = dgemm.wait
// CHECK: %[[B0:.*]] = dgemm.view %[[FULL]][1] from %{{.*}} -> !dgemm.tile<56x128xf8E4M3FN, swizzle = 128>
// CHECK: %[[B1:.*]] = dgemm.view %[[FULL]][1] from %{{.*}} -> !dgemm.tile<48x128xf8E4M3FN, swizzle = 128>

// The first half of a slice is waited for when the second one has started.
// CHECK: %[[S0:.*]] = dgemm.mma_start %[[A0:.*]], %[[B0]] : {{.*}} -> !dgemm.frag<64x56xf32>
// CHECK: %[[S1:.*]] = dgemm.mma_start %[[A0]], %[[B1]] : {{.*}} -> !dgemm.frag<64x48xf32>
// CHECK: %[[P0:.*]] = dgemm.mma_wait %[[S0]] pending = 1
// CHECK: %[[N0:.*]] = dgemm.promote %[[P0]] scaled %{{.*}} into %[[SUM0]] : {{.*}} -> !dgemm.frag<64x104xf32>

// The next slice takes over the registers of the half that has been promoted.
// CHECK: %[[S2:.*]] = dgemm.mma_start %[[A1:.*]], %[[B0]] over %[[P0]]
// CHECK: %[[P1:.*]] = dgemm.mma_wait %[[S1]] pending = 1
// CHECK: %[[N1:.*]] = dgemm.promote %[[P1]] scaled %{{.*}} into %[[N0]] from 56 :
// CHECK: %[[S3:.*]] = dgemm.mma_start %[[A1]], %[[B1]] over %[[P1]]
// CHECK: %[[P2:.*]] = dgemm.mma_wait %[[S2]] pending = 1
// CHECK: %[[N2:.*]] = dgemm.promote %[[P2]] scaled %{{.*}} into %[[SUM1]] :

// Nothing is in flight where the K block ends; the stage is released before the last promotion.
// CHECK: %[[P3:.*]] = dgemm.mma_wait %[[S3]] pending = 0
// CHECK: dgemm.release
// CHECK: %[[N3:.*]] = dgemm.promote %[[P3]] scaled %{{.*}} into %[[N2]] from 56 :
// CHECK: scf.yield %[[N1]], %[[N3]]
// CHECK-NOT: dgemm.mma %
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) sizes [-1, 384, 512]
    config <block = 256x104x128, stages = 3, math_warpgroups = 2, group_m = 8, partials = 2> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [256, 104] group_m = 8 {
    %zero = dgemm.zero : <256x104xf32>
    %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<256x104xf32>) {
      %block = arith.divui %k, %c128 : index
      %xb = dgemm.load_block_scales %scale_b[%n, %k] : memref<3x4xf32> -> vector<2xf32>
      %ta = dgemm.load %a[%m, %k] : memref<?x512xf8E4M3FN> -> !dgemm.tile<256x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.load %b[%n, %k] : memref<384x512xf8E4M3FN> -> !dgemm.tile<104x128xf8E4M3FN, swizzle = 128>
      %ts = dgemm.load %scale_a[%block, %m] : memref<4x?xf32> -> !dgemm.tile<1x256xf32>
      %ra = dgemm.load_fragment %ts : !dgemm.tile<1x256xf32> -> !dgemm.frag<256x1xf32>
      %part = dgemm.mma %ta, %tb : !dgemm.tile<256x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<104x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<256x104xf32>
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
          : !dgemm.frag<256x104xf32>, !dgemm.frag<256x1xf32>, vector<2xf32> -> !dgemm.frag<256x104xf32>
      scf.yield %next : !dgemm.frag<256x104xf32>
    }
    dgemm.store %acc, %d[%m, %n] : !dgemm.frag<256x104xf32>, memref<?x384xbf16>
  }
}
