// Upstream's gpu-module-to-binary makes objects of kernels by #dgemm.target: our PTX, or a cubin.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{attach-target=true},gpu-module-to-binary{format=isa})' %s -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// CHECK: gpu.binary @dgemm_kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a">,
// CHECK-SAME: properties = {dgemm.launch = {layer = "{{.*}}entry{{.*}}layer{{.*}}", layer_0 = "{{.*}}"}}
// CHECK-SAME: assembly = "{{.*}}.target sm_90a
// CHECK-SAME: .entry layer(
// CHECK-SAME: .entry layer_0(

// Tools that do not know the dialect read it.
// RUN: sed -n '/gpu.binary/p' %t.mlir | mlir-opt | FileCheck %s --check-prefix=STOCK
// STOCK: gpu.binary @dgemm_kernels

// Without the option there is no target.
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm)' %s | FileCheck %s --check-prefix=PLAIN
// PLAIN: gpu.module @dgemm_kernels {
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-outline-kernels{attach-target=true})' %s | FileCheck %s --check-prefix=TARGET
// TARGET: gpu.module @dgemm_kernels [#dgemm.target] {

// RUN: not %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{attach-target=true},gpu-module-to-binary{format=bin})' %s 2>&1 | FileCheck %s --check-prefix=TWO
// TWO: error: expected one kernel for a cubin, but got 2; the format isa takes any number
// RUN: not %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{attach-target=true},gpu-module-to-binary{format=offloading})' %s 2>&1 | FileCheck %s --check-prefix=OFFLOAD
// OFFLOAD: error: expected the format isa, bin or fatbin for #dgemm.target, but got offload
// RUN: not %{mlir-opt} --pass-pipeline='builtin.module(dgemm-outline-kernels{attach-target=true},gpu-module-to-binary{format=isa})' %s 2>&1 | FileCheck %s --check-prefix=EARLY
// EARLY: error: expected a kernel in a gpu.module with #dgemm.target; run dgemm-lower-to-nvvm first
func.func @layer(%a: memref<256x512xf8E4M3FN>, %sa: memref<4x256xf32>, %b: memref<256x512xf8E4M3FN>, %sb: memref<2x4xf32>,
                 %d: memref<256x256xbf16>, %e: memref<256x256xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>)
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e)
      : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xf32>)
  return
}
