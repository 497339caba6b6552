// Gemms among code of the host: after the pipeline no dgemm op is left, and the kernels are what they are alone.
// RUN: dgemm-opt %s --dgemm-to-nvvm -o %t.mlir
// RUN: FileCheck %s --implicit-check-not="= dgemm." --implicit-check-not="dgemm.gemm" < %t.mlir
// RUN: dgemm-gen %S/Inputs/gemm.mlir --emit=ptx -o %t.alone.ptx
// RUN: dgemm-gen %t.mlir --emit=ptx | diff %t.alone.ptx -
// RUN: dgemm-gen %t.mlir --emit=launch | FileCheck %s --check-prefix=LAUNCH
// LAUNCH: "entry": "gemm"

// CHECK-LABEL: func.func @gemm(
// CHECK: arith.constant 0 : index
// CHECK: scf.for
// CHECK: func.call @gemm_launch(
// CHECK: scf.if
// CHECK: func.call @gemm_launch(
// CHECK: return %{{.*}} : index
func.func @gemm(%p: i1, %n: index, %a: memref<256x512xf8E4M3FN>, %sa: memref<4x256xf32>, %b: memref<256x512xf8E4M3FN>,
                %sb: memref<2x4xf32>, %d: memref<256x256xbf16>, %unused: memref<4xf32>) -> index attributes {my.attr} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>)
    scf.if %p {
      dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
          : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>)
    }
  }
  return %n : index
}
// CHECK-LABEL: func.func @caller(
// CHECK: call @gemm(
func.func @caller(%p: i1, %n: index, %a: memref<256x512xf8E4M3FN>, %sa: memref<4x256xf32>, %b: memref<256x512xf8E4M3FN>,
                  %sb: memref<2x4xf32>, %d: memref<256x256xbf16>, %unused: memref<4xf32>) -> index {
  %r = call @gemm(%p, %n, %a, %sa, %b, %sb, %d, %unused)
      : (i1, index, memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>,
         memref<256x256xbf16>, memref<4xf32>) -> index
  return %r : index
}
// CHECK: gpu.module @dgemm_kernels {
// CHECK: llvm.func @gemm({{.*}}nvvm.kernel
// CHECK: func.func private @gemm_launch({{.*}} attributes {dgemm.launches = @dgemm_kernels::@gemm}
