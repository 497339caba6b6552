module attributes {dgemm.machine = #dgemm.machine<name = "h100", multiprocessors = 132>} {
  dgemm.kernel @dgemm_mx_n256_k512(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<1x1xf32> {dgemm.operand = "scale_a"}, %b: memref<256x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<4x256xf32> {dgemm.operand = "scale_b"}, %d: memref<?x256xf32> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 256, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, 128] of f32>, out = f32>
      config <tile = <block = 64x64x128>, schedule = <stages = 3, warpgroups = 1>> {
    %c256 = arith.constant 256 : index
    %c512 = arith.constant 512 : index
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    dgemm.for_each_tile (%m, %n) of (%M, %c256) tile = [64, 64] group_m = 8 {
      %0 = dgemm.zero : <64x64xf32>
      %1 = scf.for %arg0 = %c0 to %c512 step %c128 iter_args(%arg1 = %0) -> (!dgemm.frag<64x64xf32>) {
        %5 = dgemm.load_scales %scale_b[%n, %arg0] : memref<4x256xf32> -> !dgemm.frag<1x64xf32>
        %6 = dgemm.load %a[%m, %arg0] : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        %7 = dgemm.load %b[%n, %arg0] : memref<256x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        %8 = dgemm.mma %6, %7 : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
        %9 = dgemm.promote %8 scaled columns %5 at %n into %arg1 : !dgemm.frag<64x64xf32>, !dgemm.frag<1x64xf32> -> !dgemm.frag<64x64xf32>
        scf.yield %9 : !dgemm.frag<64x64xf32>
      }
      %c0_0 = arith.constant 0 : index
      %2 = dgemm.load_scales %scale_a[%m, %c0_0] : memref<1x1xf32> -> !dgemm.frag<64x1xf32>
      %3 = dgemm.zero : <64x64xf32>
      %4 = dgemm.promote %1 scaled rows %2 into %3 : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32> -> !dgemm.frag<64x64xf32>
      dgemm.store %4, %d[%m, %n] : !dgemm.frag<64x64xf32>, memref<?x256xf32>
    }
  }
}

