// A layer in linalg becomes one gemm with an epilogue, and runs: bias, an activation, a factor of each row, a residual.
// REQUIRES: plugin, runtime
// DEFINE: %{lower} = %{mlir-opt} --pass-pipeline='builtin.module(dgemm-raise,dgemm-fuse-epilogue,one-shot-bufferize{bufferize-function-boundaries},dgemm-to-gpu,convert-linalg-to-loops,expand-strided-metadata,lower-affine,convert-arith-to-apfloat,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)'
// DEFINE: %{run} = %{mlir-runner} -e main --entry-point-result=i32 --shared-libs=%{runtime} --shared-libs=%{mlir-libs}/libmlir_c_runner_utils.so --shared-libs=%{mlir-libs}/libmlir_apfloat_wrappers.so
// RUN: %{mlir-opt} --pass-pipeline='builtin.module(dgemm-raise,dgemm-fuse-epilogue,canonicalize)' %s | FileCheck %s --check-prefix=FUSED
// RUN: %{lower} %s | %{run} | FileCheck %s
// CHECK: {{^}}0{{$}}

// With another constant in the layer the reference differs.
// RUN: sed 's/%%half = arith.constant 0.5/%%half = arith.constant 0.75/' %s | %{lower} | %{run} | FileCheck %s --check-prefix=DIFFERS
// DIFFERS: {{^[1-9][0-9]*$}}

!a = tensor<66x256xf8E4M3FN>
!sa = tensor<2x66xf32>
!b = tensor<64x256xf8E4M3FN>
!sb = tensor<1x2xf32>
!f = tensor<66x64xf32>
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

// -4, -3.75, ...
func.func private @count(%n: index) -> tensor<?xf32> {
  %quarter = arith.constant 0.25 : f32
  %four = arith.constant 4.0 : f32
  %empty = tensor.empty(%n) : tensor<?xf32>
  %filled = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%empty : tensor<?xf32>) {
  ^bb0(%old: f32):
    %i = linalg.index 0 : index
    %integer = arith.index_cast %i : index to i32
    %number = arith.sitofp %integer : i32 to f32
    %part = arith.mulf %number, %quarter : f32
    %value = arith.subf %part, %four : f32
    linalg.yield %value : f32
  } -> tensor<?xf32>
  return %filled : tensor<?xf32>
}

// FUSED-LABEL: func.func private @layer(
// FUSED: dgemm.gemm dense {{.*}} epilogue(%{{.*}} : tensor<64xf32> along n named "epilogue0", %{{.*}} : tensor<66xf32> along m named "epilogue1", %{{.*}} : tensor<66x64xbf16> along mn named "epilogue2") {
// FUSED: -> tensor<66x64xbf16>
// FUSED-NEXT: return
func.func private @layer(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %bias: tensor<64xf32>, %row: tensor<66xf32>, %residual: !d) -> !d {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %empty = tensor.empty() : !f
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : !f) -> !f
  %sum = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k floordiv 128, m)>, affine_map<(m, n, k) -> (n, k)>,
                       affine_map<(m, n, k) -> (n floordiv 128, k floordiv 128)>, #all],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %sa, %b, %sb : !a, !sa, !b, !sb) outs(%zeros : !f) {
  ^bb0(%x8: f8E4M3FN, %sx: f32, %y8: f8E4M3FN, %sy: f32, %acc: f32):
    %x = arith.extf %x8 : f8E4M3FN to f32
    %y = arith.extf %y8 : f8E4M3FN to f32
    %product = arith.mulf %x, %y : f32
    %scale = arith.mulf %sx, %sy : f32
    %scaled = arith.mulf %product, %scale : f32
    %next = arith.addf %acc, %scaled : f32
    linalg.yield %next : f32
  } -> !f
  %wide = linalg.broadcast ins(%bias : tensor<64xf32>) outs(%empty : !f) dimensions = [0]
  %biased = linalg.add ins(%sum, %wide : !f, !f) outs(%empty : !f) -> !f
  %active = linalg.max ins(%biased, %zeros : !f, !f) outs(%empty : !f) -> !f
  %out = tensor.empty() : !d
  %d = linalg.generic {indexing_maps = [#id, affine_map<(m, n) -> (m)>, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%active, %row, %residual : !f, tensor<66xf32>, !d) outs(%out : !d) {
  ^bb0(%x: f32, %of_row: f32, %before16: bf16, %old: bf16):
    %before = arith.extf %before16 : bf16 to f32
    %0 = arith.mulf %x, %of_row : f32
    %1 = arith.mulf %0, %half : f32
    %2 = arith.addf %1, %before : f32
    %3 = arith.truncf %2 : f32 to bf16
    linalg.yield %3 : bf16
  } -> !d
  return %d : !d
}

