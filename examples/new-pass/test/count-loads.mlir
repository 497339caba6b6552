// RUN: my-opt %s --my-pipeline 2>&1 | FileCheck %s

// A, B and their scales.
// CHECK: remark: 4 loads for each K block
// CHECK: wgmma.mma_async
func.func @gemm(%a: memref<128x2048xf8E4M3FN>, %scale_a: memref<16x128xf32>, %b: memref<512x2048xf8E4M3FN>,
                %scale_b: memref<4x16xf32>, %d: memref<128x512xbf16>) {
  dgemm.gemm dense lhs(%a scaled %scale_a by [1, 128]) rhs(%b scaled %scale_b by [128, 128]) out(%d)
      : (memref<128x2048xf8E4M3FN>, memref<16x128xf32>, memref<512x2048xf8E4M3FN>, memref<4x16xf32>, memref<128x512xbf16>)
  return
}
