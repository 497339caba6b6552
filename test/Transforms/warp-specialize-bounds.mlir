// RUN: dgemm-gen %s --emit=ptx -o %t.ptx
// RUN: dgemm-gen %s --emit=launch -o %t.json
// RUN: dgemm-run --device=emulator --no-time --multiprocessors=2 --kernel=%t.ptx --launch=%t.json --m=100 | FileCheck %s
// CHECK: PASS

// What the roles use may be computed in the tile loop, and what they make for themselves around it.
dgemm.kernel @dgemm_mx_n256_k512(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<256x512xf8E4M3FN> {dgemm.operand = "b"},
    %scale_b: memref<2x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x256xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 256, 512]>
    config <tile = <block = 64x64x128>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
  %zero = dgemm.zero : <64x64xf32>
  %c256 = arith.constant 256 : index
  %c512 = arith.constant 512 : index
  %c128 = arith.constant 128 : index
  dgemm.for_each_tile (%m, %n) of (%M, %c256) tile = [64, 64] group_m = 8 {
    %c0 = arith.constant 0 : index
    %1 = scf.for %arg0 = %c0 to %c512 step %c128 iter_args(%arg1 = %zero) -> (!dgemm.frag<64x64xf32>) {
      %c128_0 = arith.constant 128 : index
      %2 = arith.divui %arg0, %c128_0 : index
      %3 = dgemm.load_scales %scale_b[%n, %arg0] : memref<2x4xf32> -> vector<1xf32>
      %4 = dgemm.load %a[%m, %arg0] : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      %5 = dgemm.load %b[%n, %arg0] : memref<256x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
      %6 = dgemm.load %scale_a[%2, %m] : memref<4x?xf32> -> !dgemm.tile<1x64xf32>
      %7 = dgemm.load_scales %6 : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
      %8 = dgemm.mma %4, %5 : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
      %9 = dgemm.promote %8 scaled %7, %3 at %n into %arg1 : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32>, vector<1xf32> -> !dgemm.frag<64x64xf32>
      scf.yield %9 : !dgemm.frag<64x64xf32>
    }
    dgemm.store %1, %d[%m, %n] : !dgemm.frag<64x64xf32>, memref<?x256xbf16>
  }
}
