// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s
// RUN: sed 's/, rotate = true//' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s

// Of a masked tile each number of slices has a K loop of its own. What a branch yields is stored in it: two slices, of which the
// first is stored under the last mma, one slice, which is not divided, or none.

// CHECK: } consumer (%[[WG:.*]]) x 2
// CHECK: scf.if %{{[^ ]*}} {
// CHECK: %[[ACC:[^:]*]]:{{[0-9]+}} = scf.for %{{.*}} = %c0 to %c384{{.*}} step %c128
// CHECK: scf.yield
// CHECK: %[[P0:.*]] = dgemm.mma %{{.*}}, %{{[^ ]*}} :
// CHECK-NEXT: %[[S0:.*]] = dgemm.promote %[[P0]] {{.*}} into %[[ACC]]#0 :
// CHECK-NEXT: %[[START:.*]] = dgemm.mma_start {{.*}} over %[[P0]]
// CHECK: dgemm.store %[[S0]], %d[%g, %{{.*}}, %n] rows %rows :
// CHECK: %[[P1:.*]] = dgemm.mma_wait %[[START]]
// CHECK-NEXT: dgemm.release
// CHECK-NEXT: %[[S1:.*]] = dgemm.promote %[[P1]] {{.*}} into %[[ACC]]#1 :
// CHECK: dgemm.store %[[S1]], %d[%g, %{{.*}}, %n] rows %rows :
// CHECK-NOT: dgemm.store
// CHECK: } else {
// CHECK: scf.if %{{[^ ]*}} {
// CHECK: scf.for %{{.*}} = %c0 to %c384{{.*}} step %c128
// CHECK: scf.yield
// CHECK: dgemm.mma_start {{.*}} -> !dgemm.frag<64x88xf32>
// CHECK-NEXT: %[[P:.*]] = dgemm.mma_wait
// CHECK-NEXT: dgemm.release
// CHECK-NEXT: %[[S:.*]] = dgemm.promote %[[P]]
// CHECK: dgemm.store %[[S]], %d[%g, %{{.*}}, %n] rows %rows :
// CHECK: } else {
// CHECK-NEXT: scf.for %{{.*}} = %c0 to %c512
// CHECK-NEXT: dgemm.wait
// CHECK-NEXT: dgemm.release
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NOT: dgemm.store
!stage = !dgemm.stage<<256x128xf8E4M3FN, swizzle = 128>, <88x128xf8E4M3FN, swizzle = 128>, <1x256xf32>, <1x2xf32>>
!ring = !dgemm.ring<3, !stage>
!ta = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!tb = !dgemm.tile<88x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x88xf32>
!ra = !dgemm.frag<64x1xf32>
dgemm.kernel @gemm(%a: memref<4x512x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x4x512xf32> {dgemm.operand = "scale_a"},
                   %b: memref<4x384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<4x3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<4x512x384xbf16> {dgemm.operand = "d"}, %masked_m: memref<4xi32> {dgemm.operand = "masked_m"})
    problem <sizes = [512, 384, 512, 4], layout = masked>
    config <tile = <block = 256x88x128>, schedule = <stages = 3, warpgroups = 2, rotate = true, early_store = true>> {
  %M = arith.constant 512 : index
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%M, %M, %M] into %filled[0] : memref<4x512x512xf8E4M3FN>, !stage
    dgemm.load_async %b[%M, %M, %M] into %filled[1] : memref<4x384x512xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%M, %M, %M] into %filled[2] : memref<4x4x512xf32>, !stage
    dgemm.load_async %scale_b[%M, %M, %M] into %filled[3] : memref<4x3x4xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 2 registers = 232 {
    %row0 = arith.muli %wg, %c64 : index
    %row1 = arith.addi %row0, %c128 : index
    dgemm.for_each_tile (%m, %n, %g, %rows) of (%M, %N) masked %masked_m : memref<4xi32> tile = [256, 88] group_m = 8 {
      %m1 = arith.addi %m, %row1 : index
      %both = arith.cmpi ult, %m1, %rows : index
      %zero = dgemm.zero : <64x88xf32>
      %sums:2 = scf.if %both -> (!acc, !acc) {
        %acc:2 = scf.for %k = %c0 to %K step %c128 iter_args(%sum0 = %zero, %sum1 = %zero) -> (!acc, !acc) {
          %stage = dgemm.wait %ring : !ring -> !stage
          %tb = dgemm.view %stage[1] from %c0 : !stage -> !tb
          %ts = dgemm.view %stage[3] from %c0 : !stage -> !dgemm.tile<1x2xf32>
          %xb = dgemm.load_scales %ts : !dgemm.tile<1x2xf32> -> vector<2xf32>
          %tr0 = dgemm.view %stage[2] from %row0 : !stage -> !dgemm.tile<1x64xf32>
          %ra0 = dgemm.load_scales %tr0 : !dgemm.tile<1x64xf32> -> !ra
          %ta0 = dgemm.view %stage[0] from %row0 : !stage -> !ta
          %tr1 = dgemm.view %stage[2] from %row1 : !stage -> !dgemm.tile<1x64xf32>
          %ra1 = dgemm.load_scales %tr1 : !dgemm.tile<1x64xf32> -> !ra
          %ta1 = dgemm.view %stage[0] from %row1 : !stage -> !ta
          %part0 = dgemm.mma %ta0, %tb : !ta, !tb -> !acc
          %next0 = dgemm.promote %part0 scaled %ra0, %xb at %n into %sum0 : !acc, !ra, vector<2xf32> -> !acc
          %part1 = dgemm.mma %ta1, %tb over %part0 : !acc : !ta, !tb -> !acc
          dgemm.release %ring : !ring
          %next1 = dgemm.promote %part1 scaled %ra1, %xb at %n into %sum1 : !acc, !ra, vector<2xf32> -> !acc
          scf.yield %next0, %next1 : !acc, !acc
        }
        scf.yield %acc#0, %acc#1 : !acc, !acc
      } else {
        %m0 = arith.addi %m, %row0 : index
        %one = arith.cmpi ult, %m0, %rows : index
        %sum = scf.if %one -> (!acc) {
          %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum0 = %zero) -> (!acc) {
            %stage = dgemm.wait %ring : !ring -> !stage
            %tb = dgemm.view %stage[1] from %c0 : !stage -> !tb
            %ts = dgemm.view %stage[3] from %c0 : !stage -> !dgemm.tile<1x2xf32>
            %xb = dgemm.load_scales %ts : !dgemm.tile<1x2xf32> -> vector<2xf32>
            %tr0 = dgemm.view %stage[2] from %row0 : !stage -> !dgemm.tile<1x64xf32>
            %ra0 = dgemm.load_scales %tr0 : !dgemm.tile<1x64xf32> -> !ra
            %ta0 = dgemm.view %stage[0] from %row0 : !stage -> !ta
            %part0 = dgemm.mma %ta0, %tb : !ta, !tb -> !acc
            dgemm.release %ring : !ring
            %next0 = dgemm.promote %part0 scaled %ra0, %xb at %n into %sum0 : !acc, !ra, vector<2xf32> -> !acc
            scf.yield %next0 : !acc
          }
          scf.yield %acc : !acc
        } else {
          scf.for %k = %c0 to %K step %c128 {
            %stage = dgemm.wait %ring : !ring -> !stage
            dgemm.release %ring : !ring
          }
          %none = dgemm.zero : <64x88xf32>
          scf.yield %none : !acc
        }
        %none = dgemm.zero : <64x88xf32>
        scf.yield %sum, %none : !acc, !acc
      }
      %d0 = arith.addi %m, %row0 : index
      dgemm.store %sums#0, %d[%g, %d0, %n] rows %rows : !acc, memref<4x512x384xbf16>
      %d1 = arith.addi %m, %row1 : index
      dgemm.store %sums#1, %d[%g, %d1, %n] rows %rows : !acc, memref<4x512x384xbf16>
    }
  }
}
