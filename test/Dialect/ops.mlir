// RUN: dgemm-opt %s --verify-roundtrip | FileCheck %s
// RUN: dgemm-opt %s --mlir-print-op-generic | dgemm-opt | FileCheck %s

// Every operation in its custom form: what is printed parses again as the same IR, from the custom and from the generic
// form. Types of rings and stages are long, so the printer names them once, at the top.

// CHECK: !stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <192x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
// CHECK: !ring = !dgemm.ring<4, !stage>
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <192x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>

//===----------------------------------------------------------------------===//
// Problem
//===----------------------------------------------------------------------===//

// The problem names both operands with their scales and granularity, and the output.
// CHECK-LABEL: func.func @gemm(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: memref<4x?xf32>, %[[B:[a-z0-9]+]]: memref<384x512xf8E4M3FN>, %[[SB:[a-z0-9]+]]: memref<3x4xf32>, %[[D:[a-z0-9]+]]: memref<?x384xbf16>)
func.func @gemm(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                %d: memref<?x384xbf16>) {
  // CHECK: dgemm.gemm dense lhs(%[[A]] scaled %[[SA]] by [1, 128]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%[[D]]) : (
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  // A config may be attached; in the op it stands without the name of the attribute.
  // CHECK: dgemm.gemm dense {{.*}} out(%[[D]]) config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> : (
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// An operand without scales stands alone, and so does its type.
// CHECK-LABEL: func.func @no_scales(
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x512xf8E4M3FN>, %[[SA:[a-z0-9]+]]: memref<1x?xf32>, %[[B:[a-z0-9]+]]: memref<384x512xf8E5M2>, %[[SB:[a-z0-9]+]]: memref<3x4xf32>, %[[D:[a-z0-9]+]]: memref<?x384xbf16>)
func.func @no_scales(%a: memref<?x512xf8E4M3FN>, %sa: memref<1x?xf32>, %b: memref<384x512xf8E5M2>, %sb: memref<3x4xf32>,
                     %d: memref<?x384xbf16>) {
  // CHECK: dgemm.gemm dense accuracy(fast) lhs(%[[A]]) rhs(%[[B]]) out(%[[D]]) : (memref<?x512xf8E4M3FN>, memref<384x512xf8E5M2>, memref<?x384xbf16>)
  dgemm.gemm dense accuracy(fast) lhs(%a) rhs(%b) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<384x512xf8E5M2>, memref<?x384xbf16>)
  // CHECK: dgemm.gemm dense lhs(%[[A]] scaled %[[SA]] by [1, full]) rhs(%[[B]]) out(%[[D]]) : (memref<?x512xf8E4M3FN>, memref<1x?xf32>, memref<384x512xf8E5M2>, memref<?x384xbf16>)
  dgemm.gemm dense lhs(%a scaled %sa by [1, full]) rhs(%b) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<1x?xf32>, memref<384x512xf8E5M2>, memref<?x384xbf16>)
  // CHECK: dgemm.gemm dense lhs(%[[A]]) rhs(%[[B]] scaled %[[SB]] by [128, 128]) out(%[[D]]) : (memref<?x512xf8E4M3FN>, memref<384x512xf8E5M2>, memref<3x4xf32>, memref<?x384xbf16>)
  dgemm.gemm dense lhs(%a) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<384x512xf8E5M2>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// On tensors the result is D, which starts as the tensor in `out`.
// CHECK-LABEL: func.func @tensors(
func.func @tensors(%a: tensor<2x?x512xf8E4M3FN>, %sa: tensor<2x4x?xf32>, %b: tensor<2x384x512xf8E4M3FN>,
                   %sb: tensor<2x3x4xf32>, %d: tensor<2x?x384xbf16>, %rows: tensor<2xi32>) -> tensor<2x?x384xbf16> {
  // CHECK: %[[D:.*]] = dgemm.gemm masked(%{{.*}}) lhs({{.*}} out(%{{.*}}) : (tensor<2x?x512xf8E4M3FN>, {{.*}}, tensor<2x?x384xbf16>, tensor<2xi32>) -> tensor<2x?x384xbf16>
  %0 = dgemm.gemm masked(%rows) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<2x?x512xf8E4M3FN>, tensor<2x4x?xf32>, tensor<2x384x512xf8E4M3FN>, tensor<2x3x4xf32>, tensor<2x?x384xbf16>,
         tensor<2xi32>) -> tensor<2x?x384xbf16>
  // CHECK: return %[[D]]
  return %0 : tensor<2x?x384xbf16>
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

