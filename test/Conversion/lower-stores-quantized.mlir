// RUN: dgemm-opt %s --dgemm-lower-stores --cse --split-input-file | FileCheck %s

// A store with scales becomes a dgemm.quantize, and a store of its result, by TMA, whose staging has bytes. Both know the rows of
// the group.
// CHECK-LABEL: dgemm.kernel @group(
// CHECK: %[[Q:.*]] = dgemm.quantize %{{.*}} at [%{{.*}}, %[[M:.*]], %[[N:.*]]] rows %[[ROWS:.*]] into %scale_d : !dgemm.frag<64x256xf32>, memref<2x3x64xf32>
// CHECK: scf.if
// CHECK: dgemm.tile_at %{{.*}} : !dgemm.tile<64x128xi8, swizzle = 128>
// CHECK: dgemm.store_fragment %[[Q]][0] into
// CHECK: dgemm.store_fragment %[[Q]][128] into
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map
// CHECK-NOT: dgemm.store %
#map = #dgemm.tensor_map<operand = d, element = f8E4M3FN, dims = (M, N, K, G) -> (384, 64, 65, 2), strides = (M, N, K, G) -> (384, 384, 24576),
                         box = [128, 64, 1, 1], swizzle = 128, offset = (M, N, K, G) -> (-24576)>
dgemm.kernel @group(%a: memref<2x64x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<2x5x64xf32> {dgemm.operand = "scale_a"},
                    %b: memref<2x384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<2x3x5xf32> {dgemm.operand = "scale_b"},
                    %d: memref<2x64x384xf8E4M3FN> {dgemm.operand = "d"}, %masked: memref<2xi32> {dgemm.operand = "masked_m"},
                    %scale_d: memref<2x3x64xf32> {dgemm.operand = "scale_d"}, %d_map: !llvm.ptr {dgemm.tensor_map = #map})
    problem <sizes = [64, 384, 640, 2], layout = masked, out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x256x128>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  %c384 = arith.constant 384 : index
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 232 {
    dgemm.for_each_tile (%m, %n, %g, %rows) of (%c64, %c384) masked %masked : memref<2xi32> tile = [64, 256] group_m = 8 {
      %acc = dgemm.zero : <64x256xf32>
      dgemm.store %acc, %d[%g, %m, %n] scaled %scale_d : memref<2x3x64xf32> rows %rows by <tma> : !dgemm.frag<64x256xf32>, memref<2x64x384xf8E4M3FN>
    }
  }
}

// -----

// Halves with an mma between them are stored one by one, even if the staging holds both.
// CHECK-LABEL: dgemm.kernel @early(
// CHECK: dgemm.quantize %{{.*}} part [0, 128]
// CHECK: nvvm.cp.async.bulk.commit.group
// CHECK: dgemm.mma_wait
// CHECK: dgemm.quantize %{{.*}} part [128, 128]
// CHECK: nvvm.cp.async.bulk.commit.group
// CHECK-NOT: nvvm.cp.async.bulk.commit.group
#map = #dgemm.tensor_map<operand = d, element = f8E4M3FN, dims = (M, N, K) -> (512, M), strides = (M, N, K) -> (512), box = [128, 64], swizzle = 128>
dgemm.kernel @early(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<512x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<4x5xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x512xf8E4M3FN> {dgemm.operand = "d"}, %scale_d: memref<4x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"},
                    %d_map: !llvm.ptr {dgemm.tensor_map = #map})
    problem <sizes = [-1, 512, 640], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 128x256x128>, schedule = <stages = 2, warpgroups = 2, early_store = true>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x256xf32>
    %half = dgemm.zero : <64x128xf32>
    dgemm.store %acc, %d[%M, %wg] scaled %scale_d : memref<4x?xf32> part [0, 128] by <tma> : !dgemm.frag<64x256xf32>, memref<?x512xf8E4M3FN>
    %part = dgemm.mma_wait %half pending = 0 : !dgemm.frag<64x128xf32>
    dgemm.store %acc, %d[%M, %wg] scaled %scale_d : memref<4x?xf32> part [128, 128] by <tma> : !dgemm.frag<64x256xf32>, memref<?x512xf8E4M3FN>
  }
}
