// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What dgemm.gemm refuses, rule by rule (C1 to C6 of its description). The good problem is M = 64, N = 384, K = 512.

// C1: both operands are e4m3 or e5m2.
func.func @lhs_type(%a: memref<64x512xf8E4M3FNUZ>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'lhs': expected elements of type f8E4M3FN or f8E5M2, but got 'f8E4M3FNUZ'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FNUZ>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C1: both operands are e4m3 or e5m2.
func.func @rhs_type(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf16>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'rhs': expected elements of type f8E4M3FN or f8E5M2, but got 'f16'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf16>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C1: scales are f32.
func.func @lhs_scale_type(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf8E8M0FNU>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs scale' elements of type 'f32', but got 'f8E8M0FNU'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf8E8M0FNU>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C1: scales are f32.
func.func @rhs_scale_type(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xbf16>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'rhs scale' elements of type 'f32', but got 'bf16'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xbf16>, memref<64x384xbf16>)
  return
}

// -----

// C1: the output is bf16, f16 or f32, or FP8 with scales.
func.func @out_type(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf64>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'out' to be bf16, f16, f32, or FP8 with scales, but got 'f64'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf64>)
  return
}

// -----

// Operands are matrices.
func.func @rank(%a: memref<2x64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs' to have rank 2, but got 3}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<2x64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C2: blocks of scales are 128 deep, or as deep as K.
func.func @lhs_granularity(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'lhs': expected scales by [1, 128], [128, 128], [1, full] or [full, full], but got [1, 64]}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 64]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C2: a scale of B belongs to a block of 128x128, a row or all of it.
func.func @rhs_granularity(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'rhs': expected scales by [1, 128], [128, 128], [1, full] or [full, full], but got [64, full]}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [64, full]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C2: a block has rows and K.
func.func @block(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'lhs': expected scales by a block of rows and K, but got 1 extents}}
  "dgemm.gemm"(%a, %sa, %b, %sb, %d) <{layout = 0 : i32, lhsGranularity = array<i64: 1>, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0>}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>) -> ()
  return
}

// -----

// C2: scales come with their block.
func.func @scales_without_block(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'lhs': expected scales to come with a block of rows and K}}
  "dgemm.gemm"(%a, %sa, %b, %d) <{layout = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0>}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<64x384xbf16>) -> ()
  return
}

// -----

// C2: and a block with its scales.
func.func @block_without_scales(%a: memref<64x512xf8E4M3FN>, %b: memref<384x512xf8E4M3FN>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'rhs': expected scales to come with a block of rows and K}}
  "dgemm.gemm"(%a, %b, %d) <{layout = 0 : i32, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 0, 1, 0, 1, 0, 0, 0>}> ({})
      : (memref<64x512xf8E4M3FN>, memref<384x512xf8E4M3FN>, memref<64x384xbf16>) -> ()
  return
}

// -----

// C1: without scales, too, elements are FP8.
func.func @elements_without_scales(%a: memref<64x512xbf16>, %b: memref<384x512xf8E4M3FN>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op 'lhs': expected elements of type f8E4M3FN or f8E5M2, but got 'bf16'}}
  dgemm.gemm dense lhs(%a) rhs(%b) out(%d) : (memref<64x512xbf16>, memref<384x512xf8E4M3FN>, memref<64x384xbf16>)
  return
}

// -----

// A type stands for each operand that is given.
func.func @types_of_no_scales(%a: memref<64x512xf8E4M3FN>, %sb: memref<3x4xf32>, %b: memref<384x512xf8E4M3FN>, %d: memref<64x384xbf16>) {
  // expected-error @+2 {{expected ','}}
  dgemm.gemm dense lhs(%a) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<384x512xf8E4M3FN>, memref<64x384xbf16>)
  return
}

// -----

// C2: a block has an extent.
func.func @extent(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{expected a positive extent or full}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 0]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: scales for each row lie rows innermost, whichever operand they are of.
func.func @rhs_row_scales(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'rhs scale' to be ceil(K / 128) = 4, but got 3}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [1, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: a tensor has one scale.
func.func @tensor_scale(%a: memref<64x512xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<1x1xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 1 of 'lhs scale' to be 1, but got 64}}
  dgemm.gemm dense lhs(%a scaled %sa by [full, full]) rhs(%b scaled %sb by [full, full]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<1x64xf32>, memref<384x512xf8E4M3FN>, memref<1x1xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: A and D have the same rows.
func.func @m(%a: memref<72x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'lhs' to be M = 64, but got 72}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<72x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: a size is static everywhere or nowhere.
func.func @m_dynamic(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'lhs' to be M = 64, but got ?}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: rows of B are columns of D.
func.func @n(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<392x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'rhs' to be N = 384, but got 392}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<392x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: A and B are equally deep.
func.func @k(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x528xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 1 of 'rhs' to be K = 512, but got 528}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x528xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: the scales of A are stored M innermost, a row for each K block.
func.func @lhs_scale_k(%a: memref<64x512xf8E4M3FN>, %sa: memref<5x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'lhs scale' to be ceil(K / 128) = 4, but got 5}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<5x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: one scale of A for each row.
func.func @lhs_scale_m(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x32xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 1 of 'lhs scale' to be M = 64, but got 32}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x32xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: the scales of B have a row for each 128 columns of D.
func.func @rhs_scale_n(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'rhs scale' to be ceil(N / 128) = 3, but got 4}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<4x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C3: and a column for each K block.
func.func @rhs_scale_k(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x3xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 1 of 'rhs scale' to be ceil(K / 128) = 4, but got 3}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x3xf32>, memref<64x384xbf16>)
  return
}