// Arguments of a kernel are named after what they carry, whatever the input calls them.
// CHECK-LABEL: dgemm.kernel @tiles(
// CHECK-SAME: %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
// CHECK-SAME: %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
// CHECK-SAME: %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
// CHECK-NEXT: config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
dgemm.kernel @tiles(%x0: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %x1: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %x2: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %x3: memref<3x4xf32> {dgemm.operand = "scale_b"},
                    %x4: memref<?x384xbf16> {dgemm.operand = "d"}, %size: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  // CHECK: %[[N:c384]] = arith.constant 384
  %n_total = arith.constant 384 : index
  // The tile loop gives the element offsets of a tile.
  // CHECK: dgemm.for_each_tile (%[[TM:m]], %[[TN:n]]) of (%M, %[[N]]) tile = [128, 192] group_m = 8 {
  dgemm.for_each_tile (%m, %n) of (%size, %n_total) tile = [128, 192] group_m = 8 {
    // CHECK-NEXT: %[[ZERO:.*]] = dgemm.zero : <128x192xf32>
    %zero = dgemm.zero : <128x192xf32>
    // Loads make tiles in shared memory, at element offsets of the operand.
    // CHECK-NEXT: %[[TA:.*]] = dgemm.load %a[%[[TM]], %{{.*}}] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
    %ta = dgemm.load %x0[%m, %c0] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
    // CHECK-NEXT: %[[TB:.*]] = dgemm.load %b[%[[TN]], %{{.*}}] : memref<384x512xf8E4M3FN> -> !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>
    %tb = dgemm.load %x2[%n, %c0] : memref<384x512xf8E4M3FN> -> !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>
    // CHECK-NEXT: %[[TS:.*]] = dgemm.load %scale_a[%{{.*}}, %[[TM]]] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
    %ts = dgemm.load %x1[%c0, %m] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
    // CHECK-NEXT: %[[RA:.*]] = dgemm.load_scales %[[TS]] : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
    %ra = dgemm.load_scales %ts : !dgemm.tile<1x128xf32> -> !dgemm.frag<128x1xf32>
    // Tiles of 192 columns start at multiples of 64 modulo 128: they may meet two scale blocks.
    // CHECK-NEXT: %[[XB:.*]] = dgemm.load_scales %scale_b[%[[TN]], %{{.*}}] : memref<3x4xf32> -> vector<2xf32>
    %xb = dgemm.load_scales %x3[%n, %c0] : memref<3x4xf32> -> vector<2xf32>
    // CHECK-NEXT: %[[SUM:.*]] = dgemm.scaled_mma %[[TA]], %[[TB]] scaled %[[RA]], %[[XB]] at %[[TN]] into %[[ZERO]] : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>, !dgemm.frag<128x1xf32>, vector<2xf32>, !dgemm.frag<128x192xf32>
    %sum = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %n into %zero
        : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>,
          !dgemm.frag<128x1xf32>, vector<2xf32>, !dgemm.frag<128x192xf32>
    // CHECK-NEXT: %[[PART:.*]] = dgemm.mma %[[TA]], %[[TB]] : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x192xf32>
    %part = dgemm.mma %ta, %tb : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>,
        !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x192xf32>
    // CHECK-NEXT: %[[NEXT:.*]] = dgemm.promote %[[PART]] scaled %[[RA]], %[[XB]] at %[[TN]] into %[[SUM]] : !dgemm.frag<128x192xf32>, !dgemm.frag<128x1xf32>, vector<2xf32> -> !dgemm.frag<128x192xf32>
    %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
        : !dgemm.frag<128x192xf32>, !dgemm.frag<128x1xf32>, vector<2xf32> -> !dgemm.frag<128x192xf32>
    // A later mma may take over the registers of a fragment that is no longer needed.
    // CHECK-NEXT: %[[AGAIN:.*]] = dgemm.mma %[[TA]], %[[TB]] over %[[PART]] : !dgemm.frag<128x192xf32> : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x192xf32>
    %again = dgemm.mma %ta, %tb over %part : !dgemm.frag<128x192xf32> : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>,
        !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<128x192xf32>
    // CHECK-NEXT: dgemm.store %[[NEXT]], %d[%[[TM]], %[[TN]]] : !dgemm.frag<128x192xf32>, memref<?x384xbf16>
    dgemm.store %next, %x4[%m, %n] : !dgemm.frag<128x192xf32>, memref<?x384xbf16>
    // A yield of nothing is not printed.
    // CHECK-NEXT: }
  }
}

