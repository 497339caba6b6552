// RUN: dgemm-opt %s --verify-roundtrip | FileCheck %s

// A tensor map names dims and strides as functions of M, N and K (innermost dimension first); a swizzle of 0 is not
// printed. The printer names the map after its operand, at the top of the file.
// CHECK-DAG: #scale_a_map = #dgemm.tensor_map<operand = scale_a, element = f32, dims = (d0, d1, d2) -> (d0, 4), strides = (d0, d1, d2) -> ((d0 ceildiv 4) * 16), box = [128, 1]>
// CHECK-DAG: #a_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN, dims = (d0, d1, d2) -> (d2, d0), strides = (d0, d1, d2) -> (d2), box = [128, 64], swizzle = 128>
// CHECK-DAG: #d_map = #dgemm.tensor_map<operand = d, element = bf16, dims = (d0, d1, d2) -> (d1, 64, d0 + 1), strides = (d0, d1, d2) -> (d1 * 2, d1 * 2), box = [64, 64, 1], swizzle = 128, offset = (d0, d1, d2) -> (d1 * -128)>

// A tile lies in shared memory; without a swizzle none is printed.
// CHECK-LABEL: func.func private @tiles(
// CHECK-SAME: !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x32xbf16, swizzle = 64>, !dgemm.tile<64x16xbf16, swizzle = 32>, !dgemm.tile<1x128xf32>)
func.func private @tiles(!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x32xbf16, swizzle = 64>,
                         !dgemm.tile<64x16xbf16, swizzle = 32>, !dgemm.tile<1x128xf32, swizzle = 0>)

// A fragment is f32 in registers: a block of columns, or one column with a value for each row.
// CHECK-LABEL: func.func private @fragments(
// CHECK-SAME: !dgemm.frag<64x192xf32>, !dgemm.frag<128x1xf32>)
func.func private @fragments(!dgemm.frag<64x192xf32>, !dgemm.frag<128x1xf32>)

// A config prints its parts and fields in one order, whatever order it was written in.
// CHECK-LABEL: func.func private @config(
// CHECK-SAME: #dgemm.config<tile = <block = 64x200x128>, order = <group_m = 3>, schedule = <stages = 5, warpgroups = 1>>
func.func private @config() attributes {
  test.config = #dgemm.config<schedule = <warpgroups = 1, stages = 5>, order = <group_m = 3>, tile = <block = 64x200x128>>}

// Fields with their default are not printed.
// CHECK-LABEL: func.func private @config_more(
// CHECK-SAME: none = #dgemm.config<tile = <block = 64x200x128>, schedule = <stages = 5, warpgroups = 1>>
// CHECK-SAME: some = #dgemm.config<tile = <block = 64x168x128, split_k = 7>, order = <group_m = 3, even_waves = true>, schedule = <stages = 5, warpgroups = 1>, loads = <b = evict_first>>
func.func private @config_more() attributes {
  none = #dgemm.config<tile = <block = 64x200x128, cluster = 1x1, split_k = 1>, order = <group_m = 8>,
                       schedule = <stages = 5, warpgroups = 1, unroll = 1, rotate = false>, loads = <b = normal>>,
  some = #dgemm.config<loads = <b = evict_first>, tile = <split_k = 7, block = 64x168x128>,
                       order = <group_m = 3, even_waves = true>, schedule = <stages = 5, warpgroups = 1>>}

// Scales are stated if there are any.
// CHECK-LABEL: func.func private @scaled(
// CHECK-SAME: by_row = #dgemm.scaled<f8E5M2 by [1, full] of f32>, none = #dgemm.scaled<f8E4M3FN>
func.func private @scaled() attributes {by_row = #dgemm.scaled<f8E5M2 by [1, full] of f32>, none = #dgemm.scaled<f8E4M3FN>}

// CHECK-LABEL: func.func private @machine(
// CHECK-SAME: #dgemm.machine<name = "h200", multiprocessors = 132>
func.func private @machine() attributes {test.machine = #dgemm.machine<multiprocessors = 132, name = "h200">}

// Uses are by that name.
// CHECK-LABEL: func.func private @maps(
// CHECK-SAME: test.scales = #scale_a_map, test.swizzled = #a_map, test.windows = #d_map
func.func private @maps() attributes {
  test.scales = #dgemm.tensor_map<operand = scale_a, element = f32, dims = (M, N, K) -> (M, 4),
                                  strides = (M, N, K) -> ((M ceildiv 4) * 16), box = [128, 1]>,
  test.swizzled = #dgemm.tensor_map<operand = a, element = f8E4M3FN, dims = (M, N, K) -> (K, M),
                                    strides = (M, N, K) -> (K), box = [128, 64], swizzle = 128>,
  test.windows = #dgemm.tensor_map<operand = d, element = bf16, dims = (M, N, K) -> (N, 64, M + 1),
                                   strides = (M, N, K) -> (N * 2, N * 2), box = [64, 64, 1], swizzle = 128,
                                   offset = (M, N, K) -> (N * -128)>}

// A movement prints what differs from plain copies.
// CHECK-LABEL: func.func private @movements(
// CHECK-SAME: all = #dgemm.movement<tma, multicast = column, cache = evict_first, prefetch_from = 64, few_rows = 4>
// CHECK-SAME: copy = #dgemm.movement<registers>
// CHECK-SAME: some = #dgemm.movement<tma, multicast = row>
func.func private @movements() attributes {
  all = #dgemm.movement<tma, prefetch_from = 64, few_rows = 4, cache = evict_first, multicast = column>,
  copy = #dgemm.movement<registers>, some = #dgemm.movement<tma, multicast = row, cache = normal>}
