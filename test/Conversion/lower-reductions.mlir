// RUN: dgemm-opt %s --dgemm-lower-reductions --cse -split-input-file -verify-diagnostics | FileCheck %s

// A sum over a cluster is what a CTA sends and adds. Before anything is sent all CTAs have initialised their barriers.
// CHECK-LABEL: dgemm.kernel @sum
// CHECK: } consumer
// CHECK-NEXT: nvvm.cluster.wait
dgemm.kernel @sum(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                  %b: memref<128x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<1x4xf32> {dgemm.operand = "scale_b"},
                  %d: memref<?x128xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 128, 512]> config <tile = <block = 64x128x128, split_k = 2>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 128 : index
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    // The tile loop counts the tiles.
    // CHECK: dgemm.for_each_tile {{.*}} iter_args(%[[ROUND:.*]] = %[[ZERO:.*]]) -> i32 {
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 128] group_m = 8 cluster = [1, 1, 2] {
      // From the second tile on, each warp tells the other CTA that it has read what that sent it.
      // CHECK-NEXT: %[[LATER:.*]] = arith.cmpi ne, %[[ROUND]], %[[ZERO]]
      // CHECK-NEXT: scf.if %[[LATER]] {
      // CHECK: nvvm.elect.sync
      // CHECK: nvvm.mapa
      // CHECK: nvvm.mbarrier.arrive
      %acc = dgemm.zero : <64x128xf32>
      // It is sent once what was sent before has been read, and added once all has been received. 64 columns, of 64 rows, of
      // 4 bytes come from the other CTA.
      // CHECK: %[[ACC:.*]] = dgemm.zero
      // CHECK: %[[PARITY:.*]] = arith.andi %[[ROUND]], %c1_i32
      // CHECK: %[[OTHER:.*]] = arith.xori %[[PARITY]], %c1_i32
      // CHECK: nvvm.mbarrier.try_wait %{{.*}}, %[[OTHER]]
      // CHECK: nvvm.mbarrier.arrive.expect_tx %[[RECEIVED:[0-9]+]],
      // CHECK: dgemm.send_fragment %[[ACC]] to %[[BUFFER:.*]] signal %[[RECEIVED]] split = 2
      // CHECK: nvvm.mbarrier.try_wait %[[RECEIVED]], %[[PARITY]]
      // CHECK: dgemm.add_received %[[ACC]] from %[[BUFFER]] split = 2 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x64xf32>
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x64xf32>
      dgemm.store %sum, %d[%m, %column] by <registers> : !dgemm.frag<64x64xf32>, memref<?x128xbf16>
      // CHECK: %[[NEXT:.*]] = arith.addi %[[ROUND]], %c1_i32
      // CHECK-NEXT: dgemm.yield %[[NEXT]] : i32
    }
  }
}

// -----

// Tiles are counted by their loop.
dgemm.kernel @alone(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<128x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<1x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x128xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 128, 512]> config <tile = <block = 64x128x128, split_k = 2>, schedule = <stages = 2, warpgroups = 1>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    %acc = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.reduce_cluster' op expected to stand in a dgemm.for_each_tile}}
    %sum, %column = dgemm.reduce_cluster %acc split = 2 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// The sums of a tile stand together.
dgemm.kernel @apart(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<128x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<1x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x128xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 128, 512]> config <tile = <block = 64x128x128, split_k = 2>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 128 : index
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 240 {
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 128] group_m = 8 cluster = [1, 1, 2] {
      %acc = dgemm.zero : <64x128xf32>
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x64xf32>
      %is_more = arith.cmpi ult, %m, %n : index
      scf.if %is_more {
        // expected-error @+1 {{'dgemm.reduce_cluster' op expected the sums of a tile to stand in one block}}
        %more, %column_of_more = dgemm.reduce_cluster %acc split = 2 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x64xf32>
      }
    }
  }
}
