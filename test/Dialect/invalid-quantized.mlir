// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What is refused of a quantised D: C10 of dgemm.gemm, the rules of #dgemm.quantized, and those of dgemm.store and dgemm.quantize.

// C1: FP8 comes with scales, and scales with FP8.
func.func @without(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'out' to be bf16, f16, f32, or FP8 with scales, but got 'f8E4M3FN' without scales}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

func.func @bf16(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'out' with scales to be f8E4M3FN or f8E5M2, but got 'bf16'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf32> by [1, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

func.func @block(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op 'out': expected D to be scaled by [1, 128], but got [128, 128]}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf32> by [128, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

// The scales have a shape that follows from D.
func.func @extent(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<4x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'out scale' to be ceil(N / 128) = 3, but got 4}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<4x64xf32> by [1, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

func.func @gated(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x256xf8E4M3FN>, %sd: memref<4x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'out scale' to be ceil(N / 2 / 128) = 2, but got 4}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<4x64xf32> by [1, 128]) epilogue gated {
    ^bb0(%gate: f32, %up: f32):
      %0 = arith.mulf %gate, %up : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xf8E4M3FN>)
  return
}

// -----

func.func @element(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'out scale' elements of type 'f32', but got 'f16'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf16> by [1, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

// C10: what D may not be at the same time.
func.func @accumulate(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected no scales of 'out' where the product is added to it: the scales are those of the product}}
  dgemm.gemm dense accumulate lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf32> by [1, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

func.func @k_grouped(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<4x384xf32>, %d: memref<2x64x384xf8E4M3FN>, %sd: memref<2x3x64xf32>, %ends: memref<2xi32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected no scales of 'out' in a k_grouped layout}}
  dgemm.gemm k_grouped(%ends) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d scaled %sd : memref<2x3x64xf32> by [1, 128])
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<4x384xf32>, memref<2x64x384xf8E4M3FN>, memref<2xi32>)
  return
}

// -----

func.func @tensors(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<384x512xf8E4M3FN>, %sb: tensor<3x4xf32>, %d: tensor<64x384xf8E4M3FN>, %sd: tensor<3x64xf32>) -> tensor<64x384xf8E4M3FN> {
  // expected-error @+1 {{'dgemm.gemm' op expected operands to be memrefs if 'out' has scales, but got tensors}}
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : tensor<3x64xf32> by [1, 128])
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<384x512xf8E4M3FN>, tensor<3x4xf32>, tensor<64x384xf8E4M3FN>) -> tensor<64x384xf8E4M3FN>
  return %0 : tensor<64x384xf8E4M3FN>
}

// -----

// C10: a tile has whole blocks of scales, and all of K.
func.func @narrow(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected block N to be 128 or 256 and no split_k, as a tile of a quantised D has whole blocks of its scales, 128 columns, but got #dgemm.config<tile = <block = 64x192x128>,}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf32> by [1, 128])
      config <tile = <block = 64x192x128>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

func.func @halves(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x256xf8E4M3FN>, %sd: memref<2x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected block N to be 256 and no split_k, as a tile of a quantised D has whole blocks of its scales, 128 columns from each half, but got #dgemm.config<tile = <block = 64x128x128>,}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<2x64xf32> by [1, 128])
      config <tile = <block = 64x128x128>, schedule = <stages = 2, warpgroups = 1>> epilogue gated {
    ^bb0(%gate: f32, %up: f32):
      %0 = arith.mulf %gate, %up : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xf8E4M3FN>)
  return
}

// -----

func.func @split(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected block N to be 128 or 256 and no split_k}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d scaled %sd : memref<3x64xf32> by [1, 128])
      config <tile = <block = 64x128x128, split_k = 2>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>)
  return
}

// -----

// C1 of #dgemm.quantized.
// expected-error @+1 {{expected scales of D of type f32, but got 'f16'}}
#f16 = #dgemm.quantized<by [1, 128] of f16>

// -----

// expected-error @+1 {{expected D to be scaled by [1, 128], but got [1, full]}}
#row = #dgemm.quantized<by [1, full] of f32>

// -----

// C4 and C9 of #dgemm.problem.
// expected-error @+1 {{expected D to be bf16, f16, f32, or FP8 with scales, but got 'f8E4M3FN' without scales}}
#bare = #dgemm.problem<sizes = [64, 384, 512], out = f8E4M3FN>

// -----

// expected-error @+1 {{expected no scales of D where the product is added to it}}
#added = #dgemm.problem<sizes = [64, 384, 512], out = f8E4M3FN, accumulate = true, quantized = <by [1, 128] of f32>>

// -----

dgemm.kernel @stores(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.store' op expected whole blocks of 128 columns to quantise, but got 64 from 64 on}}
    dgemm.store %sum, %d[%tm, %tn] scaled %sd : memref<3x?xf32> part [64, 64] : !dgemm.frag<64x128xf32>, memref<?x384xf8E4M3FN>
  }
}

// -----

dgemm.kernel @columns(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.store' op expected no 'columns' with scales of D}}
    dgemm.store %sum, %d[%tm, %tn] scaled %sd : memref<3x?xf32> columns %n : !dgemm.frag<64x128xf32>, memref<?x384xf8E4M3FN>
  }
}

// -----

dgemm.kernel @memref(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.quantize' op expected the memref of scales to be the kernel argument scale_d}}
    %q = dgemm.quantize %sum at [%tm, %tn] into %sa : !dgemm.frag<64x128xf32>, memref<4x?xf32>
  }
}

// -----

dgemm.kernel @offsets(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.quantize' op expected 2 offsets for 'memref<3x?xf32>', but got 1}}
    %q = dgemm.quantize %sum at [%tm] into %sd : !dgemm.frag<64x128xf32>, memref<3x?xf32>
  }
}

// -----

// In the generic form, scales come with their block.
func.func @generic(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf8E4M3FN>, %sd: memref<3x64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected scales of 'out' to come with a block of rows and columns}}
  "dgemm.gemm"(%a, %sa, %b, %sb, %d, %sd) <{layout = 0 : i32, lhsGranularity = array<i64: 1, 128>, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 1>}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf8E4M3FN>, memref<3x64xf32>) -> ()
  return
}

// -----

// Nothing is added to FP8.
dgemm.kernel @accumulate(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // expected-error @+1 {{'dgemm.store' op expected no 'accumulate' to FP8, but got 'memref<?x384xf8E4M3FN>'}}
    dgemm.store %sum, %d[%tm, %tn] accumulate : !dgemm.frag<64x128xf32>, memref<?x384xf8E4M3FN>
  }
}

// -----

// Bytes in the staging are those of an FP8 D.
dgemm.kernel @bytes(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %p = llvm.mlir.zero : !llvm.ptr<3>
  %t = dgemm.tile_at %p : !dgemm.tile<64x128xi8, swizzle = 128>
  %sum = dgemm.zero : <64x128xf32>
  // expected-error @+1 {{'dgemm.store_fragment' op expected a tile of i8 in a kernel with a D of FP8 only, but got '!dgemm.tile<64x128xi8, swizzle = 128>' for 'bf16'}}
  dgemm.store_fragment %sum[0] into %t : !dgemm.frag<64x128xf32>, !dgemm.tile<64x128xi8, swizzle = 128>
}
