// RUN: dgemm-opt %s --dgemm-tile-problem | FileCheck %s

// With groups, the tile loop says which group a tile belongs to, and B and its scales are read from there.

// Contiguous: A and D have no group. Tiles of padding are skipped by the loop, so nothing else knows of it.
// CHECK-LABEL: dgemm.kernel @contiguous(
// CHECK-SAME: %m_indices: memref<?xi32> {dgemm.operand = "m_indices"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512, 8], layout = contiguous>
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]], %[[G:.*]]) of (%M, %{{.*}}) contiguous %m_indices : memref<?xi32>
// CHECK: dgemm.load_scales %scale_b[%[[G]], %[[TN]], %[[TK:.*]]]
// CHECK-NEXT: dgemm.load %a[%[[TM]], %[[TK]]]
// CHECK-NEXT: dgemm.load %b[%[[G]], %[[TN]], %[[TK]]] : memref<8x384x512xf8E4M3FN>
// CHECK: dgemm.store %{{.*}}, %d[%[[TM]], %[[TN]]] : !dgemm.frag
func.func @contiguous(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                      %sb: memref<8x3x4xf32>, %d: memref<?x384xbf16>, %g: memref<?xi32>) {
  dgemm.gemm contiguous(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<?x384xbf16>,
         memref<?xi32>)
  return
}

// A cluster of two rows of tiles is told the group of the other row, too.
// CHECK-LABEL: dgemm.kernel @pair(
// CHECK: dgemm.for_each_tile (%{{.*}}, %[[TN:.*]], %[[G:.*]], %{{.*}}) of (%M, %{{.*}}) contiguous %m_indices : memref<?xi32> tile = [128, 128] group_m = 8 cluster = [2, 1]
// CHECK: dgemm.load %b[%[[G]], %[[TN]], %{{.*}}]
func.func @pair(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                %sb: memref<8x3x4xf32>, %d: memref<?x384xbf16>, %g: memref<?xi32>) {
  dgemm.gemm contiguous(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x128x128, cluster = 2x1>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<?x384xbf16>,
         memref<?xi32>)
  return
}

// Masked: all operands have the group, and the store is told how many rows of it there are. The number of groups may be
// dynamic.
// CHECK-LABEL: dgemm.kernel @masked(
// CHECK-SAME: %G: index {dgemm.size = "G"}) problem <sizes = [64, 384, 512, -1], layout = masked>
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]], %[[G:.*]], %[[ROWS:.*]]) of (%{{.*}}, %{{.*}}) masked %masked_m : memref<?xi32>
// CHECK: dgemm.load %a[%[[G]], %[[TM]], %[[TK:.*]]]
// CHECK: dgemm.load %scale_a[%[[G]], %{{.*}}, %[[TM]]]
// CHECK: dgemm.store %{{.*}}, %d[%[[G]], %[[TM]], %[[TN]]] rows %[[ROWS]]
func.func @masked(%a: memref<?x64x512xf8E4M3FN>, %sa: memref<?x4x64xf32>, %b: memref<?x384x512xf8E4M3FN>,
                  %sb: memref<?x3x4xf32>, %d: memref<?x64x384xbf16>, %g: memref<?xi32>) {
  dgemm.gemm masked(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<?x64x512xf8E4M3FN>, memref<?x4x64xf32>, memref<?x384x512xf8E4M3FN>, memref<?x3x4xf32>,
         memref<?x64x384xbf16>, memref<?xi32>)
  return
}

// Offsets: one A and D, as contiguous, and the store is told where the rows of the group end. What D holds is added to.
// CHECK-LABEL: dgemm.kernel @offsets(
// CHECK-SAME: problem <sizes = [-1, 384, 512, 8], layout = offsets, alignment = 16, accumulate = true>
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]], %[[G:.*]], %[[ROWS:.*]]) of (%{{.*}}, %{{.*}}) offsets %offsets : memref<8xi32>
// CHECK: dgemm.load %a[%[[TM]], %[[TK:.*]]]
// CHECK: dgemm.load %b[%[[G]], %[[TN]], %[[TK]]]
// CHECK: dgemm.load %scale_a[%{{.*}}, %[[TM]]]
// CHECK: dgemm.store %{{.*}}, %d[%[[TM]], %[[TN]]] accumulate rows %[[ROWS]]
func.func @offsets(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                   %sb: memref<8x3x4xf32>, %d: memref<?x384xbf16>, %g: memref<8xi32>) {
  dgemm.gemm offsets(%g) aligned 16 accumulate lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<?x384xbf16>,
         memref<8xi32>)
  return
}

