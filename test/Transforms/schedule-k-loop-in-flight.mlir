// RUN: dgemm-opt %s --dgemm-schedule-k-loop | FileCheck %s

// A loop whose mmas stay in flight may be the last op of its role. Its sums are complete after it.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
// CHECK-LABEL: dgemm.kernel @last
dgemm.kernel @last(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, accuracy = fast>
    config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 2, pingpong = true>> {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %c512 = arith.constant 512 : index
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %st = dgemm.acquire %r : !ring -> !stage
    dgemm.load_async %a[%M, %c0] into %st[0] : memref<?x512xf8E4M3FN>, !stage
    dgemm.load_async %b[%c0, %c0] into %st[1] : memref<384x512xf8E4M3FN>, !stage
    dgemm.commit %r : !ring
  } consumer (%wg) x 2 registers = 232 {
    %z = dgemm.zero : <64x48xf32>
    // CHECK: dgemm.mma_start
    // CHECK: %[[SUM:.*]] = scf.for
    // CHECK: dgemm.mma_wait_reads pending = 1
    // CHECK: dgemm.mma_wait %[[SUM]] pending = 0
    // CHECK-NEXT: dgemm.release
    %s = scf.for %k = %c0 to %c512 step %c128 iter_args(%sum = %z) -> (!dgemm.frag<64x48xf32>) {
      %st = dgemm.wait %r : !ring -> !stage
      %ta = dgemm.view %st[0] from %c0 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.view %st[1] from %c0 : !stage -> !dgemm.tile<48x128xf8E4M3FN, swizzle = 128>
      %n = dgemm.mma %ta, %tb into %sum : !dgemm.frag<64x48xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<48x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x48xf32>
      dgemm.release %r : !ring
      scf.yield %n : !dgemm.frag<64x48xf32>
    }
  }
}

// Two mmas that add to one sum in a K block wait for each other as they say.
// CHECK-LABEL: dgemm.kernel @chained
dgemm.kernel @chained(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, accuracy = fast>
    config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 2, pingpong = true>> {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %c512 = arith.constant 512 : index
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %st = dgemm.acquire %r : !ring -> !stage
    dgemm.load_async %a[%M, %c0] into %st[0] : memref<?x512xf8E4M3FN>, !stage
    dgemm.load_async %b[%c0, %c0] into %st[1] : memref<384x512xf8E4M3FN>, !stage
    dgemm.commit %r : !ring
  } consumer (%wg) x 2 registers = 232 {
    %z = dgemm.zero : <64x48xf32>
    // CHECK-NOT: dgemm.mma_wait_reads
    // CHECK: scf.for
    // CHECK: dgemm.mma %
    // CHECK: dgemm.mma %
    // CHECK: dgemm.release
    // CHECK-NOT: dgemm.mma_wait
    %s = scf.for %k = %c0 to %c512 step %c128 iter_args(%sum = %z) -> (!dgemm.frag<64x48xf32>) {
      %st = dgemm.wait %r : !ring -> !stage
      %ta = dgemm.view %st[0] from %c0 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.view %st[1] from %c0 : !stage -> !dgemm.tile<48x128xf8E4M3FN, swizzle = 128>
      %n = dgemm.mma %ta, %tb into %sum : !dgemm.frag<64x48xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<48x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x48xf32>
      %m = dgemm.mma %ta, %tb into %n : !dgemm.frag<64x48xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<48x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x48xf32>
      dgemm.release %r : !ring
      scf.yield %m : !dgemm.frag<64x48xf32>
    }
    dgemm.pass_turn %c0
  }
}