// -----

// C4: an empty problem has nothing to compile.
func.func @empty(%a: memref<0x512xf8E4M3FN>, %sa: memref<4x0xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<0x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected M to be 1 to 2147483647, but got 0}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<0x512xf8E4M3FN>, memref<4x0xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<0x384xbf16>)
  return
}

// -----

// C4: sizes are i32 in the kernel.
func.func @size(%a: memref<2147483648x512xf8E4M3FN>, %sa: memref<4x2147483648xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<2147483648x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected M to be 1 to 2147483647, but got 2147483648}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<2147483648x512xf8E4M3FN>, memref<4x2147483648xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<2147483648x384xbf16>)
  return
}

// -----

// C5: rows are contiguous.
func.func @strides(%a: memref<64x512xf8E4M3FN, strided<[1024, 2]>>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs' rows to be contiguous (innermost stride 1), but got 'memref<64x512xf8E4M3FN, strided<[1024, 2]>>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN, strided<[1024, 2]>>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C5: operands lie in global memory.
func.func @space(%a: memref<64x512xf8E4M3FN, 3>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs' to lie in global memory, without a memory space, but got 'memref<64x512xf8E4M3FN, 3>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN, 3>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C5: a stride of the scales is static.
func.func @dynamic_strides(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32, strided<[?, ?]>>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs scale' to be packed or to have strides of which the innermost is static, but got 'memref<4x64xf32, strided<[?, ?]>>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32, strided<[?, ?]>>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C4: what is promised is not known anyway.
func.func @static_divisor(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<?x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected only dynamic sizes to be 'divisible', but N is not}}
  dgemm.gemm dense divisible <n = 8> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// -----

func.func @zero_divisor(%a: memref<?x?xf8E4M3FN>, %sa: memref<?x?xf32>, %b: memref<384x?xf8E4M3FN>, %sb: memref<3x?xf32>, %d: memref<?x384xbf16>) {
  // expected-error @+1 {{expected positive divisors, but got 0}}
  dgemm.gemm dense divisible <k = 0> lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x?xf8E4M3FN>, memref<?x?xf32>, memref<384x?xf8E4M3FN>, memref<3x?xf32>, memref<?x384xbf16>)
  return
}

// -----

// A grouped layout names its groups.
func.func @no_groups(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<2x384x512xf8E4M3FN>, %sb: memref<2x3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected a group operand for a contiguous layout}}
  dgemm.gemm contiguous lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<2x384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// Every group has a B of its own.
func.func @group_rank(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<2x3x4xf32>, %d: memref<64x384xbf16>, %g: memref<64xi32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'rhs' to have rank 3, but got 2}}
  dgemm.gemm contiguous(%g) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<64x384xbf16>, memref<64xi32>)
  return
}

// -----

// A tile has rows of one group.
func.func @alignment(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<2x384x512xf8E4M3FN>, %sb: memref<2x3x4xf32>, %d: memref<64x384xbf16>, %g: memref<64xi32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected block M to divide the alignment of groups, 64, so that no tile has rows of two groups, but got 128}}
  dgemm.gemm contiguous(%g) aligned 64 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<2x384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<64x384xbf16>, memref<64xi32>)
  return
}

// -----

// C6: a config is checked as an attribute, so a bad one never reaches the op.
func.func @config(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                  %d: memref<64x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      // expected-error @+1 {{expected block N to be a multiple of 8 from 8 to 256, but got 100}}
      config <tile = <block = 128x100x128>, schedule = <stages = 4, warpgroups = 2>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C4: fast accuracy leaves no place for scales that vary along K.
func.func @fast(%a: memref<64x512xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected accuracy(exact) where the scales of 'rhs' vary along K, but got fast}}
  dgemm.gemm dense accuracy(fast) lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<1x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C4: nor does balanced accuracy.
func.func @balanced(%a: memref<64x512xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected accuracy(exact) where the scales of 'rhs' vary along K, but got balanced}}
  dgemm.gemm dense accuracy(balanced) lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<1x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C5: all operands are in memory, or none is.
