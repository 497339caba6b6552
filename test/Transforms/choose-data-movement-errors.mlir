// RUN: dgemm-opt %s --dgemm-choose-data-movement -split-input-file -verify-diagnostics

// Tiles are those of operands of the problem.
dgemm.kernel @source(%x: memref<?x512xf8E4M3FN>) sizes [-1, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'dgemm.load' op expected the source to be the kernel argument a, b or scale_a}}
  %ta = dgemm.load %x[%c0, %c0] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
}

// -----

// The same holds for what is stored to.
dgemm.kernel @destination(%x: memref<?x384xbf16>) sizes [-1, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c0 = arith.constant 0 : index
  %zero = dgemm.zero : <128x96xf32>
  // expected-error @+1 {{'dgemm.store' op expected the destination to be the kernel argument d}}
  dgemm.store %zero, %x[%c0, %c0] : !dgemm.frag<128x96xf32>, memref<?x384xbf16>
}

// -----

// Only TMA multicasts.
dgemm.kernel @multicast(%a: memref<128x200xf8E4M3FN> {dgemm.operand = "a"}) sizes [128, 384, 200]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8, cluster = 1x2> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'dgemm.load' op expected strides that TMA takes, as it multicasts in a cluster}}
  %ta = dgemm.load %a[%c0, %c0] : memref<128x200xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
}

// -----

// Scales of A that lie one behind the other along K are not loaded as a tile.
dgemm.kernel @scales(%s: memref<4x128xf32, strided<[1, 4]>> {dgemm.operand = "scale_a"}) sizes [128, 384, 512]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8>
    attributes {strides = {scale_a = array<i64: 1, 4>}} {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'dgemm.load' op expected strides that TMA takes; dgemm.load_row_scales does without}}
  %ts = dgemm.load %s[%c0, %c0] : memref<4x128xf32, strided<[1, 4]>> -> !dgemm.tile<1x128xf32>
}
