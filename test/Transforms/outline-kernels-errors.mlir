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
