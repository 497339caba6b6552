// RUN: dgemm-opt %s --dgemm-assign-stage-phase -split-input-file -verify-diagnostics

// Only a specialized kernel has a ring.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first}}
dgemm.kernel @sequential(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
}

// -----

// Where only one side of a branch takes a stage, nobody knows where the other is.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @branch(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %true = arith.constant true
    // expected-note @+1 {{it stands in this}}
    scf.if %true {
      // expected-error @+1 {{'dgemm.commit' op expected to stand in tile loops, scf.for and scf.if with two sides, and in nothing else}}
      dgemm.commit %ring : !ring
    }
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// Nor is it known how often other loops run.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @loop(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    // expected-note @+1 {{it stands in this}}
    scf.while : () -> () {
      %true = arith.constant true
      scf.condition(%true)
    } do {
      // expected-error @+1 {{'dgemm.commit' op expected to stand in tile loops, scf.for and scf.if with two sides, and in nothing else}}
      dgemm.commit %ring : !ring
      scf.yield
    }
  } consumer (%wg) x 2 registers = 232 {
  }
}
