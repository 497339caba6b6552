// RUN: dgemm-opt %s --dgemm-lower-tma --cse | FileCheck %s

// dgemm-lower-tma gives rings, loads and stores their hardware: tensor maps, bulk copies and mbarriers. All of shared
// memory is one array, laid out by the config (here 128x96x128 with 2 stages):
//   0 output | 24576 A | 57344 B | 81920 scales of A | 82944 scales of B | 83456 full barriers | 83472 empty
//   barriers.

// CHECK: llvm.mlir.global external @dgemm_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>

// Operands that tiles move from or to become tensor maps, which say how the host encodes them: innermost dimension first,
// strides in bytes, one box for a tile. D has one map for each width of its panels (96 = 64 + 32 columns), with the swizzle
// of the panel. The scales of B are read through a pointer and stay.
// CHECK-LABEL: dgemm.kernel @gemm(
// CHECK-SAME: %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"}, %M: index {dgemm.size = "M"},
// CHECK-SAME: %[[AMAP:a_map]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "a", element = f8E4M3FN, dims = (d0, d1, d2) -> (640, d0), strides = (d0, d1, d2) -> (640), box = [128, 128], swizzle = 128>}
// CHECK-SAME: %[[BMAP:b_map]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "b", element = f8E4M3FN, dims = (d0, d1, d2) -> (640, 384), strides = (d0, d1, d2) -> (640), box = [128, 96], swizzle = 128>}
// CHECK-SAME: %[[SMAP:scale_a_map]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "scale_a", element = f32, dims = (d0, d1, d2) -> (d0, 5), strides = (d0, d1, d2) -> ((d0 ceildiv 4) * 16), box = [128, 1]>}
// CHECK-SAME: %[[DMAP:d_map]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "d", element = bf16, dims = (d0, d1, d2) -> (384, d0), strides = (d0, d1, d2) -> (768), box = [64, 64], swizzle = 128>}
// CHECK-SAME: %[[DMAP1:d_map_0]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = "d", element = bf16, {{.*}} box = [32, 64], swizzle = 64>}

