// RUN: dgemm-opt %s --verify-diagnostics --split-input-file | FileCheck %s

// A warpgroup fetches scales of rows of A or of B that are the same along K; the tile is of the operand that it was fetched from.
// CHECK-LABEL: dgemm.kernel @fetch(
// CHECK: %[[TILE:.*]] = dgemm.fetch %scale_b[%{{.*}}, %{{.*}}] : memref<1x384xf32> -> !dgemm.tile<1x96xf32>
// CHECK: dgemm.await
// CHECK: dgemm.load_scales %[[TILE]] : !dgemm.tile<1x96xf32> -> !dgemm.frag<1x96xf32>
dgemm.kernel @fetch(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %t = dgemm.fetch %sb[%c0, %c0] : memref<1x384xf32> -> !dgemm.tile<1x96xf32>
    dgemm.await
    %x = dgemm.load_scales %t : !dgemm.tile<1x96xf32> -> !dgemm.frag<1x96xf32>
  }
}

// -----

dgemm.kernel @rows(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected a row of the elements of the source, but got '!dgemm.tile<2x96xf32>' and 'memref<1x384xf32>'}}
    %t = dgemm.fetch %sb[%c0, %c0] : memref<1x384xf32> -> !dgemm.tile<2x96xf32>
  }
}

// -----

dgemm.kernel @offsets(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected 2 offsets for 'memref<1x384xf32>', but got 1}}
    %t = dgemm.fetch %sb[%c0] : memref<1x384xf32> -> !dgemm.tile<1x96xf32>
  }
}

// -----

dgemm.kernel @source(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected the source to be the kernel argument scale_a or scale_b, or one for an operand of the epilogue}}
    %t = dgemm.fetch %d[%c0, %c0] : memref<64x384xf32> -> !dgemm.tile<1x96xf32>
  }
}

// -----

dgemm.kernel @single(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected a scale for each row, but got #dgemm.scaled<f8E4M3FN by [full, full] of f32>}}
    %t = dgemm.fetch %sa[%c0, %c0] : memref<1x1xf32> -> !dgemm.tile<1x64xf32>
  }
}

// -----

dgemm.kernel @rows_of_b(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %t = dgemm.fetch %sb[%c0, %c0] : memref<1x384xf32> -> !dgemm.tile<1x64xf32>
    // expected-error @+1 {{'dgemm.load_scales' op expected the tile, which is fetched, to be the kernel argument scale_a}}
    %x = dgemm.load_scales %t : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
  }
}

// -----

dgemm.kernel @columns(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x1xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %t = dgemm.fetch %sb[%c0, %c0] : memref<1x384xf32> -> !dgemm.tile<1x96xf32>
    // expected-error @+1 {{'dgemm.load_scales' op expected a 1xC tile of f32 and a fragment of 1xC, but got '!dgemm.tile<1x96xf32>' and '!dgemm.frag<1x48xf32>'}}
    %x = dgemm.load_scales %t : !dgemm.tile<1x96xf32> -> !dgemm.frag<1x48xf32>
  }
}

// -----

// There is room only if the kernel has no scales of K blocks.
dgemm.kernel @varies(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], rhs = <f8E4M3FN by [1, full] of f32>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected scales of A and B that are the same along K, which leave room for the tile, but got #dgemm.scaled<f8E4M3FN by [1, 128] of f32> and #dgemm.scaled<f8E4M3FN by [1, full] of f32>}}
    %t = dgemm.fetch %sb[%c0, %c0] : memref<1x384xf32> -> !dgemm.tile<1x96xf32>
  }
}

// -----

// Scale rows of B take shared memory from the stages.
// expected-error @+1 {{'dgemm.kernel' op expected at most 3 stages with the scales of this problem in each K block, as 4 need 236096 bytes of shared memory, but a CTA has 232448}}
dgemm.kernel @stages(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<4x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], rhs = <f8E4M3FN by [1, 128] of f32>>
    config <tile = <block = 128x256x128>, schedule = <stages = 4, warpgroups = 2, early_store = true>> {
}

// -----