// Values may be carried from tile to tile; then the yield is printed.
// CHECK-LABEL: dgemm.kernel @carried(
dgemm.kernel @carried(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 384 : index
  // CHECK: %[[INIT:.*]] = arith.constant 0 : i32
  %init = arith.constant 0 : i32
  // CHECK: %{{.*}} = dgemm.for_each_tile (%{{.*}}, %{{.*}}) of (%M, %{{.*}}) tile = [64, 96] group_m = 1 iter_args(%[[X:.*]] = %[[INIT]]) -> i32 {
  %last = dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 96] group_m = 1 iter_args(%x = %init) -> (i32) {
    // CHECK-NEXT: %[[Y:.*]] = arith.addi %[[X]], %[[X]]
    %y = arith.addi %x, %x : i32
    // CHECK-NEXT: dgemm.yield %[[Y]] : i32
    dgemm.yield %y : i32
  }
  // CHECK: dgemm.for_each_tile (%m, %n) of (%{{.*}}, %{{.*}}) tile = [64, 96] group_m = 1 first {
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 96] group_m = 1 first {}
  // Where the K block lies that a K loop takes next: every second tile of a CTA walks K backwards.
  // CHECK: dgemm.for_each_tile
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 96] group_m = 1 {
    // CHECK-NEXT: %[[OFFSET:offset]] = dgemm.walk_k %[[K:m]] from %{{.*}} to %[[K]]
    %at = dgemm.walk_k %m from %n to %m
  }
}

//===----------------------------------------------------------------------===//
// Pipeline
//===----------------------------------------------------------------------===//

// One region for the producer, one for each of the consumers, whose index is the region's argument. A stage is acquired,
// filled and committed by the producer, and waited for, read and released by the consumers.
// CHECK-LABEL: dgemm.kernel @pipeline(
dgemm.kernel @pipeline(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                       %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                       %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
  // CHECK: %[[R:ring]] = dgemm.ring : !ring
  %r = dgemm.ring : !ring
  // CHECK-NEXT: dgemm.warp_specialize
  // CHECK-NEXT: producer registers = 40 {
  dgemm.warp_specialize
  producer registers = 40 {
    // CHECK-NEXT: %[[FREE:stage]] = dgemm.acquire %[[R]] : !ring -> !stage
    %free = dgemm.acquire %r : !ring -> !stage
    // CHECK-NEXT: dgemm.load_async %a[%M, %M] into %[[FREE]][0] : memref<?x512xf8E4M3FN>, !stage
    dgemm.load_async %a[%M, %M] into %free[0] : memref<?x512xf8E4M3FN>, !stage
    // CHECK-NEXT: dgemm.load_async %scale_a[%M, %M] into %[[FREE]][2] : memref<4x?xf32>, !stage
    dgemm.load_async %scale_a[%M, %M] into %free[2] : memref<4x?xf32>, !stage
    // CHECK-NEXT: dgemm.commit %[[R]] : !ring
    dgemm.commit %r : !ring
  // CHECK-NEXT: } consumer (%[[WG:wg]]) x 2 registers = 232 {
  } consumer (%warpgroup) x 2 registers = 232 {
    // CHECK-NEXT: %[[FULL:stage]] = dgemm.wait %[[R]] : !ring -> !stage
    %full = dgemm.wait %r : !ring -> !stage
    // Whole rows of a tile of several rows, elements of one of a single row.
    // CHECK-NEXT: dgemm.view %[[FULL]][0] from %[[WG]] : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
    %rows = dgemm.view %full[0] from %warpgroup : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
    // CHECK-NEXT: dgemm.view %[[FULL]][2] from %[[WG]] : !stage -> !dgemm.tile<1x64xf32>
    %elements = dgemm.view %full[2] from %warpgroup : !stage -> !dgemm.tile<1x64xf32>
    // CHECK-NEXT: dgemm.release %[[R]] : !ring
    dgemm.release %r : !ring
  }
}

!turns_stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!turns_ring = !dgemm.ring<2, !turns_stage>
// Warpgroups that take turns.
// CHECK-LABEL: dgemm.kernel @turns(
dgemm.kernel @turns(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 2, pingpong = true>> {
  %r = dgemm.ring : !turns_ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%warpgroup) x 2 registers = 232 {
    // CHECK: consumer (%[[WG:.*]]) x 2 registers = 232 {
    // CHECK-NEXT: dgemm.await_turn %[[WG]]
    dgemm.await_turn %warpgroup
    // CHECK-NEXT: dgemm.mma_wait_reads pending = 2
    dgemm.mma_wait_reads pending = 2
    // CHECK-NEXT: dgemm.pass_turn %[[WG]]
    dgemm.pass_turn %warpgroup
    // CHECK-NEXT: dgemm.skip %[[WG]] of %{{.*}} : !ring{{[0-9]*}}
    dgemm.skip %warpgroup of %r : !turns_ring
  }
}

