// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// A kernel states its problem in attributes and in its arguments, which have to say the same.

// C2: each operand of the layout is there.
// expected-error @+1 {{'dgemm.kernel' op expected an argument with dgemm.operand = "b"}}
dgemm.kernel @missing(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C1: an argument says what it is.
dgemm.kernel @anonymous(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    // expected-error @+1 {{argument 2 of 'anonymous': expected one of dgemm.operand, dgemm.size and dgemm.tensor_map to say what it is}}
    %b: memref<384x512xf8E4M3FN>,
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C1: and only that.
dgemm.kernel @both(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{argument 5 of 'both': expected one of dgemm.operand, dgemm.size and dgemm.tensor_map to say what it is}}
    %M: index {dgemm.size = "M", dgemm.operand = "a"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C2: once.
dgemm.kernel @twice(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    // expected-error @+1 {{argument 2 of 'twice': operand 'a' is given twice}}
    %b: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C1: operands are those of the layout.
dgemm.kernel @unknown(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    // expected-error @+1 {{argument 2 of 'unknown': expected an operand of a, scale_a, b, scale_b, d, but got 'masked_m'}}
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "masked_m"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C3: an operand has the shape that the sizes say: here A and B are exchanged.
dgemm.kernel @exchanged(
    // expected-error @+1 {{argument 0 of 'exchanged': expected operand 'b' to be 'memref<384x512xf8E4M3FN>', as the problem of the kernel says, but got 'memref<?x512xf8E4M3FN>'}}
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "b"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "a"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C3: and the element type of a scaled FP8 GEMM.
dgemm.kernel @element(
    // expected-error @+1 {{argument 0 of 'element': expected operand 'a' to be 'memref<?x512xf8E4M3FN>', as the problem of the kernel says, but got 'memref<?x512xf8E5M2>'}}
    %a: memref<?x512xf8E5M2> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C3: the strides of an operand that is not packed are those of the attribute.
dgemm.kernel @strided(
    // expected-error @+1 {{argument 0 of 'strided': expected operand 'a' to be 'memref<?x512xf8E4M3FN>', as the problem of the kernel says, but got 'memref<?x512xf8E4M3FN, strided<[1024, 1]>>'}}
    %a: memref<?x512xf8E4M3FN, strided<[1024, 1]>> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// Which are strides of operands,
dgemm.kernel @strides_of(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{expected 'strides' of a, scale_a, b, scale_b, d, but got 'x'}}
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512], strides = {x = array<i64: 1, 1>}>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// one for each dimension.
dgemm.kernel @strides_rank(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{expected 'strides' of 'a' to be 2 of at least 1, or -1 where dynamic, the innermost 1, but got array<i64: 1>}}
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512], strides = {a = array<i64: 1>}>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C2: a dynamic size is an argument.
// expected-error @+1 {{'dgemm.kernel' op expected an argument with dgemm.size = "M", as that is dynamic}}
dgemm.kernel @no_size(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C1: and no other is.
dgemm.kernel @size_unknown(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{argument 5 of 'size_unknown': expected a dynamic size of the kernel (M), but got 'Q'}}
    %M: index {dgemm.size = "Q"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C2: once.
dgemm.kernel @size_twice(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"},
    // expected-error @+1 {{argument 6 of 'size_twice': size 'M' is given twice}}
    %M2: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// It is an index.
dgemm.kernel @size_type(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{argument 5 of 'size_type': expected size 'M' to be an index, but got 'i64'}}
    %M: i64 {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// Sizes are those of dgemm.gemm.
dgemm.kernel @size_range(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    // expected-error @+1 {{expected K to be 1 to 2147483647, or -1 where it is dynamic, but got -9223372036854775808}}
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, -9223372036854775808]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C3: a tensor map is of the operand.
dgemm.kernel @map_strides(
    // expected-error @+1 {{argument 0 of 'map_strides': expected the tensor map of 'a' to have the element type, dims and strides of 'memref<?x512xf8E4M3FN>'}}
    %map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
      dims = (M, N, K) -> (512, M), strides = (M, N, K) -> (1024), box = [128, 64], swizzle = 128>},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

dgemm.kernel @map_element(
    // expected-error @+1 {{argument 0 of 'map_element': expected the tensor map of 'a' to have the element type, dims and strides of 'memref<?x512xf8E4M3FN>'}}
    %map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E5M2,
      dims = (M, N, K) -> (512, M), strides = (M, N, K) -> (512), box = [128, 64], swizzle = 128>},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// Windows of rows begin as many rows before the operand.
dgemm.kernel @map_offset(
    // expected-error @+1 {{argument 0 of 'map_offset': expected the tensor map of 'a' to have the element type, dims and strides of windows of 'memref<?x512xf8E4M3FN>'}}
    %map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
      dims = (M, N, K) -> (512, 64, M + 1), strides = (M, N, K) -> (512, 512), box = [128, 64, 1], swizzle = 128, offset = (M, N, K) -> (-512)>},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// It is a pointer.
dgemm.kernel @map_type(
    // expected-error @+1 {{argument 0 of 'map_type': expected a tensor map to be !llvm.ptr, but got 'i64'}}
    %map: i64 {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
      dims = (M, N, K) -> (512, M), strides = (M, N, K) -> (512), box = [128, 64], swizzle = 128>},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C4: the name becomes that of a PTX function.
// expected-error @+1 {{'dgemm.kernel' op expected the name of a kernel to be letters, digits, _ and $, no digit first, but got 'a b'}}
dgemm.kernel @"a b"(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// C5: multicast wants TMA, and TMA rows of whole 16 bytes.
// expected-error @+1 {{'dgemm.kernel' op expected no cluster, as the strides of 'a' are not known to be multiples of 16 bytes}}
dgemm.kernel @cluster(
    %a: memref<?x500xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x500xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 500]>
    config <tile = <block = 64x96x128, cluster = 2x1>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// dgemm.for_each_tile C2: the tile is that of the config,
dgemm.kernel @tile(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 384 : index
  // expected-error @+1 {{'dgemm.for_each_tile' op expected tile = [64, 96], group_m = 1 and cluster = [1, 1], as the config of the kernel says}}
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 64] group_m = 1 {}
}

// -----

// and the matrix that of the kernel.
dgemm.kernel @matrix(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.for_each_tile' op expected to walk the M and N of the kernel: the argument, or the constant that it is}}
  dgemm.for_each_tile (%m, %n) of (%M, %M) tile = [64, 96] group_m = 1 {}
}

// -----

// So is the layout.
dgemm.kernel @layout(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 384 : index
  %g = memref.alloc() : memref<64xi32>
  // expected-error @+1 {{'dgemm.for_each_tile' op expected the layout of the kernel, dense, but got contiguous}}
  dgemm.for_each_tile (%m, %n, %i) of (%M, %N) contiguous %g : memref<64xi32> tile = [64, 96] group_m = 1 {}
}

// -----

// dgemm.for_each_tile C3: a K loop takes a whole K block at a time.
dgemm.kernel @step(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %N = arith.constant 384 : index
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %K = arith.constant 512 : index
  dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [64, 96] group_m = 1 {
    // expected-error @+1 {{'scf.for' op expected a K loop of 1 K blocks of 128 to have their sum as its step, 128}}
    scf.for %k = %c0 to %K step %c64 {
      %t = dgemm.load %b[%n, %k] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
    }
  }
}

// -----

// A load is of the tile that the config says,
dgemm.kernel @load_tile(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected the tile of a that the config of the kernel says, '!dgemm.tile<64x128xf8E4M3FN, swizzle = 128>', but got '!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>'}}
  %t = dgemm.load %a[%M, %M] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
}

// -----

// from an operand.
dgemm.kernel @load_source(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %x = memref.alloc() : memref<64x128xf8E4M3FN>
  // expected-error @+1 {{'dgemm.load' op expected the source to be the kernel argument a, b or scale_a}}
  %t = dgemm.load %x[%M, %M] : memref<64x128xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
}

// -----

// dgemm.mma C4: A is on the left, B on the right.
dgemm.kernel @mma(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %t = dgemm.load %b[%M, %M] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  %u = dgemm.load %b[%M, %M] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  %s = dgemm.load %a[%M, %M] : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  // expected-error @+1 {{'dgemm.mma' op expected the rhs, which is loaded, to be the kernel argument b}}
  %p = dgemm.mma %s, %s : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
}

// -----

// Scales of B are as many as block N may meet,
dgemm.kernel @scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load_scales' op expected the 2 scales that block N of the kernel may meet, but got 1}}
  %x = dgemm.load_scales %sb[%M, %M] : memref<3x4xf32> -> vector<1xf32>
}

// -----

// and of B.
dgemm.kernel @scales_source(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load_scales' op expected the source to be the kernel argument scale_b}}
  %x = dgemm.load_scales %sa[%M, %M] : memref<4x?xf32> -> vector<2xf32>
}

// -----

// Those of A are of A.
dgemm.kernel @row_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load_scales' op expected the source to be the kernel argument scale_a}}
  %x = dgemm.load_scales %sb[%M, %M] : memref<3x4xf32> -> !dgemm.frag<64x1xf32>
}

// -----

// D is what is stored to.
dgemm.kernel @store(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %x = memref.alloc() : memref<64x96xbf16>
  %v = dgemm.zero : <64x96xf32>
  // expected-error @+1 {{'dgemm.store' op expected the destination to be the kernel argument d}}
  dgemm.store %v, %x[%M, %M] : !dgemm.frag<64x96xf32>, memref<64x96xbf16>
}

// -----

// K is divided between as many CTAs as the config says.
dgemm.kernel @split(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.k_range' op expected 'split' to be the split_k of the kernel, 1, but got 2}}
  %x, %y = dgemm.k_range %M split = 2
}

// -----

// dgemm.ring C1: a ring has the stages of the config,
dgemm.kernel @stages(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.ring' op expected the 2 stages of the kernel's config, but got 3}}
  %r = dgemm.ring : !dgemm.ring<3, <<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>>
}

// -----

// and these its tiles.
dgemm.kernel @ring_tiles(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.ring' op expected the tile of b that the config of the kernel says, '!dgemm.tile<96x128xf8E4M3FN, swizzle = 128>', but got '!dgemm.tile<64x128xf8E4M3FN, swizzle = 128>'}}
  %r = dgemm.ring : !dgemm.ring<2, <<64x128xf8E4M3FN, swizzle = 128>, <64x128xf8E4M3FN, swizzle = 128>>>
}

// -----

// dgemm.warp_specialize C5: a consumer is a math warpgroup.
dgemm.kernel @consumers(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected as many consumers as the kernel has math warpgroups, 1, but got 2}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
  }
}

// -----

!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
// A stage holds the tiles of A and B in this order.
dgemm.kernel @stage_source(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
    %s = dgemm.acquire %r : !ring -> !stage
    // expected-error @+1 {{'dgemm.load_async' op expected the source to be the kernel argument a}}
    dgemm.load_async %b[%M, %M] into %s[0] : memref<384x512xf8E4M3FN>, !stage
  } consumer (%wg) x 1 registers = 232 {
  }
}

// -----

!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
// So do the views of it.
dgemm.kernel @stage_view(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 232 {
    %s = dgemm.wait %r : !ring -> !stage
    %a1 = dgemm.view %s[1] from %wg : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
    // expected-error @+1 {{'dgemm.mma' op expected the lhs to be the tile of a in its stage, 0, but got 1}}
    %p = dgemm.mma %a1, %a1 : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
  }
}

// -----

!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
// Who fills a stage is the producer.
dgemm.kernel @place_producer(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 232 {
    // expected-error @+1 {{'dgemm.acquire' op expected to stand in the producer region of a dgemm.warp_specialize}}
    %s = dgemm.acquire %r : !ring -> !stage
  }
}

// -----

!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
// And who reads it a consumer.
dgemm.kernel @place_consumer(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  // expected-error @+1 {{'dgemm.release' op expected to stand in the consumer region of a dgemm.warp_specialize}}
  dgemm.release %r : !ring
}

// -----

// The roles are those of the kernel.
dgemm.kernel @place_kernel(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %c = arith.constant true
  scf.if %c {
    // expected-error @+1 {{'dgemm.warp_specialize' op expected to stand directly in a dgemm.kernel}}
    dgemm.warp_specialize
    producer registers = 40 {
    } consumer (%wg) x 1 registers = 232 {
    }
  }
}

// -----

// Outside of a kernel there is no problem to speak of.
func.func @promote(%p: !dgemm.frag<64x64xf32>, %ra: !dgemm.frag<64x1xf32>, %xb: vector<1xf32>, %n: index) {
  // expected-error @+1 {{'dgemm.promote' op expected to stand in a dgemm.kernel}}
  %s = dgemm.promote %p scaled %ra, %xb at %n into %p : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32>, vector<1xf32> -> !dgemm.frag<64x64xf32>
  return
}

// -----

func.func @roles() {
  // expected-error @+1 {{'dgemm.warp_specialize' op expected to stand directly in a dgemm.kernel}}
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 64 {
  }
  return
}

// -----

// #dgemm.movement C3: TMA wants rows of multiples of 16 bytes.
dgemm.kernel @movement_strides(
    %a: memref<?x500xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x500xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 500]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected to move its data without TMA, which does not take these strides}}
  %t = dgemm.load %a[%M, %M] by <tma> : memref<?x500xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
}

