// RUN: dgemm-opt %s -allow-unregistered-dialect | dgemm-opt -allow-unregistered-dialect | FileCheck %s

// An epilogue is a region of dgemm.gemm, with operands along what they have a value for.
// CHECK-LABEL: func.func @dense(
// CHECK: dgemm.gemm dense lhs({{.*}}) rhs({{.*}}) out(%{{.*}}) epilogue(%{{.*}} : memref<384xbf16> along n named "bias", %{{.*}} : memref<?xf32> along m named "epilogue1",
// CHECK-SAME: %{{.*}} : memref<?x384xf16, strided<[?, 1]>> along mn named "residual", %{{.*}} : memref<1xf32> along none named "alpha") {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[B:.*]]: f32, %[[M:.*]]: f32, %[[R:.*]]: f32, %[[ALPHA:.*]]: f32):
// CHECK-NEXT: %[[Y:.*]] = math.fma %[[R]], %[[ALPHA]], %[[X]] : f32
// CHECK: %[[Z:.*]] = arith.select
// CHECK-NEXT: dgemm.yield %[[Z]] : f32
// CHECK-NEXT: } : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16, strided<[?, 1]>>)
func.func @dense(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                 %d: memref<?x384xbf16, strided<[?, 1]>>, %bias: memref<384xbf16>, %w: memref<?xf32>,
                 %r: memref<?x384xf16, strided<[?, 1]>>, %alpha: memref<1xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : memref<384xbf16> along n named "bias", %w : memref<?xf32> along m,
               %r : memref<?x384xf16, strided<[?, 1]>> along mn named "residual", %alpha : memref<1xf32> along none named "alpha") {
    ^bb0(%x: f32, %b0: f32, %m: f32, %r0: f32, %alpha0: f32):
      %0 = math.fma %r0, %alpha0, %x : f32
      %1 = arith.addf %0, %b0 : f32
      %zero = arith.constant 0.0 : f32
      %2 = arith.cmpf ogt, %1, %zero : f32
      %3 = arith.mulf %1, %m : f32
      %4 = arith.select %2, %1, %3 : f32
      dgemm.yield %4 : f32
    }
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16, strided<[?, 1]>>)
  return
}

// Without operands there are no parentheses. In grouped layouts there are operands with a value for each group.
// CHECK-LABEL: func.func @masked(
// CHECK: out(%{{.*}}) epilogue {
// CHECK: dgemm.gemm masked(%{{.*}}) {{.*}} epilogue(%{{.*}} : memref<8x384xf32> along n named "bias", %{{.*}} : memref<8xf32> along g named "scale") {
func.func @masked(%a: memref<8x64x512xf8E4M3FN>, %sa: memref<8x4x64xf32>, %b: memref<8x384x512xf8E4M3FN>, %sb: memref<8x3x4xf32>,
                  %d: memref<8x64x384xf32>, %groups: memref<8xi32>, %bias: memref<8x384xf32>, %s: memref<8xf32>) {
  dgemm.gemm masked(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) epilogue {
    ^bb0(%x: f32):
      %0 = math.tanh %x fastmath<afn> : f32
      dgemm.yield %0 : f32
    }
      : (memref<8x64x512xf8E4M3FN>, memref<8x4x64xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<8x64x384xf32>, memref<8xi32>)
  dgemm.gemm masked(%groups) lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : memref<8x384xf32> along n named "bias", %s : memref<8xf32> along g named "scale") {
    ^bb0(%x: f32, %b0: f32, %s0: f32):
      %0 = math.fma %x, %s0, %b0 : f32
      dgemm.yield %0 : f32
    }
      : (memref<8x64x512xf8E4M3FN>, memref<8x4x64xf32>, memref<8x384x512xf8E4M3FN>, memref<8x3x4xf32>, memref<8x64x384xf32>, memref<8xi32>)
  return
}

// A kernel states it as data, and has it as a dgemm.map.
// CHECK: dgemm.kernel @kernel(
// CHECK-SAME: %epilogue0: memref<384xf32> {dgemm.operand = "epilogue0"}
// CHECK-SAME: epilogue = <operands = [<name = "bias", along = n, element = f32>], ops = [<op = "arith.constant", value = 5.000000e-01 : f32>,
// CHECK-SAME: <op = "math.tanh", args = [0], fastmath = "afn">, <op = "arith.cmpf", args = [0, 1], value = "olt">,
// CHECK-SAME: <op = "arith.select", args = [4, 2, 3]>], result = 5>>
// CHECK: dgemm.map %{{.*}} at [%{{.*}}, %{{.*}}] part [0, 32] with (%epilogue0 : memref<384xf32>) {
dgemm.kernel @kernel(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512],
             epilogue = <operands = [<name = "bias", along = n, element = f32>],
                         ops = [<op = "arith.constant", value = 5.0e-01 : f32>, <op = "math.tanh", args = [0], fastmath = "afn">,
                                <op = "arith.cmpf", args = [0, 1], value = "olt">,
                                <op = "arith.select", args = [4, 2, 3]>], result = 5>>
    config <tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 64] group_m = 8 {
    %zero = dgemm.zero : <64x64xf32>
    %y = dgemm.map %zero at [%tm, %tn] part [0, 32] with (%e : memref<384xf32>) {
    ^bb0(%x: f32, %bias: f32):
      %0 = arith.addf %x, %bias : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<64x64xf32> -> !dgemm.frag<64x64xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x64xf32>, memref<64x384xbf16>
  }
}

// A gated one has two sums for each element of D, which has half of the columns.
// CHECK-LABEL: func.func @gated(
// CHECK: epilogue gated(%{{.*}} : memref<256xf32> along n named "bias") {
// CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
func.func @gated(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<512x512xf8E4M3FN>, %sb: memref<4x4xf32>,
                 %d: memref<64x256xbf16>, %bias: memref<256xf32>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue gated(%bias : memref<256xf32> along n named "bias") {
    ^bb0(%gate: f32, %up: f32, %b0: f32):
      %0 = math.tanh %gate : f32
      %1 = math.fma %0, %up, %b0 : f32
      dgemm.yield %1 : f32
    }
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<512x512xf8E4M3FN>, memref<4x4xf32>, memref<64x256xbf16>)
  return
}

// CHECK: #dgemm.problem<sizes = [64, 512, 512], epilogue = <ops = [<op = "arith.mulf", args = [0, 1]>], result = 2, gated = true>>
"test.problem"() {problem = #dgemm.problem<sizes = [64, 512, 512], epilogue = <ops = [<op = "arith.mulf", args = [0, 1]>], result = 2, gated = true>>} : () -> ()

// An operand may lie in a larger buffer, if its type says that it is packed.
// CHECK-LABEL: func.func @offset(
// CHECK: epilogue(%{{.*}} : memref<384xf32, strided<[1], offset: ?>> along n named "bias") {
func.func @offset(%a: memref<64x512xf8E4M3FN>, %sa: memref<4x64xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                  %d: memref<64x384xbf16>, %bias: memref<384xf32, strided<[1], offset: ?>>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      epilogue(%bias : memref<384xf32, strided<[1], offset: ?>> along n named "bias") {
    ^bb0(%x: f32, %b0: f32):
      %0 = arith.addf %x, %b0 : f32
      dgemm.yield %0 : f32
    }
      : (memref<64x512xf8E4M3FN>, memref<4x64xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<64x384xbf16>)
  return
}