// Groups along K: the tile loop says which columns of K a group has, which the K loop walks; D alone has the group.
// CHECK-LABEL: dgemm.kernel @k_grouped(
// CHECK-SAME: problem <sizes = [64, 384, -1, 8], layout = k_grouped, {{.*}}alignment = 128>
// CHECK: dgemm.for_each_tile (%[[TM:.*]], %[[TN:.*]], %[[G:.*]], %[[BEGIN:.*]], %[[END:.*]]) of (%{{.*}}, %{{.*}}) k_grouped %offsets : memref<8xi32>
// CHECK: scf.for %[[TK:.*]] = %[[BEGIN]] to %[[END]] step %c128
// CHECK: dgemm.load %a[%[[TM]], %[[TK]]]
// CHECK: dgemm.load %b[%[[TN]], %[[TK]]]
// CHECK: dgemm.store %{{.*}}, %d[%[[G]], %[[TM]], %[[TN]]] :
func.func @k_grouped(%a: memref<64x?xf8E4M3FN>, %sa: memref<?x64xf32>, %b: memref<384x?xf8E4M3FN>,
                     %sb: memref<?x384xf32>, %d: memref<8x64x384xf32>, %g: memref<8xi32>) {
  dgemm.gemm k_grouped(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d)
      config <tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x?xf8E4M3FN>, memref<?x64xf32>, memref<384x?xf8E4M3FN>, memref<?x384xf32>, memref<8x64x384xf32>,
         memref<8xi32>)
  return
}

// Scales of A that TMA cannot read, here as [M, K/128], are read row by row; strides are kept with the kernel.
// CHECK-LABEL: dgemm.kernel @strided(
// CHECK-SAME: strides = {a = array<i64: 203, 1>, scale_a = array<i64: 1, 2>}>
// CHECK: dgemm.load_scales %scale_a[%{{.*}}, %{{.*}}] : memref<2x7xf32, strided<[1, 2]>> -> !dgemm.frag<64x1xf32>
// CHECK-NOT: dgemm.load_scales %{{.*}} : !dgemm.tile
func.func @strided(%a: memref<7x200xf8E4M3FN, strided<[203, 1]>>, %sa: memref<2x7xf32, strided<[1, 2]>>,
                   %b: memref<33x200xf8E4M3FN>, %sb: memref<1x2xf32>, %d: memref<7x33xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x40x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<7x200xf8E4M3FN, strided<[203, 1]>>, memref<2x7xf32, strided<[1, 2]>>, memref<33x200xf8E4M3FN>,
         memref<1x2xf32>, memref<7x33xbf16>)
  return
}

// Leading dimensions that are given at launch are arguments too, and what is promised of sizes stays with the kernel.
// CHECK-LABEL: dgemm.kernel @dynamic(
// CHECK-SAME: %K: index {dgemm.size = "K"}, %LDA: index {dgemm.size = "LDA"}, %LDD: index {dgemm.size = "LDD"})
// CHECK-SAME: problem <sizes = [-1, 33, -1], strides = {a = array<i64: -1, 1>, d = array<i64: -1, 1>}, divisors = <k = 16, lda = 16>>
func.func @dynamic(%a: memref<?x?xf8E4M3FN, strided<[?, 1]>>, %sa: memref<?x?xf32>, %b: memref<33x?xf8E4M3FN>,
                   %sb: memref<1x?xf32>, %d: memref<?x33xbf16, strided<[?, 1]>>) {
  dgemm.gemm dense divisible <k = 16, lda = 16> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x40x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<?x?xf8E4M3FN, strided<[?, 1]>>, memref<?x?xf32>, memref<33x?xf8E4M3FN>, memref<1x?xf32>,
         memref<?x33xbf16, strided<[?, 1]>>)
  return
}

// Each matrix of a batch has the tiles of M x N, and every operand its group in front.
// CHECK-LABEL: dgemm.kernel @batched(
// CHECK-SAME: layout = batched, strides = {a = array<i64: 512, 4096, 1>, d = array<i64: 384, 3072, 1>}>
// CHECK: dgemm.for_each_tile (%[[BM:.*]], %[[BN:.*]], %[[BG:.*]]) of (%M, %{{.*}}) batched tile = [64, 128]
// CHECK: dgemm.load %a[%[[BG]], %[[BM]], %{{.*}}]
// CHECK: dgemm.load %b[%[[BG]], %[[BN]], %{{.*}}]
// CHECK: dgemm.load %scale_a[%[[BG]], %{{.*}}, %[[BM]]]
// CHECK: dgemm.store %{{.*}}, %d[%[[BG]], %[[BM]], %[[BN]]] :
func.func @batched(%a: memref<8x?x512xf8E4M3FN, strided<[512, 4096, 1]>>, %sa: memref<8x4x?xf32>, %b: memref<8x384x512xf8E4M3FN>,
                   %sb: memref<8x3x4xf32>, %d: memref<8x?x384xbf16, strided<[384, 3072, 1]>>) {
  dgemm.gemm batched lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<8x?x512xf8E4M3FN, strided<[512, 4096, 1]>>, memref<8x4x?xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>,
         memref<8x?x384xbf16, strided<[384, 3072, 1]>>)
  return
}
