// RUN: dgemm-opt %s --dgemm-tile-problem | FileCheck %s
// RUN: dgemm-opt %s --dgemm-tile-problem --dgemm-promote-accumulators --dgemm-choose-data-movement --dgemm-warp-specialize | FileCheck %s --check-prefix=SPECIALIZED

// An epilogue becomes a dgemm.map between the sum and its store; its operands are arguments behind the groups.
// CHECK-LABEL: dgemm.kernel @dense(
// CHECK-SAME: %d: memref<?x384xbf16> {dgemm.operand = "d"}, %epilogue0: memref<384xf32> {dgemm.operand = "epilogue0"},
// CHECK-SAME: %epilogue1: memref<?x384xbf16> {dgemm.operand = "epilogue1"}, %M: index {dgemm.size = "M"})
// CHECK-SAME: epilogue = <operands = [<name = "bias", along = n, element = f32>, <name = "residual", along = mn, element = bf16>],
// CHECK-SAME: ops = [<op = "arith.addf", args = [0, 1]>, <op = "math.tanh", args = [3], fastmath = "afn">,
// CHECK-SAME: <op = "arith.addf", args = [4, 2]>], result = 5>>
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of
// CHECK: %[[SUM:.*]] = scf.for
// CHECK: %[[Y:.*]] = dgemm.map %[[SUM]] at [%[[M]], %[[N]]] with (%epilogue0, %epilogue1 : memref<384xf32>, memref<?x384xbf16>) {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[B:.*]]: f32, %[[R:.*]]: f32):
// CHECK-NEXT: %[[T0:.*]] = arith.addf %[[X]], %[[B]] : f32
// CHECK-NEXT: %[[T1:.*]] = math.tanh %[[T0]] fastmath<afn> : f32
// CHECK-NEXT: %[[T2:.*]] = arith.addf %[[T1]], %[[R]] : f32
// CHECK-NEXT: dgemm.yield %[[T2]] : f32
// CHECK-NEXT: } : !dgemm.frag<128x128xf32>
// CHECK-NEXT: dgemm.store %[[Y]], %d[%[[M]], %[[N]]]

// Each warpgroup maps its slices of 64 rows, each at its row. It fetches the bias in front of the K loop, and prefetches the
// residual.
// SPECIALIZED-LABEL: dgemm.kernel @dense(
// SPECIALIZED: consumer (%[[WG:.*]]) x 2
// SPECIALIZED: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of
// SPECIALIZED: dgemm.await{{$}}
// SPECIALIZED: %[[BIAS:.*]] = dgemm.fetch %epilogue0[%[[N]]] : memref<384xf32> -> !dgemm.tile<1x128xf32>
// SPECIALIZED: dgemm.prefetch %epilogue1[%{{.*}}, %[[N]]] extent = [64, 128] : memref<?x384xbf16>
// SPECIALIZED: %[[SUM:.*]] = scf.for
// SPECIALIZED: %[[LANDED:.*]] = dgemm.await(%[[BIAS]] : !dgemm.tile<1x128xf32> -> !dgemm.tile<1x128xf32>)
// SPECIALIZED: %[[ROW:.*]] = arith.addi %[[M]], %{{.*}} : index
// SPECIALIZED-NEXT: %[[Y:.*]] = dgemm.map %[[SUM]] at [%[[ROW]], %[[N]]] with (%[[LANDED]], %epilogue1 : {{.*}}) {
// SPECIALIZED: } : !dgemm.frag<64x128xf32>
// SPECIALIZED: dgemm.store %[[Y]], %d
func.func @dense(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                 %d: memref<?x384xbf16>, %bias: memref<384xf32>, %r: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>>
      epilogue(%bias : memref<384xf32> along n named "bias", %r : memref<?x384xbf16> along mn named "residual") {
    ^bb0(%x: f32, %b0: f32, %r0: f32):
      %0 = arith.addf %x, %b0 : f32
      %1 = math.tanh %0 fastmath<afn> : f32
      %2 = arith.addf %1, %r0 : f32
      dgemm.yield %2 : f32
    }
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// In a grouped layout it has the group. It stands behind the scaling of the sum, where that is scaled as a whole.
// CHECK-LABEL: dgemm.kernel @contiguous(
// CHECK-SAME: %m_indices: memref<256xi32> {dgemm.operand = "m_indices"}, %epilogue0: memref<3x384xf32> {dgemm.operand = "epilogue0"})
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]], %[[G:.*]]) of
// CHECK: %[[SCALED:.*]] = dgemm.promote
// CHECK: %[[Y:.*]] = dgemm.map %[[SCALED]] at [%[[M]], %[[N]]] group %[[G]] with (%epilogue0 : memref<3x384xf32>) {
// CHECK: dgemm.store %[[Y]], %d[%[[M]], %[[N]]]
// SPECIALIZED-LABEL: dgemm.kernel @contiguous(
// SPECIALIZED: dgemm.fetch %epilogue0[%[[G:.*]], %{{.*}}] : memref<3x384xf32> -> !dgemm.tile<1x128xf32>
// SPECIALIZED: dgemm.map %{{.*}} at [%{{.*}}, %{{.*}}] group %[[G]] with (%{{.*}} : !dgemm.tile<1x128xf32>) {
func.func @contiguous(%a: memref<256x512xf8E4M3FN>, %sa: memref<1x256xf32>, %b: memref<3x384x512xf8E4M3FN>, %sb: memref<3x1x1xf32>,
                      %d: memref<256x384xbf16>, %groups: memref<256xi32>, %bias: memref<3x384xf32>) {
  dgemm.gemm contiguous(%groups) lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [full, full]) out(%d)
      config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>>
      epilogue(%bias : memref<3x384xf32> along n named "bias") {
    ^bb0(%x: f32, %b0: f32):
      %0 = arith.addf %x, %b0 : f32
      dgemm.yield %0 : f32
    }
      : (memref<256x512xf8E4M3FN>, memref<1x256xf32>, memref<3x384x512xf8E4M3FN>, memref<3x1x1xf32>, memref<256x384xbf16>, memref<256xi32>)
  return
}

