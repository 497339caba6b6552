// RUN: dgemm-opt %s -split-input-file -verify-diagnostics

// What is refused of an epilogue: C7 and C8 of dgemm.gemm, the rules of #dgemm.epilogue, and those of dgemm.map.

// C8: an op that PTX has no form of.
func.func @op(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      // expected-error @+1 {{'math.atan' op has no form in an epilogue, whose ops are arith.constant, arith.addf,}}
      %0 = math.atan %x : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: values are f32 or i1.
func.func @f64(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      // expected-error @+1 {{'arith.constant' op expected values of an epilogue to be f32 or i1, but got 'f64'}}
      %0 = arith.constant 1.0 : f64
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: an argument for the element and one for each operand.
func.func @args(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected an epilogue of 1 f32 arguments, the element and a value of each operand, but got ('f32', 'f32')}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: arguments are f32, whatever the operands are.
func.func @argtype(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected an epilogue of 2 f32 arguments, the element and a value of each operand, but got ('f32', 'bf16')}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xbf16> along n) {
    ^bb0(%x: f32, %y: bf16):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: it yields one f32.
func.func @yields(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      %0 = arith.cmpf olt, %x, %x : f32
      // expected-error @+1 {{'dgemm.yield' op expected an epilogue to yield one f32 of its own, but got ('i1')}}
      dgemm.yield %0 : i1
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: it ends with dgemm.yield.
func.func @terminator(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected an epilogue to end with dgemm.yield}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      cf.br ^bb0(%x : f32)
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: elements of operands.
func.func @element(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>, %g: memref<384xf64>) {
  // expected-error @+2 {{expected elements of type f32, bf16 or f16 of an operand of an epilogue, but got 'f64'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%e : memref<384xf32> along n, %g : memref<384xf64> along n) {
    ^bb0(%x: f32, %y: f32, %z: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// An axis that there is not.
func.func @axis(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{expected n, m, mn, g or none, but got 'k'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32> along k) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// A name that another operand has.
func.func @name(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{expected the name of an operand of an epilogue to be letters, digits and _, no digit first, and no other operand's, but got 'scale_a'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32> along n named "scale_a") {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C1 of the attribute: names of their own.
func.func @names(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected operands of an epilogue to have names of their own, but got 'e' twice}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32> along n named "e", %e : memref<384xf32> along n named "e") {
    ^bb0(%x: f32, %y: f32, %z: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C1 of the attribute: at most 8.
func.func @many(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected at most 8 operands of an epilogue, but got 9}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n, %e : memref<384xf32> along n) {
    ^bb0(%x: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: a bias has a value for each column.
func.func @shape(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<64xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'epilogue0' to be N = 384, but got 64}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<64xf32> along n) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: a residual is as D.
func.func @rank(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'epilogue0' to have rank 2, but got 1}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32> along mn) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: a scalar is one element.
func.func @scalar(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<2xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 0 of 'epilogue0' to be 1, but got 2}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<2xf32> along none) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C5 of #dgemm.problem: a dense layout has no groups.
func.func @groups(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<2xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 's' not to be along g in a dense layout, which has no groups}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<2xf32> along g named "s") {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: a bias is packed.
func.func @packed(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32, strided<[2]>>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'epilogue0', which is along n, to be packed, but got 'memref<384xf32, strided<[2]>>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<384xf32, strided<[2]>> along n) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C7: a residual takes its row stride from D where it is dynamic.
func.func @ldd(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<64x384xf32, strided<[?, 1]>>) {
  // expected-error @+1 {{'dgemm.gemm' op expected the row stride of 'epilogue0' to be static, as that of 'out' is, but got 'memref<64x384xf32, strided<[?, 1]>>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : memref<64x384xf32, strided<[?, 1]>> along mn) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// An operand is a memref or a tensor.
func.func @memref(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: vector<384xf32>) {
  // expected-error @+1 {{expected an operand of an epilogue to be a memref or a tensor, but got 'vector<384xf32>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue(%e : vector<384xf32> along n) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// C8: nothing comes from outside.
func.func @outside(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %y: f32) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      // expected-error @+1 {{'arith.addf' op expected to take values of the epilogue that come before it; what comes from outside is an operand of the epilogue}}
      %0 = arith.addf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}

// -----

// Operands come with a region, and with what they are.
func.func @roles(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected a #dgemm.epilogue_operand for each of the 1 operands of the epilogue}}
  "dgemm.gemm"(%a, %sa, %b, %sb, %d, %e) <{layout = 0 : i32, lhsGranularity = array<i64: 1, 128>, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 1, 0>}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>, memref<384xf32>) -> ()
  return
}

// -----

// Operands come with a region.
func.func @region(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xbf16>, %e: memref<384xf32>) {
  // expected-error @+1 {{'dgemm.gemm' op expected operands of an epilogue to come with its region}}
  "dgemm.gemm"(%a, %sa, %b, %sb, %d, %e) <{layout = 0 : i32, lhsGranularity = array<i64: 1, 128>, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 1, 0>,
      epilogueRoles = [#dgemm.epilogue_operand<name = "bias", along = n, element = f32>]}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>, memref<384xf32>) -> ()
  return
}

// -----

// C2 of the attribute: an op of the table.
// expected-error @+1 {{expected an op of an epilogue, which are arith.constant, arith.addf,}}
#epilogue = #dgemm.epilogue<ops = [<op = "math.sinh", args = [0]>], result = 1>

// -----

// It has its number of args.
// expected-error @+1 {{expected 2 args of 'arith.addf', but got 1}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.addf", args = [0]>], result = 1>

// -----

// They come before it.
// expected-error @+1 {{expected args of 'arith.addf' to be among the 1 values in front of it, but got 1}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.addf", args = [0, 1]>], result = 1>

// -----

// A constant has a value.
// expected-error @+1 {{expected 'arith.constant' to have a value of f32 or i1, but got unit}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.constant">], result = 1>

// -----

// A comparison has a predicate.
// expected-error @+1 {{expected 'arith.cmpf' to have a predicate of arith.cmpf as its value, but got "above"}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.cmpf", args = [0, 0], value = "above">], result = 1>

// -----

// Another op has no value.
// expected-error @+1 {{expected 'arith.negf' to have no value, but got 1.000000e+00 : f32}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.negf", args = [0], value = 1.0 : f32>], result = 1>

// -----

// Flags are those of arith.
// expected-error @+1 {{expected 'fastmath' to be flags of the arith dialect, but got 'quick'}}
#epilogue = #dgemm.epilogue<ops = [<op = "arith.negf", args = [0], fastmath = "quick">], result = 1>

// -----

// The result is there.
// expected-error @+1 {{expected the result to be one of the 1 values of the epilogue, but got 1}}
#epilogue = #dgemm.epilogue<result = 1>

// -----

// C5 of #dgemm.problem.
// expected-error @+1 {{expected 's' not to be along g in a dense layout, which has no groups}}
#problem = #dgemm.problem<sizes = [64, 384, 512], epilogue = <operands = [<name = "s", along = g, element = f32>], result = 0>>

// -----

// C2 of #dgemm.problem, of an operand of the epilogue.
// expected-error @+1 {{expected no 'strides' of 'epilogue0', which is along n}}
#problem = #dgemm.problem<sizes = [64, 384, 512], strides = {epilogue0 = array<i64: 1>}, epilogue = <operands = [<name = "s", along = n, element = f32>], result = 0>>

// -----

// The same.
// expected-error @+1 {{expected the row stride of 'epilogue0' to be static, as that of D is}}
#problem = #dgemm.problem<sizes = [64, 384, 512], strides = {epilogue0 = array<i64: -1, 1>}, epilogue = <operands = [<name = "s", along = mn, element = f32>], result = 0>>

// -----

// C1 of dgemm.map: sources are operands of the epilogue.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected source 0 to be the kernel argument epilogue0, or to be fetched or loaded from it}}
    %0 = dgemm.map %zero at [%tm, %tn] with (%sb : memref<3x4xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C1: there is a source for each operand.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  %p = llvm.mlir.zero : !llvm.ptr<3>
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected a source for each operand of the epilogue of the kernel, 1, but got 0}}
    %0 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C1: a tile of an operand along n has a value for each column of the tile of D.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  %p = llvm.mlir.zero : !llvm.ptr<3>
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    %t = dgemm.tile_at %p : !dgemm.tile<1x32xf32>
    // expected-error @+1 {{'dgemm.map' op expected source 0 to be of type '!dgemm.tile<1x64xf32>', but got '!dgemm.tile<1x32xf32>'}}
    %0 = dgemm.map %zero at [%tm, %tn] with (%t : !dgemm.tile<1x32xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C1 of dgemm.load_columns: the source.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.load_columns' op expected the source to be a kernel argument for an operand of the epilogue along n}}
    %0 = dgemm.load_columns %sb[%tm, %tn] : memref<3x4xf32> -> !dgemm.frag<1x64xf32>
  }
}

// -----

// C1 of dgemm.load_columns: offsets.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.load_columns' op expected 1 offsets for 'memref<384xf32>', but got 2}}
    %0 = dgemm.load_columns %e[%tm, %tn] : memref<384xf32> -> !dgemm.frag<1x64xf32>
  }
}

// -----

// C2 of dgemm.load_columns.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.load_columns' op expected a fragment 1xC, C a multiple of 8, but got '!dgemm.frag<64x64xf32>'}}
    %0 = dgemm.load_columns %e[%tn] : memref<384xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C1 of dgemm.map: a fragment has the columns that are mapped.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    %e0 = dgemm.load_columns %e[%tn] : memref<384xf32> -> !dgemm.frag<1x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected source 0 to be of type '!dgemm.frag<1x32xf32>', but got '!dgemm.frag<1x64xf32>'}}
    %0 = dgemm.map %zero at [%tm, %tn] part [32, 32] with (%e0 : !dgemm.frag<1x64xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C1: there is a value of each source.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected an epilogue of 3 f32 arguments, the element and a value of each operand, but got ('f32', 'f32')}}
    %0 = dgemm.map %zero at [%tm, %tn] with (%e, %e : memref<384xf32>, memref<384xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C2: a dense layout has no groups.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected no group in a kernel of the layout dense}}
    %0 = dgemm.map %zero at [%tm, %tn] group %tm with (%e : memref<384xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// Columns come in groups of 8.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // expected-error @+1 {{'dgemm.map' op expected 'part' to be a first column and a number of columns, multiples of 8 inside '!dgemm.frag<64x64xf32>'}}
    %0 = dgemm.map %zero at [%tm, %tn] part [0, 12] with (%e : memref<384xf32>) {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}

// -----

// C6 of #dgemm.problem: each half of B has whole blocks of scales.
func.func @halves(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x192xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected N to be a multiple of 256 for a gated epilogue with B scaled by #dgemm.scaled<f8E4M3FN by [128, 128] of f32>, but got 384}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue gated {
    ^bb0(%x: f32, %y: f32):
      %0 = arith.mulf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x192xbf16>)
  return
}

// -----

// D has half of the columns.
func.func @columns(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x512xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected dimension 1 of 'out' to be N / 2 = 256, but got 512}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue gated {
    ^bb0(%x: f32, %y: f32):
      %0 = arith.mulf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x512xbf16>)
  return
}

// -----

// The halves of a tile are paired.
func.func @block(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x256xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected block N to be 16, 32, 64, 128 or 256 and no split_k, as a gated epilogue pairs the halves of a tile, but got #dgemm.config<}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) config <tile = <block = 64x192x128>, schedule = <stages = 4, warpgroups = 1>> epilogue gated {
    ^bb0(%x: f32, %y: f32):
      %0 = arith.mulf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xbf16>)
  return
}

