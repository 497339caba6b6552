// RUN: dgemm-opt %s --dgemm-choose-data-movement --dgemm-warp-specialize --dgemm-overlap-epilogue | FileCheck %s

// dgemm-overlap-epilogue stores a tile while the tensor cores begin the next one: the tile loop of the consumers carries
// the accumulators and the offsets of the tile before. The producer stays as it is.

// Before the first tile there is none: its rows would begin past the last of D, where a store writes nothing.
// CHECK: } consumer (%[[WG:.*]]) x 2
// CHECK: %[[ZERO:.*]] = dgemm.zero : <64x128xf32>
// CHECK: %[[LAST:.*]]:3 = dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of (%M, %{{.*}}) tile = [128, 128] group_m = 8 iter_args(%[[ACC:.*]] = %[[ZERO]], %[[PM:.*]] = %M, %[[PN:.*]] = %c0{{.*}}) ->

// The first K block is peeled; the store follows the start of its mma, ahead of the wait.
// CHECK: dgemm.wait
// CHECK: %[[S:.*]] = dgemm.mma_start
// CHECK: %[[ROW:.*]] = arith.addi %[[PM]], %{{.*}}
// CHECK: dgemm.store %[[ACC]], %d[%[[ROW]], %[[PN]]]
// CHECK: %[[P:.*]] = dgemm.mma_wait %[[S]] pending = 0
// CHECK: dgemm.release
// CHECK: %[[FIRST:.*]] = dgemm.promote %[[P]]

// The rest of the K blocks.
// CHECK: %[[SECOND:.*]] = arith.constant 128
// CHECK: %[[SUM:.*]] = scf.for %{{.*}} = %[[SECOND]] to %{{.*}} iter_args(%{{.*}} = %[[FIRST]])
// CHECK: dgemm.mma %
// CHECK: dgemm.yield %[[SUM]], %[[M]], %[[N]]

// The last tile.
// CHECK: %[[ROW:.*]] = arith.addi %[[LAST]]#1,
// CHECK: dgemm.store %[[LAST]]#0, %d[%[[ROW]], %[[LAST]]#2]
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) sizes [-1, 384, 512]
    config <block = 128x128x128, stages = 3, math_warpgroups = 2, group_m = 8, overlap_epilogue = true> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 128] group_m = 8 {
    %zero = dgemm.zero : <128x128xf32>
    %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<128x128xf32>) {
      %block = arith.divui %k, %c128 : index
      %xb = dgemm.load_block_scales %scale_b[%n, %k] : memref<3x4xf32> -> vector<1xf32>
      %ta = dgemm.load %a[%m, %k] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.load %b[%n, %k] : memref<384x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
      %ts = dgemm.load %scale_a[%block, %m] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
      %ra = dgemm.load_fragment %ts : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
      %part = dgemm.mma %ta, %tb : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<128x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x128xf32>
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
          : !dgemm.frag<128x128xf32>, !dgemm.frag<128x1xf32>, vector<1xf32> -> !dgemm.frag<128x128xf32>
      scf.yield %next : !dgemm.frag<128x128xf32>
    }
    dgemm.store %acc, %d[%m, %n] : !dgemm.frag<128x128xf32>, memref<?x384xbf16>
  }
}
