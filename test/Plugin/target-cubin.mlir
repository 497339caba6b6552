// A cubin of one kernel: an ELF file, by ptxas.
// REQUIRES: plugin, ptxas
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-nvvm{attach-target=true},gpu-module-to-binary{format=bin})' %s | FileCheck %s
// CHECK: gpu.binary @dgemm_kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a">, properties = {dgemm.launch = {layer = "{{.*}}"}}, {{(bin = )?}}"\7FELF
func.func @layer(%a: memref<256x512xf8E4M3FN>, %sa: memref<4x256xf32>, %b: memref<256x512xf8E4M3FN>, %sb: memref<2x4xf32>,
                 %d: memref<256x256xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>)
  return
}
