// RUN: dgemm-opt %s --dgemm-lower-wgmma | FileCheck %s

// A dgemm.map becomes a copy of its region for each value of a thread: of a 64x16 fragment there are 8. Operands are read where
// they are used.

// CHECK-LABEL: dgemm.kernel @map(
dgemm.kernel @map(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"}, %e1: memref<?xf16> {dgemm.operand = "epilogue1"}, %e2: memref<?x384xbf16> {dgemm.operand = "epilogue2"}, %e3: memref<1xf32> {dgemm.operand = "epilogue3"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>, <name = "weight", along = m, element = f16>,
                                         <name = "residual", along = mn, element = bf16>, <name = "alpha", along = none, element = f32>], result = 0>>
    config <tile = <block = 64x16x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%M, %n) tile = [64, 16] group_m = 1 {
    %sum = dgemm.zero : <64x16xf32>
    // Two rows, and of those that D has not the last one; a value of each.
    // CHECK: arith.minsi
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f16
    // CHECK: llvm.fpext
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f16
    // The residual has two rows as well.
    // CHECK-COUNT-2: arith.minsi
    // A value for all.
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
    // A pair of columns of the bias, and of each row of the residual. All columns are there.
    // CHECK-NOT: arith.minsi
    // CHECK: %[[PAIR:.*]] = llvm.load %{{.*}} : !llvm.ptr<1> -> vector<2xf32>
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> i32
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> i32
    // CHECK-COUNT-4: math.fma
    // The next 8 columns.
    // CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<2xf32>
    // CHECK-COUNT-4: math.fma
    // CHECK-NOT: math.fma
    %y = dgemm.map %sum at [%tm, %tn] with (%e0, %e1, %e2, %e3 : memref<384xf32>, memref<?xf16>, memref<?x384xbf16>, memref<1xf32>) {
    ^bb0(%x: f32, %bias: f32, %w: f32, %r: f32, %alpha: f32):
      %0 = arith.mulf %w, %bias : f32
      %1 = arith.addf %x, %0 : f32
      %2 = math.fma %r, %alpha, %1 : f32
      dgemm.yield %2 : f32
    } : !dgemm.frag<64x16xf32> -> !dgemm.frag<64x16xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x16xf32>, memref<?x384xbf16>

    // Of a part only its columns are mapped.
    // CHECK-COUNT-4: arith.negf
    // CHECK-NOT: arith.negf
    %z = dgemm.map %sum at [%tm, %tn] part [8, 8] with (%e0, %e1, %e2, %e3 : memref<384xf32>, memref<?xf16>, memref<?x384xbf16>, memref<1xf32>) {
    ^bb0(%x: f32, %bias: f32, %w: f32, %r: f32, %alpha: f32):
      %0 = arith.negf %x : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<64x16xf32> -> !dgemm.frag<64x16xf32>
    dgemm.store %z, %d[%tm, %tn] : !dgemm.frag<64x16xf32>, memref<?x384xbf16>
  }
}

// Where columns may be missing each is read for itself if there may be an odd number, and none behind the last.
// CHECK-LABEL: dgemm.kernel @odd(
// CHECK: arith.minsi
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
// CHECK: arith.minsi
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
dgemm.kernel @odd(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"}, %b: memref<33x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<1x4xf32> {dgemm.operand = "scale_b"}, %d: memref<64x33xbf16> {dgemm.operand = "d"}, %e0: memref<33xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 33, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>>
    config <tile = <block = 64x8x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 33 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 8] group_m = 1 {
    %sum = dgemm.zero : <64x8xf32>
    %y = dgemm.map %sum at [%tm, %tn] with (%e0 : memref<33xf32>) {
    ^bb0(%x: f32, %bias: f32):
      %0 = arith.addf %x, %bias : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<64x8xf32> -> !dgemm.frag<64x8xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x8xf32>, memref<64x33xbf16>
  }
}

