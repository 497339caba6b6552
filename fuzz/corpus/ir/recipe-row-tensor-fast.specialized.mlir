!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<3, !stage>
module attributes {dgemm.machine = #dgemm.machine<name = "h100", multiprocessors = 132>} {
  dgemm.kernel @dgemm_mx_n256_k512(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<1x?xf32> {dgemm.operand = "scale_a"}, %b: memref<256x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<1x1xf32> {dgemm.operand = "scale_b"}, %d: memref<?x256xf32> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 256, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E4M3FN by [full, full] of f32>, out = f32, accuracy = fast>
      config <tile = <block = 64x64x128>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
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
        %c0_0 = arith.constant 0 : index
        %c0_1 = arith.constant 0 : index
        %true = arith.constant true
        %stage = dgemm.wait %ring : !ring -> !stage
        %2 = dgemm.view %stage[1] from %c0_1 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        %3 = dgemm.view %stage[0] from %0 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        %4:3 = scf.for %arg0 = %c0 to %c512 step %c128 iter_args(%arg1 = %1, %arg2 = %3, %arg3 = %2) -> (!dgemm.frag<64x64xf32>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>) {
          %c384 = arith.constant 384 : index
          %11 = arith.addi %arg0, %c128 : index
          %12 = arith.cmpi ult, %11, %c512 : index
          %13 = dgemm.mma_start %arg2, %arg3 into %arg1 : !dgemm.frag<64x64xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
          %stage_3 = dgemm.wait %ring when %12 : !ring -> !stage
          %14 = dgemm.view %stage_3[1] from %c0_1 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
          %15 = dgemm.view %stage_3[0] from %0 : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
          %16 = dgemm.mma_wait %13 pending = 0 : !dgemm.frag<64x64xf32>
          dgemm.release %ring : !ring
          scf.yield %16, %15, %14 : !dgemm.frag<64x64xf32>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
        }
        %c0_2 = arith.constant 0 : index
        %5 = dgemm.load_scales %scale_b[%n, %c0_2] by <registers> : memref<1x1xf32> -> vector<1xf32>
        %6 = arith.addi %m, %0 : index
        %7 = dgemm.load_scales %scale_a[%6, %c0_2] by <registers> : memref<1x?xf32> -> !dgemm.frag<64x1xf32>
        %8 = dgemm.zero : <64x64xf32>
        %9 = dgemm.promote %4#0 scaled %7, %5 at %n into %8 : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32>, vector<1xf32> -> !dgemm.frag<64x64xf32>
        %10 = arith.addi %m, %0 : index
        dgemm.store %9, %d[%10, %n] by <registers> : !dgemm.frag<64x64xf32>, memref<?x256xf32>
      }
    }
  }
}

