// RUN: dgemm-opt %s --dgemm-outline-kernels -split-input-file | FileCheck %s
// Once more changes nothing.
// RUN: dgemm-opt %s --dgemm-outline-kernels -split-input-file -o %t.once
// RUN: dgemm-opt %s --dgemm-outline-kernels --dgemm-outline-kernels -split-input-file | diff %t.once -

!a = memref<256x512xf8E4M3FN>
!sa = memref<4x256xf32>
!sb = memref<2x4xf32>
!d = memref<256x256xbf16>

// Each gemm becomes a call of a function that launches its kernel, and nothing else is touched. Gemms of one problem share
// a kernel; with a config of its own one does not. What is said of a gemm is said of the call.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[P:.*]]: i1, %[[N:.*]]: index, %[[A:.*]]: memref<256x512xf8E4M3FN>, %[[SA:.*]]: memref<4x256xf32>, %[[SB:.*]]: memref<2x4xf32>, %[[D:.*]]: memref<256x256xbf16>) -> index attributes {my.attr = 3 : i64} {
// CHECK-NEXT: %[[C:.*]] = arith.constant 5000000000 : index
// CHECK-NEXT: %[[S:.*]] = arith.addi %[[N]], %[[C]] : index
// CHECK-NEXT: scf.if %[[P]] {
// CHECK-NEXT:   func.call @layer_launch(%[[A]], %[[SA]], %[[A]], %[[SB]], %[[D]]) {my.other} : (memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>) -> ()
// CHECK-NEXT: }
// CHECK-NEXT: cf.br ^[[NEXT:.*]]
// CHECK-NEXT: ^[[NEXT]]:
// CHECK-NEXT: call @layer_launch(%[[A]], %[[SA]], %[[A]], %[[SB]], %[[D]])
// CHECK-NEXT: call @layer_0_launch(%[[A]], %[[SA]], %[[A]], %[[SB]], %[[D]])
// CHECK-NEXT: return %[[S]] : index
func.func @layer(%p: i1, %n: index, %a: !a, %sa: !sa, %sb: !sb, %d: !d) -> index attributes {my.attr = 3} {
  %c = arith.constant 5000000000 : index
  %s = arith.addi %n, %c : index
  scf.if %p {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) {my.other} : (!a, !sa, !a, !sb, !d)
  }
  cf.br ^next
^next:
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!a, !sa, !a, !sb, !d)
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> : (!a, !sa, !a, !sb, !d)
  return %s : index
}

// A function that others call stays, too, whatever it holds.
// CHECK-LABEL: func.func @called(
// CHECK-NEXT: call @layer_launch(
// CHECK-NEXT: return
func.func @called(%a: !a, %sa: !sa, %sb: !sb, %d: !d) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!a, !sa, !a, !sb, !d)
  return
}
// CHECK-LABEL: func.func @caller(
// CHECK-NEXT: call @called(
func.func @caller(%a: !a, %sa: !sa, %sb: !sb, %d: !d) {
  call @called(%a, %sa, %sb, %d) : (!a, !sa, !sb, !d) -> ()
  return
}

// This one is meant as a kernel.
// CHECK-LABEL: func.func @kernel(
// CHECK-SAME: attributes {dgemm.kernel} {
// CHECK-NEXT: dgemm.gemm
func.func @kernel(%a: !a, %sa: !sa, %b: !a, %sb: !sb, %d: !d) attributes {dgemm.kernel} {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) : (!a, !sa, !a, !sb, !d)
  return
}

// A module within has a declaration of its own, and the same kernel.
// CHECK: module @inner {
// CHECK: func.func @"a b"(
// CHECK-NEXT: call @layer_launch(
// CHECK-NEXT: call @a_b_launch(
// CHECK: func.func private @layer_launch(memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>) attributes {dgemm.launches = @dgemm_kernels_0::@layer}
// CHECK: func.func private @a_b_launch({{.*}}dgemm.launches = @dgemm_kernels_0::@a_b}
module @inner {
  func.func @"a b"(%a: !a, %sa: !sa, %b: memref<128x512xf8E4M3FN>, %sb: !sb, %d: !d, %sb1: memref<1x4xf32>, %d1: memref<256x128xbf16>) {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!a, !sa, !a, !sb, !d)
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb1 by [128, 128]) out(%d1)
        : (!a, !sa, memref<128x512xf8E4M3FN>, memref<1x4xf32>, memref<256x128xbf16>)
    return
  }
}

