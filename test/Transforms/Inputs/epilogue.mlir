func.func @dense(%a: memref<4096x1024xf8E4M3FN>, %sa: memref<8x4096xf32>, %b: memref<4096x1024xf8E4M3FN>, %sb: memref<32x8xf32>,
                 %d: memref<4096x4096xbf16>, %bias: memref<4096xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : memref<4096xf32> along n named "bias") {
    ^bb0(%x: f32, %b0: f32):
      %0 = arith.addf %x, %b0 : f32
      dgemm.yield %0 : f32
    }
      : (memref<4096x1024xf8E4M3FN>, memref<8x4096xf32>, memref<4096x1024xf8E4M3FN>, memref<32x8xf32>, memref<4096x4096xbf16>)
  return
}
