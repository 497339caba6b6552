// RUN: dgemm-opt %s --dgemm-lower-stores --cse | FileCheck %s

// A store by TMA goes through staging in shared memory. D itself is not read any more, and its argument is dropped.
// CHECK-LABEL: dgemm.kernel @panels(
// CHECK-NOT: memref<?x384xbf16>
// CHECK-SAME: %d_map: !llvm.ptr {{.*}}, %d_map_0: !llvm.ptr
#wide = #dgemm.tensor_map<operand = d, element = bf16, dims = (M, N, K) -> (384, M), strides = (M, N, K) -> (768), box = [64, 64], swizzle = 128>
#narrow = #dgemm.tensor_map<operand = d, element = bf16, dims = (M, N, K) -> (384, M), strides = (M, N, K) -> (768), box = [32, 64], swizzle = 64>
dgemm.kernel @panels(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                     %d_map: !llvm.ptr {dgemm.tensor_map = #wide}, %d_map_0: !llvm.ptr {dgemm.tensor_map = #narrow})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x96xf32>
    // The staging is free once the last stores have read it, which the thread that made them knows, and the barrier of the
    // warpgroup (1 + its index) tells the others.
    // CHECK: %[[LEADER:.*]] = arith.cmpi eq
    // CHECK: scf.if %[[LEADER]] {
    // CHECK-NEXT: nvvm.cp.async.bulk.wait_group 0 {read}
    // CHECK: nvvm.barrier id = %[[ID:.*]] number_of_threads = %
    // Panels follow one another in the staging of the warpgroup.
    // CHECK: dgemm.store_fragment %{{.*}}[0] into %{{.*}} : !dgemm.frag<64x96xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>
    // CHECK: dgemm.store_fragment %{{.*}}[64] into %{{.*}} : !dgemm.frag<64x96xf32>, !dgemm.tile<64x32xbf16, swizzle = 64>
    // The writes are made visible to the TMA unit before one thread starts the stores.
    // CHECK: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>
    // CHECK-NEXT: nvvm.barrier id = %[[ID]]
    // CHECK-NEXT: scf.if %[[LEADER]] {
    // CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map, %{{.*}}, box[%[[COLUMN:.*]], %[[ROW:.*]]] :
    // CHECK: %[[COLUMN1:.*]] = arith.addi %[[COLUMN]], %c64_i32
    // CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map_0, %{{.*}}, box[%[[COLUMN1]], %[[ROW]]] :
    // CHECK: nvvm.cp.async.bulk.commit.group
    dgemm.store %acc, %d[%M, %wg] by <tma> : !dgemm.frag<64x96xf32>, memref<?x384xbf16>
    // Shared memory outlives the stores that read it.
    // CHECK: scf.if
    // CHECK-NEXT: nvvm.cp.async.bulk.wait_group 0 {read}
  }
}

// With early_store there is staging for half of a tile: the second store waits for the first to have read it. Without,
// both go together.
// CHECK-LABEL: dgemm.kernel @halves(
// CHECK-COUNT-2: nvvm.cp.async.bulk.commit.group
// CHECK-NOT: nvvm.cp.async.bulk.commit.group
// CHECK-LABEL: dgemm.kernel @slices(
// CHECK-COUNT-2: dgemm.store_fragment
// CHECK: nvvm.cp.async.bulk.commit.group
// CHECK-NOT: nvvm.cp.async.bulk.commit.group
dgemm.kernel @halves(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                     %d_map: !llvm.ptr {dgemm.tensor_map = #wide})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 256x64x128>, schedule = <stages = 2, warpgroups = 2, early_store = true>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x64xf32>
    dgemm.store %acc, %d[%M, %wg] by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
    dgemm.store %acc, %d[%wg, %wg] by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
  }
}
dgemm.kernel @slices(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                     %d_map: !llvm.ptr {dgemm.tensor_map = #wide})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 256x64x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x64xf32>
    dgemm.store %acc, %d[%M, %wg] by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
    dgemm.store %acc, %d[%wg, %wg] by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
  }
}

// The rows of a group may end inside of a slice. The box then begins inside of the window that ends with them, and TMA drops the
// rows of the box behind the window. A slice that begins behind the rows is not stored. Stores by registers stay.
// CHECK-LABEL: dgemm.kernel @rows(
// CHECK-NOT: %d_map_0
// CHECK: %[[STARTS:.*]] = arith.cmpi ult, %[[SLICE:.*]], %M : index
// CHECK: scf.if %[[STARTS]] {
// CHECK: %[[ROW:.*]] = arith.index_cast %[[SLICE]] : index to i32
// CHECK: dgemm.store_fragment
// CHECK: %[[END:.*]] = arith.index_cast %M : index to i32
// CHECK: %[[LEFT:.*]] = arith.subi %[[END]], %[[ROW]]
// CHECK: %[[POSITIVE:.*]] = arith.maxsi %[[LEFT]], %c0_i32{{.*}}
// CHECK: %[[INSIDE:.*]] = arith.minsi %[[POSITIVE]], %c64_i32
// CHECK: %[[WINDOW:.*]] = arith.addi %[[ROW]], %[[INSIDE]]
// CHECK: %[[BEGIN:.*]] = arith.subi %c64_i32, %[[INSIDE]]
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta %d_map, %{{.*}}, box[%{{.*}}, %[[BEGIN]], %[[WINDOW]]] :
// CHECK: nvvm.cp.async.bulk.commit.group
// CHECK: dgemm.store %{{.*}} by <registers> :
#windows = #dgemm.tensor_map<operand = d, element = bf16, dims = (M, N, K) -> (384, 64, M + 1), strides = (M, N, K) -> (768, 768),
                             box = [64, 64, 1], swizzle = 128, offset = (M, N, K) -> (-49152)>
dgemm.kernel @rows(%a: memref<?x640xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<5x?xf32> {dgemm.operand = "scale_a"},
                   %b: memref<384x640xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x5xf32> {dgemm.operand = "scale_b"},
                   %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"},
                   %d_map: !llvm.ptr {dgemm.tensor_map = #windows})
    problem <sizes = [-1, 384, 640]> config <tile = <block = 128x64x128>, schedule = <stages = 2, warpgroups = 2>> {
  dgemm.warp_specialize
  producer registers = 40 {
  } consumer (%wg) x 2 registers = 232 {
    %acc = dgemm.zero : <64x64xf32>
    dgemm.store %acc, %d[%wg, %wg] rows %M by <tma> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
    dgemm.store %acc, %d[%wg, %wg] by <registers> : !dgemm.frag<64x64xf32>, memref<?x384xbf16>
  }
}
