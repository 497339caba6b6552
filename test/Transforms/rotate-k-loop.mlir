// RUN: dgemm-opt %s --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-rotate-k-loop | FileCheck %s
// RUN: sed 's/, rotate_k_loop = true>/>/' %s | dgemm-opt --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-rotate-k-loop | FileCheck %s --check-prefix=SAME
// RUN: dgemm-gen --m=64 --n=192 --k=1024 --config='block = 64x64x128, split_k = 2, rotate_k_loop = true' --emit=specialized | FileCheck %s --check-prefix=SPLIT

// dgemm-rotate-k-loop waits for a stage and loads its scales in the K block before, behind the start of the mma. The
// producer stays as it is.

// CHECK-LABEL: dgemm.kernel @gemm
// CHECK: } consumer (
// The first K block's front.
// CHECK: %[[FULL0:.*]] = dgemm.wait %ring : !ring
// CHECK: %[[B0:.*]] = dgemm.view %[[FULL0]][1]
// CHECK: %[[A0:.*]] = dgemm.view %[[FULL0]][0]
// CHECK: %[[XB0:.*]] = dgemm.load_vector
// CHECK: %[[RA0:.*]] = dgemm.load_fragment
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %[[END:.*]] step %[[STEP:.*]] iter_args(%[[SUM:.*]] = %{{.*}}, %[[B:.*]] = %[[B0]], %[[A:.*]] = %[[A0]], %[[XB:.*]] = %[[XB0]], %[[RA:.*]] = %[[RA0]])

// Behind the last K block there is none: nothing is waited for, and no scales are loaded.
// CHECK: %[[NEXT:.*]] = arith.addi %[[K]], %[[STEP]]
// CHECK: %[[MORE:.*]] = arith.cmpi ult, %[[NEXT]], %[[END]]
// CHECK: %[[S:.*]] = dgemm.mma_start %[[A]], %[[B]]
// CHECK: %[[FULL:.*]] = dgemm.wait %ring when %[[MORE]]
// CHECK: %[[NEXTB:.*]] = dgemm.view %[[FULL]][1]
// CHECK: %[[NEXTA:.*]] = dgemm.view %[[FULL]][0]
// CHECK: %[[NEXTX:.*]]:2 = scf.if %[[MORE]]
// CHECK: dgemm.load_vector
// CHECK: dgemm.load_fragment
// CHECK: } else {
// CHECK: scf.yield %[[XB]], %[[RA]]
// CHECK: %[[P:.*]] = dgemm.mma_wait %[[S]] pending = 0
// CHECK: dgemm.release
// CHECK: %[[N:.*]] = dgemm.promote %[[P]] scaled %[[RA]], %[[XB]] at %{{.*}} into %[[SUM]]
// CHECK: scf.yield %[[N]], %[[NEXTB]], %[[NEXTA]], %[[NEXTX]]#0, %[[NEXTX]]#1

// Not unless the config says so.
// SAME: consumer (
// SAME: scf.for
// SAME: dgemm.wait %ring : !ring
// SAME: dgemm.mma %
// SAME-NOT: dgemm.wait

// A part of a split K may be empty: nothing is waited for then, and no scales are read.
// SPLIT: %[[BEGIN:.*]], %[[END:.*]] = dgemm.k_range
// SPLIT: consumer (
// SPLIT: %[[SOME:.*]] = arith.cmpi ult, %[[BEGIN]], %[[END]]
// SPLIT: dgemm.wait %ring when %[[SOME]]
// SPLIT: scf.if %[[SOME]]
// SPLIT: scf.for
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) sizes [-1, 384, 512]
    config <block = 128x128x128, stages = 3, math_warpgroups = 2, group_m = 8, rotate_k_loop = true> {
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
