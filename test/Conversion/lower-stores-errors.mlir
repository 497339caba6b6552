// RUN: dgemm-opt %s --dgemm-lower-stores -split-input-file -verify-diagnostics

// A store by TMA wants a tensor map for each panel.
dgemm.kernel @map(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                  %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                  %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x96xf32>
    // expected-error @+1 {{'dgemm.store' op expected a tensor map with a box of 64 columns and 64 rows; run dgemm-create-tensor-maps first}}
    dgemm.store %acc, %d[%wg, %wg] by <tma> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  }
}

// -----

// The staging is that of the config's tile; it must hold one panel.
dgemm.kernel @staging(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x16x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.store' op expected at least 8192 bytes of staging for a warpgroup, but got 2048}}
    dgemm.store %acc, %d[%wg, %wg] by <tma> : !dgemm.frag<64x128xf32>, memref<?x384xbf16>
  }
}

// -----

// If the rows end, the map has windows.
#whole = #dgemm.tensor_map<operand = d, element = bf16, dims = (M, N, K) -> (384, M), strides = (M, N, K) -> (768), box = [64, 64], swizzle = 128>
dgemm.kernel @windows(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                      %d_map: !llvm.ptr {dgemm.tensor_map = #whole})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x64x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.store' op expected a tensor map with a box of 64 columns and 64 rows of a window; run dgemm-create-tensor-maps first}}
    dgemm.store %acc, %d[%wg, %wg] rows %M by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
  }
}
