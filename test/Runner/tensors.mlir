// A function on tensors runs: one-shot bufferization, then as in host-code.mlir.
// REQUIRES: plugin, runtime
// DEFINE: %{lower} = %{mlir-opt} --pass-pipeline='builtin.module(one-shot-bufferize{bufferize-function-boundaries},dgemm-to-gpu,convert-linalg-to-loops,expand-strided-metadata,lower-affine,convert-arith-to-apfloat,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)'
// DEFINE: %{run} = %{mlir-runner} -e main --entry-point-result=i32 --shared-libs=%{runtime} --shared-libs=%{mlir-libs}/libmlir_c_runner_utils.so --shared-libs=%{mlir-libs}/libmlir_apfloat_wrappers.so
// RUN: %{lower} %s | %{run} | FileCheck %s
// CHECK: {{^}}0{{$}}

// With the scales of another row the reference differs.
// RUN: sed 's/(m, n, k) -> (k floordiv 128, m)/(m, n, k) -> (k floordiv 128, 0)/' %s | %{lower} | %{run} | FileCheck %s --check-prefix=DIFFERS
// DIFFERS: {{^[1-9][0-9]*$}}

// 66 rows: scales of A lie packed, 66 to a block of K.
!big = tensor<80x512xf8E4M3FN>
!a = tensor<66x256xf8E4M3FN>
!sa = tensor<2x66xf32>
!b = tensor<64x256xf8E4M3FN>
!sb = tensor<1x2xf32>
!d = tensor<66x64xbf16>
#all = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>

// Bits of small numbers, which differ from element to element.
func.func private @fill(%rows: index, %columns: index, %salt: index) -> tensor<?x?xf8E4M3FN> {
  %c7 = arith.constant 7 : index
  %c24 = arith.constant 24 : index
  %c40 = arith.constant 40 : index
  %empty = tensor.empty(%rows, %columns) : tensor<?x?xf8E4M3FN>
  %filled = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%empty : tensor<?x?xf8E4M3FN>) {
  ^bb0(%old: f8E4M3FN):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %x = arith.muli %i, %c7 : index
    %y = arith.addi %x, %j : index
    %z = arith.addi %y, %salt : index
    %r = arith.remui %z, %c24 : index
    %bits = arith.addi %r, %c40 : index
    %byte = arith.index_cast %bits : index to i8
    %value = arith.bitcast %byte : i8 to f8E4M3FN
    linalg.yield %value : f8E4M3FN
  } -> tensor<?x?xf8E4M3FN>
  return %filled : tensor<?x?xf8E4M3FN>
}

// 1, 1.5, 2, ... along rows.
func.func private @scales() -> !sa {
  %empty = tensor.empty() : !sa
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %filled = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%empty : !sa) {
  ^bb0(%old: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %sum = arith.addi %i, %j : index
    %integer = arith.index_cast %sum : index to i32
    %number = arith.sitofp %integer : i32 to f32
    %part = arith.mulf %number, %half : f32
    %value = arith.addf %part, %one : f32
    linalg.yield %value : f32
  } -> !sa
  return %filled : !sa
}

// The gemm writes into what it is given: a slice of the caller's, twice.
func.func private @layer(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %d: !d) -> !d {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %result = scf.for %i = %c0 to %c2 step %c1 iter_args(%out = %d) -> (!d) {
    %0 = dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%out) : (!a, !sa, !b, !sb, !d) -> !d
    scf.yield %0 : !d
  }
  return %result : !d
}

func.func private @reference(%a: !a, %sa: !sa, %b: !b, %sb: !sb) -> tensor<66x64xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<66x64xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<66x64xf32>) -> tensor<66x64xf32>
  %sum = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k floordiv 128, m)>, affine_map<(m, n, k) -> (n, k)>,
                       affine_map<(m, n, k) -> (n floordiv 128, k floordiv 128)>, #all],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %sa, %b, %sb : !a, !sa, !b, !sb) outs(%zeros : tensor<66x64xf32>) {
  ^bb0(%x8: f8E4M3FN, %sx: f32, %y8: f8E4M3FN, %sy: f32, %acc: f32):
    %x = arith.extf %x8 : f8E4M3FN to f32
    %y = arith.extf %y8 : f8E4M3FN to f32
    %product = arith.mulf %x, %y : f32
    %scale = arith.mulf %sx, %sy : f32
    %scaled = arith.mulf %product, %scale : f32
    %next = arith.addf %acc, %scaled : f32
    linalg.yield %next : f32
  } -> tensor<66x64xf32>
  return %sum : tensor<66x64xf32>
}

func.func private @count_wrong(%d: !d, %expected: tensor<66x64xf32>) -> i32 {
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %tolerance = arith.constant 0.005 : f32
  %empty = tensor.empty() : tensor<i32>
  %start = linalg.fill ins(%none : i32) outs(%empty : tensor<i32>) -> tensor<i32>
  %count = linalg.generic {indexing_maps = [#id, #id, affine_map<(i, j) -> ()>], iterator_types = ["reduction", "reduction"]}
      ins(%d, %expected : !d, tensor<66x64xf32>) outs(%start : tensor<i32>) {
  ^bb0(%got16: bf16, %right: f32, %before: i32):
    %got = arith.extf %got16 : bf16 to f32
    %difference = arith.subf %got, %right : f32
    %negative = arith.negf %difference : f32
    %distance = arith.maximumf %difference, %negative : f32
    %limit = arith.mulf %right, %tolerance : f32
    %far = arith.cmpf ugt, %distance, %limit : f32
    %more = arith.addi %before, %one : i32
    %after = arith.select %far, %more, %before : i32
    linalg.yield %after : i32
  } -> tensor<i32>
  %wrong = tensor.extract %count[] : tensor<i32>
  return %wrong : i32
}

func.func @main() -> i32 {
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %c80 = arith.constant 80 : index
  %c256 = arith.constant 256 : index
  %c512 = arith.constant 512 : index
  %half = arith.constant 0.5 : f32
  %any_big = call @fill(%c80, %c512, %c1) : (index, index, index) -> tensor<?x?xf8E4M3FN>
  %big = tensor.cast %any_big : tensor<?x?xf8E4M3FN> to !big
  %any_b = call @fill(%c64, %c256, %c5) : (index, index, index) -> tensor<?x?xf8E4M3FN>
  %b = tensor.cast %any_b : tensor<?x?xf8E4M3FN> to !b
  %sa = call @scales() : () -> !sa
  %empty_sb = tensor.empty() : !sb
  %sb = linalg.fill ins(%half : f32) outs(%empty_sb : !sb) -> !sb
  %a = tensor.extract_slice %big[%c5, %c16] [66, 256] [1, 1] : !big to !a
  %all = tensor.empty() : tensor<80x64xbf16>
  %part = tensor.extract_slice %all[%c5, 0] [66, 64] [1, 1] : tensor<80x64xbf16> to !d
  %d = call @layer(%a, %sa, %b, %sb, %part) : (!a, !sa, !b, !sb, !d) -> !d
  %expected = call @reference(%a, %sa, %b, %sb) : (!a, !sa, !b, !sb) -> tensor<66x64xf32>
  %wrong = call @count_wrong(%d, %expected) : (!d, tensor<66x64xf32>) -> i32
  return %wrong : i32
}
