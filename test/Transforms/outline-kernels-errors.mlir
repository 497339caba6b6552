// RUN: dgemm-opt %s --dgemm-outline-kernels -split-input-file -verify-diagnostics -allow-unregistered-dialect

// Where a call finds what it calls, only ops that are registered say.
func.func @unknown(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  "foreign.region"() ({
    // expected-error @+1 {{'dgemm.gemm' op expected to stand in ops that are registered: a call takes its place, and has to find what it calls}}
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d)
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  }) : () -> ()
  return
}

// -----

// expected-error @+1 {{expected dgemm.kernel to have no value, and to stand on a function}}
func.func @kernel() attributes {dgemm.kernel = 1} {
  return
}

// -----

// expected-error @+1 {{expected dgemm.kernel to have no value, and to stand on a function}}
module attributes {dgemm.kernel} {
}

// -----

// expected-error @+1 {{expected dgemm.launches to name a kernel, and to stand on a declaration}}
func.func @launches() attributes {dgemm.launches = @k} {
  return
}

// -----

// expected-error @+1 {{expected dgemm.launches to name a kernel, and to stand on a declaration}}
func.func private @launches() attributes {dgemm.launches = "k"}

// -----

// Code of a GPU launches no kernel: a function of a module of kernels,
// expected-note @+1 {{this is code of a GPU}}
gpu.module @device {
  func.func @f(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
    // expected-error @+1 {{'dgemm.gemm' op expected to stand in code of the host, which launches its kernel}}
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d)
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
    return
  }
}

// -----

// what a launch has not outlined yet,
func.func @f(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  %c1 = arith.constant 1 : index
  // expected-note @+1 {{this is code of a GPU}}
  gpu.launch blocks(%x, %y, %z) in (%gx = %c1, %gy = %c1, %gz = %c1) threads(%tx, %ty, %tz) in (%bx = %c1, %by = %c1, %bz = %c1) {
    // expected-error @+1 {{'dgemm.gemm' op expected to stand in code of the host, which launches its kernel}}
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d)
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
    gpu.terminator
  }
  return
}

// -----

// and a kernel of ours.
// expected-note @+1 {{this is code of a GPU}}
dgemm.kernel @k(%a: memref<64x128xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<1x64xf32> {dgemm.operand = "scale_a"},
                %b: memref<64x128xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x1xf32> {dgemm.operand = "scale_b"},
                %d: memref<64x64xbf16> {dgemm.operand = "d"}) problem <sizes = [64, 64, 128]>
    config <tile = <block = 64x64x128>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.gemm' op expected to stand in code of the host, which launches its kernel}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
}
