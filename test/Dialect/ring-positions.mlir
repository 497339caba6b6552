// RUN: dgemm-opt %s --verify-roundtrip | FileCheck %s

// An access to the ring may say which stage it is, in which phase; with the scales of B, their slot.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<3, !stage>
// CHECK-LABEL: dgemm.kernel @positions(
dgemm.kernel @positions(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                        %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                        %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x96x128>, schedule = <stages = 3, warpgroups = 1>> {
  %i = arith.constant 0 : i32
  %p = arith.constant 1 : i32
  %s = arith.constant 2 : i32
  %more = arith.constant true
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    // CHECK: dgemm.acquire %ring[%c0_i32] parity %c1_i32 :
    %a0 = dgemm.acquire %ring[%i] parity %p : !ring -> !stage
    // CHECK: dgemm.commit %ring[%c0_i32] :
    dgemm.commit %ring[%i] : !ring
  } consumer (%wg) x 1 registers = 240 {
    // CHECK: dgemm.wait %ring[%c0_i32] parity %c1_i32 slot %c2_i32 when %true :
    %w = dgemm.wait %ring[%i] parity %p slot %s when %more : !ring -> !stage
    // CHECK: dgemm.release %ring[%c0_i32] :
    dgemm.release %ring[%i] : !ring
  }
}