// One thread prefetches the maps, and one of the producer initialises the barriers. A full barrier awaits the producer; an empty one
// awaits each of the 8 math warps. The producer's warp arrives at the barrier of the CTA, which publishes them, and goes on.
// CHECK: %[[BASE:.*]] = llvm.mlir.addressof @dgemm_shared
// CHECK: nvvm.prefetch tensormap, %[[AMAP]]
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
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @gemm(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) sizes [-1, 384, 640]
    config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
  %c384 = arith.constant 384 : index
  %c640 = arith.constant 640 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize

  // The stage index and the parity of its phase are carried by the loops, over K and over tiles, from 0 and 0.
  // CHECK: producer registers = 40 {
  // CHECK-NEXT: dgemm.for_each_tile (%[[PM:.*]], %[[PN:.*]]) of {{.*}} iter_args(%[[I0:.*]] = %[[C0:c0_i32]], %[[P0:.*]] = %[[C0]]) -> (i32, i32)
  // CHECK-NEXT: scf.for %[[PK:.*]] = {{.*}} iter_args(%[[I:.*]] = %[[I0]], %[[P:.*]] = %[[P0]]) -> (i32, i32)
  producer registers = 40 {
    dgemm.for_each_tile (%m, %n) of (%M, %c384) tile = [128, 96] group_m = 8 {
      scf.for %k = %c0 to %c640 step %c128 {
        %block = arith.divui %k, %c128 : index
        // Acquire: wait for the empty barrier. A fresh barrier counts as one whose odd phase is over, so the producer waits
        // for the other parity and passes through the first time.
        // CHECK: %[[OTHER:.*]] = arith.xori %[[P]], %{{.*}} : i32
        // CHECK: scf.while
        // CHECK-NEXT: nvvm.mbarrier.try_wait %{{.*}}, %[[OTHER]]
        %stage = dgemm.acquire %ring : !ring -> !stage
        // Each copy is a box at element coordinates, innermost first, and reports to the full barrier.
        // CHECK-DAG: %[[K32:.*]] = arith.index_cast %[[PK]]
        // CHECK-DAG: %[[M32:.*]] = arith.index_cast %[[PM]]
        // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[AMAP]], %[[FULL:.*]], box[%[[K32]], %[[M32]]]
        dgemm.load_async %a[%m, %k] into %stage[0] by <tma> : memref<?x640xf8E4M3FN>, !stage
        // CHECK: %[[N32:.*]] = arith.index_cast %[[PN]]
        // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[BMAP]], %[[FULL]], box[%[[K32]], %[[N32]]]
        dgemm.load_async %b[%n, %k] into %stage[1] by <tma> : memref<384x640xf8E4M3FN>, !stage
        // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[SMAP]], %[[FULL]], box[%[[M32]], %{{.*}}]
        dgemm.load_async %scale_a[%block, %m] into %stage[2] by <tma> : memref<5x?xf32>, !stage
        // Commit: the full barrier expects all bytes of the stage, 16384 + 12288 + 512. Then on to the next stage; past the last, back to the first with the other parity.
        // CHECK: %[[BYTES:.*]] = arith.constant 29184 : i32
        // CHECK-NEXT: nvvm.mbarrier.arrive.expect_tx %[[FULL]], %[[BYTES]]
        // CHECK: %[[INC:.*]] = arith.addi %[[I]], %{{.*}} : i32
        // CHECK: %[[WRAP:.*]] = arith.cmpi eq, %[[INC]], %{{.*}} : i32
        // CHECK-NEXT: %[[NEXTI:.*]] = arith.select %[[WRAP]], %[[C0]], %[[INC]]
        // CHECK-NEXT: %[[FLIP:.*]] = arith.extui %[[WRAP]]
        // CHECK-NEXT: %[[NEXTP:.*]] = arith.xori %[[P]], %[[FLIP]]
        // CHECK-NEXT: scf.yield %[[NEXTI]], %[[NEXTP]]
        dgemm.commit %ring : !ring
      }
      // CHECK: dgemm.yield %{{.*}}, %{{.*}} : i32, i32
    }
  // CHECK: } consumer (%[[WG:.*]]) x 2 registers = 232 {
  } consumer (%wg) x 2 registers = 232 {
    %row = arith.muli %wg, %c64 : index
    // CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]]) of
    dgemm.for_each_tile (%m, %n) of (%M, %c384) tile = [128, 96] group_m = 8 {
      %zero = dgemm.zero : <64x96xf32>
      // CHECK: %[[LOOP:.*]]:3 = scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[CI:.*]] = %{{.*}}, %[[CP:.*]] = %{{.*}})
      %acc = scf.for %k = %c0 to %c640 step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<64x96xf32>) {
        %xb = dgemm.load_block_scales %scale_b[%n, %k] : memref<3x5xf32> -> vector<2xf32>
        // Wait: the full barrier, at the parity carried.
        // CHECK: nvvm.mbarrier.try_wait %{{.*}}, %[[CP]]
        %stage = dgemm.wait %ring : !ring -> !stage
        // A view is an address: the stage's tile, and whole rows of 128 bytes into it.
        // CHECK: %[[TB:.*]] = dgemm.tile_at %{{.*}} : !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
        %tb = dgemm.view %stage[1] from %c0 : !stage -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
        // CHECK: dgemm.tile_at %{{.*}} : !dgemm.tile<1x64xf32>
        %ts = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_fragment %ts : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        // CHECK: %[[OFFSET:.*]] = arith.muli %{{.*}}, %c128_i32
        // CHECK-NEXT: %[[PA:.*]] = llvm.getelementptr %{{.*}}[%[[OFFSET]]]
        // CHECK-NEXT: %[[TA:.*]] = dgemm.tile_at %[[PA]] : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        %ta = dgemm.view %stage[0] from %row : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        // CHECK: dgemm.mma %[[TA]], %[[TB]]
        %part = dgemm.mma %ta, %tb : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>,
            !dgemm.tile<96x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x96xf32>
        // Release: one thread of each warp arrives at the empty barrier.
        // CHECK: %[[ELECTED:.*]] = nvvm.elect.sync
        // CHECK-NEXT: scf.if %[[ELECTED]] {
        // CHECK-NEXT: nvvm.mbarrier.arrive %
        dgemm.release %ring : !ring
        // CHECK: dgemm.promote
        %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
            : !dgemm.frag<64x96xf32>, !dgemm.frag<64x1xf32>, vector<2xf32> -> !dgemm.frag<64x96xf32>
        scf.yield %next : !dgemm.frag<64x96xf32>
      }
      %row_d = arith.addi %m, %row : index
      // Store: the staging is free once the last stores have read it, which the thread that made them knows, and the
      // barrier of the warpgroup (1 + its index) tells the others.
      // CHECK: %[[LEADER:.*]] = arith.cmpi eq, %{{.*}}, %[[C0]]
      // CHECK: scf.if %[[LEADER]] {
      // CHECK-NEXT: nvvm.cp.async.bulk.wait_group 0 {read}
      // CHECK: nvvm.barrier id = %[[ID:.*]] number_of_threads = %
      // Panels follow one another in the staging of the warpgroup.
      // CHECK: dgemm.store_fragment %[[LOOP]]#0[0] into %{{.*}} : !dgemm.frag<64x96xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
      // CHECK: dgemm.store_fragment %[[LOOP]]#0[64] into %{{.*}} : !dgemm.frag<64x96xf32>, !dgemm.tile<64x32xbf16, swizzle = 64>
      // The writes are made visible to the TMA unit before one thread starts the stores.
      // CHECK: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>
      // CHECK-NEXT: nvvm.barrier id = %[[ID]]
      // CHECK-NEXT: scf.if %[[LEADER]] {
      // CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %[[DMAP]], %{{.*}}, box[%[[COLUMN:.*]], %[[ROW:.*]]] :
      // CHECK: %[[COLUMN1:.*]] = arith.addi %[[COLUMN]], %c64_i32
      // CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %[[DMAP1]], %{{.*}}, box[%[[COLUMN1]], %[[ROW]]] :
      // CHECK: nvvm.cp.async.bulk.commit.group
      dgemm.store %acc, %d[%row_d, %n] by <tma> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
    }
    // Shared memory outlives the stores that read it.
    // CHECK: scf.if
    // CHECK-NEXT: nvvm.cp.async.bulk.wait_group 0 {read}
  }
}
