// RUN: dgemm-opt %s --dgemm-to-nvvm --dgemm-embed-kernels -o %t.mlir
// RUN: FileCheck %s --implicit-check-not=dgemm.gemm --implicit-check-not=dgemm.launch --implicit-check-not=dgemm.machine --implicit-check-not=gpu.module < %t.mlir
// RUN: dgemm-opt %s --dgemm-to-gpu | diff %t.mlir -

!f8 = memref<64x256xf8E4M3FN>
!part = memref<64x256xf8E4M3FN, strided<[512, 1], offset: ?>>
!sa = memref<2x64xf32>
!sb = memref<1x2xf32>
!d = memref<64x64xbf16>

// The host's functions stay, and call.
// CHECK: module {
// CHECK: func.func @layer(
// CHECK: scf.if
// CHECK: func.call @layer_launch(
// CHECK: call @layer_launch(
// CHECK: call @layer_0_launch(
func.func @layer(%p: i1, %a: !f8, %sa: !sa, %sb: !sb, %d: !d, %part: !part) {
  scf.if %p {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!f8, !sa, !f8, !sb, !d)
  }
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!f8, !sa, !f8, !sb, !d)
  dgemm.gemm dense lhs(%part scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!part, !sa, !f8, !sb, !d)
  return
}

// A module within has what it calls beside it.
// CHECK: module @inner {
// CHECK: func.func @inner(
// CHECK: call @layer_launch(
// CHECK: {{^    }}func.func private @layer_launch(
// CHECK: llvm.mlir.global internal constant @layer_ptx(
// CHECK: llvm.mlir.global internal constant @layer_descriptor(
// CHECK: llvm.mlir.global internal @layer_kernel()
// CHECK: llvm.func @dgemm_launch_or_abort(
module @inner {
  func.func @inner(%a: !f8, %sa: !sa, %sb: !sb, %d: !d) {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d) : (!f8, !sa, !f8, !sb, !d)
    return
  }
}

// A launch passes the addresses of memref descriptors.
// CHECK: {{^  }}func.func private @layer_launch(
// CHECK-SAME: %[[A:[^:]*]]: memref<64x256xf8E4M3FN>
// CHECK-SAME: ) {
// CHECK: %[[FIVE:.*]] = llvm.mlir.constant(5 : i64)
// CHECK: %[[ARRAY:.*]] = llvm.alloca %[[FIVE]] x !llvm.ptr
// CHECK: %[[DESCRIPTOR:.*]] = builtin.unrealized_conversion_cast %[[A]] : memref<64x256xf8E4M3FN> to !llvm.struct<(ptr, ptr, i64, array<2 x i64>, array<2 x i64>)>
// CHECK: %[[SLOT:.*]] = llvm.alloca
// CHECK: llvm.store %[[DESCRIPTOR]], %[[SLOT]]
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[ARRAY]][0]
// CHECK: llvm.store %[[SLOT]], %[[PLACE]]
// CHECK: %[[KERNEL:.*]] = llvm.mlir.addressof @layer_kernel
// CHECK: %[[NONE:.*]] = llvm.mlir.zero
// CHECK: llvm.call @dgemm_launch_or_abort(%[[KERNEL]], %[[FIVE]], %[[ARRAY]], %[[NONE]])
// CHECK: return

// One kernel is there once, as PTX and descriptor.
// CHECK: {{^  }}func.func private @layer_0_launch(
// CHECK: llvm.mlir.global internal constant @layer_ptx("{{.*}}.entry layer(
// CHECK: llvm.mlir.global internal constant @layer_descriptor("{{.*}}layer
// CHECK: llvm.mlir.global internal @layer_kernel()
// CHECK: llvm.mlir.constant(1 : i32)
// CHECK: llvm.mlir.addressof @layer_ptx
// CHECK: llvm.mlir.addressof @layer_descriptor
// CHECK: llvm.func @dgemm_launch_or_abort(
// CHECK: llvm.mlir.global internal constant @layer_0_ptx("{{.*}}.entry layer_0(