// -----

// C9: it comes with an epilogue.
func.func @alone(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>, %d: memref<64x256xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected 'gated' to come with an epilogue}}
  "dgemm.gemm"(%a, %sa, %b, %sb, %d) <{layout = 0 : i32, lhsGranularity = array<i64: 1, 128>, rhsGranularity = array<i64: 128, 128>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0, 0, 0>, gated}> ({})
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xbf16>) -> ()
  return
}

// -----

// C6 of #dgemm.problem.
// expected-error @+1 {{expected N to be a multiple of 256 for a gated epilogue with B scaled by}}
#problem = #dgemm.problem<sizes = [64, -1, 512], divisors = <n = 128>, epilogue = <result = 0, gated = true>>

// -----

// C6 where all sizes are dynamic, and nothing is promised.
// expected-error @+1 {{expected N to be a multiple of 256 for a gated epilogue with B scaled by #dgemm.scaled<f8E4M3FN by [128, 128] of f32>, but got 1 as its divisor}}
#problem = #dgemm.problem<sizes = [-1, -1, -1], epilogue = <result = 0, gated = true>>

// -----

// C6: a tile of each half has one scale of B, or one of each block.
// expected-error @+1 {{expected B to be scaled by [128, 128] or [full, full] or not at all for a gated epilogue, but got #dgemm.scaled<f8E4M3FN by [1, full] of f32>}}
#problem = #dgemm.problem<sizes = [64, 512, 512], lhs = <f8E4M3FN by [1, full] of f32>, rhs = <f8E4M3FN by [1, full] of f32>, epilogue = <result = 0, gated = true>>

