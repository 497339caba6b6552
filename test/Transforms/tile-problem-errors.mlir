// RUN: dgemm-opt %s --dgemm-tile-problem -split-input-file -verify-diagnostics

// A problem needs a config to become a kernel.
func.func @no_config(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                     %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected a config; run dgemm-select-config first}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// A kernel computes one problem.
func.func @two(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
               %d: memref<64x64xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <block = 64x64x128, stages = 4, math_warpgroups = 1, group_m = 1>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  // expected-error @+1 {{'dgemm.gemm' op expected a function to hold one dgemm.gemm and nothing else to become a kernel}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <block = 64x64x128, stages = 4, math_warpgroups = 1, group_m = 1>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// And nothing else.
func.func @more(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
                %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'memref.alloc' op expected a function to hold one dgemm.gemm and nothing else to become a kernel}}
  %x = memref.alloc() : memref<64x64xbf16>
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%x)
      config <block = 64x64x128, stages = 4, math_warpgroups = 1, group_m = 1>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}
