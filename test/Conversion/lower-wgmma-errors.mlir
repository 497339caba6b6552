// RUN: dgemm-opt %s --dgemm-lower-wgmma -split-input-file -verify-diagnostics

// A warpgroup computes 64 rows; fragments of a whole tile are those of a kernel that is not divided between warpgroups.
dgemm.kernel @rows(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x192x128>, schedule = <stages = 2, warpgroups = 2>> {
  %p = llvm.mlir.zero : !llvm.ptr<3>
  %ta = dgemm.tile_at %p : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.tile_at %p : !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>
  // expected-error @+1 {{'dgemm.mma' op expected fragments of 64 rows; run dgemm-warp-specialize first}}
  %part = dgemm.mma %ta, %tb : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>
      -> !dgemm.frag<128x192xf32>
}
