// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What the operations on tiles refuse.

// A kernel states M, N and K.
// expected-error @+1 {{expected 'sizes' to give M, N and K, but got 2 values}}
dgemm.kernel @sizes() problem <sizes = [-1, 384]> config <tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>> {
}

// -----

// A kernel returns nothing. (Only the generic form can say that it does.)
// expected-error @+1 {{'dgemm.kernel' op expected a kernel to have no results}}
"dgemm.kernel"() <{config = #dgemm.config<tile = <block = 128x192x128>, schedule = <stages = 4, warpgroups = 2>>,
    function_type = () -> i32, problem = #dgemm.problem<sizes = [-1, 384, 512]>, sym_name = "results"}> ({
^bb0:
}) : () -> ()

// -----

// A tile loop has tiles of positive extents.
func.func @tile_extent(%M: index) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected 'tile' to give two positive extents}}
  dgemm.for_each_tile (%m, %n) of (%M, %M) tile = [128, 0] group_m = 8 {
  }
  return
}

// -----

// And of two of them.
func.func @tile_rank(%M: index) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected 'tile' to give two positive extents}}
  dgemm.for_each_tile (%m, %n) of (%M, %M) tile = [128] group_m = 8 {
  }
  return
}

// -----

// A group holds at least one tile row.
func.func @group_m(%M: index) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected 'group_m' to be at least 1, but got 0}}
  dgemm.for_each_tile (%m, %n) of (%M, %M) tile = [128, 64] group_m = 0 {
  }
  return
}

// -----

// What is carried keeps its type.
func.func @carried(%M: index, %x: i32, %y: i64) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected initial, yielded and result types to be equal, but got 'i32', 'i64' and 'i32'}}
  %r = dgemm.for_each_tile (%m, %n) of (%M, %M) tile = [128, 64] group_m = 8 iter_args(%c = %x) -> (i32) {
    dgemm.yield %y : i64
  }
  return
}

// -----

// The loop binds two offsets.
func.func @offsets(%M: index) {
  // expected-error @+1 {{expected 2 tile arguments (%m, %n, then the group, and where its rows end, its columns of K or the other row's group), but got 1}}
  dgemm.for_each_tile (%m) of (%M, %M) tile = [128, 64] group_m = 8 {
  }
  return
}

// -----

// A yield ends the body of a tile loop.
func.func @yield() {
  // expected-error @+1 {{'dgemm.yield' op expects parent op to be one of 'dgemm.for_each_tile, dgemm.gemm, dgemm.map'}}
  dgemm.yield
}

// -----

// A load gives an offset for each dimension of its source.
func.func @load_offsets(%a: memref<?x512xf8E4M3FN>, %m: index) {
  // expected-error @+1 {{'dgemm.load' op expected 2 offsets for 'memref<?x512xf8E4M3FN>', but got 1}}
  %t = dgemm.load %a[%m] : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  return
}

// -----

// A load does not convert.
func.func @load_element(%a: memref<?x512xf16>, %m: index) {
  // expected-error @+1 {{'dgemm.load' op expected a tile of 'f16', but got '!dgemm.tile<64x128xf8E4M3FN, swizzle = 128>'}}
  %t = dgemm.load %a[%m, %m] : memref<?x512xf16> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  return
}

// -----

// One f32 for each row.
func.func @load_scales(%t: !dgemm.tile<1x128xf32>) {
  // expected-error @+1 {{'dgemm.load_scales' op expected a 1xR tile of f32 and a fragment of Rx1, but got '!dgemm.tile<1x128xf32>' and '!dgemm.frag<64x1xf32>'}}
  %r = dgemm.load_scales %t : !dgemm.tile<1x128xf32> -> !dgemm.frag<64x1xf32>
  return
}

// -----

// As many values as the tile has.
func.func @load_scales(%t: !dgemm.tile<1x2xf32>) {
  // expected-error @+1 {{'dgemm.load_scales' op expected a 1xC tile of f32 and a vector of C, but got '!dgemm.tile<1x2xf32>' and 'vector<1xf32>'}}
  %r = dgemm.load_scales %t : !dgemm.tile<1x2xf32> -> vector<1xf32>
  return
}