// A module of another's device code may have the name of ours.
// CHECK: gpu.module @dgemm_kernels {
// CHECK-NEXT: func.func @device()
gpu.module @dgemm_kernels {
  func.func @device() {
    return
  }
}

// CHECK: gpu.module @dgemm_kernels_0 {
// CHECK-NEXT: func.func @layer(%[[A:.*]]: memref<256x512xf8E4M3FN>, %[[SA:.*]]: memref<4x256xf32>, %[[B:.*]]: memref<256x512xf8E4M3FN>, %[[SB:.*]]: memref<2x4xf32>, %[[D:.*]]: memref<256x256xbf16>) attributes {dgemm.kernel} {
// CHECK-NEXT: dgemm.gemm dense lhs(%[[A]] scaled %[[SA]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%[[D]]) :
// CHECK-NEXT: return
// CHECK: func.func @layer_0(
// CHECK-NEXT: dgemm.gemm {{.*}} config <tile = <block = 64x64x128>
// CHECK: func.func @a_b(
// CHECK-NOT: func.func @
// CHECK: func.func private @layer_launch(memref<256x512xf8E4M3FN>, memref<4x256xf32>, memref<256x512xf8E4M3FN>, memref<2x4xf32>, memref<256x256xbf16>) attributes {dgemm.launches = @dgemm_kernels_0::@layer}

// -----

// A name that is taken is not given to another kernel: one PTX may hold all of them.
// CHECK-LABEL: func.func @f_0_launch()
// CHECK-LABEL: func.func @f(
// CHECK: call @f_0_launch_0(
// CHECK: gpu.module @dgemm_kernels {
// CHECK-NEXT: func.func @f_0(
// CHECK: func.func private @f_0_launch_0({{.*}}dgemm.launches = @dgemm_kernels::@f_0}
func.func @f_0_launch() {
  return
}
func.func @f(%a: memref<?x128xf8E4M3FN>, %sa: memref<1x?xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
             %d: memref<?x64xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x128xf8E4M3FN>, memref<1x?xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<?x64xbf16>)
  return
}
module @other {
  func.func @f(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
               %d: memref<64x64xbf16>) attributes {dgemm.kernel} {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
    return
  }
}

// -----

// Parts of larger matrices, wherever in them they begin: the kernel is the same, and the call has the types at hand.
// CHECK-LABEL: func.func @parts(
// CHECK: call @parts_launch({{.*}}offset: 16>>,
// CHECK: call @parts_launch_0({{.*}}offset: ?>>,
// CHECK: gpu.module @dgemm_kernels {
// CHECK-NEXT: func.func @parts(%{{.*}}: memref<64x128xf8E4M3FN, strided<[256, 1]>>,
// CHECK-NOT: func.func @
// CHECK: func.func private @parts_launch(
// CHECK: func.func private @parts_launch_0({{.*}}dgemm.launches = @dgemm_kernels::@parts}
func.func @parts(%a: memref<64x256xf8E4M3FN>, %k: index, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
                 %d: memref<64x64xbf16>) {
  %a0 = memref.subview %a[0, 16] [64, 128] [1, 1] : memref<64x256xf8E4M3FN> to memref<64x128xf8E4M3FN, strided<[256, 1], offset: 16>>
  dgemm.gemm dense lhs(%a0 scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN, strided<[256, 1], offset: 16>>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  %a1 = memref.subview %a[0, %k] [64, 128] [1, 1] : memref<64x256xf8E4M3FN> to memref<64x128xf8E4M3FN, strided<[256, 1], offset: ?>>
  dgemm.gemm dense lhs(%a1 scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN, strided<[256, 1], offset: ?>>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}
