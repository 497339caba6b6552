// RUN: dgemm-opt %s --pass-pipeline='builtin.module(dgemm-tile-problem,dgemm-promote-accumulators,dgemm-choose-data-movement,dgemm-warp-specialize,dgemm-create-tensor-maps,dgemm-assign-stage-phase,dgemm-lower-ring,dgemm-lower-reductions,dgemm-lower-stores)' | FileCheck %s

// What TMA cannot do is done without it, operand by operand.

// A has rows of 200 bytes, no multiple of 16: all threads of the producer copy its tiles, 8 bytes at a time, into the
// swizzle of TMA. B comes by TMA, from one thread. The full barrier takes 128 arrivals more.
// CHECK-LABEL: dgemm.kernel @copied
// CHECK-SAME: %a: memref<72x200xf8E4M3FN>
// CHECK-SAME: %b_map: !llvm.ptr
// CHECK-SAME: box = [128, 48]
// CHECK: %[[COUNT:.*]] = arith.constant 129 : i32
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[COUNT]]
// CHECK: producer x 128 registers = 40
// CHECK: scf.for
// CHECK: llvm.load %{{.*}} invariant : !llvm.ptr<1> -> vector<2xi32>
// CHECK: llvm.store %{{.*}}, %{{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK: scf.if
// CHECK-NEXT: nvvm.cp.async.bulk.tensor.shared.cluster.global {{.*}} %b_map
// CHECK: nvvm.fence.proxy
// CHECK: nvvm.mbarrier.arrive %{{[0-9]+}} :
// CHECK: scf.if
// CHECK-NEXT: %[[BYTES:.*]] = arith.constant 6400 : i32
// CHECK-NEXT: nvvm.mbarrier.arrive.expect_tx %{{.*}}, %[[BYTES]]
// CHECK: } consumer

// Rows of D are a multiple of 16 bytes: they go by TMA.
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map
func.func @copied(%a: memref<72x200xf8E4M3FN>, %sa: memref<2x72xf32>, %b: memref<48x200xf8E4M3FN, strided<[208, 1]>>,
                  %sb: memref<1x2xf32>, %d: memref<72x48xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<72x200xf8E4M3FN>, memref<2x72xf32>, memref<48x200xf8E4M3FN, strided<[208, 1]>>, memref<1x2xf32>,
         memref<72x48xbf16>)
  return
}

// If the rows of a masked group end inside of a tile, the tile is stored through the window that ends with them. A slice that begins
// behind them is not stored.
// CHECK-LABEL: dgemm.kernel @masked
// CHECK-SAME: dims = (d0, d1, d2, d3) -> (512, 100, 4), strides = (d0, d1, d2, d3) -> (512, 51200), box = [128, 64, 1]
// CHECK: } consumer
// CHECK: %[[STARTS:.*]] = arith.cmpi ult, %{{.*}}, %rows
// CHECK: scf.if %[[STARTS]] {
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map, %{{.*}}, box[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] :
// CHECK-NOT: dgemm.store
func.func @masked(%a: memref<4x100x512xf8E4M3FN>, %sa: memref<4x4x100xf32>, %b: memref<4x64x512xf8E4M3FN>,
                  %sb: memref<4x1x4xf32>, %d: memref<4x100x64xbf16>, %g: memref<4xi32>) {
  dgemm.gemm masked(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<4x100x512xf8E4M3FN>, memref<4x4x100xf32>, memref<4x64x512xf8E4M3FN>, memref<4x1x4xf32>,
         memref<4x100x64xbf16>, memref<4xi32>)
  return
}

// What is not known of dynamic sizes decides too: LDA is promised to be a multiple of 16 bytes, K (the rows of B) of 4, and
// N (the rows of D) of nothing.
// CHECK-LABEL: dgemm.kernel @dynamic
// CHECK-SAME: %b: memref<?x?xf8E4M3FN>
// CHECK-SAME: %d: memref<?x?xbf16>
// CHECK-SAME: %a_map: !llvm.ptr
// CHECK-SAME: strides = (d0, d1, d2, d3, d4) -> (d4)
// CHECK-NOT: %d_map
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global {{.*}} %a_map
// CHECK: llvm.load %{{.*}} invariant : !llvm.ptr<1> -> i32
// CHECK: } consumer
// CHECK: dgemm.store %{{.*}}, %d[
func.func @dynamic(%a: memref<?x?xf8E4M3FN, strided<[?, 1]>>, %sa: memref<?x?xf32>, %b: memref<?x?xf8E4M3FN>,
                   %sb: memref<?x?xf32>, %d: memref<?x?xbf16>) {
  dgemm.gemm dense divisible <k = 4, lda = 16> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<?x?xf8E4M3FN, strided<[?, 1]>>, memref<?x?xf32>, memref<?x?xf8E4M3FN>, memref<?x?xf32>, memref<?x?xbf16>)
  return
}