// -----

// C6, of a dgemm.gemm.
func.func @rows(%a: memref<?x?xf8E4M3FN>, %sa: memref<1x?xf32>, %b: memref<?x?xf8E4M3FN>, %sb: memref<1x?xf32>, %d: memref<?x?xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected B to be scaled by [128, 128] or [full, full] or not at all for a gated epilogue, but got #dgemm.scaled<f8E4M3FN by [1, full] of f32>}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, full]) rhs(%b scaled %sb by [1, full]) out(%d) epilogue gated {
    ^bb0(%x: f32, %y: f32):
      %0 = arith.mulf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<?x?xf8E4M3FN>, memref<1x?xf32>, memref<?x?xf8E4M3FN>, memref<1x?xf32>, memref<?x?xbf16>)
  return
}

// -----

// N is dynamic, and a divisor promises two such halves.
func.func @dynamic(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<?x512xf8E4M3FN>, %sb: memref<?x4xf32>, %d: memref<?x?xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected N to be a multiple of 256 for a gated epilogue with B scaled by #dgemm.scaled<f8E4M3FN by [128, 128] of f32>, but got 1 as its divisor}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue gated {
    ^bb0(%x: f32, %y: f32):
      %0 = arith.mulf %x, %y : f32
      dgemm.yield %0 : f32
    } : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<?x512xf8E4M3FN>, memref<?x4xf32>, memref<?x?xbf16>)
  return
}

