// RUN: dgemm-opt %s --dgemm-choose-data-movement -split-input-file -verify-diagnostics

// Scales of A that lie one behind the other along K are not loaded as a tile.
dgemm.kernel @scales(%s: memref<4x128xf32, strided<[1, 4]>> {dgemm.operand = "scale_a"},
                     %a: memref<128x512xf8E4M3FN> {dgemm.operand = "a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
                     %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<128x384xbf16> {dgemm.operand = "d"}) problem <sizes = [128, 384, 512], strides = {scale_a = array<i64: 1, 4>}>
    config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{'dgemm.load' op expected strides that TMA takes; dgemm.load_scales does without}}
  %ts = dgemm.load %s[%c0, %c0] : memref<4x128xf32, strided<[1, 4]>> -> !dgemm.tile<1x128xf32>
}
