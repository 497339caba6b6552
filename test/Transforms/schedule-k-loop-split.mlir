// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s
// RUN: sed 's/%begin to %end/%c0 to %K/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=ALL

// A part of a split K may be empty: nothing is waited for then, and no scales are read. Those that lie in global memory are read for
// K block 0, and where there is no next K block, for the same again.

// CHECK: %[[BEGIN:.*]], %[[END:.*]] = dgemm.k_range
// CHECK: consumer (
// CHECK: %[[SOME:.*]] = arith.cmpi ult, %[[BEGIN]], %[[END]]
// CHECK: %[[FIRST:.*]] = arith.select %[[SOME]], %[[BEGIN]], %c0
// CHECK: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %[[FIRST]]]
// CHECK: dgemm.wait %ring when %[[SOME]]
// CHECK: %[[RA:.*]] = scf.if %[[SOME]]
// CHECK: } else {
// CHECK: dgemm.zero
// CHECK: scf.for %[[K:.*]] = %[[BEGIN]] to %[[END]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[K]], %c128
// CHECK: %[[MORE:.*]] = arith.cmpi ult, %[[NEXT]], %[[END]]
// CHECK: %[[SAME:.*]] = arith.select %[[MORE]], %{{.*}}, %[[K]]
// CHECK: dgemm.load_scales %scale_b[%n, %[[SAME]]]
// CHECK: dgemm.mma_start
// CHECK: dgemm.wait %ring when %[[MORE]]
// CHECK: scf.if %[[MORE]]
// CHECK: dgemm.mma_wait

// A K that is given at launch is at least 1, and so has a first K block.
// ALL: consumer (
// ALL: dgemm.load_scales %scale_b[%n, %c0]
// ALL: dgemm.wait %ring :
// ALL-NOT: scf.if
// ALL: scf.for %[[K:.*]] = %c0 to %K step
// ALL: dgemm.mma_start
// ALL: dgemm.wait %ring when
// ALL: scf.if
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>, <1x64xf32>>
!ring = !dgemm.ring<3, !stage>
!tile = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x64xf32>
dgemm.kernel @gemm(%a: memref<64x?xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<?x64xf32> {dgemm.operand = "scale_a"},
                   %b: memref<192x?xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<2x?xf32> {dgemm.operand = "scale_b"},
                   %d: memref<64x192xbf16> {dgemm.operand = "d"}, %K: index {dgemm.size = "K"}) problem <sizes = [64, 192, -1]>
    config <tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
  %M = arith.constant 64 : index
  %N = arith.constant 192 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %begin, %end = dgemm.k_range %K split = 2
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 72 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%M, %M] into %filled[0] : memref<64x?xf8E4M3FN>, !stage
    dgemm.load_async %b[%M, %M] into %filled[1] : memref<192x?xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%M, %M] into %filled[2] : memref<?x64xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 1 registers = 248 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 64] group_m = 8 cluster = [1, 1, 2] {
      %zero = dgemm.zero : <64x64xf32>
      %acc = scf.for %k = %begin to %end step %c128 iter_args(%before = %zero) -> (!acc) {
        %xb = dgemm.load_scales %scale_b[%n, %k] : memref<2x?xf32> -> vector<1xf32>
        %stage = dgemm.wait %ring : !ring -> !stage
        %tb = dgemm.view %stage[1] from %c0 : !stage -> !tile
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        %ta = dgemm.view %stage[0] from %row : !stage -> !tile
        %part = dgemm.mma %ta, %tb : !tile, !tile -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %before : !acc, !dgemm.frag<64x1xf32>, vector<1xf32> -> !acc
        scf.yield %next : !acc
      }
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !acc -> !dgemm.frag<64x32xf32>
      %first = arith.addi %n, %column : index
      dgemm.store %sum, %d[%row, %first] : !dgemm.frag<64x32xf32>, memref<64x192xbf16>
    }
  }
}