// Scales of B on their way to a tile of a stage, and read from it; the producer may be a warp.
!scales_stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>, <1x64xf32>, <1x2xf32>>
!scales_ring = !dgemm.ring<2, !scales_stage>
// CHECK-LABEL: dgemm.kernel @block_scales(
dgemm.kernel @block_scales(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                           %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                           %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x48x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !scales_ring
  dgemm.warp_specialize
  // CHECK: producer x 32 registers = 40 {
  producer x 32 registers = 40 {
    %free = dgemm.acquire %r : !scales_ring -> !scales_stage
    // CHECK: dgemm.load_async %scale_b[%M, %M] into %{{.*}}[3] by <cp_async> : memref<3x4xf32>, !stage{{[0-9]*}}
    dgemm.load_async %scale_b[%M, %M] into %free[3] by <cp_async> : memref<3x4xf32>, !scales_stage
    dgemm.commit %r : !scales_ring
  } consumer (%warpgroup) x 1 registers = 232 {
    %full = dgemm.wait %r : !scales_ring -> !scales_stage
    // CHECK: %[[TILE:.*]] = dgemm.view %{{.*}}[3] from %{{.*}} : !stage{{[0-9]*}} -> !dgemm.tile<1x2xf32>
    %tile = dgemm.view %full[3] from %warpgroup : !scales_stage -> !dgemm.tile<1x2xf32>
    // CHECK: dgemm.load_scales %[[TILE]] : !dgemm.tile<1x2xf32> -> vector<2xf32>
    %vector = dgemm.load_scales %tile : !dgemm.tile<1x2xf32> -> vector<2xf32>
    dgemm.release %r : !scales_ring
  }
}

//===----------------------------------------------------------------------===//
// K divided between the CTAs of a cluster, and shared memory
//===----------------------------------------------------------------------===//

// Each CTA walks its part of K, and stores the columns of the sum that are its own. With 16 groups of 8 columns for 3 CTAs
// the last columns lie behind the tile.
// CHECK-LABEL: dgemm.kernel @split_k(
dgemm.kernel @split_k(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x128x128, split_k = 3>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 384 : index
  %K = arith.constant 512 : index
  // CHECK: %[[ACC:.*]] = dgemm.zero
  %acc = dgemm.zero : <64x128xf32>
  // CHECK: %[[BEGIN:begin]], %[[END:end]] = dgemm.k_range %{{.*}} split = 3
  %first, %last = dgemm.k_range %K split = 3
  // CHECK-NEXT: dgemm.for_each_tile (%[[TM:m]], %[[TN:n]]) of (%M, %{{.*}}) tile = [64, 128] group_m = 8 cluster = [1, 1, 3] {
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 128] group_m = 8 cluster = [1, 1, 3] {
    // CHECK-NEXT: %[[SUM:sum]], %[[COLUMN:column]] = dgemm.reduce_cluster %[[ACC]] split = 3 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x48xf32>
    %x, %y = dgemm.reduce_cluster %acc split = 3 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x48xf32>
    // CHECK-NEXT: dgemm.store %[[SUM]], %d[%[[TM]], %[[COLUMN]]] rows %M columns %[[TN]] part [16, 32] : !dgemm.frag<64x48xf32>, memref<?x384xbf16>
    dgemm.store %x, %d[%m, %y] rows %M columns %n part [16, 32] : !dgemm.frag<64x48xf32>, memref<?x384xbf16>
  }
  // Below: a tile at an address, and columns of a fragment rounded to bf16 into a tile.
  // CHECK: %[[P:.*]] = llvm.mlir.zero
  %p = llvm.mlir.zero : !llvm.ptr<3>
  // CHECK-NEXT: %[[T:.*]] = dgemm.tile_at %[[P]] : !dgemm.tile<64x64xbf16, swizzle = 128>
  %t = dgemm.tile_at %p : !dgemm.tile<64x64xbf16, swizzle = 128>
  // CHECK-NEXT: dgemm.store_fragment %[[ACC]][64] into %[[T]] : !dgemm.frag<64x128xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
  dgemm.store_fragment %acc[64] into %t : !dgemm.frag<64x128xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
  // Sent to shared memory of the others, and what came from them added.
  // CHECK-NEXT: dgemm.send_fragment %[[ACC]] to %[[P]] signal %[[P]] split = 3 : !dgemm.frag<64x128xf32>
  dgemm.send_fragment %acc to %p signal %p split = 3 : !dgemm.frag<64x128xf32>
  // CHECK-NEXT: dgemm.add_received %[[ACC]] from %[[P]] split = 3 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x48xf32>
  %sum = dgemm.add_received %acc from %p split = 3 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x48xf32>
}
