// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What #dgemm.config refuses, rule by rule (C1 to C8 of its description), each with the value given and those allowed.

// C1: a warpgroup computes 64 rows, once or twice.
// expected-error @+1 {{expected block M to be 128 or 256 for 2 math warpgroups (64 or 128 rows each), but got 64}}
func.func private @block_m() attributes {x = #dgemm.config<tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C1: the A tile is one TMA box, which has at most 256 rows.
// expected-error @+1 {{expected block M to be at most 256 (TMA box limit), but got 384}}
func.func private @block_m_box() attributes {x = #dgemm.config<tile = <block = 384x8x128>, schedule = <stages = 2, warpgroups = 3>>}

// -----

// C2: wgmma takes N in steps of 8.
// expected-error @+1 {{expected block N to be a multiple of 8 from 8 to 256, but got 100}}
func.func private @block_n_step() attributes {x = #dgemm.config<tile = <block = 128x100x128>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C2: wgmma takes N up to 256.
// expected-error @+1 {{expected block N to be a multiple of 8 from 8 to 256, but got 264}}
func.func private @block_n_max() attributes {x = #dgemm.config<tile = <block = 64x264x128>, schedule = <stages = 2, warpgroups = 1>>}

// -----

// C3: a stage is one scale block deep.
// expected-error @+1 {{expected block K to be 128 (one scale block), but got 64}}
func.func private @block_k() attributes {x = #dgemm.config<tile = <block = 128x128x64>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C4: no consumer at all.
// expected-error @+1 {{expected 'warpgroups' to be 1 to 3, but got 0}}
func.func private @no_warpgroup() attributes {x = #dgemm.config<tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 0>>}

// -----

// C4: four consumers would leave each too few registers.
// expected-error @+1 {{expected 'warpgroups' to be 1 to 3, but got 4}}
func.func private @warpgroups() attributes {x = #dgemm.config<tile = <block = 256x64x128>, schedule = <stages = 2, warpgroups = 4>>}

// -----

// C5: a ring of one stage does not overlap anything.
// expected-error @+1 {{expected 'stages' to be 2 to 32, but got 1}}
func.func private @stages_min() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 1, warpgroups = 2>>}

// -----

// C5: more stages than any block needs.
// expected-error @+1 {{expected 'stages' to be 2 to 32, but got 33}}
func.func private @stages_max() attributes {x = #dgemm.config<tile = <block = 64x8x128>, schedule = <stages = 33, warpgroups = 1>>}

// -----

// C6: a group holds at least one tile row.
// expected-error @+1 {{expected 'group_m' to be at least 1, but got 0}}
func.func private @group_m() attributes {x = #dgemm.config<tile = <block = 128x128x128>, order = <group_m = 0>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C7: a thread holds N/2 values of each 64-row slice of the running sum, and of the partial sum, of a wide block half.
// expected-error @+1 {{block 128x256 needs 320 registers of each math thread for accumulators, but 1 math warpgroups leave 248}}
func.func private @registers() attributes {x = #dgemm.config<tile = <block = 128x256x128>, schedule = <stages = 3, warpgroups = 1>>}

// -----

// C7: where K is split, the producer has more registers and the math warpgroups fewer.
// expected-error @+1 {{block 256x152 needs 228 registers of each math thread for accumulators, but 2 math warpgroups leave 224}}
func.func private @registers_split() attributes {x = #dgemm.config<tile = <block = 256x152x128, split_k = 2>, schedule = <stages = 2, warpgroups = 2>>}

// -----

// C8: the message says how many stages would fit.
// expected-error @+1 {{6 stages of block 128x128x128 need 232800 bytes of shared memory, but a CTA has 232448; at most 5 stages fit}}
func.func private @shared_memory() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 6, warpgroups = 2>>}

// -----

// A field that is none, or is given twice.
// expected-error @+2 {{duplicate or unknown struct parameter name: depth}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'tile'}}
func.func private @unknown() attributes {x = #dgemm.config<tile = <block = 128x128x128, depth = 4>>}

// -----

// expected-error @+2 {{duplicate or unknown struct parameter name: stages}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'schedule'}}
func.func private @twice() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 4, stages = 4>>}

// -----

// A field without a default is given.
// expected-error @+2 {{struct is missing required parameter: warpgroups}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'schedule'}}
func.func private @missing() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 4>>}

// -----

// A block has three extents.
// expected-error @+3 {{expected MxNxK}}
// expected-error @+2 {{failed to parse DGemm_TileAttr parameter 'block'}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'tile'}}
func.func private @block_rank() attributes {x = #dgemm.config<tile = <block = 128x128>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C9.
// expected-error @+1 {{expected 'cluster' to be 1x1, 1x2, 2x1 or 2x2, but got 4x1}}
func.func private @cluster() attributes {x = #dgemm.config<tile = <block = 128x128x128, cluster = 4x1>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// C9: each of two CTAs along M fetches half of B's tile, in swizzle atoms of 8 rows.
// expected-error @+1 {{expected block N to be a multiple of 16 with two CTAs of a cluster along M, but got 136}}
func.func private @cluster_halves() attributes {x = #dgemm.config<tile = <block = 128x136x128, cluster = 2x1>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// expected-error @+3 {{expected MxN}}
// expected-error @+2 {{failed to parse DGemm_TileAttr parameter 'cluster'}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'tile'}}
func.func private @cluster_rank() attributes {x = #dgemm.config<tile = <block = 128x128x128, cluster = 2x1x1>, schedule = <stages = 4, warpgroups = 2>>}

// -----

// expected-error @+3 {{expected one of [normal, evict_first] for how the L2 keeps loaded lines, got: first}}
// expected-error @+2 {{failed to parse DGemm_LoadsAttr parameter 'b'}}
// expected-error @+1 {{failed to parse DGemm_ConfigAttr parameter 'loads'}}
func.func private @cache_policy() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>, loads = <b = first>>}

// -----

// C10: a cluster has at most 8 CTAs on every GPU of the target.
// expected-error @+1 {{expected 'split_k' to be 1 to 8, but got 9}}
func.func private @split_k() attributes {x = #dgemm.config<tile = <block = 64x128x128, split_k = 9>, schedule = <stages = 4, warpgroups = 1>>}

// -----

// C10: the CTAs of a cluster share one tile, or the tiles of several.
// expected-error @+1 {{expected no 'cluster' with split_k, but got 1x2}}
func.func private @split_k_cluster() attributes {x = #dgemm.config<tile = <block = 64x128x128, cluster = 1x2, split_k = 2>, schedule = <stages = 4, warpgroups = 1>>}

// -----

// C8: the sums that the other CTAs send take the place of the output: 3 x 64 x 32 x 4 bytes here.
// expected-error @+1 {{9 stages of block 64x128x128 need 248480 bytes of shared memory, but a CTA has 232448; at most 8 stages fit}}
func.func private @split_k_memory() attributes {x = #dgemm.config<tile = <block = 64x128x128, split_k = 4>, schedule = <stages = 9, warpgroups = 1>>}

// -----

// C13: a CTA may have no K block of a split K.
// expected-error @+1 {{expected 'serpentine' to be false with split_k = 2}}
func.func private @serpentine_split() attributes {x = #dgemm.config<tile = <block = 64x64x128, split_k = 2>, order = <serpentine = true>, schedule = <stages = 4, warpgroups = 1>>}

// -----

// C11.
// expected-error @+1 {{expected 'unroll' to be 1, 2 or 4, but got 3}}
func.func private @unroll() attributes {x = #dgemm.config<tile = <block = 64x128x128>, schedule = <stages = 4, warpgroups = 1, unroll = 3>>}

// -----

// C12: each half of the columns is stored for itself,
// expected-error @+1 {{expected block N to be a multiple of 16 with 'early_store', as each half is stored for itself, but got 72}}
func.func private @early_store_odd() attributes {x = #dgemm.config<tile = <block = 64x72x128>, schedule = <stages = 3, warpgroups = 1, early_store = true>>}

// -----

// for which the last K block has two mma where the others have one, and so another front.
// expected-error @+1 {{expected 'rotate' to be false with 'early_store' where a warpgroup has one mma in a K block, as in 64x64 with 1 math warpgroups}}
func.func private @early_store_rotated() attributes {x = #dgemm.config<tile = <block = 64x64x128>, schedule = <stages = 3, warpgroups = 1, rotate = true, early_store = true>>}

// -----

// expected-error @+1 {{expected 'early_store' to be false with split_k = 2}}
func.func private @early_store_split() attributes {x = #dgemm.config<tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1, early_store = true>>}

// -----

// C8: half of the output has a place.
// expected-error @+1 {{5 stages of block 128x256x128 need 281680 bytes of shared memory, but a CTA has 232448; at most 4 stages fit}}
func.func private @early_store_memory() attributes {x = #dgemm.config<tile = <block = 128x256x128>, schedule = <stages = 5, warpgroups = 2, early_store = true>>}

// -----

// C2: of a wide block each half has an mma of its own,
// expected-error @+1 {{expected block N to be a multiple of 16 where each half has an mma of its own, but got 216}}
func.func private @wide_odd() attributes {x = #dgemm.config<tile = <block = 64x216x128>, schedule = <stages = 3, warpgroups = 1>>}

// -----

// expected-error @+1 {{expected a machine to have a name and at least 1 multiprocessor, but got 'h100' and 0}}
func.func private @machine() attributes {x = #dgemm.machine<name = "h100", multiprocessors = 0>}

// -----

// C14: the two warpgroups take turns.
// expected-error @+1 {{expected 2 'warpgroups' and no 'early_store' with 'pingpong', but got 1 and no 'early_store'}}
func.func private @pingpong_alone() attributes {x = #dgemm.config<tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1, pingpong = true>>}

// -----

// C14: the store of a tile is hidden without early_store.
// expected-error @+1 {{expected 2 'warpgroups' and no 'early_store' with 'pingpong', but got 2 and 'early_store'}}
func.func private @pingpong_early() attributes {x = #dgemm.config<tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 2, early_store = true, pingpong = true>>}

// -----

// C15: a warpgroup sums its tile alone.
// expected-error @+1 {{expected 'pingpong' to be false with split_k = 2}}
func.func private @pingpong_split() attributes {x = #dgemm.config<tile = <block = 64x64x128, split_k = 2>, schedule = <stages = 4, warpgroups = 2, pingpong = true>>}

// -----

// C1: with pingpong, a tile has the rows of one warpgroup.
// expected-error @+1 {{expected block M to be 64 or 128 for 1 math warpgroups (64 or 128 rows each), but got 256}}
func.func private @pingpong_rows() attributes {x = #dgemm.config<tile = <block = 256x64x128>, schedule = <stages = 2, warpgroups = 2, pingpong = true>>}

// -----

// C8: each warpgroup stages a tile.
// expected-error @+1 {{6 stages of block 128x128x128 need 265584 bytes of shared memory, but a CTA has 232448; at most 5 stages fit}}
func.func private @pingpong_memory() attributes {x = #dgemm.config<tile = <block = 128x128x128>, schedule = <stages = 6, warpgroups = 2, pingpong = true>>}
