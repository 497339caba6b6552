// RUN: dgemm-opt %s --dgemm-tile-problem | FileCheck %s
// RUN: dgemm-opt %s --dgemm-tile-problem --dgemm-promote-accumulators --dgemm-choose-data-movement --dgemm-warp-specialize | FileCheck %s --check-prefix=ROLES

// Scales that are the same along K are multiplied in behind the K loop; what varies along K is multiplied in for each K block.

// A scale for each row of A and of B: the K loop only adds. Each consumer scales what it has of the sum. It has registers for the
// scales, so they are on their way while it walks K.
// CHECK-LABEL: dgemm.kernel @rows(
// CHECK: scf.for
// CHECK-NOT: dgemm.load_scales
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} into %{{[^ ]*}} : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<96x128xf8E5M2, swizzle = 128>, !dgemm.frag<128x96xf32>
// CHECK: }
// CHECK: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %[[ZERO:.*]]] : memref<1x384xf32> -> !dgemm.frag<1x96xf32>
// CHECK: %[[XA:.*]] = dgemm.load_scales %scale_a[%m, %[[ZERO]]] : memref<1x?xf32> -> !dgemm.frag<128x1xf32>
// CHECK: %[[D:.*]] = dgemm.promote %{{.*}} scaled %[[XA]], %[[XB]] at %n into %{{.*}} : !dgemm.frag<128x96xf32>, !dgemm.frag<128x1xf32>, !dgemm.frag<1x96xf32> -> !dgemm.frag<128x96xf32>
// CHECK: dgemm.store %[[D]], %d[%m, %n] : !dgemm.frag<128x96xf32>, memref<?x384xf16>

// ROLES-LABEL: dgemm.kernel @rows(
// ROLES: consumer
// ROLES: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %{{.*}}] by <registers> : memref<1x384xf32> -> !dgemm.frag<1x96xf32>
// ROLES: %[[ROW:.*]] = arith.addi %m, %{{.*}}
// ROLES: %[[XA:.*]] = dgemm.load_scales %scale_a[%[[ROW]], %{{.*}}] by <registers> : memref<1x?xf32> -> !dgemm.frag<64x1xf32>
// ROLES: scf.for
// ROLES: dgemm.promote %{{[^ ]*}} into %{{[^ ]*}} : !dgemm.frag<64x96xf32> -> !dgemm.frag<64x96xf32>
// ROLES: scf.yield
// ROLES: %[[D:.*]] = dgemm.promote %{{.*}} scaled %[[XA]], %[[XB]] at %n into
// ROLES: dgemm.store %[[D]],
func.func @rows(%a: memref<?x512xf8E4M3FN>, %sa: memref<1x?xf32>, %b: memref<384x512xf8E5M2>, %sb: memref<1x384xf32>, %d: memref<?x384xf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [1, full]) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<1x?xf32>, memref<384x512xf8E5M2>, memref<1x384xf32>, memref<?x384xf16>)
  return
}

// One scale of A, a scale for each row and 128 columns of B: the scales of B are in the loop, that of A is behind it. With
// split_k each CTA scales its part of the sum.
// CHECK-LABEL: dgemm.kernel @tensor_by_1x128(
// CHECK: scf.for %[[K:[^ ]*]] =
// CHECK: %[[BLOCK:.*]] = arith.divui %[[K]]
// CHECK: %[[TILE:.*]] = dgemm.load %scale_b[%[[BLOCK]], %n] : memref<4x384xf32> -> !dgemm.tile<1x96xf32>
// CHECK: %[[XB:.*]] = dgemm.load_scales %[[TILE]] : !dgemm.tile<1x96xf32> -> !dgemm.frag<1x96xf32>
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} scaled columns %[[XB]] at %n into
// CHECK: %[[XA:.*]] = dgemm.load_scales %scale_a[%m, %{{.*}}] : memref<1x1xf32> -> !dgemm.frag<64x1xf32>
// CHECK: %[[PART:.*]] = dgemm.promote %{{.*}} scaled rows %[[XA]] into %{{.*}} : !dgemm.frag<64x96xf32>, !dgemm.frag<64x1xf32> -> !dgemm.frag<64x96xf32>
// CHECK: dgemm.reduce_cluster %[[PART]] split = 2

// They come with the tiles of the stage, which keeps the place of a tile that A has none for. There are registers for them before
// the mma.
// ROLES-LABEL: dgemm.kernel @tensor_by_1x128(
// ROLES: dgemm.load_async %scale_b[%{{.*}}, %n] into %stage[3] by <tma>
// ROLES: consumer
// ROLES: scf.for %[[K:[^ ]*]] =
// ROLES: %[[TILE:.*]] = dgemm.view %stage[3] from %{{.*}} -> !dgemm.tile<1x96xf32>
// ROLES: %[[XB:.*]] = dgemm.load_scales %[[TILE]]
// ROLES: dgemm.mma
// ROLES: dgemm.release
// ROLES: dgemm.promote %{{.*}} scaled columns %[[XB]] at %n into
// ROLES: %[[PART:.*]] = dgemm.promote %{{.*}} scaled rows
// ROLES: dgemm.reduce_cluster %[[PART]]
func.func @tensor_by_1x128(%a: memref<7x512xf8E4M3FN>, %sa: memref<1x1xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<4x384xf32>, %d: memref<7x384xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [full, full]) rhs(%b scaled %sb by [1, 128]) out(%d)
      config <tile = <block = 64x96x128, split_k = 2>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<7x512xf8E4M3FN>, memref<1x1xf32>, memref<384x512xf8E4M3FN>, memref<4x384xf32>, memref<7x384xf32>)
  return
}

