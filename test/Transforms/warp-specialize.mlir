// RUN: dgemm-opt %s --dgemm-warp-specialize | FileCheck %s

// dgemm-warp-specialize splits the sequential kernel into a producer, which fills the stages of a ring, and math
// warpgroups, which empty them. This one has 256 rows for two warpgroups, so each computes two slices of 64 rows.

// A stage holds the tiles that the K loop loads, in their order. The ring has the stages of the config.
// CHECK: !stage = !dgemm.stage<<256x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x256xf32>, <1x2xf32>>
// CHECK-NEXT: !ring = !dgemm.ring<3, !stage>
// CHECK-LABEL: dgemm.kernel @gemm(
// CHECK: %[[RING:.*]] = dgemm.ring : !ring

// The producer needs few registers. It walks the same tiles and K blocks and does nothing but loads, as their `by` says.
// CHECK-NEXT: dgemm.warp_specialize
// CHECK-NEXT: producer registers = 40 {
// CHECK-NEXT: dgemm.for_each_tile (%[[PM:.*]], %[[PN:.*]]) of (%M, %{{.*}}) tile = [256, 96] group_m = 8 {
// CHECK-NEXT: scf.for %[[PK:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK-NEXT: %[[BLOCK:.*]] = arith.divui %[[PK]]
// CHECK-NEXT: %[[FREE:.*]] = dgemm.acquire %[[RING]]
// CHECK-NEXT: dgemm.load_async %a[%[[PM]], %[[PK]]] into %[[FREE]][0] by <tma>
// CHECK-NEXT: dgemm.load_async %b[%[[PN]], %[[PK]]] into %[[FREE]][1] by <tma, cache = evict_first>
// CHECK-NEXT: dgemm.load_async %scale_a[%[[BLOCK]], %[[PM]]] into %[[FREE]][2]
// CHECK-NEXT: dgemm.load_async %scale_b[%[[PN]], %[[PK]]] into %[[FREE]][3]
// CHECK-NEXT: dgemm.commit %[[RING]]

// Warpgroups take 64 rows in turn: the slices of warpgroup i start at rows 64 * i and 128 + 64 * i.
// CHECK: } consumer (%[[WG:.*]]) x 2 registers = 232 {
// CHECK: %[[ROW0:.*]] = arith.muli %[[WG]], %c64
// CHECK: %[[ROW1:.*]] = arith.addi %[[ROW0]], %c128
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]]) of (%M, %{{.*}}) tile = [256, 96] group_m = 8 {
// CHECK-DAG: %[[Z0:.*]] = dgemm.zero : <64x96xf32>
// CHECK-DAG: %[[Z1:.*]] = dgemm.zero : <64x96xf32>
// CHECK: %[[ACC:.*]]:2 = scf.for %[[TK:.*]] = %{{.*}} iter_args(%[[SUM0:.*]] = %[[Z0]], %[[SUM1:.*]] = %[[Z1]])

// All is read from the stage. The B tile and its scales are shared.
// CHECK: %[[FULL:.*]] = dgemm.wait %[[RING]]
// CHECK: %[[TB:.*]] = dgemm.view %[[FULL]][3] from %{{.*}} : !stage -> !dgemm.tile<1x2xf32>
// CHECK-NEXT: %[[XB:.*]] = dgemm.load_scales %[[TB]]
// CHECK: %[[B:.*]] = dgemm.view %[[FULL]][1] from %{{.*}} : !stage -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
// CHECK: %[[S0:.*]] = dgemm.view %[[FULL]][2] from %[[ROW0]] : !stage -> !dgemm.tile<1x64xf32>
// CHECK: %[[R0:.*]] = dgemm.load_scales %[[S0]]
// CHECK: %[[A0:.*]] = dgemm.view %[[FULL]][0] from %[[ROW0]] : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
// CHECK: %[[S1:.*]] = dgemm.view %[[FULL]][2] from %[[ROW1]] : !stage -> !dgemm.tile<1x64xf32>
// CHECK: %[[R1:.*]] = dgemm.load_scales %[[S1]]
// CHECK: %[[A1:.*]] = dgemm.view %[[FULL]][0] from %[[ROW1]] : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>

// The second partial sum takes the registers of the first, so it follows the first promotion.
// CHECK: %[[P0:.*]] = dgemm.mma %[[A0]], %[[B]] : !dgemm.tile
// CHECK-NEXT: %[[N0:.*]] = dgemm.promote %[[P0]] scaled %[[R0]], %[[XB]] at %[[TN]] into %[[SUM0]]
// CHECK-NEXT: %[[P1:.*]] = dgemm.mma %[[A1]], %[[B]] over %[[P0]]

// The tensor cores have read the stage, and the scales are in registers: the producer may have it back while the last
// promotion runs.
// CHECK-NEXT: dgemm.release %[[RING]]
// CHECK-NEXT: %[[N1:.*]] = dgemm.promote %[[P1]] scaled %[[R1]], %[[XB]] at %[[TN]] into %[[SUM1]]
// CHECK-NEXT: scf.yield %[[N0]], %[[N1]]

// Each slice is stored at its rows.
// CHECK: %[[M0:.*]] = arith.addi %[[TM]], %[[ROW0]]
// CHECK-NEXT: dgemm.store %[[ACC]]#0, %d[%[[M0]], %[[TN]]] by <tma> : !dgemm.frag<64x96xf32>
// CHECK-NEXT: %[[M1:.*]] = arith.addi %[[TM]], %[[ROW1]]
// CHECK-NEXT: dgemm.store %[[ACC]]#1, %d[%[[M1]], %[[TN]]] by <tma> : !dgemm.frag<64x96xf32>

// Nothing of the sequential kernel is left.
// CHECK-NOT: dgemm.load %
dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 256x96x128>, schedule = <stages = 3, warpgroups = 2>> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [256, 96] group_m = 8 {
    %zero = dgemm.zero : <256x96xf32>
    %acc = scf.for %k = %c0 to %K step %c128 iter_args(%sum = %zero) -> (!dgemm.frag<256x96xf32>) {
      %block = arith.divui %k, %c128 : index
      %xb = dgemm.load_scales %scale_b[%n, %k] by <cp_async> : memref<3x4xf32> -> vector<2xf32>
      %ta = dgemm.load %a[%m, %k] by <tma> : memref<?x512xf8E4M3FN> -> !dgemm.tile<256x128xf8E4M3FN, swizzle = 128>
      %tb = dgemm.load %b[%n, %k] by <tma, cache = evict_first> : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
      %ts = dgemm.load %scale_a[%block, %m] by <tma> : memref<4x?xf32> -> !dgemm.tile<1x256xf32>
      %ra = dgemm.load_scales %ts : !dgemm.tile<1x256xf32> -> !dgemm.frag<256x1xf32>
      %part = dgemm.mma %ta, %tb : !dgemm.tile<256x128xf8E4M3FN, swizzle = 128>,
          !dgemm.tile<96x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<256x96xf32>
      %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
          : !dgemm.frag<256x96xf32>, !dgemm.frag<256x1xf32>, vector<2xf32> -> !dgemm.frag<256x96xf32>
      scf.yield %next : !dgemm.frag<256x96xf32>
    }
    dgemm.store %acc, %d[%m, %n] by <tma> : !dgemm.frag<256x96xf32>, memref<?x384xbf16>
  }
}
