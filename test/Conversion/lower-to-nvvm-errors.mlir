// RUN: dgemm-opt %s --dgemm-lower-to-nvvm -split-input-file -verify-diagnostics

// Threads and registers are those of the roles, so there are roles.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.warp_specialize; run dgemm-warp-specialize first}}
dgemm.kernel @sequential(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                         %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                         %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
}

// -----

// All lanes of a warp look for the group of a masked tile.
dgemm.kernel @thread(%a: memref<5x64x128xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<5x1x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<5x64x128xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<5x1x1xf32> {dgemm.operand = "scale_b"},
                     %d: memref<5x64x64xbf16> {dgemm.operand = "d"}, %masked_m: memref<5xi32> {dgemm.operand = "masked_m"})
    problem <sizes = [64, 64, 128, 5], layout = masked>
    config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c64 = arith.constant 64 : index
  dgemm.warp_specialize producer registers = 40 {
    // expected-error @+1 {{expected a producer of whole warps, because all their lanes search for the group of a tile, but got one of 1 thread; run dgemm-lower-ring first}}
    dgemm.for_each_tile (%m, %n, %g, %rows) of (%c64, %c64) masked %masked_m : memref<5xi32> tile = [64, 64] group_m = 1 {
    }
  } consumer (%wg) x 1 registers = 232 {
  }
}

// -----

// What no pass before it took is not left there in silence.
func.func @gemm(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op is outside of a dgemm.kernel, so nothing converts it}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}
