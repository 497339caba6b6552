// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s --check-prefixes=CHECK,FOUR
// RUN: sed 's/512/256/g;s/<4x/<2x/;s/<3x4x/<3x2x/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefixes=CHECK,TWO
// RUN: sed 's/512/496/g' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefixes=CHECK,FOUR
// RUN: sed 's/512/128/g;s/<4x/<1x/;s/<3x4x/<3x1x/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=BEHIND
// RUN: sed 's/, early_store = true>/>/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=WHOLE

// With early_store the last K block stands behind the loop. Its only mma is divided: the first half of the columns is stored while
// the tensor cores compute the second one. Scales of B lie in global memory here.

// CHECK: consumer (
// FOUR: %[[ACC:.*]] = scf.for %{{.*}} = %c0 to %c384{{.*}} step %c128
// TWO: %[[ACC:.*]] = scf.for %{{.*}} = %c0 to %c128{{.*}} step %c128
// CHECK: dgemm.mma %{{.*}} -> !dgemm.frag<64x96xf32>
// CHECK: scf.yield
// FOUR: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %c384{{.*}}]
// TWO: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %c128{{.*}}]
// CHECK: %[[STAGE:.*]] = dgemm.wait %ring : !ring
// CHECK-DAG: %[[B0:.*]] = dgemm.view %[[STAGE]][1] from %c0{{.*}} -> !dgemm.tile<48x128xf8E4M3FN, swizzle = 128>
// CHECK-DAG: %[[B1:.*]] = dgemm.view %[[STAGE]][1] from %c48{{.*}} -> !dgemm.tile<48x128xf8E4M3FN, swizzle = 128>
// CHECK-DAG: %[[A:.*]] = dgemm.view %[[STAGE]][0]
// CHECK: %[[P0:.*]] = dgemm.mma %[[A]], %[[B0]] : {{.*}} -> !dgemm.frag<64x48xf32>
// CHECK-NEXT: %[[S0:.*]] = dgemm.promote %[[P0]] scaled %{{.*}}, %[[XB]] at %n into %[[ACC]] :
// CHECK-NEXT: %[[START:.*]] = dgemm.mma_start %[[A]], %[[B1]] over %[[P0]]
// CHECK-NEXT: %[[M:.*]] = arith.addi %m,
// CHECK-NEXT: dgemm.store %[[S0]], %d[%[[M]], %n] part [0, 48] :
// CHECK-NEXT: %[[P1:.*]] = dgemm.mma_wait %[[START]] pending = 0
// CHECK-NEXT: dgemm.release
// CHECK-NEXT: %[[S1:.*]] = dgemm.promote %[[P1]] scaled %{{.*}}, %[[XB]] at %n into %[[S0]] from 48 :
// CHECK-NEXT: dgemm.store %[[S1]], %d[%[[M]], %n] part [48, 48] :
// CHECK-NOT: dgemm.store

// A single K block is not taken out; its halves have the same place in shared memory all the same.
// BEHIND: consumer (
// BEHIND: %[[ACC:.*]] = scf.for
// BEHIND: scf.yield
// BEHIND-NOT: dgemm.mma
// BEHIND: dgemm.store %[[ACC]], %{{.*}} part [0, 48]
// BEHIND-NEXT: dgemm.store %[[ACC]], %{{.*}} part [48, 48]

// WHOLE: consumer (
// WHOLE: %[[ACC:.*]] = scf.for %{{.*}} = %c0 to %c512
// WHOLE-NOT: part
// WHOLE: dgemm.store %[[ACC]],
// WHOLE-NOT: dgemm.store
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<3, !stage>
!ta = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!tb = !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x96xf32>
!ra = !dgemm.frag<64x1xf32>
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2, early_store = true>> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%N, %N] into %filled[0] : memref<?x512xf8E4M3FN>, !stage
    dgemm.load_async %b[%N, %N] into %filled[1] : memref<384x512xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%N, %N] into %filled[2] : memref<4x?xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 2 registers = 232 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 96] group_m = 8 {
      %zero = dgemm.zero : <64x96xf32>
      %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!acc) {
        %xb = dgemm.load_scales %scale_b[%n, %k] : memref<3x4xf32> -> vector<2xf32>
        %stage = dgemm.wait %ring : !ring -> !stage
        %c0_0 = arith.constant 0 : index
        %tb = dgemm.view %stage[1] from %c0_0 : !stage -> !tb
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !ra
        %ta = dgemm.view %stage[0] from %row : !stage -> !ta
        %part = dgemm.mma %ta, %tb : !ta, !tb -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %sum : !acc, !ra, vector<2xf32> -> !acc
        scf.yield %next : !acc
      }
      %first = arith.addi %m, %row : index
      dgemm.store %acc, %d[%first, %n] : !acc, memref<?x384xbf16>
    }
  }
}
