// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What the operations on rings and stages refuse.

// dgemm.warp_specialize C1: there is somebody to consume.
func.func @consumers() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected 1 to 3 consumers, but got 0}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 0 registers = 232 {
  }
  return
}

// -----

// dgemm.warp_specialize C1: four would leave each too few registers.
func.func @many_consumers() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected 1 to 3 consumers, but got 4}}
  dgemm.warp_specialize
  producer registers = 24 {
  } consumer (%wg) x 4 registers = 112 {
  }
  return
}

// -----

// dgemm.warp_specialize C2: setmaxnreg takes no fewer than 24.
func.func @producer_registers() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected registers to be a multiple of 8 from 24 to 256, but got 16}}
  dgemm.warp_specialize
  producer registers = 16 {
  } consumer (%wg) x 2 registers = 232 {
  }
  return
}

// -----

// dgemm.warp_specialize C2: in steps of 8.
func.func @consumer_registers() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected registers to be a multiple of 8 from 24 to 256, but got 230}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 230 {
  }
  return
}

// -----

// dgemm.warp_specialize C2: and no more than 256.
func.func @most_registers() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected registers to be a multiple of 8 from 24 to 256, but got 264}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 264 {
  }
  return
}

// -----

// dgemm.warp_specialize C3: all roles together fit the register file: 128 * (40 + 2 * 240).
func.func @register_file() {
  // expected-error @+1 {{'dgemm.warp_specialize' op the roles ask for 66560 registers, but a multiprocessor has 65536}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 240 {
  }
  return
}

// -----

// A consumer knows which of them it is.
func.func @warpgroup() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected the consumer region to have one index argument, the warpgroup}}
  "dgemm.warp_specialize"() <{consumerRegisters = 232 : i64, consumers = 2 : i64, producerRegisters = 40 : i64}> ({
  ^bb0:
  }, {
  ^bb0:
  }) : () -> ()
  return
}

// -----

// What is acquired is a stage of the ring.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @acquire(%r: !ring) {
  // expected-error @+1 {{'dgemm.acquire' op expected the stage of the ring, '!dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>', but got '!dgemm.stage<<1x128xf32>>'}}
  %s = dgemm.acquire %r : !ring -> !dgemm.stage<<1x128xf32>>
  return
}

// -----

// So is what is waited for.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @wait(%r: !ring) {
  // expected-error @+1 {{'dgemm.wait' op expected the stage of the ring, '!dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>', but got '!dgemm.stage<<1x128xf32>>'}}
  %s = dgemm.wait %r : !ring -> !dgemm.stage<<1x128xf32>>
  return
}

// -----

// A copy goes to a tile that the stage has.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @load_index(%a: memref<?x512xf8E4M3FN>, %m: index, %s: !stage) {
  // expected-error @+1 {{'dgemm.load_async' op expected a tile index from 0 to 1, but got 2}}
  dgemm.load_async %a[%m, %m] into %s[2] : memref<?x512xf8E4M3FN>, !stage
  return
}

// -----

// It has an offset for each dimension of its source.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @load_offsets(%a: memref<?x512xf8E4M3FN>, %m: index, %s: !stage) {
  // expected-error @+1 {{'dgemm.load_async' op expected 2 offsets for 'memref<?x512xf8E4M3FN>', but got 1}}
  dgemm.load_async %a[%m] into %s[0] : memref<?x512xf8E4M3FN>, !stage
  return
}

// -----

// It does not convert.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @load_element(%a: memref<?x512xf8E4M3FN>, %m: index, %s: !stage) {
  // expected-error @+1 {{'dgemm.load_async' op expected a source of 'f32', but got 'memref<?x512xf8E4M3FN>'}}
  dgemm.load_async %a[%m, %m] into %s[1] : memref<?x512xf8E4M3FN>, !stage
  return
}

// -----

