!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<3, !stage>
module attributes {dgemm.machine = #dgemm.machine<name = "h100", multiprocessors = 132>} {
  dgemm.kernel @dgemm_mx_n256_k512(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<1x1xf32> {dgemm.operand = "scale_a"}, %b: memref<256x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<4x256xf32> {dgemm.operand = "scale_b"}, %d: memref<?x256xf32> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 256, 512], lhs = <f8E4M3FN by [full, full] of f32>, rhs = <f8E4M3FN by [1, 128] of f32>, out = f32>
      config <tile = <block = 64x64x128>, schedule = <stages = 3, warpgroups = 1>> {
    %c256 = arith.constant 256 : index
    %c512 = arith.constant 512 : index
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    %ring = dgemm.ring : !ring
    dgemm.warp_specialize
    producer registers = 40 {
      dgemm.for_each_tile (%m, %n) of (%M, %c256) tile = [64, 64] group_m = 8 {
        scf.for %arg0 = %c0 to %c512 step %c128 {
          %stage = dgemm.acquire %ring : !ring -> !stage
          dgemm.load_async %a[%m, %arg0] into %stage[0] by <tma, prefetch_from = 65, clip_rows = true> : memref<?x512xf8E4M3FN>, !stage
          dgemm.load_async %b[%n, %arg0] into %stage[1] by <tma, prefetch_from = 64> : memref<256x512xf8E4M3FN>, !stage
          dgemm.commit %ring : !ring
        }
      }
    } consumer (%wg) x 1 registers = 248 {
      %c64 = arith.constant 64 : index
      %0 = arith.muli %wg, %c64 : index
      dgemm.for_each_tile (%m, %n) of (%M, %c256) tile = [64, 64] group_m = 8 {
        %1 = dgemm.zero : <64x64xf32>
        %2 = scf.for %arg0 = %c0 to %c512 step %c128 iter_args(%arg1 = %1) -> (!dgemm.frag<64x64xf32>) {
          %stage = dgemm.wait %ring : !ring -> !stage
          %c0_1 = arith.constant 0 : index
          %c0_2 = arith.constant 0 : index
          %8 = dgemm.view %stage[1] from %c0_2 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
          %9 = dgemm.view %stage[0] from %0 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
          %10 = dgemm.mma %9, %8 : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
          dgemm.release %ring : !ring
          %11 = dgemm.load_scales %scale_b[%n, %arg0] by <registers> : memref<4x256xf32> -> !dgemm.frag<1x64xf32>
          %12 = dgemm.promote %10 scaled columns %11 at %n into %arg1 : !dgemm.frag<64x64xf32>, !dgemm.frag<1x64xf32> -> !dgemm.frag<64x64xf32>
          scf.yield %12 : !dgemm.frag<64x64xf32>
        }
        %c0_0 = arith.constant 0 : index
        %3 = arith.addi %m, %0 : index
        %4 = dgemm.load_scales %scale_a[%3, %c0_0] by <registers> : memref<1x1xf32> -> !dgemm.frag<64x1xf32>
        %5 = dgemm.zero : <64x64xf32>
        %6 = dgemm.promote %2 scaled rows %4 into %5 : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32> -> !dgemm.frag<64x64xf32>
        %7 = arith.addi %m, %0 : index
        dgemm.store %6, %d[%7, %n] by <registers> : !dgemm.frag<64x64xf32>, memref<?x256xf32>
      }
    }
  }
}