// -----

// #dgemm.movement C3: each CTA of a split K stores columns of its own.
dgemm.kernel @movement_split(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128, split_k = 2>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %v = dgemm.zero : <64x48xf32>
  // expected-error @+1 {{'dgemm.store' op expected to store from registers, as each CTA of a split K has columns of its own}}
  dgemm.store %v, %d[%M, %M] by <tma> : !dgemm.frag<64x48xf32>, memref<?x384xbf16>
}

// -----

// #dgemm.movement C3: a tile of scales comes by TMA.
dgemm.kernel @movement_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected to load a tile of scales by TMA; dgemm.load_scales does without}}
  %t = dgemm.load %sa[%M, %M] by <registers> : memref<4x?xf32> -> !dgemm.tile<1x64xf32>
}

// -----

// #dgemm.movement C4: there is a cluster to multicast in.
dgemm.kernel @movement_multicast(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected multicast = none, as the cluster of the kernel says, but got row}}
  %t = dgemm.load %a[%M, %M] by <tma, multicast = row> : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
}

// -----

// #dgemm.movement C5: what is prefetched is a tile of A or B.
dgemm.kernel @movement_prefetch(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected 'prefetch_from' for A and B of a dense layout without multicast only}}
  %t = dgemm.load %sa[%M, %M] by <tma, prefetch_from = 64> : memref<4x?xf32> -> !dgemm.tile<1x64xf32>
}

