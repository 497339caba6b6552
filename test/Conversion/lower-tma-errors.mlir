// RUN: dgemm-opt %s --dgemm-lower-tma -split-input-file -verify-diagnostics

// Only a specialized kernel has a ring.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first}}
dgemm.kernel @sequential() sizes [-1, 384, 512] config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
}

// -----

// The layout of shared memory follows the config, so the stages must be those of the config.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @tiles() sizes [-1, 384, 512] config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  // expected-error @+1 {{'dgemm.ring' op expected tiles of A, B and the scales of A and B as in the kernel's config, but got '!dgemm.tile<64x128xf8E4M3FN, swizzle = 128>'}}
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// Tensor maps are made for the operands of the problem.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @source(%x: memref<?x512xf8E4M3FN>) sizes [-1, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c0 = arith.constant 0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring : !ring -> !stage
    // expected-error @+1 {{'dgemm.load_async' op expected the source to be the kernel argument a, b or scale_a}}
    dgemm.load_async %x[%c0, %c0] into %stage[0] by <tma> : memref<?x512xf8E4M3FN>, !stage
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// The same holds for what is stored to.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @destination(%x: memref<?x384xbf16>) sizes [-1, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c0 = arith.constant 0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %zero = dgemm.zero : <64x96xf32>
    // expected-error @+1 {{'dgemm.store' op expected the destination to be the kernel argument d}}
    dgemm.store %zero, %x[%c0, %c0] by <tma> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  }
}

// -----

// Where a stage lies is known from its wait.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @view() sizes [-1, 384, 512] config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c0 = arith.constant 0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring : !ring -> !stage
    // expected-error @+1 {{'dgemm.view' op expected a stage that dgemm.wait gives}}
    %b = dgemm.view %stage[1] from %c0 : !stage -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// How a tile is loaded is decided before.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @movement(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}) sizes [-1, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
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