// The same, of a product that is none of FP8.
func.func private @reference(%a: !a, %sa: !sa, %b: !b, %sb: !sb, %bias: tensor<64xf32>, %row: tensor<66xf32>, %residual: !d) -> !f {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %empty_b = tensor.empty() : tensor<64x256xf32>
  %wide_b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%b : !b) outs(%empty_b : tensor<64x256xf32>) {
  ^bb0(%y8: f8E4M3FN, %old: f32):
    %y = arith.extf %y8 : f8E4M3FN to f32
    linalg.yield %y : f32
  } -> tensor<64x256xf32>
  %empty = tensor.empty() : !f
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : !f) -> !f
  %sum = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k floordiv 128, m)>, affine_map<(m, n, k) -> (n, k)>,
                       affine_map<(m, n, k) -> (n floordiv 128, k floordiv 128)>, #all],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %sa, %wide_b, %sb : !a, !sa, tensor<64x256xf32>, !sb) outs(%zeros : !f) {
  ^bb0(%x8: f8E4M3FN, %sx: f32, %y: f32, %sy: f32, %acc: f32):
    %x = arith.extf %x8 : f8E4M3FN to f32
    %product = arith.mulf %x, %y : f32
    %scale = arith.mulf %sx, %sy : f32
    %scaled = arith.mulf %product, %scale : f32
    %next = arith.addf %acc, %scaled : f32
    linalg.yield %next : f32
  } -> !f
  %d = linalg.generic {indexing_maps = [#id, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m)>, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%sum, %bias, %row, %residual : !f, tensor<64xf32>, tensor<66xf32>, !d) outs(%empty : !f) {
  ^bb0(%x: f32, %of_column: f32, %of_row: f32, %before16: bf16, %old: f32):
    %before = arith.extf %before16 : bf16 to f32
    %biased = arith.addf %x, %of_column : f32
    %active = arith.maximumf %biased, %zero : f32
    %0 = arith.mulf %active, %of_row : f32
    %half_again = arith.constant 0.5 : f32
    %1 = arith.mulf %0, %half_again : f32
    %2 = arith.addf %1, %before : f32
    linalg.yield %2 : f32
  } -> !f
  return %d : !f
}

func.func private @count_wrong(%d: !d, %expected: !f) -> i32 {
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %tolerance = arith.constant 0.005 : f32
  %least = arith.constant 0.05 : f32
  %empty = tensor.empty() : tensor<i32>
  %start = linalg.fill ins(%none : i32) outs(%empty : tensor<i32>) -> tensor<i32>
  %count = linalg.generic {indexing_maps = [#id, #id, affine_map<(i, j) -> ()>], iterator_types = ["reduction", "reduction"]}
      ins(%d, %expected : !d, !f) outs(%start : tensor<i32>) {
  ^bb0(%got16: bf16, %right: f32, %before: i32):
    %got = arith.extf %got16 : bf16 to f32
    %difference = arith.subf %got, %right : f32
    %negative = arith.negf %difference : f32
    %distance = arith.maximumf %difference, %negative : f32
    %minus = arith.negf %right : f32
    %size = arith.maximumf %right, %minus : f32
    %relative = arith.mulf %size, %tolerance : f32
    %limit = arith.addf %relative, %least : f32
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
  %c64 = arith.constant 64 : index
  %c66 = arith.constant 66 : index
  %c256 = arith.constant 256 : index
  %small = arith.constant 0.125 : f32
  %any_a = call @fill(%c66, %c256, %c1) : (index, index, index) -> tensor<?x?xf8E4M3FN>
  %a = tensor.cast %any_a : tensor<?x?xf8E4M3FN> to !a
  %any_b = call @fill(%c64, %c256, %c5) : (index, index, index) -> tensor<?x?xf8E4M3FN>
  %b = tensor.cast %any_b : tensor<?x?xf8E4M3FN> to !b
  %empty_sa = tensor.empty() : !sa
  %sa = linalg.fill ins(%small : f32) outs(%empty_sa : !sa) -> !sa
  %empty_sb = tensor.empty() : !sb
  %sb = linalg.fill ins(%small : f32) outs(%empty_sb : !sb) -> !sb
  %any_bias = call @count(%c64) : (index) -> tensor<?xf32>
  %bias = tensor.cast %any_bias : tensor<?xf32> to tensor<64xf32>
  %any_row = call @count(%c66) : (index) -> tensor<?xf32>
  %row = tensor.cast %any_row : tensor<?xf32> to tensor<66xf32>
  %seven = arith.constant 7.0 : bf16
  %empty_d = tensor.empty() : !d
  %residual = linalg.fill ins(%seven : bf16) outs(%empty_d : !d) -> !d
  %d = call @layer(%a, %sa, %b, %sb, %bias, %row, %residual) : (!a, !sa, !b, !sb, tensor<64xf32>, tensor<66xf32>, !d) -> !d
  %expected = call @reference(%a, %sa, %b, %sb, %bias, %row, %residual) : (!a, !sa, !b, !sb, tensor<64xf32>, tensor<66xf32>, !d) -> !f
  %wrong = call @count_wrong(%d, %expected) : (!d, !f) -> i32
  return %wrong : i32
}