func.func @mixed(%a: memref<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected all operands to be memrefs, or all to be tensors, but 'out' is 'memref<64x384xbf16>' and 'lhs scale' is 'tensor<4x64xf32>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, tensor<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C5: a tensor is plain.
func.func @encoding(%a: tensor<64x512xf8E4M3FN, "packed">, %sa: tensor<4x64xf32>, %b: tensor<384x512xf8E4M3FN>, %sb: tensor<3x4xf32>, %d: tensor<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'lhs' to have no encoding, but got 'tensor<64x512xf8E4M3FN, "packed">'}}
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<64x512xf8E4M3FN, "packed">, tensor<4x64xf32>, tensor<384x512xf8E4M3FN>, tensor<3x4xf32>, tensor<64x384xbf16>)
      -> tensor<64x384xbf16>
  return
}

// -----

// The result is the tensor of `out`, with its type.
func.func @result_type(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<384x512xf8E4M3FN>, %sb: tensor<3x4xf32>, %d: tensor<64x384xbf16>) {
  // expected-error @+1 {{expected type of operand #4 ('tensor<64x384xbf16>') to match type of corresponding result ('tensor<?x384xbf16>')}}
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<384x512xf8E4M3FN>, tensor<3x4xf32>, tensor<64x384xbf16>)
      -> tensor<?x384xbf16>
  return
}

// -----

// Memory is written; there is no result.
func.func @result_of_memory(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{expected the number of tensor results (1) to be equal to the number of output tensors (0)}}
  %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
      -> tensor<64x384xbf16>
  return
}

// -----

func.func @aligned(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                   %d: memref<64x384xbf16>) {
  // expected-error @+1 {{expected 'aligned' to be positive, and only for a contiguous, offsets or k_grouped layout, but got 16 for a dense layout}}
  dgemm.gemm dense aligned 16 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// expected-error @+1 {{expected 'alignment' to be at least 1, a multiple of 128 for k_grouped, and 1 for layouts other than offsets and k_grouped, but got 16 for dense}}
func.func private @alignment() attributes {problem = #dgemm.problem<sizes = [64, 384, 512], alignment = 16>}

// -----

// expected-error @+1 {{expected 'alignment' to be at least 1, a multiple of 128 for k_grouped, and 1 for layouts other than offsets and k_grouped, but got 0 for offsets}}
func.func private @no_alignment() attributes {problem = #dgemm.problem<sizes = [64, 384, 512, 2], layout = offsets, alignment = 0>}

// -----

// expected-error @+1 {{a multiple of 128 for k_grouped, and 1 for layouts other than offsets and k_grouped, but got 64 for k_grouped}}
func.func private @half_a_block() attributes {problem = #dgemm.problem<sizes = [64, 384, 512, 2], layout = k_grouped, alignment = 64>}

// -----

func.func @split(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                 %d: memref<2x64x384xbf16>, %ends: memref<2xi32>) {
  // expected-error @+1 {{expected split_k = 1 and serpentine = false of a k_grouped layout, whose tiles have parts of K of their own, but got}}
  dgemm.gemm k_grouped(%ends) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x128x128, split_k = 2>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<2x64x384xbf16>, memref<2xi32>)
  return
}

// -----

func.func @k_aligned(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                     %d: memref<2x64x384xbf16>, %ends: memref<2xi32>) {
  // expected-error @+1 {{expected 'aligned' to be a multiple of 128 for a k_grouped layout, but got 64}}
  dgemm.gemm k_grouped(%ends) aligned 64 lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<2x64x384xbf16>, memref<2xi32>)
  return
}

// -----

func.func @backwards(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                     %d: memref<2x64x384xbf16>, %ends: memref<2xi32>) {
  // expected-error @+1 {{expected split_k = 1 and serpentine = false of a k_grouped layout, whose tiles have parts of K of their own, but got}}
  dgemm.gemm k_grouped(%ends) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x128x128>, order = <serpentine = true>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<2x64x384xbf16>, memref<2xi32>)
  return
}

// -----

// All rows of a batch are computed, so nothing says how many there are.
func.func @batch_of_groups(%a: memref<2x64x512xf8E4M3FN>, %sa: memref<2x4x64xf32>, %b: memref<2x384x512xf8E4M3FN>,
                           %sb: memref<2x3x4xf32>, %d: memref<2x64x384xbf16>, %rows: memref<2xi32>) {
  // expected-error @+1 {{expected no group operand for a batched layout}}
  dgemm.gemm batched(%rows) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<2x64x512xf8E4M3FN>, memref<2x4x64xf32>, memref<2x384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<2x64x384xbf16>, memref<2xi32>)
  return
}

// -----

func.func @one_matrix(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<2x384x512xf8E4M3FN>,
                      %sb: memref<2x3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{expected 'lhs' to have rank 3, but got 2}}
  dgemm.gemm batched lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<2x384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<64x384xbf16>)
  return
}
