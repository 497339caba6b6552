// RUN: dgemm-opt %s --dgemm-create-tensor-maps -split-input-file -verify-diagnostics

// How a tile is loaded is decided before.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @movement(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                       %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                       %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring : !ring -> !stage
    // expected-error @+1 {{'dgemm.load_async' op expected 'by'; run dgemm-choose-data-movement first}}
    dgemm.load_async %a[%c0, %c0] into %stage[0] : memref<?x512xf8E4M3FN>, !stage
  } consumer (%wg) x 2 registers = 232 {
  }
}

