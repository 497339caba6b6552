// RUN: dgemm-opt %s --split-input-file --verify-diagnostics --dgemm-schedule-k-loop

// What may run a K block ahead of the mma, and what a K loop is that can be pipelined.

// What other ops do to a stage is not known.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>, <1x64xf32>>
!ring = !dgemm.ring<3, !stage>
!tile = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x64xf32>
dgemm.kernel @gemm(%a: memref<64x?xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<?x64xf32> {dgemm.operand = "scale_a"},
                   %b: memref<192x?xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<2x?xf32> {dgemm.operand = "scale_b"},
                   %d: memref<64x192xbf16> {dgemm.operand = "d"}, %K: index {dgemm.size = "K"}) problem <sizes = [64, 192, -1]>
    config <tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
  %M = arith.constant 64 : index
  %N = arith.constant 192 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %begin, %end = dgemm.k_range %K split = 2
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 72 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%M, %M] into %filled[0] : memref<64x?xf8E4M3FN>, !stage
    dgemm.load_async %b[%M, %M] into %filled[1] : memref<192x?xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%M, %M] into %filled[2] : memref<?x64xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 1 registers = 248 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 64] group_m = 8 cluster = [1, 1, 2] {
      %zero = dgemm.zero : <64x64xf32>
      %acc = scf.for %k = %begin to %end step %c128 iter_args(%before = %zero) -> (!acc) {
        %xb = dgemm.load_scales %scale_b[%n, %k] : memref<2x?xf32> -> vector<1xf32>
        %stage = dgemm.wait %ring : !ring -> !stage
        // expected-error @+1 {{expected only loads, views and index arithmetic before the first mma of a K block}}
        %x = memref.load %scale_b[%c0, %c0] : memref<2x?xf32>
        %tb = dgemm.view %stage[1] from %c0 : !stage -> !tile
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        %ta = dgemm.view %stage[0] from %row : !stage -> !tile
        %part = dgemm.mma %ta, %tb : !tile, !tile -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %before : !acc, !dgemm.frag<64x1xf32>, vector<1xf32> -> !acc
        scf.yield %next : !acc
      }
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !acc -> !dgemm.frag<64x32xf32>
      %first = arith.addi %n, %column : index
      dgemm.store %sum, %d[%row, %first] : !dgemm.frag<64x32xf32>, memref<64x192xbf16>
    }
  }
}

// -----

// A K block that may have no stage.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>, <1x64xf32>>
!ring = !dgemm.ring<3, !stage>
!tile = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x64xf32>
dgemm.kernel @gemm(%a: memref<64x?xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<?x64xf32> {dgemm.operand = "scale_a"},
                   %b: memref<192x?xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<2x?xf32> {dgemm.operand = "scale_b"},
                   %d: memref<64x192xbf16> {dgemm.operand = "d"}, %K: index {dgemm.size = "K"}) problem <sizes = [64, 192, -1]>
    config <tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
  %M = arith.constant 64 : index
  %N = arith.constant 192 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %begin, %end = dgemm.k_range %K split = 2
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 72 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%M, %M] into %filled[0] : memref<64x?xf8E4M3FN>, !stage
    dgemm.load_async %b[%M, %M] into %filled[1] : memref<192x?xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%M, %M] into %filled[2] : memref<?x64xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 1 registers = 248 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 64] group_m = 8 cluster = [1, 1, 2] {
      %zero = dgemm.zero : <64x64xf32>
      %acc = scf.for %k = %begin to %end step %c128 iter_args(%before = %zero) -> (!acc) {
        %xb = dgemm.load_scales %scale_b[%n, %k] : memref<2x?xf32> -> vector<1xf32>
        %some = arith.cmpi ult, %k, %K : index
        // expected-error @+1 {{expected no condition on the wait of a K block}}
        %stage = dgemm.wait %ring when %some : !ring -> !stage
        %tb = dgemm.view %stage[1] from %c0 : !stage -> !tile
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        %ta = dgemm.view %stage[0] from %row : !stage -> !tile
        %part = dgemm.mma %ta, %tb : !tile, !tile -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %before : !acc, !dgemm.frag<64x1xf32>, vector<1xf32> -> !acc
        scf.yield %next : !acc
      }
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !acc -> !dgemm.frag<64x32xf32>
      %first = arith.addi %n, %column : index
      dgemm.store %sum, %d[%row, %first] : !dgemm.frag<64x32xf32>, memref<64x192xbf16>
    }
  }
}

// -----

// The sum stays what it is.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>, <1x64xf32>>
!ring = !dgemm.ring<3, !stage>
!tile = !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
!acc = !dgemm.frag<64x64xf32>
dgemm.kernel @gemm(%a: memref<64x?xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<?x64xf32> {dgemm.operand = "scale_a"},
                   %b: memref<192x?xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<2x?xf32> {dgemm.operand = "scale_b"},
                   %d: memref<64x192xbf16> {dgemm.operand = "d"}, %K: index {dgemm.size = "K"}) problem <sizes = [64, 192, -1]>
    config <tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1, rotate = true>> {
  %M = arith.constant 64 : index
  %N = arith.constant 192 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %begin, %end = dgemm.k_range %K split = 2
  %ring = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 72 {
    %filled = dgemm.acquire %ring : !ring -> !stage
    dgemm.load_async %a[%M, %M] into %filled[0] : memref<64x?xf8E4M3FN>, !stage
    dgemm.load_async %b[%M, %M] into %filled[1] : memref<192x?xf8E4M3FN>, !stage
    dgemm.load_async %scale_a[%M, %M] into %filled[2] : memref<?x64xf32>, !stage
    dgemm.commit %ring : !ring
  } consumer (%wg) x 1 registers = 248 {
    %row = arith.muli %wg, %c64 : index
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 64] group_m = 8 cluster = [1, 1, 2] {
      %zero = dgemm.zero : <64x64xf32>
      // expected-error @+1 {{expected a K loop that can be pipelined}}
      %acc = scf.for %k = %begin to %end step %c128 iter_args(%before = %zero) -> (!acc) {
        %xb = dgemm.load_scales %scale_b[%n, %k] : memref<2x?xf32> -> vector<1xf32>
        %stage = dgemm.wait %ring : !ring -> !stage
        %tb = dgemm.view %stage[1] from %c0 : !stage -> !tile
        %tr = dgemm.view %stage[2] from %row : !stage -> !dgemm.tile<1x64xf32>
        %ra = dgemm.load_scales %tr : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
        %ta = dgemm.view %stage[0] from %row : !stage -> !tile
        %part = dgemm.mma %ta, %tb : !tile, !tile -> !acc
        dgemm.release %ring : !ring
        %next = dgemm.promote %part scaled %ra, %xb at %n into %before : !acc, !dgemm.frag<64x1xf32>, vector<1xf32> -> !acc
        scf.yield %before : !acc
      }
      %sum, %column = dgemm.reduce_cluster %acc split = 2 : !acc -> !dgemm.frag<64x32xf32>
      %first = arith.addi %n, %column : index
      dgemm.store %sum, %d[%row, %first] : !dgemm.frag<64x32xf32>, memref<64x192xbf16>
    }
  }
}
