// RUN: dgemm-opt %s --dgemm-warp-specialize -split-input-file -verify-diagnostics

// The kernel has a tile loop.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.for_each_tile to divide between the warps, but got 0}}
dgemm.kernel @empty(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2>> {
}

// -----

// In it is a loop over K.
dgemm.kernel @no_k_loop(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                        %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                        %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2>> {
  %N = arith.constant 384 : index
  // expected-error @+1 {{'dgemm.for_each_tile' op expected one scf.for to divide between the warps, but got 0}}
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 96] group_m = 8 {
  }
}

// -----

// Accumulators have been promoted: a loop that still holds dgemm.scaled_mma has no dgemm.mma.
dgemm.kernel @no_mma(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2>> {
  %N = arith.constant 384 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 96] group_m = 8 {
    // expected-error @+1 {{'scf.for' op expected one dgemm.mma to divide between the warps, but got 0}}
    scf.for %k = %m to %n step %M {
    }
  }
}

// -----

// What the tensor cores read is loaded in the K loop, since that is what goes into a stage.
// expected-error @+1 {{'dgemm.kernel' op expected the tiles of mma and load_scales to be loaded in the K loop}}
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2>> {
  %tb = builtin.unrealized_conversion_cast to !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 96] group_m = 8 {
    %zero = dgemm.zero : <128x96xf32>
    %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<128x96xf32>) {
      %block = arith.divui %k, %c128 : index
      %xb = dgemm.load_scales %scale_b[%n, %k] : memref<3x4xf32> -> vector<2xf32>
      %ta = dgemm.load %a[%m, %k] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
      %ts = dgemm.load %scale_a[%block, %m] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
      %ra = dgemm.load_scales %ts : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
      %part = dgemm.mma %ta, %tb : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<96x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x96xf32>
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
          : !dgemm.frag<128x96xf32>, !dgemm.frag<128x1xf32>, vector<2xf32> -> !dgemm.frag<128x96xf32>
      scf.yield %next : !dgemm.frag<128x96xf32>
    }
    dgemm.store %acc, %d[%m, %n] : !dgemm.frag<128x96xf32>, memref<?x384xbf16>
  }
}
