// Scaled dots of StableHLO that dgemm-raise leaves alone, with the reason.
// REQUIRES: plugin
// RUN: %{mlir-opt} --allow-unregistered-dialect --pass-pipeline='builtin.module(dgemm-raise)' %s -split-input-file -verify-diagnostics

// A vector.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<4xf32>) -> tensor<256xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected two operands, their scales, and a result of rank 2 or 3}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [0]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<512xf8E4M3FN>, tensor<256x4xf32>, tensor<4xf32>) -> tensor<256xbf16>
  return %0 : tensor<256xbf16>
}

// -----

// A custom call has a batch.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected operands of rank 3}}
  %0 = "stablehlo.custom_call"(%a, %b, %sa, %sb) <{call_target_name = "__op$block_scaled_dot"}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// No numbers of dimensions.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected 'dimension_numbers' of contracting and batch dimensions}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// Two contracting dimensions.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected one contracting dimension among the last two, and in rank 3 a batch in front}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[0, 1], [0, 1]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// MX scales, for Blackwell.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x16xf8E8M0FNU>, %sb: tensor<128x16xf8E8M0FNU>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected FP8 operands with scales of f32, but got f8E4M3FN with f8E8M0FNU}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [1]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x16xf8E8M0FNU>, tensor<128x16xf8E8M0FNU>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// Scales of another rank.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256xf32>, %sb: tensor<128xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected operands and scales of the rank of the result}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [1]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256xf32>, tensor<128xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// Blocks of 64.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<256x8xf32>, %sb: tensor<128x8xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected a scale for each row, or for each row and 128 of K, but got tensor<256x512xf8E4M3FN> and tensor<256x8xf32>}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [1]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<256x8xf32>, tensor<128x8xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// K of B is not innermost, and nothing is known of its transpose.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<512x128xf8E4M3FN>, %sa: tensor<256x4xf32>, %sb: tensor<4x128xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: expected FP8 operands with K innermost, or the transpose of such}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [0]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<512x128xf8E4M3FN>, tensor<256x4xf32>, tensor<4x128xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// Extents that do not fit.
func.func @f(%a: tensor<256x512xf8E4M3FN>, %b: tensor<128x512xf8E4M3FN>, %sa: tensor<?x4xf32>, %sb: tensor<128x4xf32>) -> tensor<256x128xbf16> {
  // expected-remark @+1 {{left alone by dgemm-raise: 'dgemm.gemm' op expected dimension 1 of 'lhs scale' to be M = 256, but got ?}}
  %0 = "stablehlo.composite"(%a, %b, %sa, %sb) <{composite_attributes = {dimension_numbers = [[[1], [1]], [[], []]]}, decomposition = @d, name = "xla.scaled_dot", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>, tensor<128x512xf8E4M3FN>, tensor<?x4xf32>, tensor<128x4xf32>) -> tensor<256x128xbf16>
  return %0 : tensor<256x128xbf16>
}

// -----

// No remark for what is another op.
func.func @other(%a: tensor<256x512xf8E4M3FN>) -> tensor<256x512xf8E4M3FN> {
  %0 = "stablehlo.composite"(%a) <{composite_attributes = {}, decomposition = @d, name = "xla.other", version = 0 : i32}> : (tensor<256x512xf8E4M3FN>) -> tensor<256x512xf8E4M3FN>
  return %0 : tensor<256x512xf8E4M3FN>
}