// -----

// Scales of B are a matrix of f32.
func.func @block_scales(%s: memref<4xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.load_scales' op expected a memref of f32 with rank 2 or 3, but got 'memref<4xf32>'}}
  %r = dgemm.load_scales %s[%n, %n] : memref<4xf32> -> vector<2xf32>
  return
}

// -----

// dgemm.mma C1: wgmma reads tiles of 128-byte rows with 128-byte swizzle.
func.func @mma_swizzle(%a: !dgemm.tile<64x128xf8E4M3FN>, %b: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.mma' op expected 'lhs' to be f8E4M3FN or f8E5M2 with 128 columns and swizzle = 128, but got '!dgemm.tile<64x128xf8E4M3FN>'}}
  %p = dgemm.mma %a, %b : !dgemm.tile<64x128xf8E4M3FN>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x192xf32>
  return
}

// -----

// dgemm.mma C1: both operands are e4m3.
func.func @mma_element(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<192x64xbf16, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.mma' op expected 'rhs' to be f8E4M3FN or f8E5M2 with 128 columns and swizzle = 128, but got '!dgemm.tile<192x64xbf16, swizzle = 128>'}}
  %p = dgemm.mma %a, %b : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x64xbf16, swizzle = 128> -> !dgemm.frag<64x192xf32>
  return
}

// -----

// dgemm.mma C2: wgmma takes N by 8 up to 256.
func.func @mma_n(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<264x128xf8E4M3FN, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.mma' op expected rows of 'rhs' to be a multiple of 8 up to 256 (wgmma N), but got 264}}
  %p = dgemm.mma %a, %b : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<264x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x264xf32>
  return
}

// -----

// dgemm.mma C2: rows of A by rows of B.
func.func @mma_result(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>) {
  // expected-error @+1 {{'dgemm.mma' op expected a fragment of 64x192, but got '!dgemm.frag<64x128xf32>'}}
  %p = dgemm.mma %a, %b : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x128xf32>
  return
}

// -----

// dgemm.mma C3: what is overwritten has the registers of the result.
func.func @mma_over(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>, %old: !dgemm.frag<64x128xf32>) {
  // expected-error @+1 {{'dgemm.mma' op expected 'over' to have the type of the result, '!dgemm.frag<64x192xf32>', but got '!dgemm.frag<64x128xf32>'}}
  %p = dgemm.mma %a, %b over %old : !dgemm.frag<64x128xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x192xf32>
  return
}

// -----

// Row scales are one column with the rows of the sum.
func.func @row_scales(%p: !dgemm.frag<64x192xf32>, %ra: !dgemm.frag<128x1xf32>, %xb: vector<2xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.promote' op expected row scales of 64x1, but got '!dgemm.frag<128x1xf32>'}}
  %s = dgemm.promote %p scaled %ra, %xb at %n into %p : !dgemm.frag<64x192xf32>, !dgemm.frag<128x1xf32>, vector<2xf32> -> !dgemm.frag<64x192xf32>
  return
}

// -----

// dgemm.scaled_mma has the rules of dgemm.mma.
func.func @scaled_mma_tiles(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>, %ra: !dgemm.frag<64x1xf32>, %xb: vector<2xf32>, %n: index, %acc: !dgemm.frag<64x64xf32>) {
  // expected-error @+1 {{'dgemm.scaled_mma' op expected a fragment of 64x192, but got '!dgemm.frag<64x64xf32>'}}
  %s = dgemm.scaled_mma %a, %b scaled %ra, %xb at %n into %acc : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>, !dgemm.frag<64x1xf32>, vector<2xf32>, !dgemm.frag<64x64xf32>
  return
}

// -----

