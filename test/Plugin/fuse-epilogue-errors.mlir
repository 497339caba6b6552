// Element-wise ops behind a gemm that dgemm-fuse-epilogue leaves alone, with the reason. The good ones are those of fuse-epilogue.mlir.
// REQUIRES: plugin
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-fuse-epilogue)' %s -split-input-file -verify-diagnostics

// A product that is added to what D holds.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @accumulate(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense accumulate lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected no epilogue where the product is added to D}}
  %d = linalg.exp ins(%sum : !f) outs(%e : !f) -> !f
  return %d : !f
}

// -----

// The product is needed as it is.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @two_users(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> (!f, !f) {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected the product to have no other user}}
  %d = linalg.exp ins(%sum : !f) outs(%e : !f) -> !f
  return %sum, %d : !f, !f
}

// -----

// A loop around the op does it many times.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @loop(%n: index, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d = scf.for %i = %c0 to %n step %c1 iter_args(%old = %e) -> (!f) {
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected the product to be computed in the same block}}
    %0 = linalg.exp ins(%sum : !f) outs(%old : !f) -> !f
    scf.yield %0 : !f
  }
  return %d : !f
}

// -----

// Two results.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @two_results(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected one tensor as the result, indexed by all loops}}
  %d:2 = linalg.generic {indexing_maps = [#mn, #mn, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%e, %e : !f, !f) {
  ^bb0(%x: f32, %old: f32, %other: f32):
    linalg.yield %x, %x : f32, f32
  } -> (!f, !f)
  return %d#0 : !f
}

// -----

// A result in FP8.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @fp8(%init: tensor<64x256xf8E4M3FN>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> tensor<64x256xf8E4M3FN> {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected a result of f32, bf16 or f16, but got f8E4M3FN}}
  %d = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%init : tensor<64x256xf8E4M3FN>) {
  ^bb0(%x: f32, %old: f8E4M3FN):
    %0 = arith.truncf %x : f32 to f8E4M3FN
    linalg.yield %0 : f8E4M3FN
  } -> tensor<64x256xf8E4M3FN>
  return %d : tensor<64x256xf8E4M3FN>
}

// -----

// A transposed result.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @transposed(%init: tensor<256x64xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> tensor<256x64xf32> {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected each element of the product to be read where the result is written}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n) -> (n, m)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%init : tensor<256x64xf32>) {
  ^bb0(%x: f32, %old: f32):
    linalg.yield %x : f32
  } -> tensor<256x64xf32>
  return %d : tensor<256x64xf32>
}

// -----

// An operand of integers.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @integers(%c: tensor<256xi32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected values of f32, bf16 or f16, but got i32}}
  %d = linalg.generic {indexing_maps = [#mn, affine_map<(m, n) -> (n)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum, %c : !f, tensor<256xi32>) outs(%e : !f) {
  ^bb0(%x: f32, %y: i32, %old: f32):
    %0 = arith.sitofp %y : i32 to f32
    %1 = arith.addf %x, %0 : f32
    linalg.yield %1 : f32
  } -> !f
  return %d : !f
}

// -----

// A transposed operand.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @transposed_operand(%c: tensor<256x64xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected an operand with a value for each row, column or element of a dense product, or a single value, but got an operand indexed by (d0, d1) -> (d1, d0)}}
  %d = linalg.generic {indexing_maps = [#mn, affine_map<(m, n) -> (n, m)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum, %c : !f, tensor<256x64xf32>) outs(%e : !f) {
  ^bb0(%x: f32, %y: f32, %old: f32):
    %0 = arith.addf %x, %y : f32
    linalg.yield %0 : f32
  } -> !f
  return %d : !f
}

// -----

// The first row of a matrix.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @first_row(%c: tensor<4x256xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected an operand with a value for each row, column or element of a dense product, or a single value, but got an operand indexed by (d0, d1) -> (0, d1)}}
  %d = linalg.generic {indexing_maps = [#mn, affine_map<(m, n) -> (0, n)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum, %c : !f, tensor<4x256xf32>) outs(%e : !f) {
  ^bb0(%x: f32, %y: f32, %old: f32):
    %0 = arith.addf %x, %y : f32
    linalg.yield %0 : f32
  } -> !f
  return %d : !f
}

// -----

// The place of an element.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @index(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: 'linalg.index' has no form in an epilogue}}
  %d = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%e : !f) {
  ^bb0(%x: f32, %old: f32):
    %i = linalg.index 0 : index
    linalg.yield %x : f32
  } -> !f
  return %d : !f
}

// -----

// A function that epilogues do not have.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @sin(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: 'math.sin' has no form in an epilogue}}
  %d = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%e : !f) {
  ^bb0(%x: f32, %old: f32):
    %0 = math.sin %x : f32
    linalg.yield %0 : f32
  } -> !f
  return %d : !f
}

// -----

// Double precision on the way.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @double(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected values of f32, bf16, f16 or i1, but got f64}}
  %d = linalg.generic {indexing_maps = [#mn, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum : !f) outs(%e : !f) {
  ^bb0(%x: f32, %old: f32):
    %0 = arith.extf %x : f32 to f64
    %1 = arith.addf %0, %0 : f64
    %2 = arith.truncf %1 : f64 to f32
    linalg.yield %2 : f32
  } -> !f
  return %d : !f
}

// -----

