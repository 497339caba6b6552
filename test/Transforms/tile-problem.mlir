// RUN: dgemm-opt %s --dgemm-tile-problem | FileCheck %s

// dgemm-tile-problem makes a persistent kernel of each function that holds a problem: a loop over the output tiles of a
// CTA, in it a loop over K blocks. It still reads as a sequential program over tiles.

// The kernel has the function's name. Its arguments are the operands, by name, and then the dynamic sizes; `sizes` holds
// what is static.
// CHECK-LABEL: dgemm.kernel @dynamic_m(
// CHECK-SAME: %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
// CHECK-SAME: %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
// CHECK-SAME: %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
// CHECK-NEXT: config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
// CHECK-DAG: %[[N:.*]] = arith.constant 384 : index
// CHECK-DAG: %[[K:.*]] = arith.constant 512 : index
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[STEP:.*]] = arith.constant 128 : index

// Tiles have block M x block N elements and are walked in groups of rows.
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]]) of (%M, %[[N]]) tile = [128, 96] group_m = 8 {

// Each tile is summed over K from zero.
// CHECK-NEXT: %[[INIT:.*]] = dgemm.zero : <128x96xf32>
// CHECK-NEXT: %[[D:.*]] = scf.for %[[TK:.*]] = %[[ZERO]] to %[[K]] step %[[STEP]] iter_args(%[[SUM:.*]] = %[[INIT]])
// 96 columns do not divide 128, so a tile may meet two blocks of B's scales.
// CHECK-NEXT: %[[XB:.*]] = dgemm.load_scales %scale_b[%[[TN]], %[[TK]]] : memref<3x4xf32> -> vector<2xf32>

// The scales of A come by K block, a row of them for the rows of the tile.
// CHECK-NEXT: %[[TA:.*]] = dgemm.load %a[%[[TM]], %[[TK]]] : {{.*}} -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
// CHECK-NEXT: %[[TB:.*]] = dgemm.load %b[%[[TN]], %[[TK]]] : {{.*}} -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
// CHECK: %[[BLOCK:.*]] = arith.divui %[[TK]], %{{.*}} : index
// CHECK-NEXT: %[[TS:.*]] = dgemm.load %scale_a[%[[BLOCK]], %[[TM]]] : {{.*}} -> !dgemm.tile<1x128xf32>
// CHECK-NEXT: %[[RA:.*]] = dgemm.load_scales %[[TS]] : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
// CHECK-NEXT: %[[NEXT:.*]] = dgemm.scaled_mma %[[TA]], %[[TB]] scaled %[[RA]], %[[XB]] at %[[TN]] into %[[SUM]]
// CHECK-NEXT: scf.yield %[[NEXT]]

// The tile is stored once its sum is complete.
// CHECK: dgemm.store %[[D]], %d[%[[TM]], %[[TN]]] : !dgemm.frag<128x96xf32>, memref<?x384xbf16>
// CHECK-NOT: func.func @dynamic_m
func.func @dynamic_m(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>,
                     %sb: memref<3x4xf32>, %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// Static sizes are constants and no arguments; a tile of 64 columns meets one block of B's scales. K = 528 ends in a
// part of a block, which the loop covers: what lies outside the operands reads as zero.
// CHECK-LABEL: dgemm.kernel @static(
// CHECK-NOT: dgemm.size
// CHECK-SAME: problem <sizes = [72, 136, 528]>
// CHECK-DAG: %[[M:.*]] = arith.constant 72 : index
// CHECK-DAG: %[[N:.*]] = arith.constant 136 : index
// CHECK-DAG: %[[K:.*]] = arith.constant 528 : index
// CHECK: dgemm.for_each_tile ({{.*}}) of (%[[M]], %[[N]]) tile = [64, 64] group_m = 1
// CHECK: scf.for {{.*}} to %[[K]] step
// CHECK: dgemm.load_scales {{.*}} -> vector<1xf32>
func.func @static(%a: memref<72x528xf8E4M3FN>, %sa: memref<5x72xf32>, %b: memref<136x528xf8E4M3FN>,
                  %sb: memref<2x5xf32>, %d: memref<72x136xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<72x528xf8E4M3FN>, memref<5x72xf32>, memref<136x528xf8E4M3FN>, memref<2x5xf32>, memref<72x136xbf16>)
  return
}

// Functions without a problem are left alone.
// CHECK-LABEL: func.func @other()
func.func @other() {
  return
}
