// RUN: dgemm-opt %s --dgemm-lower-ring -split-input-file -verify-diagnostics

// Only a specialized kernel has a ring.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first}}
dgemm.kernel @sequential(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
}

// -----

// Which stage is meant is known before.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @position(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                       %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                       %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    // expected-error @+1 {{'dgemm.commit' op expected the index of a stage; run dgemm-assign-stage-phase first}}
    dgemm.commit %ring : !ring
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// Where a stage lies is known from its wait.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @view(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %i = arith.constant 0 : i32
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring[%i] parity %i : !ring -> !stage
    // expected-error @+1 {{'dgemm.view' op expected a stage that dgemm.wait gives}}
    %tb = dgemm.view %stage[1] from %c0 : !stage -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// A load by TMA wants a tensor map.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @map(%a: memref<128x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x128xf32> {dgemm.operand = "scale_a"},
                  %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                  %d: memref<128x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [128, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %i = arith.constant 0 : i32
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring[%i] parity %i : !ring -> !stage
    // expected-error @+1 {{'dgemm.load_async' op expected a tensor map with a box of 128 columns and 128 rows; run dgemm-create-tensor-maps first}}
    dgemm.load_async %a[%c0, %c0] into %stage[0] by <tma> : memref<128x512xf8E4M3FN>, !stage
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// What all threads copy and what one warp copies do not go together.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <1x2xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @copies(%a: memref<128x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x128xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<128x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [128, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %i = arith.constant 0 : i32
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring[%i] parity %i slot %i : !ring -> !stage
    dgemm.load_async %a[%c0, %c0] into %stage[0] by <registers> : memref<128x512xf8E4M3FN>, !stage
    // expected-error @+1 {{'dgemm.load_async' op expected a producer whose other loads are all by TMA}}
    dgemm.load_async %scale_b[%c0, %c0] into %stage[3] by <cp_async> : memref<3x4xf32>, !stage
  } consumer (%wg) x 2 registers = 232 {
  }
}


// -----

// A stage is handed on by its ring, and by nothing else.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @stage(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %i = arith.constant 0 : i32
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring[%i] parity %i : !ring -> !stage
    // expected-error @+1 {{'scf.for' op expected a stage to be used by dgemm.load_async and dgemm.view only}}
    %last = scf.for %k = %c0 to %c1 step %c1 iter_args(%carried = %stage) -> (!stage) {
      scf.yield %carried : !stage
    }
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// How many bytes dgemm.commit awaits depends on the rows of such a load, so that it cannot be left out.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @clipped(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %i = arith.constant 0 : i32
  %is_first = arith.cmpi eq, %M, %c0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring[%i] parity %i : !ring -> !stage
    scf.if %is_first {
      // expected-error @+1 {{'dgemm.load_async' op expected a load that clips rows to stand in the block of its dgemm.acquire}}
      dgemm.load_async %a[%c0, %c0] into %stage[0] by <tma, clip_rows = true> : memref<?x512xf8E4M3FN>, !stage
    }
    dgemm.commit %ring[%i] : !ring
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

// Nothing is left that uses a ring.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<4, !stage>
dgemm.kernel @skip(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x48x128>, schedule = <stages = 4, warpgroups = 2, pingpong = true>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    // expected-error @+1 {{'dgemm.skip' op expected a ring to be used by dgemm.acquire, dgemm.commit, dgemm.wait and dgemm.release only; dgemm-assign-stage-phase erases dgemm.skip}}
    dgemm.skip %wg of %ring : !ring
  }
}