// More operands than an epilogue has.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @nine(%c0: tensor<256xf32>, %c1: tensor<256xf32>, %c2: tensor<256xf32>, %c3: tensor<256xf32>, %c4: tensor<256xf32>, %c5: tensor<256xf32>, %c6: tensor<256xf32>, %c7: tensor<256xf32>, %c8: tensor<256xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected at most 8 operands of an epilogue, but got 9}}
  %d = linalg.generic {indexing_maps = [#mn, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (n)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum, %c0, %c1, %c2, %c3, %c4, %c5, %c6, %c7, %c8 : !f, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<256xf32>) outs(%e : !f) {
  ^bb0(%x: f32, %y0: f32, %y1: f32, %y2: f32, %y3: f32, %y4: f32, %y5: f32, %y6: f32, %y7: f32, %y8: f32, %old: f32):
    %0 = arith.addf %x, %y0 : f32
    %1 = arith.addf %0, %y1 : f32
    %2 = arith.addf %1, %y2 : f32
    %3 = arith.addf %2, %y3 : f32
    %4 = arith.addf %3, %y4 : f32
    %5 = arith.addf %4, %y5 : f32
    %6 = arith.addf %5, %y6 : f32
    %7 = arith.addf %6, %y7 : f32
    %8 = arith.addf %7, %y8 : f32
    linalg.yield %8 : f32
  } -> !f
  return %d : !f
}

// -----

// Extents that linalg does not compare.
!a = tensor<64x512xf8E4M3FN>
!sa = tensor<4x64xf32>
!b = tensor<256x512xf8E4M3FN>
!sb = tensor<2x4xf32>
!f = tensor<64x256xf32>
#mn = affine_map<(m, n) -> (m, n)>
func.func @extent(%c: tensor<?xf32>, %a: !a, %sa: !sa, %b: !b, %sb: !sb) -> !f {
  %e = tensor.empty() : !f
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%e) : (!a, !sa, !b, !sb, !f) -> !f
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: 'dgemm.gemm' op expected dimension 0 of 'epilogue0' to be N = 256, but got ?}}
  %d = linalg.generic {indexing_maps = [#mn, affine_map<(m, n) -> (n)>, #mn], iterator_types = ["parallel", "parallel"]} ins(%sum, %c : !f, tensor<?xf32>) outs(%e : !f) {
  ^bb0(%x: f32, %y: f32, %old: f32):
    %0 = arith.addf %x, %y : f32
    linalg.yield %0 : f32
  } -> !f
  return %d : !f
}

// -----

// One bias for all groups: the loops do not say to which group a row belongs.
func.func @contiguous(%bias: tensor<256xf32>, %a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %groups: tensor<64xi32>, %init: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %sum = dgemm.gemm contiguous(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<64x256xf32>, tensor<64xi32>) -> tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected an operand with a value for each row, column or element of a contiguous product, or a single value, but got an operand indexed by (d0, d1) -> (d1)}}
  %d = linalg.generic {indexing_maps = [affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%bias : tensor<256xf32>) outs(%sum : tensor<64x256xf32>) {
  ^bb0(%y: f32, %x: f32):
    %0 = arith.addf %x, %y : f32
    linalg.yield %0 : f32
  } -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// Ends of groups.
func.func @offsets(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %ends: tensor<3xi32>, %init: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %sum = dgemm.gemm offsets(%ends) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<64x256xf32>, tensor<3xi32>) -> tensor<64x256xf32>
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected an epilogue to be of a dense, contiguous, masked or batched layout, but got offsets}}
  %d = linalg.exp ins(%sum : tensor<64x256xf32>) outs(%init : tensor<64x256xf32>) -> tensor<64x256xf32>
  return %d : tensor<64x256xf32>
}

// -----

// Rows beyond masked_m keep what D held, which the op reads.
func.func @masked(%a: tensor<3x64x512xf8E4M3FN>, %sa: tensor<3x4x64xf32>, %b: tensor<3x256x512xf8E4M3FN>, %sb: tensor<3x2x4xf32>, %counts: tensor<3xi32>, %init: tensor<3x64x256xbf16>) -> tensor<3x64x256xbf16> {
  %sum = dgemm.gemm masked(%counts) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<3x64x512xf8E4M3FN>, tensor<3x4x64xf32>, tensor<3x256x512xf8E4M3FN>, tensor<3x2x4xf32>, tensor<3x64x256xbf16>, tensor<3xi32>) -> tensor<3x64x256xbf16>
  // expected-remark @+1 {{left alone by dgemm-fuse-epilogue: expected the rows beyond 'masked_m' to hold nothing, with a tensor.empty in 'out'}}
  %d = linalg.exp ins(%sum : tensor<3x64x256xbf16>) outs(%init : tensor<3x64x256xbf16>) -> tensor<3x64x256xbf16>
  return %d : tensor<3x64x256xbf16>
}

// -----

// No remark for what is not element-wise, or no op of linalg.
func.func @others(%a: tensor<64x512xf8E4M3FN>, %sa: tensor<4x64xf32>, %b: tensor<256x512xf8E4M3FN>, %sb: tensor<2x4xf32>, %init: tensor<64x256xf32>, %row: tensor<64xf32>) -> (tensor<64x256xf32>, tensor<64xf32>) {
  %sum = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%init)
      : (tensor<64x512xf8E4M3FN>, tensor<4x64xf32>, tensor<256x512xf8E4M3FN>, tensor<2x4xf32>, tensor<64x256xf32>) -> tensor<64x256xf32>
  %0 = linalg.reduce {arith.addf} ins(%sum : tensor<64x256xf32>) outs(%row : tensor<64xf32>) dimensions = [1]
  return %sum, %0 : tensor<64x256xf32>, tensor<64xf32>
}