// It is one TMA box, of at most 256 rows.
func.func @load_box(%a: memref<?x512xf8E4M3FN>, %m: index, %s: !dgemm.stage<<320x128xf8E4M3FN, swizzle = 128>>) {
  // expected-error @+1 {{'dgemm.load_async' op expected a tile of at most 256x256 (TMA box limit), but got '!dgemm.tile<320x128xf8E4M3FN, swizzle = 128>'}}
  dgemm.load_async %a[%m, %m] into %s[0] : memref<?x512xf8E4M3FN>, !dgemm.stage<<320x128xf8E4M3FN, swizzle = 128>>
  return
}

// -----

// Its rows are whole 16-byte chunks.
func.func @load_row(%a: memref<?x512xf8E4M3FN>, %m: index, %s: !dgemm.stage<<64x24xf8E4M3FN>>) {
  // expected-error @+1 {{'dgemm.load_async' op expected tile rows of a multiple of 16 bytes (TMA box limit), but got 24}}
  dgemm.load_async %a[%m, %m] into %s[0] : memref<?x512xf8E4M3FN>, !dgemm.stage<<64x24xf8E4M3FN>>
  return
}

// -----

// A view is of a tile that the stage has.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @view_index(%s: !stage, %m: index) {
  // expected-error @+1 {{'dgemm.view' op expected a tile index from 0 to 1, but got 3}}
  %t = dgemm.view %s[3] from %m : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  return
}

// -----

// dgemm.view C1: whole rows of a tile of several rows.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @view_columns(%s: !stage, %m: index) {
  // expected-error @+1 {{'dgemm.view' op expected rows of '!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>', but got '!dgemm.tile<128x64xf8E4M3FN, swizzle = 128>'}}
  %t = dgemm.view %s[0] from %m : !stage -> !dgemm.tile<128x64xf8E4M3FN, swizzle = 128>
  return
}

// -----

// dgemm.view C1: the swizzle is that of the tile.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @view_swizzle(%s: !stage, %m: index) {
  // expected-error @+1 {{'dgemm.view' op expected rows of '!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>', but got '!dgemm.tile<64x128xf8E4M3FN>'}}
  %t = dgemm.view %s[0] from %m : !stage -> !dgemm.tile<64x128xf8E4M3FN>
  return
}

// -----

// dgemm.view C1: no more elements of a single row than it has.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <1x128xf32>>
!ring = !dgemm.ring<4, !stage>
func.func @view_elements(%s: !stage, %m: index) {
  // expected-error @+1 {{'dgemm.view' op expected rows of '!dgemm.tile<1x128xf32>', but got '!dgemm.tile<1x256xf32>'}}
  %t = dgemm.view %s[1] from %m : !stage -> !dgemm.tile<1x256xf32>
  return
}

// -----

// dgemm.store_fragment C1: the tile is swizzled over its row.
func.func @fragment_tile(%v: !dgemm.frag<64x192xf32>, %t: !dgemm.tile<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected a tile of 8 columns or a power of two above, with rows of at most 128 bytes, swizzled over its row (none for 16 bytes), but got '!dgemm.tile<64x64xbf16>'}}
  dgemm.store_fragment %v[0] into %t : !dgemm.frag<64x192xf32>, !dgemm.tile<64x64xbf16>
  return
}

// -----

// dgemm.store_fragment C1: the tile has elements of D.
func.func @fragment_elements(%v: !dgemm.frag<64x192xf32>, %t: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected a bf16, f16, f32 or i8 tile of 64 rows, but got '!dgemm.tile<64x128xf8E4M3FN, swizzle = 128>'}}
  dgemm.store_fragment %v[0] into %t : !dgemm.frag<64x192xf32>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  return
}

// -----

// dgemm.store_fragment C1: a row has at most 128 bytes.
func.func @fragment_row(%v: !dgemm.frag<64x192xf32>, %t: !dgemm.tile<64x64xf32>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected a tile of 8 columns or a power of two above, with rows of at most 128 bytes}}
  dgemm.store_fragment %v[0] into %t : !dgemm.frag<64x192xf32>, !dgemm.tile<64x64xf32>
  return
}

// -----

