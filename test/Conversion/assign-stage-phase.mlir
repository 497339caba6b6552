// RUN: dgemm-opt %s --dgemm-assign-stage-phase --cse | FileCheck %s

// Each access to the ring gets its stage and the parity of its phase. The loops carry them, from 0 and 0. Past the last of
// the three stages comes the first, with the other parity.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<3, !stage>
// CHECK-LABEL: dgemm.kernel @loops
dgemm.kernel @loops(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 64x96x128>, schedule = <stages = 3, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %N = arith.constant 384 : index
  %K = arith.constant 640 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  // CHECK: producer registers = 40 {
  // CHECK: dgemm.for_each_tile {{.*}} iter_args(%[[I0:.*]] = %[[C0:c0_i32]], %[[P0:.*]] = %[[C0]]) -> (i32, i32) {
  // CHECK: %[[END:.*]]:2 = scf.for {{.*}} iter_args(%[[I:.*]] = %[[I0]], %[[P:.*]] = %[[P0]]) -> (i32, i32) {
  producer registers = 40 {
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 96] group_m = 8 {
      scf.for %k = %c0 to %K step %c128 {
        // CHECK-NEXT: dgemm.acquire %ring[%[[I]]] parity %[[P]] :
        %stage = dgemm.acquire %ring : !ring -> !stage
        // CHECK-NEXT: dgemm.commit %ring[%[[I]]] :
        // CHECK: %[[INC:.*]] = arith.addi %[[I]], %c1_i32
        // CHECK: %[[WRAP:.*]] = arith.cmpi eq, %[[INC]], %c3_i32
        // CHECK-NEXT: %[[NEXTI:.*]] = arith.select %[[WRAP]], %[[C0]], %[[INC]]
        // CHECK-NEXT: %[[FLIP:.*]] = arith.extui %[[WRAP]]
        // CHECK-NEXT: %[[NEXTP:.*]] = arith.xori %[[P]], %[[FLIP]]
        // CHECK-NEXT: scf.yield %[[NEXTI]], %[[NEXTP]]
        dgemm.commit %ring : !ring
      }
      // CHECK: dgemm.yield %[[END]]#0, %[[END]]#1
    }
  // CHECK: } consumer
  } consumer (%wg) x 1 registers = 240 {
    // A stage that is waited for while another is held comes behind that one; the one released is the one held longest.
    // CHECK: dgemm.wait %ring[%c0_i32{{.*}}] parity %c0_i32{{.*}} :
    %first = dgemm.wait %ring : !ring -> !stage
    // CHECK: %[[SECOND:.*]] = arith.select
    // CHECK: dgemm.wait %ring[%[[SECOND]]] parity
    %second = dgemm.wait %ring : !ring -> !stage
    // CHECK: dgemm.release %ring[%c0_i32{{.*}}] :
    dgemm.release %ring : !ring
    // CHECK: dgemm.release %ring[%[[SECOND]]] :
    dgemm.release %ring : !ring
  }
}

// Sides of a branch walk on as far as each other, and hand that on. Where the scales of B are brought, slots count on to 64.
!scaled = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x64xf32>, <1x2xf32>>
!scaled_ring = !dgemm.ring<3, !scaled>
// CHECK-LABEL: dgemm.kernel @branch
dgemm.kernel @branch(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x96x128>, schedule = <stages = 3, warpgroups = 1>> {
  %ring = dgemm.ring : !scaled_ring
  dgemm.warp_specialize
  producer registers = 40 {
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    // CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %[[SLOT:.*]] = %{{.*}}) -> (i32, i32, i32)
    scf.for %k = %c0 to %M step %c128 {
      // CHECK: dgemm.acquire %ring[%{{.*}}] parity %{{.*}} slot %[[SLOT]] :
      %stage = dgemm.acquire %ring : !scaled_ring -> !scaled
      dgemm.load_async %scale_b[%k, %k] into %stage[3] by <cp_async> : memref<3x4xf32>, !scaled
      // CHECK: dgemm.commit
      // CHECK: %[[NEXT:.*]] = arith.addi %[[SLOT]], %c1_i32
      // CHECK: arith.andi %[[NEXT]], %c63_i32
      dgemm.commit %ring : !scaled_ring
    }
  } consumer (%wg) x 1 registers = 240 {
    %c1 = arith.constant 1 : index
    %is_first = arith.cmpi eq, %wg, %c1 : index
    // CHECK: %[[END:.*]]:3 = scf.if %{{.*}} -> (i32, i32, i32) {
    scf.if %is_first {
      // CHECK: dgemm.wait %ring[%{{.*}}] parity %{{.*}} slot %{{.*}} :
      %stage = dgemm.wait %ring : !scaled_ring -> !scaled
      dgemm.release %ring : !scaled_ring
    // CHECK: scf.yield
    // CHECK-NEXT: } else {
    } else {
      // CHECK: dgemm.wait
      %stage = dgemm.wait %ring : !scaled_ring -> !scaled
      dgemm.release %ring : !scaled_ring
    }
    // CHECK: dgemm.wait %ring[%[[END]]#0] parity %[[END]]#1 slot %[[END]]#2 :
    %stage = dgemm.wait %ring : !scaled_ring -> !scaled
  }
}

// The last iteration waits for no more, so after the loop no stage is held: the next one to wait for is that of the loop's end.
// CHECK-LABEL: dgemm.kernel @after_loop
dgemm.kernel @after_loop(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x96x128>, schedule = <stages = 3, warpgroups = 1>> {
  %ring = dgemm.ring : !scaled_ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    // CHECK: consumer
    // CHECK: %[[END:.*]]:2 = scf.for
    scf.for %i = %c0 to %M step %c1 {
      %stage = dgemm.wait %ring : !scaled_ring -> !scaled
      %more = arith.cmpi ult, %i, %M : index
      %next = dgemm.wait %ring when %more : !scaled_ring -> !scaled
      dgemm.release %ring : !scaled_ring
    }
    // CHECK: }
    // CHECK: dgemm.wait %ring[%[[END]]#0] parity %[[END]]#1 :
    %stage = dgemm.wait %ring : !scaled_ring -> !scaled
    dgemm.release %ring : !scaled_ring
  }
}
