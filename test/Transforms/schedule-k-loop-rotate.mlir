// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s
// RUN: sed 's/, rotate = true>/>/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=SAME
// RUN: sed 's/512/128/g;s/<4x/<1x/;s/<3x4x/<3x1x/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=SAME
// RUN: sed 's/512/256/g;s/<4x/<2x/;s/<3x4x/<3x2x/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s

// With rotate a consumer waits for a stage and loads its scales in the K block before, behind the start of the mma. The
// producer stays as it is.

// CHECK-LABEL: dgemm.kernel @gemm
// CHECK: dgemm.commit
// CHECK: } consumer (%[[WG:.*]]) x 2
// The first K block's front.
// CHECK: %[[FULL0:.*]] = dgemm.wait %ring : !ring
// CHECK: %[[B0:.*]] = dgemm.view %[[FULL0]][1]
// CHECK: %[[A0:.*]] = dgemm.view %[[FULL0]][0]
// CHECK: %[[XB0:.*]] = dgemm.load_scales {{.*}} -> vector
// CHECK: %[[RA0:.*]] = dgemm.load_scales {{.*}} -> !dgemm.frag
// CHECK: %[[ACC:.*]]:5 = scf.for %[[K:.*]] = %c0 to %[[END:.*]] step %[[STEP:c128.*]] iter_args(%[[SUM:.*]] = %{{.*}}, %[[A:.*]] = %[[A0]], %[[B:.*]] = %[[B0]], %[[RA:.*]] = %[[RA0]], %[[XB:.*]] = %[[XB0]])

// Behind the last K block there is none: nothing is waited for, and no scales are loaded.
// CHECK: %[[NEXT:.*]] = arith.addi %[[K]], %[[STEP]]
// CHECK: %[[MORE:.*]] = arith.cmpi ult, %[[NEXT]], %[[END]]
// CHECK: %[[S:.*]] = dgemm.mma_start %[[A]], %[[B]]
// CHECK: %[[FULL:.*]] = dgemm.wait %ring when %[[MORE]]
// CHECK: %[[NEXTB:.*]] = dgemm.view %[[FULL]][1]
// CHECK: %[[NEXTA:.*]] = dgemm.view %[[FULL]][0]
// CHECK: %[[NEXTX:.*]]:2 = scf.if %[[MORE]]
// CHECK: dgemm.load_scales {{.*}} -> vector
// CHECK: dgemm.load_scales {{.*}} -> !dgemm.frag
// CHECK: } else {
// CHECK-NEXT: scf.yield %[[XB]], %[[RA]]
// CHECK: %[[P:.*]] = dgemm.mma_wait %[[S]] pending = 0
// CHECK: dgemm.release
// CHECK: %[[N:.*]] = dgemm.promote %[[P]] scaled %[[RA]], %[[XB]] at %{{.*}} into %[[SUM]]
// CHECK: scf.yield %[[N]], %[[NEXTA]], %[[NEXTB]], %[[NEXTX]]#1, %[[NEXTX]]#0
// CHECK: dgemm.store %[[ACC]]#0

// Not unless the config says so, nor with one K block.
// SAME: consumer (
// SAME: scf.for
// SAME: dgemm.wait %ring : !ring
// SAME: dgemm.mma %
// SAME-NOT: dgemm.wait
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <1x1xf32>>
!ring = !dgemm.ring<3, !stage>
!ta = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!tb = !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x128xf32>
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x128x128>, schedule = <stages = 3, warpgroups = 2, rotate = true>> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 128] group_m = 8 {
      scf.for %k = %c0 to %K step %c128 {
        %block = arith.divui %k, %c128 : index
        %stage = dgemm.acquire %ring : !ring -> !stage
        dgemm.load_async %a[%m, %k] into %stage[0] : memref<?x512xf8E4M3FN>, !stage
        dgemm.load_async %b[%n, %k] into %stage[1] : memref<384x512xf8E4M3FN>, !stage
        dgemm.load_async %scale_a[%block, %m] into %stage[2] : memref<4x?xf32>, !stage
        dgemm.load_async %scale_b[%n, %k] into %stage[3] by <cp_async> : memref<3x4xf32>, !stage
        dgemm.commit %ring : !ring
      }
    }
  } consumer (%wg) x 2 registers = 232 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 128] group_m = 8 {
      %zero = dgemm.zero : <64x128xf32>
      %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!acc) {
        %stage = dgemm.wait %ring : !ring -> !stage
        %c0_0 = arith.constant 0 : index
        %ts = dgemm.view %stage[3] from %c0_0 : !stage -> !dgemm.tile<1x1xf32>
        %xb = dgemm.load_scales %ts : !dgemm.tile<1x1xf32> -> vector<1xf32>
        %tb = dgemm.view %stage[1] from %c0_0 : !stage -> !tb
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        %ta = dgemm.view %stage[0] from %row : !stage -> !ta
        %part = dgemm.mma %ta, %tb : !ta, !tb -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %sum : !acc, !dgemm.frag<64x1xf32>, vector<1xf32> -> !acc
        scf.yield %next : !acc
      }
      %first = arith.addi %m, %row : index
      dgemm.store %acc, %d[%first, %n] : !acc, memref<?x384xbf16>
    }
  }
}