// -----

// #dgemm.movement C5: what few rows have little of are scales of A.
dgemm.kernel @movement_few_rows(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected 'few_rows' for scales of A of a dense layout without multicast, with a block M of 64, only}}
  %t = dgemm.load %a[%M, %M] by <tma, few_rows = 4> : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
}

// -----

// #dgemm.movement C6: B has no rows past the end of M.
dgemm.kernel @movement_clip_rows(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  // expected-error @+1 {{'dgemm.load' op expected 'clip_rows' only for A without multicast in a dense or batched layout}}
  %t = dgemm.load %b[%M, %M] by <tma, clip_rows = true> : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
}

// -----

// Row and column scales are those of the sum: tiles of 96 columns start at multiples of 32 modulo 128, so one may meet two
// scale blocks.
dgemm.kernel @column_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %p = dgemm.zero : <64x96xf32>
  %ra = dgemm.zero : <64x1xf32>
  %xb = arith.constant dense<1.0> : vector<1xf32>
  // expected-error @+1 {{'dgemm.promote' op expected 2 column scales for 96 columns, but got 1}}
  %s = dgemm.promote %p scaled %ra, %xb at %M into %p : !dgemm.frag<64x96xf32>, !dgemm.frag<64x1xf32>, vector<1xf32> -> !dgemm.frag<64x96xf32>
}

