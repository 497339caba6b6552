func.func @masked(%a: memref<3x256x512xf8E4M3FN>, %sa: memref<3x4x256xf32>, %b: memref<3x176x512xf8E4M3FN>, %sb: memref<3x2x4xf32>,
                  %d: memref<3x256x176xbf16>, %groups: memref<3xi32>, %bias: memref<3x176xf32>) {
  dgemm.gemm masked(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : memref<3x176xf32> along n named "bias") {
    ^bb0(%x: f32, %b0: f32):
      %0 = arith.addf %x, %b0 : f32
      dgemm.yield %0 : f32
    }
      : (memref<3x256x512xf8E4M3FN>, memref<3x4x256xf32>, memref<3x176x512xf8E4M3FN>, memref<3x2x4xf32>, memref<3x256x176xbf16>, memref<3xi32>)
  return
}