// A store gives an offset for each dimension of its destination.
func.func @store_offsets(%d: memref<?x384xbf16>, %v: !dgemm.frag<64x96xf32>, %m: index) {
  // expected-error @+1 {{'dgemm.store' op expected 2 offsets for 'memref<?x384xbf16>', but got 3}}
  dgemm.store %v, %d[%m, %m, %m] : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  return
}

// -----

// A store rounds to bf16 or f16, or keeps f32.
func.func @store_element(%d: memref<?x384xf64>, %v: !dgemm.frag<64x96xf32>, %m: index) {
  // expected-error @+1 {{'dgemm.store' op expected a destination of bf16, f16, f32 or FP8, but got 'memref<?x384xf64>'}}
  dgemm.store %v, %d[%m, %m] : !dgemm.frag<64x96xf32>, memref<?x384xf64>
  return
}

// -----

func.func @store_part(%v: !dgemm.frag<64x96xf32>, %d: memref<?x384xbf16>, %m: index) {
  // expected-error @+1 {{'dgemm.store' op expected 'part' to be a first column and a number of columns, multiples of 8 inside '!dgemm.frag<64x96xf32>'}}
  dgemm.store %v, %d[%m, %m] part [48, 56] : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  return
}

// -----

// At most the CTAs of a cluster.
func.func @k_range(%k: index) {
  // expected-error @+1 {{'dgemm.k_range' op expected 'split' to be 2 to 8, but got 1}}
  %begin, %end = dgemm.k_range %k split = 1
  return
}

// -----

// Which of a CTA's tiles it is decides.
func.func @walk_k(%k: index) {
  // expected-error @+1 {{'dgemm.walk_k' op expected to stand in a dgemm.for_each_tile of all tiles}}
  %offset = dgemm.walk_k %k from %k to %k
  return
}

// -----

// Each of 3 CTAs sums 6 of the 16 groups of 8 columns, or less.
func.func @reduce_cluster(%v: !dgemm.frag<64x128xf32>) {
  // expected-error @+1 {{'dgemm.reduce_cluster' op expected a sum of 64x48, but got '!dgemm.frag<64x40xf32>'}}
  %sum, %column = dgemm.reduce_cluster %v split = 3 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x40xf32>
  return
}

// -----

func.func @first(%m: index, %groups: memref<4xi32>) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected a dense layout and nothing to carry with 'first'}}
  dgemm.for_each_tile (%i, %j, %g, %rows) of (%m, %m) masked %groups : memref<4xi32> tile = [64, 8] group_m = 1 first {}
  return
}

// -----

func.func @cluster(%m: index) {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected 'cluster' to give two powers of two, and the CTAs of a tile if there are several}}
  dgemm.for_each_tile (%i, %j) of (%m, %m) tile = [64, 8] group_m = 1 cluster = [3, 1] {}
  return
}

// -----

// A tile is too much for cp.async.
func.func @load_movement(%a: memref<?x512xf8E4M3FN>, %m: index) {
  // expected-error @+1 {{'dgemm.load' op expected to move its data by tma or registers, but got cp_async}}
  %t = dgemm.load %a[%m, %m] by <cp_async> : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
  return
}

// -----

// A row of the scales of B is too short for TMA.
func.func @block_scales_movement(%sb: memref<3x4xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.load_scales' op expected to move its data by cp_async or registers, but got tma}}
  %xb = dgemm.load_scales %sb[%n, %n] by <tma> : memref<3x4xf32> -> vector<2xf32>
  return
}

// -----

// cp.async does not store.
func.func @store_movement(%v: !dgemm.frag<64x96xf32>, %d: memref<?x384xbf16>, %m: index) {
  // expected-error @+1 {{'dgemm.store' op expected to move its data by tma or registers, but got cp_async}}
  dgemm.store %v, %d[%m, %m] by <cp_async> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
  return
}

// -----

// dgemm.load_scales C1: a row of shared memory is read as it lies there.
func.func @scales_offsets(%t: !dgemm.tile<1x2xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.load_scales' op expected no 'by' for scales in shared memory, and at most the place of the first scale of A}}
  %r = dgemm.load_scales %t[%n] : !dgemm.tile<1x2xf32> -> vector<2xf32>
  return
}