// With split_k it runs once, on the columns of the sum over the cluster that a CTA has.
// CHECK-LABEL: dgemm.kernel @split(
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of
// CHECK: %[[SUM:.*]], %[[COLUMN:.*]] = dgemm.reduce_cluster
// CHECK: %[[OWN:.*]] = arith.addi %[[N]], %[[COLUMN]] : index
// CHECK: %[[Y:.*]] = dgemm.map %[[SUM]] at [%[[M]], %[[OWN]]] {
// CHECK: } : !dgemm.frag<64x32xf32>
// CHECK: dgemm.store %[[Y]], %d[%[[M]], %[[OWN]]]
func.func @split(%a: memref<64x2048xf8E4M3FN>, %sa: memref<16x64xf32>, %b: memref<384x2048xf8E4M3FN>, %sb: memref<3x16xf32>,
                 %d: memref<64x384xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 4, warpgroups = 1>>
      epilogue {
    ^bb0(%x: f32):
      %zero = arith.constant 0.0 : f32
      %0 = arith.maximumf %x, %zero : f32
      dgemm.yield %0 : f32
    }
      : (memref<64x2048xf8E4M3FN>, memref<16x64xf32>, memref<384x2048xf8E4M3FN>, memref<3x16xf32>, memref<64x384xf32>)
  return
}

// A gated epilogue pairs the halves of a tile: the one of columns of D from half of the tile's place on, the other N/2 further. D is
// stored at half of the tile's place.
// CHECK-LABEL: dgemm.kernel @gated(
// CHECK-SAME: %d: memref<64x256xbf16> {dgemm.operand = "d"})
// CHECK-SAME: epilogue = <ops = [<op = "arith.mulf", args = [0, 1]>], result = 2, gated = true>>
// CHECK: dgemm.for_each_tile (%[[M:.*]], %[[N:.*]]) of (%c64, %c512) tile = [64, 256]
// CHECK: %[[COLUMN:.*]] = arith.divui %[[N]], %{{.*}} : index
// CHECK: dgemm.load_scales %scale_b[%[[COLUMN]], %{{.*}}] : memref<4x4xf32> -> vector<2xf32>
// CHECK: dgemm.load %b[%[[COLUMN]], %{{.*}}] : {{.*}} -> !dgemm.tile<256x128xf8E4M3FN, swizzle = 128>
// CHECK: %[[Y:.*]] = dgemm.map %{{.*}} at [%[[M]], %[[COLUMN]]] {
// CHECK-NEXT: ^bb0(%[[X0:.*]]: f32, %[[X1:.*]]: f32):
// CHECK: } : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x128xf32>
// CHECK-NEXT: dgemm.store %[[Y]], %d[%[[M]], %[[COLUMN]]] : !dgemm.frag<64x128xf32>, memref<64x256xbf16>
// SPECIALIZED-LABEL: dgemm.kernel @gated(
// SPECIALIZED: } : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x128xf32>
func.func @gated(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>,
                 %d: memref<64x256xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x256x128>, schedule = <stages = 4, warpgroups = 1>>
      epilogue gated {
    ^bb0(%x0: f32, %x1: f32):
      %0 = arith.mulf %x0, %x1 : f32
      dgemm.yield %0 : f32
    }
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xbf16>)
  return
}
