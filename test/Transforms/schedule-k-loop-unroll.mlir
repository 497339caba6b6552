// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s
// RUN: sed 's/512/640/g;s/<4x/<5x/g;s/<3x4x/<3x5x/g' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=ODD
// RUN: sed 's/512/384/g;s/<4x/<3x/g;s/<3x4x/<3x3x/g' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=FEW
// RUN: sed 's/unroll = 2/unroll = 4, early_store = true/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=WHOLE
// RUN: sed 's/512/640/g;s/<4x/<5x/g;s/<3x4x/<3x5x/g;s/unroll = 2/unroll = 4, early_store = true/' %s | dgemm-opt --dgemm-schedule-k-loop | FileCheck %s --check-prefix=ROLLED

// unroll = 2: two K blocks in an iteration of the consumers' K loop. The second mma takes over the registers of the first one's
// partial sum, once that is promoted.

// CHECK: consumer (
// CHECK: %[[STEP:.*]] = arith.constant 256 : index
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %[[STEP]] iter_args(%[[SUM:.*]] = %{{.*}})
// CHECK: dgemm.wait
// CHECK: dgemm.load_scales {{.*}} -> vector
// CHECK: %[[PART:.*]] = dgemm.mma %{{[^ ]*}}, %{{[^ ]*}} :
// CHECK: dgemm.release
// CHECK: %[[FIRST:.*]] = dgemm.promote %[[PART]] {{.*}} into %[[SUM]]
// CHECK: dgemm.wait
// CHECK: dgemm.load_scales {{.*}} -> vector
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

// Three K blocks and the last one that early_store has behind them are less than unroll = 4, and become straight code.
// WHOLE: consumer (
// WHOLE-NOT: scf.for
// WHOLE-COUNT-4: dgemm.wait %ring
// WHOLE-NOT: dgemm.wait
// WHOLE-COUNT-2: dgemm.store
// Four are one more than that, and too few for two iterations.
// ROLLED: consumer (
// ROLLED: scf.for
// ROLLED: dgemm.wait
// ROLLED: scf.yield
// ROLLED: dgemm.wait
// ROLLED-NOT: dgemm.wait
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <1x1xf32>>
!ring = !dgemm.ring<3, !stage>
!ta = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!tb = !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x128xf32>
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x128x128>, schedule = <stages = 3, warpgroups = 2, unroll = 2>> {
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
    dgemm.load_async %scale_b[%N, %N] into %filled[3] : memref<3x4xf32>, !stage
    dgemm.commit %ring : !ring
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
