// RUN: dgemm-opt %s --dgemm-lower-to-nvvm --cse -split-input-file | FileCheck %s

// dgemm-lower-to-nvvm makes an llvm.func of the kernel, and branches of tile loops and roles.

// Tensor maps are passed by value as grid constants, operands as pointers to global memory and sizes as i32. The argument
// attributes stay, and with dgemm.launch they say all that a host must know.
// CHECK-LABEL: llvm.func @gemm(
// CHECK-SAME: %[[SB:[a-z0-9]*]]: !llvm.ptr<1> {dgemm.operand = "scale_b"},
// CHECK-SAME: %[[M:[a-z0-9]*]]: i32 {dgemm.size = "M"},
// CHECK-SAME: %[[MAP:.*]]: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a
// CHECK-SAME: llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant
// CHECK-SAME: dgemm.launch = #dgemm.launch<problem = <sizes = [-1, 384, 512]>, config = <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>>, threads = 384, shared_memory = 83488>
// CHECK-SAME: nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 384>
dgemm.kernel @gemm(%scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
                   %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"}, %d: memref<?x384xbf16> {dgemm.operand = "d"},
                   %M: index {dgemm.size = "M"},
                   %a_map: !llvm.ptr {dgemm.tensor_map = #dgemm.tensor_map<operand = a, element = f8E4M3FN,
                     dims = (M, N, K) -> (512, M), strides = (M, N, K) -> (512), box = [128, 128], swizzle = 128>})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 128x96x128>, schedule = <stages = 2, warpgroups = 2>> {
  %c384 = arith.constant 384 : index
  %c128 = arith.constant 128 : index

  // The warp index is made uniform by a shuffle. Warpgroups 0 and 1 consume; the last one produces.
  // CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x
  // CHECK: %[[WARP:.*]] = nvvm.shfl.sync idx
  // CHECK: %[[WG:.*]] = llvm.lshr %[[WARP]]
  // CHECK: %[[MATH:.*]] = llvm.icmp "ult" %[[WG]], %{{.*}} : i32
  // CHECK-NEXT: llvm.cond_br %[[MATH]], ^[[CONSUMER:bb[0-9]+]], ^[[PRODUCER:bb[0-9]+]]
  dgemm.warp_specialize
  producer registers = 40 {
    nvvm.prefetch tensormap, %a_map : !llvm.ptr
  } consumer (%wg) x 2 registers = 232 {
    // Each role sets its registers first.
    // CHECK: ^[[CONSUMER]]:
    // CHECK-NEXT: nvvm.setmaxregister increase 232

    // A CTA takes the tile of its index, and then every nctaid-th.
    // CHECK-DAG: %[[CTA:.*]] = nvvm.read.ptx.sreg.ctaid.x
    // CHECK-DAG: %[[CTAS:.*]] = nvvm.read.ptx.sreg.nctaid.x
    // CHECK: llvm.br ^[[HEAD:bb[0-9]+]](%[[CTA]] : i32)
    // CHECK: ^[[HEAD]](%[[T:.*]]: i32):
    // CHECK: %[[MORE:.*]] = llvm.icmp "slt" %[[T]], %{{.*}} : i32
    // CHECK-NEXT: llvm.cond_br %[[MORE]]
    dgemm.for_each_tile (%m, %n) of (%M, %c384) tile = [128, 96] group_m = 8 {
      // Tiles are numbered down the rows of a group (8, or what is left of them), then along its columns, in every second
      // group from the last of these on.
      // CHECK: %[[GROUP:.*]] = llvm.udiv %[[T]], %[[PERGROUP:.*]] : i32
      // CHECK-NEXT: %[[INGROUP:.*]] = llvm.urem %[[T]], %[[PERGROUP]] : i32
      // CHECK-NEXT: %[[FIRST:.*]] = llvm.mul %[[GROUP]], %[[EIGHT:.*]] : i32
      // CHECK-NEXT: %[[LEFT:.*]] = llvm.sub %{{.*}}, %[[FIRST]]
      // CHECK-NEXT: %[[ROWS:.*]] = llvm.intr.umin(%[[LEFT]], %[[EIGHT]])
      // CHECK-NEXT: %[[DOWN:.*]] = llvm.urem %[[INGROUP]], %[[ROWS]]
      // CHECK-NEXT: %[[ROW:.*]] = llvm.add %[[FIRST]], %[[DOWN]]
      // CHECK-NEXT: %[[WALKED:.*]] = llvm.udiv %[[INGROUP]], %[[ROWS]]
      // CHECK: %[[LAST:.*]] = llvm.sub %{{.*}}, %{{.*}}
      // CHECK-NEXT: %[[BACK:.*]] = llvm.sub %[[LAST]], %[[WALKED]]
      // CHECK-NEXT: %[[BIT:.*]] = llvm.and %[[GROUP]], %{{.*}}
      // CHECK: %[[ODD:.*]] = llvm.icmp "ne" %[[BIT]], %{{.*}}
      // CHECK-NEXT: %[[COL:.*]] = llvm.select %[[ODD]], %[[BACK]], %[[WALKED]]
      // CHECK-NEXT: llvm.mul %[[ROW]]
      // CHECK-NEXT: llvm.mul %[[COL]]
      %offset = arith.addi %m, %n : index
      %x = arith.index_cast %offset : index to i32
      %p = llvm.inttoptr %x : i32 to !llvm.ptr<1>
      llvm.store %x, %p : i32, !llvm.ptr<1>
      // CHECK: %[[NEXT:.*]] = llvm.add %[[T]], %[[CTAS]]
      // CHECK-NEXT: llvm.br ^[[HEAD]](%[[NEXT]] : i32)
    }
  }
  // The producer gives registers back; one thread of one of its warps works.
  // CHECK: ^[[PRODUCER]]:
  // CHECK-NEXT: nvvm.setmaxregister decrease 40
  // CHECK: nvvm.elect.sync
  // CHECK: nvvm.prefetch tensormap, %[[MAP]]
  // CHECK: llvm.return
  // CHECK-NOT: dgemm.{{(kernel|warp_specialize|for_each_tile|load)}}
}