// -----

// C3 of dgemm.map: the result.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<512x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<4x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x256xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 512, 512], epilogue = <result = 0, gated = true>>
    config <tile = <block = 64x256x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 512 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 256] group_m = 8 {
    %zero = dgemm.zero : <64x256xf32>
    // expected-error @+1 {{'dgemm.map' op expected a result of type '!dgemm.frag<64x128xf32>', but got '!dgemm.frag<64x256xf32>'}}
    %0 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x256xf32>
  }
}

// -----

// C3: a gated one has no part.
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<512x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<4x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x256xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 512, 512], epilogue = <result = 0, gated = true>>
    config <tile = <block = 64x256x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 512 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 256] group_m = 8 {
    %zero = dgemm.zero : <64x256xf32>
    // expected-error @+1 {{'dgemm.map' op expected a result of type '!dgemm.frag<64x128xf32>' without 'part', but got '!dgemm.frag<64x128xf32>'}}
    %0 = dgemm.map %zero at [%tm, %tn] part [0, 64] {
    ^bb0(%x: f32, %y: f32):
      dgemm.yield %x : f32
    } : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x128xf32>
  }
}

// -----

// What is added to D has no epilogue.
func.func @accumulate(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>, %d: memref<64x384xf32>) {
  // expected-error @+1 {{expected no epilogue where the product is added to D}}
  dgemm.gemm dense accumulate lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xf32>)
  return
}

// -----

// Nor has a layout whose groups lie anywhere.
func.func @offsets(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<2x384x512xf8E4M3FN>, %sb: memref<2x3x4xf32>, %d: memref<64x384xbf16>, %ends: memref<2xi32>) {
  // expected-error @+1 {{expected an epilogue to be of a dense, contiguous, masked or batched layout, but got offsets}}
  dgemm.gemm offsets(%ends) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      dgemm.yield %x : f32
    } : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<2x384x512xf8E4M3FN>, memref<2x3x4xf32>, memref<64x384xbf16>, memref<2xi32>)
  return
}