// dgemm.store_fragment C1: panels are 8, 16, 32 or 64 columns wide.
func.func @fragment_width(%v: !dgemm.frag<64x192xf32>, %t: !dgemm.tile<64x24xbf16, swizzle = 64>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected a tile of 8 columns or a power of two above, with rows of at most 128 bytes, swizzled over its row (none for 16 bytes), but got '!dgemm.tile<64x24xbf16, swizzle = 64>'}}
  dgemm.store_fragment %v[0] into %t : !dgemm.frag<64x192xf32>, !dgemm.tile<64x24xbf16, swizzle = 64>
  return
}

// -----

// dgemm.store_fragment C2: the columns lie inside the fragment.
func.func @fragment_columns(%v: !dgemm.frag<64x96xf32>, %t: !dgemm.tile<64x64xbf16, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected columns inside '!dgemm.frag<64x96xf32>' from a multiple of 8, but got 64 to 128}}
  dgemm.store_fragment %v[64] into %t : !dgemm.frag<64x96xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
  return
}

// -----

// dgemm.store_fragment C2: and start at a group of 8 of the wgmma layout.
func.func @fragment_step(%v: !dgemm.frag<64x96xf32>, %t: !dgemm.tile<64x64xbf16, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.store_fragment' op expected columns inside '!dgemm.frag<64x96xf32>' from a multiple of 8, but got 4 to 68}}
  dgemm.store_fragment %v[4] into %t : !dgemm.frag<64x96xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
  return
}

// -----

!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <2x4xf32>>
// dgemm.load_async C1: the scales of B lie one behind the other.
func.func @block_scales_tile(%sb: memref<3x4xf32>, %s: !stage, %n: index) {
  // expected-error @+1 {{'dgemm.load_async' op expected a 1xC tile of f32, but got '!dgemm.tile<2x4xf32>'}}
  dgemm.load_async %sb[%n, %n] into %s[3] by <cp_async> : memref<3x4xf32>, !stage
  return
}

// -----

!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <1x2xf32>>
func.func @block_scales_offsets(%sb: memref<3x4xf32>, %s: !stage, %n: index) {
  // expected-error @+1 {{'dgemm.load_async' op expected 2 offsets for 'memref<3x4xf32>', but got 1}}
  dgemm.load_async %sb[%n] into %s[3] by <cp_async> : memref<3x4xf32>, !stage
  return
}

// -----

// They are too short for TMA.
!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>, <1x128xf32>, <1x2xf32>>
func.func @block_scales_movement(%sb: memref<3x4xf32>, %s: !stage, %n: index) {
  // expected-error @+1 {{'dgemm.load_async' op expected to move its data by cp_async, but got tma}}
  dgemm.load_async %sb[%n, %n] into %s[3] by <tma> : memref<3x4xf32>, !stage
  return
}

// -----

!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>>
func.func @load_movement(%a: memref<?x512xf8E4M3FN>, %s: !stage, %n: index) {
  // expected-error @+1 {{'dgemm.load_async' op expected to move its data by tma or registers, but got cp_async}}
  dgemm.load_async %a[%n, %n] into %s[0] by <cp_async> : memref<?x512xf8E4M3FN>, !stage
  return
}

// -----

!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
func.func @position(%r: !ring, %i: i32) {
  // expected-error @+1 {{'dgemm.acquire' op expected an index with its parity, and a slot only with both}}
  %s = dgemm.acquire %r[%i] : !ring -> !stage
  return
}

// -----

!stage = !dgemm.stage<<128x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
func.func @slot(%r: !ring, %i: i32) {
  // expected-error @+1 {{'dgemm.wait' op expected an index with its parity, and a slot only with both}}
  %s = dgemm.wait %r slot %i : !ring -> !stage
  return
}

// -----

// Only warpgroups that take turns have turns to wait for, to pass, and to skip.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @no_turns(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                       %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                       %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%warpgroup) x 1 registers = 232 {
    // expected-error @+1 {{'dgemm.await_turn' op expected the config of the kernel to have 'pingpong = true'}}
    dgemm.await_turn %warpgroup
  }
}

// -----

!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <48x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @no_skip(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                      %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x48x128>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%warpgroup) x 1 registers = 232 {
    // expected-error @+1 {{'dgemm.skip' op expected the config of the kernel to have 'pingpong = true'}}
    dgemm.skip %warpgroup of %r : !ring
  }
}
