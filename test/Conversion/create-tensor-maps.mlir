// RUN: dgemm-opt %s --dgemm-create-tensor-maps | FileCheck %s

// Operands that tiles move from or to by TMA get tensor maps, which say how the host encodes them: innermost dimension first,
// strides in bytes, one box for a tile. D has one map for each width of its panels (96 = 64 + 32 columns), with the swizzle
// of the panel. Two loads of the same tile have one map.
// CHECK-LABEL: dgemm.kernel @gemm(
// CHECK-SAME: %M: index {dgemm.size = "M"},
// CHECK-SAME: %a_map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN, dims = (d0, d1, d2) -> (640, d0), strides = (d0, d1, d2) -> (640), box = [128, 128], swizzle = 128>},
// CHECK-SAME: %scale_a_map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = scale_a, element = f32, dims = (d0, d1, d2) -> (d0, 5), strides = (d0, d1, d2) -> ((d0 ceildiv 4) * 16), box = [128, 1]>},
// CHECK-SAME: %d_map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = d, element = bf16, dims = (d0, d1, d2) -> (384, d0), strides = (d0, d1, d2) -> (768), box = [64, 64], swizzle = 128>},
// CHECK-SAME: %d_map_0: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = d, element = bf16, {{.*}} box = [32, 64], swizzle = 64>})
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @gemm(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %stage = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%c0, %c0] into %stage[0] by <tma> : memref<?x640xf8E4M3FN>, !stage
    dgemm.load_async %a[%c0, %c0] into %stage[0] by <tma, cache = evict_first> : memref<?x640xf8E4M3FN>, !stage
    // What is copied needs no map.
    dgemm.load_async %b[%c0, %c0] into %stage[1] by <registers> : memref<384x640xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%c0, %c0] into %stage[2] by <tma> : memref<5x?xf32>, !stage
  } consumer (%wg) x 2 registers = 232 {
    %zero = dgemm.zero : <64x96xf32>
    dgemm.store %zero, %d[%c0, %c0] by <tma> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  }
}

// Of a tile that two CTAs share each loads one half.
// CHECK-LABEL: dgemm.kernel @multicast(
// CHECK-SAME: %b_map: {{.*}} box = [128, 48]
dgemm.kernel @multicast(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                        %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                        %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x96x128, cluster = 2x1>, schedule = <stages = 2, warpgroups = 2>> {
  %N = arith.constant 384 : index
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 96] group_m = 8 cluster = [2, 1] {
      %stage = dgemm.acquire %ring : !ring -> !stage
      dgemm.load_async %b[%n, %n] into %stage[1] by <tma, multicast = column> : memref<384x640xf8E4M3FN>, !stage
    }
  } consumer (%wg) x 2 registers = 232 {
  }
}

// The rows of a store may end inside of a slice. The map of D then has windows of 64 rows, one that ends before each row and one that
// ends with D. The first of them begins 64 rows before D.
// CHECK-LABEL: dgemm.kernel @rows(
// CHECK-SAME: %d_map: {{.*}}operand = d, element = bf16, dims = (d0, d1, d2, d3) -> (384, 64, d0 + 1, d3), strides = (d0, d1, d2, d3) -> (768, 768, d0 * 768), box = [64, 64, 1, 1], swizzle = 128, offset = (d0, d1, d2, d3) -> (-49152)>})
dgemm.kernel @rows(%a: memref<?x?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<?x5x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<?x384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<?x3x5xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x?x384xbf16> {dgemm.operand = "d"}, %masked_m: memref<?xi32> {dgemm.operand = "masked_m"},
                   %M: index {dgemm.size = "M"}, %G: index {dgemm.size = "G"})
    problem <layout = masked, sizes = [-1, 384, 640, -1]>
    config <tile = <block = 128x64x128>, schedule = <stages = 2, warpgroups = 2>> {
  %N = arith.constant 384 : index
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %zero = dgemm.zero : <64x64xf32>
    dgemm.for_each_tile (%m, %n, %g, %rows) of (%M, %N) masked %masked_m : memref<?xi32> tile = [128, 64] group_m = 8 {
      dgemm.store %zero, %d[%g, %m, %n] rows %rows by <tma> : !dgemm.frag<64x64xf32>, memref<?x?x384xbf16>
    }
  }
}
