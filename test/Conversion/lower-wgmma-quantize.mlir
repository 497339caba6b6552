// RUN: dgemm-opt %s --dgemm-lower-wgmma --split-input-file | FileCheck %s

// A dgemm.quantize finds the largest magnitude of 128 columns, of which a thread has 32 in each of its two rows, and the four
// threads of a row exchange theirs. The scale is computed by operations that round to nearest.

// CHECK-LABEL: dgemm.kernel @whole(
dgemm.kernel @whole(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // All blocks are whole, so no column is left out.
    // CHECK-NOT: arith.select
    // CHECK-COUNT-32: math.absf
    // CHECK: %[[OWN:.*]] = arith.maximumf
    // CHECK: %[[OTHER:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[OWN]], %c1_i32
    // CHECK: %[[PAIR:.*]] = arith.maximumf %[[OWN]], %[[OTHER]]
    // CHECK: %[[OTHERS:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[PAIR]], %c2_i32
    // CHECK: %[[ALL:.*]] = arith.maximumf %[[PAIR]], %[[OTHERS]]
    // CHECK: %[[LEAST:.*]] = arith.constant 9.99999974E-5 : f32
    // CHECK: %[[AMAX:.*]] = arith.maximumf %[[ALL]], %[[LEAST]]
    // CHECK: %[[PERLARGEST:.*]] = arith.constant 0.00223214296 : f32
    // CHECK: %[[SCALE:.*]] = arith.mulf %[[AMAX]], %[[PERLARGEST]] : f32
    // CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
    // CHECK: %[[FACTOR:.*]] = arith.divf %[[ONE]], %[[SCALE]] : f32
    // CHECK-COUNT-32: arith.mulf %{{.*}}, %[[FACTOR]]
    // The other row.
    // CHECK-COUNT-32: math.absf
    // CHECK: %[[SCALE1:.*]] = arith.mulf %{{.*}}, %{{.*}} : f32
    // CHECK: arith.divf
    // CHECK-COUNT-32: arith.mulf
    // The first thread of each four writes the scales of both rows, where D has them.
    // CHECK: scf.if
    // CHECK: scf.if
    // CHECK: llvm.store %[[SCALE]], %{{.*}} : f32, !llvm.ptr<1>
    // CHECK: scf.if
    // CHECK: llvm.store %[[SCALE1]], %{{.*}} : f32, !llvm.ptr<1>
    %q = dgemm.quantize %sum at [%tm, %tn] into %sd : !dgemm.frag<64x128xf32>, memref<3x?xf32>
    // A store by registers writes pairs of bytes, which saturate.
    // CHECK: nvvm.convert.f32x2.to.f8x2 %{{.*}}, %{{.*}} {rnd = #nvvm.fp_rnd_mode<rn>, sat = #nvvm.sat_mode<satfinite>}
    // CHECK: llvm.store %{{.*}}, %{{.*}} : i16, !llvm.ptr<1>
    dgemm.store %q, %d[%tm, %tn] : !dgemm.frag<64x128xf32>, memref<?x384xf8E4M3FN>
  }
}

// -----

// Columns outside D count as zero, because an epilogue may have made any number there. With a part, the other columns stay.

// CHECK-LABEL: dgemm.kernel @part(
dgemm.kernel @part(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<200x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<2x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x200xf8E5M2> {dgemm.operand = "d"}, %sd: memref<2x?xf32, strided<[1, 2]>> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 200, 512], strides = {scale_d = array<i64: 1, 2>}, out = f8E5M2, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x256x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 200 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 256] group_m = 1 {
    %sum = dgemm.zero : <64x256xf32>
    // CHECK: %[[LEFT:.*]] = arith.subi
    // CHECK: math.absf
    // CHECK: arith.cmpi sgt, %[[LEFT]], %c128_i32
    // CHECK: arith.select
    // CHECK: arith.constant 1.74386169E-5 : f32
    // CHECK: arith.mulf
    // CHECK: arith.divf
    // CHECK-COUNT-32: arith.mulf
    // CHECK: arith.mulf
    // CHECK: arith.divf
    // CHECK-COUNT-32: arith.mulf
    // CHECK-NOT: arith.mulf %{{.*}} : f32
    %q = dgemm.quantize %sum at [%tm, %tn] rows %M part [128, 128] into %sd : !dgemm.frag<64x256xf32>, memref<2x?xf32, strided<[1, 2]>>
    dgemm.store %q, %d[%tm, %tn] : !dgemm.frag<64x256xf32>, memref<?x200xf8E5M2>
  }
}

// -----

// The staging of TMA has bytes of FP8, with the swizzle of a row of 128 bytes: chunk i of 16 bytes lies at i ^ (row mod 8).

// CHECK-LABEL: dgemm.kernel @staging(
dgemm.kernel @staging(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xf8E4M3FN> {dgemm.operand = "d"}, %sd: memref<3x?xf32> {dgemm.operand = "scale_d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], out = f8E4M3FN, quantized = <by [1, 128] of f32>>
    config <tile = <block = 64x128x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  %p = llvm.mlir.zero : !llvm.ptr<3>
  %t = dgemm.tile_at %p : !dgemm.tile<64x128xi8, swizzle = 128>
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 128] group_m = 1 {
    %sum = dgemm.zero : <64x128xf32>
    // CHECK: %[[ROW:.*]] = arith.andi %{{.*}}, %c7_i32
    // CHECK: arith.xori %{{.*}}, %c0_i32
    // CHECK: %[[PAIR:.*]] = nvvm.convert.f32x2.to.f8x2
    // CHECK: llvm.store %[[PAIR]], %{{.*}} : i16, !llvm.ptr<3>
    // CHECK-COUNT-31: nvvm.convert.f32x2.to.f8x2
    // CHECK-NOT: nvvm.convert.f32x2.to.f8x2
    dgemm.store_fragment %sum[0] into %t : !dgemm.frag<64x128xf32>, !dgemm.tile<64x128xi8, swizzle = 128>
  }
}