// -----

// Tiles whose width divides 128 meet one.
dgemm.kernel @column_scales_aligned(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %p = dgemm.zero : <64x64xf32>
  %ra = dgemm.zero : <64x1xf32>
  %xb = arith.constant dense<1.0> : vector<2xf32>
  // expected-error @+1 {{'dgemm.promote' op expected 1 column scales for 64 columns, but got 2}}
  %s = dgemm.promote %p scaled %ra, %xb at %M into %p : !dgemm.frag<64x64xf32>, !dgemm.frag<64x1xf32>, vector<2xf32> -> !dgemm.frag<64x64xf32>
}

// -----

// dgemm.scaled_mma has the same rule.
dgemm.kernel @scaled_mma_scales(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %acc = dgemm.zero : <64x96xf32>
  %ra = dgemm.zero : <64x1xf32>
  %xb = arith.constant dense<1.0> : vector<3xf32>
  %ta = dgemm.load %a[%M, %M] : memref<?x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%M, %M] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  // expected-error @+1 {{'dgemm.scaled_mma' op expected 2 column scales for 96 columns, but got 3}}
  %s = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %M into %acc : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>, !dgemm.frag<64x1xf32>, vector<3xf32>, !dgemm.frag<64x96xf32>
}

// -----

// #dgemm.problem C3: what D is.
dgemm.kernel @out(
    // expected-error @+1 {{expected D to be bf16, f16, f32, or FP8 with scales, but got 'f64'}}
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512], out = f64>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
}

// -----

// What the host must know is of one form.
// expected-error @+1 {{expected dgemm.launch to be a #dgemm.launch of an llvm.func}}
llvm.func @launch() attributes {dgemm.launch = {threads = 128 : i64}} {
  llvm.return
}

// -----

// dgemm.warp_specialize C6: what is read has been loaded.
!stage = !dgemm.stage<<64x128xf8E4M3FN, swizzle = 128>, <96x128xf8E4M3FN, swizzle = 128>>
!ring = !dgemm.ring<2, !stage>
dgemm.kernel @not_loaded(
    %a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"},
    %sa: memref<4x?xf32> {dgemm.operand = "scale_a"},
    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
    %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
    %d: memref<?x384xbf16> {dgemm.operand = "d"},
    %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x96x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %r = dgemm.ring : !ring
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 1 registers = 232 {
    %s = dgemm.wait %r : !ring -> !stage
    // expected-error @+1 {{'dgemm.view' op expected tile 0 of a stage to be loaded by the producer}}
    %t = dgemm.view %s[0] from %wg : !stage -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  }
}