// A tile of scales of B is loaded only if each row has a scale in each K block.
dgemm.kernel @load(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<4x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xf32> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512], rhs = <f8E4M3FN by [1, 128] of f32>, out = f32>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  %t = dgemm.load %sb[%c0, %c0] by <tma> : memref<4x384xf32> -> !dgemm.tile<1x96xf32>
  // expected-error @+1 {{'dgemm.load' op expected the source to be the kernel argument a, b, scale_a or scale_b}}
  %u = dgemm.load %d[%c0, %c0] : memref<64x384xf32> -> !dgemm.tile<1x96xf32>
}

// -----

// An operand of the epilogue along n is fetched, and waited for by name; one of the shape of D is prefetched.
// CHECK-LABEL: dgemm.kernel @operands(
// CHECK: dgemm.await{{$}}
// CHECK: %[[BIAS:.*]] = dgemm.fetch %epilogue0[%{{.*}}] : memref<384xf32> -> !dgemm.tile<1x96xf32>
// CHECK: dgemm.prefetch %epilogue1[%{{.*}}, %{{.*}}] rows %{{.*}} extent = [64, 96] : memref<64x384xbf16>
// CHECK: dgemm.await(%[[BIAS]] : !dgemm.tile<1x96xf32> -> !dgemm.tile<1x96xf32>)
dgemm.kernel @operands(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    dgemm.await
    %t = dgemm.fetch %e0[%c0] : memref<384xf32> -> !dgemm.tile<1x96xf32>
    dgemm.prefetch %e1[%c0, %c0] rows %c0 extent = [64, 96] : memref<64x384xbf16>
    %0 = dgemm.await(%t : !dgemm.tile<1x96xf32> -> !dgemm.tile<1x96xf32>)
  }
}

// -----

// There is no room for an operand of the shape of D.
dgemm.kernel @residual(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected an operand of the epilogue along n or m that can be copied 4 bytes at a time, or of f32 along g or none, but got #dgemm.epilogue_operand<name = "residual", along = mn, element = bf16> of type 'memref<64x384xbf16>'}}
    %t = dgemm.fetch %e1[%c0, %c0] : memref<64x384xbf16> -> !dgemm.tile<1x96xbf16>
  }
}

// -----

// cp.async does not copy two bytes.
dgemm.kernel @scalar(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.fetch' op expected an operand of the epilogue along n or m that can be copied 4 bytes at a time, or of f32 along g or none, but got #dgemm.epilogue_operand<name = "alpha", along = none, element = bf16> of type 'memref<1xbf16>'}}
    %t = dgemm.fetch %e2[%c0] : memref<1xbf16> -> !dgemm.tile<1x1xbf16>
  }
}

// -----

// C1 of dgemm.prefetch.
dgemm.kernel @prefetch_offsets(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.prefetch' op expected 2 offsets for 'memref<64x384xbf16>', but got 1}}
    dgemm.prefetch %e1[%c0] extent = [64, 96] : memref<64x384xbf16>
  }
}

// -----

// C1 of dgemm.prefetch.
dgemm.kernel @prefetch_source(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.prefetch' op expected the source to be a kernel argument for an operand of the epilogue}}
    dgemm.prefetch %sb[%c0, %c0] extent = [1, 4] : memref<3x4xf32>
  }
}

// -----

// C2 of dgemm.prefetch.
dgemm.kernel @prefetch_extent(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.prefetch' op expected 'extent' to be a number of rows and one of columns, at least 1, but got [64, 0]}}
    dgemm.prefetch %e1[%c0, %c0] extent = [64, 0] : memref<64x384xbf16>
  }
}

// -----

// C2 of dgemm.prefetch.
dgemm.kernel @prefetch_rows(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // expected-error @+1 {{'dgemm.prefetch' op expected one row of an operand along n, but got 2}}
    dgemm.prefetch %e0[%c0] extent = [2, 96] : memref<384xf32>
  }
}

// -----

// C1 of dgemm.await.
dgemm.kernel @await(
    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"},
    %e1: memref<64x384xbf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xbf16> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>,
             <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = bf16>], result = 0>>
    config <tile = <block = 64x96x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  dgemm.warp_specialize producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %t = dgemm.fetch %e0[%c0] : memref<384xf32> -> !dgemm.tile<1x96xf32>
    // expected-error @+1 {{'dgemm.await' op expected a result for each tile, of its type, but got ('!dgemm.tile<1x48xf32>') for ('!dgemm.tile<1x96xf32>')}}
    %0 = dgemm.await(%t : !dgemm.tile<1x96xf32> -> !dgemm.tile<1x48xf32>)
  }
}
