// Functions of the host with gemms among their ops run: lowered by stock mlir-opt with our plugin, then by stock mlir-runner, on
// the emulator.
// REQUIRES: plugin, runtime
// DEFINE: %{lower} = %{mlir-opt} --pass-pipeline='builtin.module(dgemm-to-gpu,convert-linalg-to-loops,expand-strided-metadata,lower-affine,convert-arith-to-apfloat,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)'
// DEFINE: %{run} = %{mlir-runner} -e main --entry-point-result=i32 --shared-libs=%{runtime} --shared-libs=%{mlir-libs}/libmlir_c_runner_utils.so --shared-libs=%{mlir-libs}/libmlir_apfloat_wrappers.so
// RUN: %{lower} %s | %{run} | FileCheck %s
// CHECK: {{^}}0{{$}}

// With another scale the reference differs everywhere.
// RUN: sed 's/constant 0.25 : f32/constant 0.5 : f32/' %s | %{lower} | %{run} | FileCheck %s --check-prefix=DIFFERS
// DIFFERS: {{^}}12288{{$}}

!f8 = memref<64x256xf8E4M3FN>
!sub = memref<64x256xf8E4M3FN, strided<[512, 1], offset: ?>>
!sa = memref<2x64xf32>
!sb = memref<1x2xf32>
!d = memref<64x64xbf16>

// Bits of small numbers, which differ from element to element.
func.func private @fill(%m: memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, %salt: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  %c24 = arith.constant 24 : index
  %c40 = arith.constant 40 : index
  %rows = memref.dim %m, %c0 : memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  %columns = memref.dim %m, %c1 : memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  scf.for %i = %c0 to %rows step %c1 {
    scf.for %j = %c0 to %columns step %c1 {
      %x = arith.muli %i, %c7 : index
      %y = arith.addi %x, %j : index
      %z = arith.addi %y, %salt : index
      %r = arith.remui %z, %c24 : index
      %bits = arith.addi %r, %c40 : index
      %byte = arith.index_cast %bits : index to i8
      %value = arith.bitcast %byte : i8 to f8E4M3FN
      memref.store %value, %m[%i, %j] : memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
    }
  }
  return
}

// Elements of D that are not scale * A * B^T.
func.func private @count_wrong(%a: memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, %b: !f8, %d: !d, %scale: f32) -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %c256 = arith.constant 256 : index
  %zero = arith.constant 0.0 : f32
  %tolerance = arith.constant 0.005 : f32
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %wrong = scf.for %i = %c0 to %c64 step %c1 iter_args(%count = %none) -> (i32) {
    %inner = scf.for %j = %c0 to %c64 step %c1 iter_args(%before = %count) -> (i32) {
      %sum = scf.for %k = %c0 to %c256 step %c1 iter_args(%acc = %zero) -> (f32) {
        %x8 = memref.load %a[%i, %k] : memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
        %y8 = memref.load %b[%j, %k] : !f8
        %x = arith.extf %x8 : f8E4M3FN to f32
        %y = arith.extf %y8 : f8E4M3FN to f32
        %product = arith.mulf %x, %y : f32
        %next = arith.addf %acc, %product : f32
        scf.yield %next : f32
      }
      %expected = arith.mulf %sum, %scale : f32
      %d16 = memref.load %d[%i, %j] : !d
      %got = arith.extf %d16 : bf16 to f32
      %difference = arith.subf %got, %expected : f32
      %negative = arith.negf %difference : f32
      %distance = arith.maximumf %difference, %negative : f32
      %limit = arith.mulf %expected, %tolerance : f32
      %far = arith.cmpf ugt, %distance, %limit : f32
      %more = arith.addi %before, %one : i32
      %after = arith.select %far, %more, %before : i32
      scf.yield %after : i32
    }
    scf.yield %inner : i32
  }
  return %wrong : i32
}

// Each calls the other until n is 0.
func.func private @ping(%n: index, %a: !f8, %sa: !sa, %b: !f8, %sb: !sb, %d: !d, %e: !d) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %goes_on = arith.cmpi ne, %n, %c0 : index
  scf.if %goes_on {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d) : (!f8, !sa, !f8, !sb, !d)
    %less = arith.subi %n, %c1 : index
    func.call @pong(%less, %a, %sa, %b, %sb, %d, %e) : (index, !f8, !sa, !f8, !sb, !d, !d) -> ()
  }
  return
}
func.func private @pong(%n: index, %a: !f8, %sa: !sa, %b: !f8, %sb: !sb, %d: !d, %e: !d) {
  // An index of 64 bits: the loop runs twice.
  %begin = arith.constant 5000000000 : index
  %end = arith.constant 5000000002 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %begin to %end step %c1 {
    dgemm.gemm dense lhs(%b scaled %sa by [1, 128]) rhs(%a scaled %sb by [128, 128]) out(%e) : (!f8, !sa, !f8, !sb, !d)
  }
  call @ping(%n, %a, %sa, %b, %sb, %d, %e) : (index, !f8, !sa, !f8, !sb, !d, !d) -> ()
  return
}

func.func @main() -> i32 {
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %c16 = arith.constant 16 : index
  %a = memref.alloc() {alignment = 64 : i64} : !f8
  %b = memref.alloc() {alignment = 64 : i64} : !f8
  %big = memref.alloc() {alignment = 64 : i64} : memref<128x512xf8E4M3FN>
  %sa = memref.alloc() {alignment = 64 : i64} : !sa
  %sb = memref.alloc() {alignment = 64 : i64} : !sb
  %d = memref.alloc() {alignment = 64 : i64} : !d
  %e = memref.alloc() {alignment = 64 : i64} : !d
  %f = memref.alloc() {alignment = 64 : i64} : !d
  %half = arith.constant 0.5 : f32
  linalg.fill ins(%half : f32) outs(%sa : !sa)
  linalg.fill ins(%half : f32) outs(%sb : !sb)
  %any_a = memref.cast %a : !f8 to memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  %any_b = memref.cast %b : !f8 to memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  %any_big = memref.cast %big : memref<128x512xf8E4M3FN> to memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  call @fill(%any_a, %c1) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, index) -> ()
  call @fill(%any_b, %c5) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, index) -> ()
  call @fill(%any_big, %c5) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, index) -> ()
  call @ping(%c1, %a, %sa, %b, %sb, %d, %e) : (index, !f8, !sa, !f8, !sb, !d, !d) -> ()

  // A part of a larger matrix, from an offset that is not known here.
  %row = arith.muli %c1, %c5 : index
  %part = memref.subview %big[%row, %c16] [64, 256] [1, 1] : memref<128x512xf8E4M3FN> to !sub
  dgemm.gemm dense lhs(%part scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%f) : (!sub, !sa, !f8, !sb, !d)

  %scale = arith.constant 0.25 : f32
  %any_part = memref.cast %part : !sub to memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>
  %w0 = call @count_wrong(%any_a, %b, %d, %scale) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, !f8, !d, f32) -> i32
  %w1 = call @count_wrong(%any_b, %a, %e, %scale) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, !f8, !d, f32) -> i32
  %w2 = call @count_wrong(%any_part, %b, %f, %scale) : (memref<?x?xf8E4M3FN, strided<[?, 1], offset: ?>>, !f8, !d, f32) -> i32
  %w01 = arith.addi %w0, %w1 : i32
  %wrong = arith.addi %w01, %w2 : i32
  return %wrong : i32
}