// -----

// dgemm.load_scales C1: with a place of the first scale, the row has more scales than the result.
func.func @scales_place(%t: !dgemm.tile<1x64xf32>, %m: index) {
  // expected-error @+1 {{'dgemm.load_scales' op expected a 1xR tile of f32 and a fragment of fewer than R rows, but got '!dgemm.tile<1x64xf32>' and '!dgemm.frag<64x1xf32>'}}
  %r = dgemm.load_scales %t[%m] : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
  return
}

// -----

// The scales of A that do not come by TMA, as a tile, are read by each thread.
func.func @row_scales_movement(%s: memref<4x?xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.load_scales' op expected to move its data by registers, but got tma}}
  %r = dgemm.load_scales %s[%n, %n] by <tma> : memref<4x?xf32> -> !dgemm.frag<64x1xf32>
  return
}

// -----

// dgemm.load_scales C3: a vector has scales of blocks, a fragment of a row those of columns.
dgemm.kernel @column_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load_scales' op expected a vector of scales of #dgemm.scaled<f8E4M3FN by [128, 128] of f32>, but got '!dgemm.frag<1x96xf32>'}}
  %x = dgemm.load_scales %sb[%M, %M] : memref<3x4xf32> -> !dgemm.frag<1x96xf32>
}

// -----

dgemm.kernel @block_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<1x384xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512], rhs = <f8E4M3FN by [1, full] of f32>>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load_scales' op expected a fragment 1xC of scales of #dgemm.scaled<f8E4M3FN by [1, full] of f32>, but got 'vector<2xf32>'}}
  %x = dgemm.load_scales %sb[%M, %M] : memref<1x384xf32> -> vector<2xf32>
}

// -----

// Scales of columns come with the first of them.
dgemm.kernel @columns_of_promote(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %v = dgemm.zero : <64x96xf32>
  %x = dgemm.zero : <1x96xf32>
  // expected-error @+1 {{'dgemm.promote' op expected column scales of #dgemm.scaled<f8E4M3FN by [128, 128] of f32>, but got '!dgemm.frag<1x96xf32>'}}
  %s = dgemm.promote %v scaled columns %x at %M into %v : !dgemm.frag<64x96xf32>, !dgemm.frag<1x96xf32> -> !dgemm.frag<64x96xf32>
}

// -----

// What is summed and stored has whole rows.
func.func @store_row(%d: memref<?x384xbf16>, %v: !dgemm.frag<1x96xf32>, %m: index) {
  // expected-error @+1 {{'dgemm.store' op operand #0 must be a fragment of 64 rows or a multiple, but got '!dgemm.frag<1x96xf32>'}}
  dgemm.store %v, %d[%m, %m] : !dgemm.frag<1x96xf32>, memref<?x384xbf16>
  return
}

// -----

// dgemm.mma C3: the result takes the registers of one fragment.
func.func @mma_over_into(%a: !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, %b: !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>, %f: !dgemm.frag<64x192xf32>) {
  // expected-error @+1 {{'dgemm.mma' op expected 'over' or 'into', not both: the result takes the registers of either}}
  %p = dgemm.mma %a, %b over %f : !dgemm.frag<64x192xf32> into %f : !dgemm.frag<64x192xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x192xf32>
  return
}

// -----

// A batch has no operand that says where groups lie.
func.func @batched_groups(%M: index, %g: memref<8xi32>) {
  // expected-error @+1 {{expected 'tile'}}
  dgemm.for_each_tile (%m, %n, %group) of (%M, %M) batched %g : memref<8xi32> tile = [128, 64] group_m = 8 {
  }
  return
}

// -----

func.func @columns(%v: !dgemm.frag<64x256xf32>) {
  // expected-error @+1 {{expected a part with the rows of '!dgemm.frag<64x256xf32>' and columns inside it from a multiple of 8, but got '!dgemm.frag<64x128xf32>' from 136}}
  %0 = dgemm.columns %v from 136 : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x128xf32>
  return
}
