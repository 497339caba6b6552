// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// Tiles hold elements of whole bytes.
// expected-error @+1 {{expected a tile element type of whole bytes, but got 'f4E2M1FN'}}
func.func private @tile_element(!dgemm.tile<64x128xf4E2M1FN>)

// -----

// A tile has rows and columns.
// expected-error @+1 {{expected a tile of at least 1x1 elements, but got 0x128}}
func.func private @tile_empty(!dgemm.tile<0x128xf32>)

// -----

// A tile has two dimensions.
// expected-error @+1 {{expected a tile to have 2 dimensions, but got 3}}
func.func private @tile_rank(!dgemm.tile<2x64x128xf32>)

// -----

// The TMA unit swizzles over 32, 64 or 128 bytes.
// expected-error @+1 {{expected swizzle to be 32, 64 or 128 bytes, but got 16}}
func.func private @tile_swizzle(!dgemm.tile<64x8xbf16, swizzle = 16>)

// -----

// A row lies within the swizzle.
// expected-error @+1 {{expected a row of at most 64 bytes for that swizzle, but got 128}}
func.func private @tile_row(!dgemm.tile<64x128xf8E4M3FN, swizzle = 64>)

// -----

// Accumulators are f32.
// expected-error @+1 {{expected a fragment to be RxCxf32}}
func.func private @frag_element(!dgemm.frag<64x64xf16>)

// -----

// wgmma gives 64 rows to a warpgroup.
// expected-error @+1 {{expected fragment rows to be 1 or a multiple of 64, but got 96}}
func.func private @frag_rows(!dgemm.frag<96x64xf32>)

// -----

// Columns come by 8, or there is one value to a row.
// expected-error @+1 {{expected fragment columns to be 1 or a multiple of 8, but got 12}}
func.func private @frag_columns(!dgemm.frag<64x12xf32>)

// -----

// A stage holds at least one tile: an empty one does not even parse.
// expected-error @+2 {{expected '<'}}
// expected-error @+1 {{failed to parse DGemm_StageType parameter 'tiles'}}
func.func private @stage_empty(!dgemm.stage<>)

// -----

// A ring of one stage does not overlap anything.
// expected-error @+1 {{expected a ring of at least 2 stages, but got 1}}
func.func private @ring_depth(!dgemm.ring<1, <<64x128xf8E4M3FN, swizzle = 128>>>)

// -----

// cuTensorMapEncodeTiled takes 1 to 5 dimensions.
// expected-error @+1 {{expected 1 to 5 dims, but got 6}}
func.func private @map_rank() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M, N, K, M, N), strides = (M, N, K) -> (K, K, K, K, K), box = [128, 1, 1, 1, 1, 1]>}

// -----

// Extents are functions of the problem's three sizes.
// expected-error @+1 {{expected 'dims' and 'strides' to be maps of (M, N, K)}}
func.func private @map_sizes() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64]>}

// -----

// The innermost dimension is contiguous, so there is one stride less than dims; a box has as many extents.
// expected-error @+1 {{expected 1 strides and 2 box extents, but got 1 and 3}}
func.func private @map_box_rank() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64, 1]>}

// -----

// A box has at most 256 elements along each dimension.
// expected-error @+1 {{expected box extents of 1 to 256, but got 257}}
func.func private @map_box() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 257]>}

// -----

// Swizzles are those of the TMA unit.
// expected-error @+1 {{expected swizzle to be 0, 32, 64 or 128 bytes, but got 96}}
func.func private @map_swizzle() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64], swizzle = 96>}

// -----

// Rows of a box are whole 16-byte chunks.
// expected-error @+1 {{expected box rows of a multiple of 16 bytes, but got 8 bytes}}
func.func private @map_row() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [8, 64]>}

// -----

// With a swizzle they lie within it.
// expected-error @+1 {{expected box rows of a multiple of 16 bytes within the swizzle width, but got 128 bytes}}
func.func private @map_swizzled_row() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64], swizzle = 64>}

// -----

// Only TMA multicasts, prefetches and tells the L2 what to keep.
// expected-error @+1 {{expected multicast, cache, prefetch_from, few_rows and clip_rows with tma only, but got them with registers}}
func.func private @movement_kind() attributes {x = #dgemm.movement<registers, multicast = row>}

// -----

// M is not negative.
// expected-error @+1 {{expected 'prefetch_from' to be at least 0, but got -1}}
func.func private @movement_prefetch() attributes {x = #dgemm.movement<tma, prefetch_from = -1>}

// -----

// One cp.async has room for four scales.
// expected-error @+1 {{expected 'few_rows' to be 0 to 4, but got 5}}
func.func private @movement_rows() attributes {x = #dgemm.movement<tma, few_rows = 5>}

// -----

// The rows of a box are one extent, of the sizes that the dims are of.
// expected-error @+1 {{expected 'rows' to be a map of as many sizes as 'dims' to one extent, but got affine_map<(d0) -> (d0)>}}
func.func private @box_rows() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64], rows = (M) -> (M)>}

// -----

// An offset is one number of bytes, of a map with windows.
// expected-error @+1 {{expected 'offset' to be a map of as many sizes as 'dims' to one number of bytes, and at least 3 dims, but got affine_map<(d0, d1, d2) -> (-64)> and 2 dims}}
func.func private @map_offset() attributes {x = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
  dims = (M, N, K) -> (K, M), strides = (M, N, K) -> (K), box = [128, 64], offset = (M, N, K) -> (-64)>}

// -----

// #dgemm.scaled C1: wgmma takes FP8.
// expected-error @+1 {{expected elements of type f8E4M3FN or f8E5M2, but got 'bf16'}}
func.func private @scaled_elements() attributes {s = #dgemm.scaled<bf16 by [1, 128] of f32>}

// -----

// #dgemm.scaled C1: scales are f32.
// expected-error @+1 {{expected scales of type f32, but got 'f16'}}
func.func private @scale_type() attributes {s = #dgemm.scaled<f8E5M2 by [1, full] of f16>}

// -----

// #dgemm.scaled C2: the block is one of four.
// expected-error @+1 {{expected scales by [1, 128], [128, 128], [1, full] or [full, full], but got [full, 128]}}
func.func private @scale_block() attributes {s = #dgemm.scaled<f8E5M2 by [full, 128] of f32>}

// -----

// A problem has no operand for scales that there are not.
// expected-error @+1 {{expected 'strides' of a, b, scale_b, d, but got 'scale_a'}}
func.func private @strides_of_no_scales() attributes {s = #dgemm.problem<sizes = [-1, 384, 512], strides = {scale_a = array<i64: 1, 1>}, lhs = <f8E4M3FN>>}

// -----

// #dgemm.problem C3: fast accuracy leaves no place for scales that vary along K.
// expected-error @+1 {{expected accuracy = exact with #dgemm.scaled<f8E4M3FN by [1, 128] of f32>, because its scales multiply each partial sum, but got fast}}
func.func private @fast() attributes {s = #dgemm.problem<sizes = [-1, 384, 512], accuracy = fast>}

// -----

// expected-error @+1 {{expected accuracy = exact with #dgemm.scaled<f8E4M3FN by [1, 128] of f32>, because its scales multiply each partial sum, but got balanced}}
func.func private @balanced() attributes {s = #dgemm.problem<sizes = [-1, 384, 512], accuracy = balanced>}
