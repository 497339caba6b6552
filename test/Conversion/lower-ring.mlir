// RUN: dgemm-opt %s --dgemm-lower-ring --cse | FileCheck %s

// dgemm-lower-ring gives the ring its hardware: bulk copies and mbarriers. All of shared memory is one array, laid out by
// the config (here 128x96x128 with 2 stages):
//   0 output | 24576 A | 57344 B | 81920 scales of A | 82944 scales of B | 83456 full barriers | 83472 empty
//   barriers.

// CHECK: llvm.mlir.global external @dgemm_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>

// One thread prefetches the maps, and one of the producer initialises the barriers. A full barrier awaits the producer; an
// empty one awaits each of the 8 math warps. The producer's warp arrives at the barrier of the CTA, which publishes them,
// and goes on.
// CHECK-LABEL: dgemm.kernel @gemm(
// CHECK: %[[BASE:.*]] = llvm.mlir.addressof @dgemm_shared
// CHECK: nvvm.prefetch tensormap, %a_map
// CHECK: arith.constant -256 : i32
// CHECK: arith.constant 83456 : i32
// CHECK: nvvm.mbarrier.init %{{.*}}, %c1_i32 :
// CHECK: arith.constant 83472 : i32
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[WARPS:c8_i32[_0-9]*]] :
// CHECK: nvvm.mbarrier.init %{{.*}}, %c1_i32 :
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[WARPS]] :
// CHECK-NOT: nvvm.mbarrier.init
// CHECK: nvvm.fence.mbarrier.init
// CHECK: nvvm.bar.warp.sync
// CHECK: nvvm.barrier.arrive id = %{{.*}} number_of_threads = %[[ALL:.*]]
// CHECK-NEXT: } else {
// CHECK-NEXT: nvvm.barrier id = %{{.*}} number_of_threads = %[[ALL]]
#a_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN, dims = (M, N, K) -> (640, M), strides = (M, N, K) -> (640), box = [128, 128], swizzle = 128>
#b_map = #dgemm.tensor_map<operand = b, element = f8E4M3FN, dims = (M, N, K) -> (640, 384), strides = (M, N, K) -> (640), box = [128, 96], swizzle = 128>
#scale_a_map = #dgemm.tensor_map<operand = scale_a, element = f32, dims = (M, N, K) -> (M, 5), strides = (M, N, K) -> ((M ceildiv 4) * 16), box = [128, 1]>
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @gemm(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                   %a_map: !llvm.ptr {dgemm.tensor_map = #a_map}, %b_map: !llvm.ptr {dgemm.tensor_map = #b_map},
                   %scale_a_map: !llvm.ptr {dgemm.tensor_map = #scale_a_map})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c384 = arith.constant 384 : index
  %c64 = arith.constant 64 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  // CHECK: producer registers = 40 {
  // CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of {{.*}} iter_args(%[[I:.*]] = %{{.*}}, %[[P:.*]] = %{{.*}})
  producer registers = 40 {
    %c0_i32 = arith.constant 0 : i32
    dgemm.for_each_tile (%m, %n) of (%M, %c384) tile = [128, 96] group_m = 8 iter_args(%i = %c0_i32, %p = %c0_i32) -> (i32, i32) {
      // Acquire: wait for the empty barrier. A fresh barrier counts as one whose odd phase is over, so the producer waits
      // for the other parity and passes through the first time.
      // CHECK: %[[OTHER:.*]] = arith.xori %[[P]], %{{.*}} : i32
      // CHECK: scf.while
      // CHECK-NEXT: nvvm.mbarrier.try_wait %{{.*}}, %[[OTHER]]
      %stage = dgemm.acquire %ring[%i] parity %p : !ring -> !stage
      // Each copy is a box at element coordinates, innermost first, and reports to the full barrier.
      // CHECK-DAG: %[[N32:.*]] = arith.index_cast %[[N]]
      // CHECK-DAG: %[[M32:.*]] = arith.index_cast %[[M]]
      // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %a_map, %[[FULL:.*]], box[%[[N32]], %[[M32]]]
      dgemm.load_async %a[%m, %n] into %stage[0] by <tma> : memref<?x640xf8E4M3FN>, !stage
      // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %b_map, %[[FULL]], box[%[[M32]], %[[N32]]] l2_cache_hint
      dgemm.load_async %b[%n, %m] into %stage[1] by <tma, cache = evict_first> : memref<384x640xf8E4M3FN>, !stage
      // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %scale_a_map, %[[FULL]], box[%[[M32]], %[[N32]]]
      dgemm.load_async %scale_a[%n, %m] into %stage[2] by <tma> : memref<5x?xf32>, !stage
      // Commit: the full barrier expects all bytes of the stage, 16384 + 12288 + 512.
      // CHECK: %[[BYTES:.*]] = arith.constant 29184 : i32
      // CHECK-NEXT: nvvm.mbarrier.arrive.expect_tx %[[FULL]], %[[BYTES]]
      dgemm.commit %ring[%i] : !ring
      dgemm.yield %p, %i : i32, i32
    }
  // CHECK: } consumer (%[[WG:.*]]) x 2 registers = 232 {
  } consumer (%wg) x 2 registers = 232 {
    %c0 = arith.constant 0 : index
    %c0_i32 = arith.constant 0 : i32
    %row = arith.muli %wg, %c64 : index
    // CHECK: dgemm.for_each_tile {{.*}} iter_args(%[[CI:.*]] = %{{.*}}, %[[CP:.*]] = %{{.*}})
    dgemm.for_each_tile (%m, %n) of (%M, %c384) tile = [128, 96] group_m = 8 iter_args(%i = %c0_i32, %p = %c0_i32) -> (i32, i32) {
      // Wait: the full barrier, at the parity carried; where there is a condition, only if it holds.
      // CHECK: %[[MORE:.*]] = arith.cmpi
      // CHECK-NEXT: scf.if %[[MORE]] {
      // CHECK: nvvm.mbarrier.try_wait %{{.*}}, %[[CP]]
      %more = arith.cmpi ult, %m, %n : index
      %stage = dgemm.wait %ring[%i] parity %p when %more : !ring -> !stage
      // A view is an address: the stage's tile, and whole rows of 128 bytes into it.
      // CHECK: %[[TB:.*]] = dgemm.tile_at %{{.*}} : !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.view %stage[1] from %c0 : !stage -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
      // CHECK: %[[OFFSET:.*]] = arith.muli %{{.*}}, %c128_i32
      // CHECK-NEXT: %[[PA:.*]] = llvm.getelementptr %{{.*}}[%[[OFFSET]]]
      // CHECK-NEXT: %[[TA:.*]] = dgemm.tile_at %[[PA]] : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      %ta = dgemm.view %stage[0] from %row : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      // CHECK: dgemm.mma_start %[[TA]], %[[TB]]
      %part = dgemm.mma_start %ta, %tb : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<96x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x96xf32>
      // Release: one thread of each warp arrives at the empty barrier.
      // CHECK: %[[ELECTED:.*]] = nvvm.elect.sync
      // CHECK-NEXT: scf.if %[[ELECTED]] {
      // CHECK-NEXT: nvvm.mbarrier.arrive %
      dgemm.release %ring[%i] : !ring
      dgemm.yield %p, %i : i32, i32
    }
  }
}
