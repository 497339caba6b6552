// Products of FP8 that dgemm-raise leaves alone, with the reason. The good one is that of raise.mlir.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-raise)' %s -split-input-file -verify-diagnostics

// Two batches.
func.func @batches(%i0: tensor<2x3x64x512xf8E4M3FN>, %i1: tensor<2x3x256x512xf8E4M3FN>) -> tensor<2x3x64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<2x3x64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected a sum over one loop within two, or within three with a batch}}
  %d = linalg.generic {indexing_maps = [affine_map<(g, h, m, n, k) -> (g, h, m, k)>, affine_map<(g, h, m, n, k) -> (g, h, n, k)>, affine_map<(g, h, m, n, k) -> (g, h, m, n)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<2x3x64x512xf8E4M3FN>, tensor<2x3x256x512xf8E4M3FN>) outs(%z : tensor<2x3x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x3x64x256xf32>
  return %d : tensor<2x3x64x256xf32>
}

// -----

// A batch of A by one B.
func.func @shared(%i0: tensor<2x64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>) -> tensor<2x64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<2x64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected FP8 operands with K innermost and the batch in front}}
  %d = linalg.generic {indexing_maps = [affine_map<(g, m, n, k) -> (g, m, k)>, affine_map<(g, m, n, k) -> (n, k)>, affine_map<(g, m, n, k) -> (g, m, n)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<2x64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<2x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x64x256xf32>
  return %d : tensor<2x64x256xf32>
}

// -----

// A batch with one scale of rows.
func.func @shared_scale(%i0: tensor<2x64x512xf8E4M3FN>, %s: tensor<64xf32>, %i1: tensor<2x256x512xf8E4M3FN>) -> tensor<2x64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<2x64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected a scale for each row and 128 of K, for each block of 128 by 128, for each row, or for all, with the batch in front}}
  %d = linalg.generic {indexing_maps = [affine_map<(g, m, n, k) -> (g, m, k)>, affine_map<(g, m, n, k) -> (m)>, affine_map<(g, m, n, k) -> (g, n, k)>, affine_map<(g, m, n, k) -> (g, m, n)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%i0, %s, %i1 : tensor<2x64x512xf8E4M3FN>, tensor<64xf32>, tensor<2x256x512xf8E4M3FN>) outs(%z : tensor<2x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %sx: f32, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %4 = arith.mulf %2, %sx : f32
    %3 = arith.addf %acc, %4 : f32
    linalg.yield %3 : f32
  } -> tensor<2x64x256xf32>
  return %d : tensor<2x64x256xf32>
}

// -----

// D has a dimension of extent 1 in front.
func.func @unit(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>) -> tensor<1x64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<1x64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected a result that is indexed by the outer loops}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (0, m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<1x64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x64x256xf32>
  return %d : tensor<1x64x256xf32>
}

// -----

// A factor that is no operand.
func.func @factor(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected a product of operands and their scales}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %c = arith.constant 0.5 : f32
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// Scales of bf16.
func.func @scale_type(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>, %i2: tensor<64xbf16>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected scales of type f32}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1, %i2 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>, tensor<64xbf16>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %s: bf16, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %w = arith.extf %s : bf16 to f32
    %3 = arith.mulf %2, %w : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// Two scales of A.
func.func @two_scales(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>, %i2: tensor<64xf32>, %i3: tensor<64xf32>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected one scale for each operand}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m)>, affine_map<(m, n, k) -> (m)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1, %i2, %i3 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>, tensor<64xf32>, tensor<64xf32>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %s: f32, %t: f32, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.mulf %2, %s : f32
    %4 = arith.mulf %3, %t : f32
    %5 = arith.addf %acc, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// N is innermost in B.
func.func @k_outermost(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<512x256xf8E4M3FN>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected FP8 operands with K innermost}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<512x256xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// Both operands have the rows of A.
func.func @same_rows(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<64x512xf8E4M3FN>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected one FP8 operand for each outer loop}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<64x512xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// A scale for each 64 of K.
func.func @block(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>, %i2: tensor<64x8xf32>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected a scale for each row and 128 of K, for each block of 128 by 128, for each row, or for all}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, k floordiv 64)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1, %i2 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>, tensor<64x8xf32>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %s: f32, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.mulf %2, %s : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// A sum in bf16.
func.func @sum(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>) -> tensor<64x256xbf16> {
  %z = arith.constant dense<0.0> : tensor<64x256xbf16>
  // expected-remark @+1 {{left alone by dgemm-raise: expected products that are added to f32}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<64x256xbf16>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: bf16):
    %0 = arith.extf %x : f8E4M3FN to bf16
    %1 = arith.extf %y : f8E4M3FN to bf16
    %2 = arith.mulf %0, %1 : bf16
    %3 = arith.addf %acc, %2 : bf16
    linalg.yield %3 : bf16
  } -> tensor<64x256xbf16>
  return %d : tensor<64x256xbf16>
}

// -----

// B is not used.
func.func @one(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: expected two FP8 operands}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.addf %acc, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// A sum that goes on.
func.func @accumulate(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>, %z: tensor<64x256xf32>) -> tensor<64x256xf32> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected a sum that starts from zero}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// In memory.
func.func @memory(%i0: memref<64x512xf8E4M3FN>, %i1: memref<256x512xf8E4M3FN>, %z: memref<64x256xf32>) {
  // expected-remark @+1 {{left alone by dgemm-raise: expected tensors}}
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1 : memref<64x512xf8E4M3FN>, memref<256x512xf8E4M3FN>) outs(%z : memref<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.addf %acc, %2 : f32
    linalg.yield %3 : f32
  }
  return
}

// -----

// More scales than one for all.
func.func @extent(%i0: tensor<64x512xf8E4M3FN>, %i1: tensor<256x512xf8E4M3FN>, %i2: tensor<4xf32>) -> tensor<64x256xf32> {
  %z = arith.constant dense<0.0> : tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-raise: 'dgemm.gemm' op expected dimension 1 of 'lhs scale' to be 1, but got 4}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (0)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%i0, %i1, %i2 : tensor<64x512xf8E4M3FN>, tensor<256x512xf8E4M3FN>, tensor<4xf32>) outs(%z : tensor<64x256xf32>) {
  ^bb0(%x: f8E4M3FN, %y: f8E4M3FN, %s: f32, %acc: f32):
    %0 = arith.extf %x : f8E4M3FN to f32
    %1 = arith.extf %y : f8E4M3FN to f32
    %2 = arith.mulf %0, %1 : f32
    %3 = arith.mulf %2, %s : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}