// What was fetched is read from shared memory: two rows and the only value at once, then a pair of columns for each 8.
// CHECK-LABEL: dgemm.kernel @fetched(
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f16
// CHECK: llvm.fpext
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f16
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> i32
// CHECK-COUNT-4: math.fma
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> i32
// CHECK-COUNT-4: math.fma
// CHECK-NOT: llvm.load
dgemm.kernel @fetched(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xbf16> {dgemm.operand = "epilogue0"}, %e1: memref<64xf16> {dgemm.operand = "epilogue1"}, %e2: memref<1xf32> {dgemm.operand = "epilogue2"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = bf16>, <name = "weight", along = m, element = f16>,
                                                             <name = "alpha", along = none, element = f32>], result = 0>>
    config <tile = <block = 64x16x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  %p = llvm.mlir.zero : !llvm.ptr<3>
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 16] group_m = 1 {
    %sum = dgemm.zero : <64x16xf32>
    %t0 = dgemm.tile_at %p : !dgemm.tile<1x16xbf16>
    %t1 = dgemm.tile_at %p : !dgemm.tile<1x64xf16>
    %t2 = dgemm.tile_at %p : !dgemm.tile<1x1xf32>
    %y = dgemm.map %sum at [%tm, %tn] with (%t0, %t1, %t2 : !dgemm.tile<1x16xbf16>, !dgemm.tile<1x64xf16>, !dgemm.tile<1x1xf32>) {
    ^bb0(%x: f32, %bias: f32, %w: f32, %alpha: f32):
      %0 = arith.mulf %w, %alpha : f32
      %1 = math.fma %0, %x, %bias : f32
      dgemm.yield %1 : f32
    } : !dgemm.frag<64x16xf32> -> !dgemm.frag<64x16xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x16xf32>, memref<64x384xbf16>
  }
}

// A residual of 16-bit elements is read 16 bytes at a time, 32 columns of two rows at once; four threads exchange words. What is left
// of the columns is read by pairs.
// CHECK-LABEL: dgemm.kernel @wide(
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-COUNT-4: nvvm.shfl.sync bfly
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-COUNT-4: nvvm.shfl.sync bfly
// CHECK-COUNT-16: arith.addf
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> i32
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> i32
// CHECK-NOT: llvm.load
dgemm.kernel @wide(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<64x384xbf16> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "residual", along = mn, element = bf16>], result = 0>>
    config <tile = <block = 64x40x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 40] group_m = 1 {
    %sum = dgemm.zero : <64x40xf32>
    %y = dgemm.map %sum at [%tm, %tn] with (%e0 : memref<64x384xbf16>) {
    ^bb0(%x: f32, %r: f32):
      %0 = arith.addf %x, %r : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<64x40xf32> -> !dgemm.frag<64x40xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x40xf32>, memref<64x384xbf16>
  }
}

// Columns that are loaded ahead are read by pairs, and the map takes them from registers.
// CHECK-LABEL: dgemm.kernel @ahead(
// CHECK-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<2xf32>
// CHECK: llvm.inline_asm
// CHECK-NOT: llvm.load
// CHECK-COUNT-8: arith.addf
dgemm.kernel @ahead(%a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"}, %sa: memref<4x64xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %sb: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<64x384xbf16> {dgemm.operand = "d"}, %e0: memref<384xf32> {dgemm.operand = "epilogue0"})
    problem <sizes = [64, 384, 512], epilogue = <operands = [<name = "bias", along = n, element = f32>], result = 0>>
    config <tile = <block = 64x32x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %m = arith.constant 64 : index
  %n = arith.constant 384 : index
  dgemm.for_each_tile (%tm, %tn) of (%m, %n) tile = [64, 32] group_m = 1 {
    %sum = dgemm.zero : <64x32xf32>
    %bias = dgemm.load_columns %e0[%tn] : memref<384xf32> -> !dgemm.frag<1x16xf32>
    %done = dgemm.mma_wait %sum pending = 0 : !dgemm.frag<64x32xf32>
    %y = dgemm.map %done at [%tm, %tn] part [16, 16] with (%bias : !dgemm.frag<1x16xf32>) {
    ^bb0(%x: f32, %r: f32):
      %0 = arith.addf %x, %r : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<64x32xf32> -> !dgemm.frag<64x32xf32>
    dgemm.store %y, %d[%tm, %tn] : !dgemm.frag<64x32xf32>, memref<64x384xbf16>
  }
}