// Blocks of 128 rows of A: each thread reads the scales of its rows. One scale of B is a vector of one.
// CHECK-LABEL: dgemm.kernel @blocks_by_tensor(
// CHECK: scf.for %[[K:[^ ]*]] =
// CHECK: %[[XA:.*]] = dgemm.load_scales %scale_a[%m, %[[K]]] : memref<2x4xf32> -> !dgemm.frag<128x1xf32>
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} scaled rows %[[XA]] into
// CHECK: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %{{.*}}] : memref<1x1xf32> -> vector<1xf32>
// CHECK: dgemm.promote %{{.*}} scaled columns %[[XB]] at %n into
func.func @blocks_by_tensor(%a: memref<200x512xf8E5M2>, %sa: memref<2x4xf32>, %b: memref<384x512xf8E5M2>, %sb: memref<1x1xf32>, %d: memref<200x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [128, 128]) rhs(%b scaled %sb by [full, full]) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<200x512xf8E5M2>, memref<2x4xf32>, memref<384x512xf8E5M2>, memref<1x1xf32>, memref<200x384xbf16>)
  return
}

// Strides that TMA does not take: each thread reads the scales of its columns, behind the mma.
// CHECK-LABEL: dgemm.kernel @strided_1x128(
// CHECK: dgemm.load_scales %scale_b[%n, %{{.*}}] : memref<4x384xf32, strided<[1, 4]>> -> !dgemm.frag<1x208xf32>

// ROLES-LABEL: dgemm.kernel @strided_1x128(
// ROLES: consumer
// ROLES: %[[P0:.*]] = dgemm.mma
// ROLES: %[[X0:.*]] = dgemm.load_scales %scale_b[%n, %{{.*}}] by <registers> : memref<4x384xf32, strided<[1, 4]>> -> !dgemm.frag<1x104xf32>
// ROLES: dgemm.promote %[[P0]] scaled %{{.*}}, %[[X0]] at %n
// ROLES: %[[P1:.*]] = dgemm.mma
// ROLES: %[[N1:.*]] = arith.addi %n, %c104
// ROLES: %[[X1:.*]] = dgemm.load_scales %scale_b[%[[N1]], %{{.*}}] by <registers>
// ROLES: dgemm.release
// ROLES: dgemm.promote %[[P1]] scaled %{{.*}}, %[[X1]] at %n
func.func @strided_1x128(%a: memref<200x512xf8E4M3FN>, %sa: memref<4x200xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<4x384xf32, strided<[1, 4]>>, %d: memref<200x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d)
      config <tile = <block = 64x208x128>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<200x512xf8E4M3FN>, memref<4x200xf32>, memref<384x512xf8E4M3FN>, memref<4x384xf32, strided<[1, 4]>>, memref<200x384xbf16>)
  return
}

// No scales: the kernel has no operands for them. Nothing is multiplied in or behind the loop.
// CHECK-LABEL: dgemm.kernel @none(
// CHECK-SAME: %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512], lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>
// CHECK: %[[SUM:.*]] = scf.for
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} into %{{[^ ]*}} :
// CHECK: }
// CHECK-NEXT: dgemm.store %[[SUM]], %d[%m, %n]

// ROLES-LABEL: dgemm.kernel @none(
// ROLES: consumer
// ROLES: %[[SUM:.*]] = scf.for
// ROLES: dgemm.promote %{{[^ ]*}} into %{{[^ ]*}} : !dgemm.frag<64x96xf32> -> !dgemm.frag<64x96xf32>
// ROLES: scf.yield
// ROLES-NOT: dgemm.promote
// ROLES: dgemm.store %[[SUM]],
func.func @none(%a: memref<?x512xf8E4M3FN>, %b: memref<384x512xf8E4M3FN>, %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a) rhs(%b) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<384x512xf8E4M3FN>, memref<?x384xbf16>)
  return
}

// The scales of the other operand are loaded as ever: behind the loop, or in it.
// CHECK-LABEL: dgemm.kernel @none_by_row(
// CHECK: scf.for
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} into %{{[^ ]*}} :
// CHECK: %[[XB:.*]] = dgemm.load_scales %scale_b[%n, %{{.*}}] : memref<1x384xf32> -> !dgemm.frag<1x96xf32>
// CHECK-NOT: dgemm.load_scales
// CHECK: dgemm.promote %{{.*}} scaled columns %[[XB]] at %n into
func.func @none_by_row(%a: memref<?x512xf8E4M3FN>, %b: memref<384x512xf8E4M3FN>, %sb: memref<1x384xf32>, %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a) rhs(%b scaled %sb by [1, full]) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<384x512xf8E4M3FN>, memref<1x384xf32>, memref<?x384xbf16>)
  return
}

// CHECK-LABEL: dgemm.kernel @blocks_by_none(
// CHECK: scf.for
// CHECK: %[[XA:.*]] = dgemm.load_scales %{{.*}} -> !dgemm.frag<128x1xf32>
// CHECK: dgemm.scaled_mma %{{[^ ]*}}, %{{[^ ]*}} scaled rows %[[XA]] into
// CHECK: }
// CHECK-NOT: dgemm.promote
// CHECK: dgemm.store
func.func @blocks_by_none(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b) out(%d)
      config <tile = <block = 128x96x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<?x384xbf16>)
  return
}
