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

// -----

// The position is that of the oldest stage held, and a skip would move it.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<4, !stage>
dgemm.kernel @skip_held(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                        %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                        %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x48x128>, schedule = <stages = 4, warpgroups = 2, pingpong = true>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %c2 = arith.constant 2 : index
    %stage = dgemm.wait %ring : !ring -> !stage
    // expected-error @+1 {{'dgemm.skip' op expected no stage to be held, but got 1}}
    dgemm.skip %c2 of %ring : !ring
    dgemm.release %ring : !ring
  }
}

// -----

// Inside of a branch, too.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<4, !stage>
dgemm.kernel @skip_in_branch(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                             %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                             %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x48x128>, schedule = <stages = 4, warpgroups = 2, pingpong = true>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %true = arith.constant true
    %first = dgemm.wait %ring : !ring -> !stage
    %second = dgemm.wait %ring : !ring -> !stage
    scf.if %true {
      dgemm.release %ring : !ring
      %third = dgemm.wait %ring : !ring -> !stage
    } else {
      // expected-error @+1 {{'dgemm.skip' op expected no stage to be held, but got 2}}
      dgemm.skip %wg of %ring : !ring
    }
    dgemm.release %ring : !ring
    dgemm.release %ring : !ring
  }
}

// -----

// A count is one of K blocks.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<4, !stage>
dgemm.kernel @skip_back(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                        %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                        %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x48x128>, schedule = <stages = 4, warpgroups = 2, pingpong = true>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %back = arith.constant -1 : index
    // expected-error @+1 {{'dgemm.skip' op expected a count of 0 to 2147483647, but got -1}}
    dgemm.skip %back of %ring : !ring
  }
}

// -----

// Only a stage that was waited for can be released.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @release_first(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                            %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                            %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    // expected-error @+1 {{'dgemm.release' op expected a dgemm.wait before it, as no stage is held}}
    dgemm.release %ring : !ring
    %stage = dgemm.wait %ring : !ring -> !stage
  }
}

// -----

// A ring of two stages has no third one to wait for.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @three_held(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %first = dgemm.wait %ring : !ring -> !stage
    %second = dgemm.wait %ring : !ring -> !stage
    // expected-error @+1 {{'dgemm.wait' op expected a stage to be released first, as all 2 are held}}
    %third = dgemm.wait %ring : !ring -> !stage
  }
}

// -----

// Where each iteration holds one more stage, nobody knows how many are held.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @loop_holds(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    // expected-error @+1 {{'scf.for' op expected to end with as many stages held as it begins with, 0, but got 1}}
    scf.for %i = %c0 to %M step %c1 {
      %stage = dgemm.wait %ring : !ring -> !stage
    }
  }
}

// -----

// Nor where one side of a branch does.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @branch_releases(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                              %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                              %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %true = arith.constant true
    %stage = dgemm.wait %ring : !ring -> !stage
    // expected-error @+1 {{'scf.if' op expected to end with as many stages held as it begins with, 1, but got 0}}
    scf.if %true {
      dgemm.release %ring : !ring
    } else {
    }
  }
}
