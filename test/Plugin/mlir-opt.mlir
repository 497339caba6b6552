// The distribution's mlir-opt with our plugin. Its passes are no options of the command line: --pass-pipeline names them.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm)' %s -o %t.mlir
// RUN: FileCheck %s --implicit-check-not=dgemm.gemm < %t.mlir

// CHECK-LABEL: func.func @layer(
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant
// CHECK-NEXT: linalg.fill ins(%[[ZERO]] : bf16)
// CHECK-NEXT: call @layer_launch(
// CHECK-NEXT: memref.copy
// CHECK-NEXT: return
// CHECK: gpu.module @dgemm_kernels {
// CHECK: llvm.func @layer({{.*}}nvvm.kernel

// What we make of the kernel is the same there as here.
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm)' %S/../Pipelines/Inputs/gemm.mlir -o %t.theirs.mlir
// RUN: dgemm-opt --dgemm-to-nvvm %S/../Pipelines/Inputs/gemm.mlir | diff %t.theirs.mlir -
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{config=stages=3})' %S/../Pipelines/Inputs/gemm.mlir | FileCheck %s --check-prefix=OPTION
// OPTION: dgemm.launch = #dgemm.launch<{{.*}}stages = 3

// The host's code goes down by stock passes; the kernel and the call of its launch stay.
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm,convert-linalg-to-loops,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)' %s | FileCheck %s --check-prefix=HOST --implicit-check-not=unrealized_conversion_cast
// HOST-LABEL: llvm.func @layer(
// HOST: llvm.call @layer_launch(
// HOST: gpu.module @dgemm_kernels {
// HOST: llvm.func @layer({{.*}}nvvm.kernel
// HOST: llvm.func @layer_launch({{.*}}dgemm.launches = @dgemm_kernels::@layer

// Errors end as those of mlir-opt do.
// RUN: not %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{config=stages=99})' %s 2>&1 | FileCheck %s --check-prefix=ERROR
// ERROR: mlir-opt.mlir:[[# @LINE + 5]]:3: error: 'dgemm.gemm' op cannot have this config: expected 'stages' to be 2 to 32, but got 99
func.func @layer(%a: memref<256x512xf8E4M3FN>, %sa: memref<4x256xf32>, %b: memref<256x512xf8E4M3FN>, %sb: memref<2x4xf32>,
                 %d: memref<256x256xbf16>, %o: memref<256x256xbf16>) {
  %zero = arith.constant 0.0 : bf16
  linalg.fill ins(%zero : bf16) outs(%d : memref<256x256xbf16>)
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>)
  memref.copy %d, %o : memref<256x256xbf16> to memref<256x256xbf16>
  return
}
