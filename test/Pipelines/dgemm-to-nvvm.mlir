// RUN: dgemm-opt %s '--dgemm-to-nvvm=config=block=64x96x128' | FileCheck %s
// RUN: dgemm-opt %s '--dgemm-to-nvvm=config=block=64x136x128,stages=3' | FileCheck %s --check-prefix=GIVEN
// RUN: dgemm-opt %s --dgemm-to-nvvm | FileCheck %s --check-prefix=ONLY --implicit-check-not="arith." --implicit-check-not="scf." --implicit-check-not="memref" --implicit-check-not="unrealized_conversion_cast" --implicit-check-not="func.func"

// The pipeline takes a problem to a kernel of the llvm and nvvm dialects. Of dgemm there is left what the host must know:
// the launch attribute and those of the arguments.
// CHECK-LABEL: llvm.func @gemm(
// CHECK-SAME: dgemm.launch = #dgemm.launch<
// CHECK: nvvm.setmaxregister increase
// CHECK-COUNT-4: nvvm.wgmma.mma_async
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta
// CHECK: nvvm.setmaxregister decrease
// CHECK-COUNT-3: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: llvm.return
// CHECK-NOT: = dgemm.

// Config fields may be given to the pipeline; the cost model chooses the rest.
// GIVEN: dgemm.launch = #dgemm.launch<{{.*}}config = <tile = <block = 64x136x128>,{{.*}} schedule = <stages = 3, warpgroups = 1
// GIVEN-COUNT-4: nvvm.wgmma.mma_async {{.*}} <m = 64, n = 136, k = 32>

// No other dialect remains.
// ONLY: llvm.func @gemm(
func.func @gemm(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                %d: memref<?x384xbf16>) attributes {dgemm.kernel} {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}
