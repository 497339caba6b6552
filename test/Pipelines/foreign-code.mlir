// What is no kernel stays as it is, whatever pass runs: here it is all that there is.
// RUN: dgemm-opt %s -o %t.mlir
// RUN: dgemm-opt %s --dgemm-to-nvvm | diff %t.mlir -
// RUN: dgemm-opt %s --dgemm-select-config --dgemm-tile-problem --dgemm-promote-accumulators --dgemm-choose-data-movement | diff %t.mlir -
// RUN: dgemm-opt %s --dgemm-warp-specialize --dgemm-schedule-k-loop | diff %t.mlir -
// RUN: dgemm-opt %s --dgemm-create-tensor-maps --dgemm-assign-stage-phase --dgemm-lower-ring --dgemm-lower-reductions --dgemm-lower-stores --dgemm-lower-wgmma --dgemm-lower-to-nvvm | diff %t.mlir -

// And here it stands beside a kernel.
// RUN: cat %s %S/Inputs/gemm.mlir > %t.both.mlir
// RUN: dgemm-opt %t.both.mlir --dgemm-to-nvvm | FileCheck %s
// CHECK-LABEL: func.func @bytes(
// CHECK-NEXT: %{{.*}} = arith.constant 5000000000 : index
// CHECK-NEXT: %{{.*}} = arith.addi
// CHECK-NEXT: %{{.*}} = arith.index_cast
// CHECK-LABEL: func.func @loop(
// CHECK: scf.for
// CHECK: memref.load
// CHECK-NEXT: memref.load
// CHECK-LABEL: llvm.func @own(
// CHECK: llvm.add
// CHECK-NEXT: llvm.add
// CHECK: llvm.func @gemm({{.*}}nvvm.kernel

// An index of the host has 64 bits.
func.func @bytes(%n: index) -> i64 {
  %c = arith.constant 5000000000 : index
  %s = arith.addi %n, %c : index
  %r = arith.index_cast %s : index to i64
  return %r : i64
}

func.func @loop(%n: index, %p: i1, %x: memref<?xf32>) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %sum = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero) -> (f32) {
    %a = memref.load %x[%i] : memref<?xf32>
    %b = memref.load %x[%i] : memref<?xf32>
    %c = arith.addf %a, %b : f32
    %next = scf.if %p -> (f32) {
      scf.yield %c : f32
    } else {
      scf.yield %s : f32
    }
    scf.yield %next : f32
  }
  return %sum : f32
}

// Two of the same, which are not ours to merge.
llvm.func @own(%x: i32) -> i32 {
  %a = llvm.add %x, %x : i32
  %b = llvm.add %x, %x : i32
  %c = llvm.mul %a, %b : i32
  llvm.return %c : i32
}
