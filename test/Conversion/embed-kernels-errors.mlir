// RUN: dgemm-opt %s --dgemm-embed-kernels -split-input-file -verify-diagnostics

// expected-error @+1 {{'func.func' op expected @dgemm_kernels::@f to be a kernel; run dgemm-lower-to-nvvm first}}
func.func private @f_launch() attributes {dgemm.launches = @dgemm_kernels::@f}
gpu.module @dgemm_kernels {
  func.func @f() attributes {dgemm.kernel} {
    return
  }
}

// -----

// expected-error @+1 {{'func.func' op expected @none to be a kernel; run dgemm-lower-to-nvvm first}}
func.func private @f_launch() attributes {dgemm.launches = @none}
