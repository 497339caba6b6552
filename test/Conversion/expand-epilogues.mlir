// RUN: dgemm-opt %s --dgemm-expand-epilogues | FileCheck %s
// RUN: dgemm-opt %s --dgemm-expand-epilogues | FileCheck %s --check-prefix=NONE --implicit-check-not="math.exp" --implicit-check-not="math.tanh" --implicit-check-not="math.log" --implicit-check-not="math.erf" --implicit-check-not="math.rsqrt"

// dgemm-expand-epilogues gives functions in a dgemm.map the forms that the hardware has.

// NONE: dgemm.kernel
dgemm.kernel @functions(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<64x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [64, 384, 512]> config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    // With afn an exponential is ex2.approx of the argument times log2(e).
    // CHECK: dgemm.map
    // CHECK: %[[T:.*]] = arith.mulf %{{.*}}, %{{.*}} : f32
    // CHECK: %[[Y:.*]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%[[T]]) : (f32) -> f32
    // CHECK: dgemm.yield %[[Y]]
    %v0 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.exp %x fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // Other flags may stand beside it.
    // CHECK: dgemm.map
    // CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
    %v1 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.exp2 %x fastmath<fast> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // Without it exp2 keeps subnormals.
    // CHECK: dgemm.map
    // CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.f32"
    %v2 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.exp2 %x : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // Without it an exponential is a polynomial.
    // CHECK: dgemm.map
    // CHECK: math.fma
    // CHECK: math.fma
    // CHECK: dgemm.yield
    %v3 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.exp %x : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // The hyperbolic tangent is tanh.approx.
    // CHECK: dgemm.map
    // CHECK: %[[Y:.*]] = llvm.call_intrinsic "llvm.tanh.f32"(%{{.*}}) {fastmathFlags = #llvm.fastmath<afn>}
    // CHECK: dgemm.yield %[[Y]]
    %v4 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.tanh %x fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // Or a quotient of polynomials.
    // CHECK: dgemm.map
    // CHECK: arith.divf
    // CHECK: dgemm.yield
    %v5 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.tanh %x : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // A logarithm is lg2.approx times ln(2).
    // CHECK: dgemm.map
    // CHECK: %[[L:.*]] = llvm.call_intrinsic "llvm.nvvm.lg2.approx.ftz.f"
    // CHECK: arith.mulf %[[L]], %{{.*}} : f32
    %v6 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.log %x fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // erf takes one exponential and one reciprocal.
    // CHECK: dgemm.map
    // CHECK: math.absf
    // CHECK: nvvm.rcp.approx.ftz.f
    // CHECK: math.fma
    // CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
    // CHECK: math.copysign
    %v7 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.erf %x fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // A quotient is a product with a reciprocal.
    // CHECK: dgemm.map
    // CHECK: %[[R:.*]] = nvvm.rcp.approx.ftz.f %{{.*}} : f32
    // CHECK: arith.mulf %{{.*}}, %[[R]] : f32
    %v8 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = arith.divf %x, %x fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // Without afn it stays; so do what PTX has.
    // CHECK: dgemm.map
    // CHECK: arith.divf
    // CHECK: math.sqrt
    // CHECK: math.floor
    %v9 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %0 = arith.divf %x, %x : f32
      %1 = math.sqrt %0 : f32
      %y = math.floor %1 : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // 1 / sqrt(x) is what it says.
    // CHECK: dgemm.map
    // CHECK: %[[S:.*]] = math.sqrt
    // CHECK: arith.divf %{{.*}}, %[[S]] : f32
    %v10 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %y = math.rsqrt %x : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    // With afn these are one instruction each.
    // CHECK: dgemm.map
    // CHECK: llvm.call_intrinsic "llvm.nvvm.rsqrt.approx.ftz.f"
    // CHECK: llvm.call_intrinsic "llvm.nvvm.sqrt.approx.ftz.f"
    %v11 = dgemm.map %zero at [%tm, %tn] {
    ^bb0(%x: f32):
      %0 = math.rsqrt %x fastmath<afn> : f32
      %y = math.sqrt %0 fastmath<afn> : f32
      dgemm.yield %y : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
  }
}
