// RUN: dgemm-opt %s --dgemm-lower-wgmma | FileCheck %s

// dgemm-lower-wgmma gives fragments their registers. A thread of a warpgroup holds N/2 values of a 64xN fragment: values
// 4g to 4g + 3 are columns 8g + 2t and 8g + 2t + 1 of row r, then of row r + 8.

// CHECK-LABEL: dgemm.kernel @mma(
dgemm.kernel @mma(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                  %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                  %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]> config <tile = <block = 64x24x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 24 : index
  %pa = llvm.mlir.zero : !llvm.ptr<3>
  %pb = llvm.mlir.zero : !llvm.ptr<3>
  %ps = llvm.mlir.zero : !llvm.ptr<3>
  %pd = llvm.mlir.zero : !llvm.ptr<3>
  // CHECK: %[[XB:.*]] = llvm.mlir.undef : vector<2xf32>
  %xb = llvm.mlir.undef : vector<2xf32>
  // A zero fragment is as many zeros.
  // CHECK: %[[ZERO:.*]] = llvm.mlir.constant(0.0{{.*}} : f32)
  // CHECK-COUNT-12: llvm.insertvalue %[[ZERO]]
  %sum = dgemm.zero : <64x24xf32>

  // Each thread reads the scales of its two rows, 8 apart (32 bytes).
  // CHECK: %[[S0:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
  // CHECK: %[[S1:.*]] = llvm.load %{{.*}} : !llvm.ptr<3> -> f32
  %ts = dgemm.tile_at %ps : !dgemm.tile<1x64xf32>
  %ra = dgemm.load_scales %ts : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>

  // An mma is a fence, four wgmmas of depth 32 on one accumulator, a commit and a wait. The first ignores what the
  // accumulator held. Descriptors step by 32 bytes along K, 2 units of 16.
  // CHECK: %[[FRESH:.*]] = llvm.mlir.undef : !llvm.struct<(f32, f32, f32,
  // CHECK: nvvm.wgmma.fence.aligned
  // CHECK: %[[D0:.*]] = nvvm.wgmma.mma_async %{{.*}}, %{{.*}}, %[[FRESH]], <m = 64, n = 24, k = 32>, D[<f32>, <zero>], A[<e4m3>, <one>, <row>], B[<e4m3>, <one>, <col>]
  // CHECK: %[[D1:.*]] = nvvm.wgmma.mma_async %{{.*}}, %{{.*}}, %[[D0]], <m = 64, n = 24, k = 32>, D[<f32>, <one>]
  // CHECK: %[[D2:.*]] = nvvm.wgmma.mma_async %{{.*}}, %{{.*}}, %[[D1]], <m = 64, n = 24, k = 32>, D[<f32>, <one>]
  // CHECK: %[[D3:.*]] = nvvm.wgmma.mma_async %{{.*}}, %{{.*}}, %[[D2]], <m = 64, n = 24, k = 32>, D[<f32>, <one>]
  // CHECK-NEXT: nvvm.wgmma.commit.group.sync.aligned
  // CHECK-NEXT: nvvm.wgmma.wait.group.sync.aligned 0
  // The registers are written until the wait, which nothing in LLVM IR says: the values pass through an empty asm, so that
  // no use can move ahead of it.
  // CHECK-DAG: %[[V0:.*]] = llvm.extractvalue %[[D3]][0]
  // CHECK-DAG: %[[V11:.*]] = llvm.extractvalue %[[D3]][11]
  // CHECK: %[[PART:.*]] = llvm.inline_asm has_side_effects "", "=f,=f,=f,=f,=f,=f,=f,=f,=f,=f,=f,=f,0,1,2,3,4,5,6,7,8,9,10,11" %[[V0]], {{.*}}, %[[V11]] :
  %ta = dgemm.tile_at %pa : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.tile_at %pb : !dgemm.tile<24x128xf8E4M3FN, swizzle = 128>
  %part = dgemm.mma %ta, %tb : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<24x128xf8E4M3FN, swizzle = 128>
      -> !dgemm.frag<64x24xf32>

  // Both scales of a value are multiplied once for each row and scale block. A tile of 24 columns starts at a multiple of 8
  // modulo 128: column group g of 8 belongs to the second block from n mod 128 = 128 - 8g on. Group 0 always has the first.
  // CHECK-DAG: %[[B0:.*]] = llvm.extractelement %[[XB]][%{{.*}}]
  // CHECK-DAG: %[[LOW0:.*]] = llvm.fmul %{{.*}}, %[[B0]]
  // CHECK-DAG: %[[LOW1:.*]] = llvm.fmul %{{.*}}, %[[B0]]
  // CHECK-DAG: %[[COLUMN:.*]] = arith.remui %c24, %c128
  // One multiply-add for each value, with the scale of its row.
  // CHECK: llvm.intr.fma(%{{.*}}, %[[LOW0]], %{{.*}})
  // CHECK: llvm.intr.fma(%{{.*}}, %[[LOW0]], %{{.*}})
  // CHECK: llvm.intr.fma(%{{.*}}, %[[LOW1]], %{{.*}})
  // CHECK: llvm.intr.fma(%{{.*}}, %[[LOW1]], %{{.*}})
  // CHECK: %[[C120:.*]] = arith.constant 120 : i32
  // CHECK-NEXT: %[[IN1:.*]] = arith.cmpi uge, %{{.*}}, %[[C120]]
  // CHECK-NEXT: %[[G1:.*]] = arith.select %[[IN1]], %{{.*}}, %[[LOW0]]
  // CHECK: llvm.intr.fma(%{{.*}}, %[[G1]], %{{.*}})
  // CHECK: %[[C112:.*]] = arith.constant 112 : i32
  // CHECK-NEXT: arith.cmpi uge, %{{.*}}, %[[C112]]
  // CHECK: llvm.intr.fma
  // The sums are held too, so that no multiply-add sinks below the next wgmma.
  // CHECK: llvm.inline_asm has_side_effects ""
  %next = dgemm.promote %part scaled %ra, %xb at %n into %sum
      : !dgemm.frag<64x24xf32>, !dgemm.frag<64x1xf32>, vector<2xf32> -> !dgemm.frag<64x24xf32>

  // An mma over a fragment starts from its registers: they are dead, but nothing reads them later.
  // CHECK: nvvm.wgmma.fence.aligned
  // CHECK: nvvm.wgmma.mma_async %{{.*}}, %{{.*}}, %[[PART]], <m = 64, n = 24, k = 32>, D[<f32>, <zero>]
  %again = dgemm.mma %ta, %tb over %part : !dgemm.frag<64x24xf32> : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>,
      !dgemm.tile<24x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x24xf32>

  // A panel of 16 columns is one stmatrix of four 8x8 matrices, each register a pair of neighbours rounded to nearest even;
  // the 16-byte chunk of a row is permuted as the swizzle does.
  // CHECK: arith.xori
  // CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2 {{.*}} {rnd = #nvvm.fp_rnd_mode<rn>}
  // CHECK: nvvm.stmatrix %{{[^ ]+}}, %{{[^ ]+}}, %{{[^ ]+}}, %{{[^ ]+}}, %{{[^ ]+}} {
  %panel = dgemm.tile_at %pd : !dgemm.tile<64x16xbf16, swizzle = 32>
  dgemm.store_fragment %next[0] into %panel : !dgemm.frag<64x24xf32>, !dgemm.tile<64x16xbf16, swizzle = 32>
  // One of 8 columns has two matrices and no swizzle.
  // CHECK-COUNT-2: nvvm.convert.f32x2.to.bf16x2
  // CHECK: nvvm.stmatrix %{{[^ ]+}}, %{{[^ ]+}}, %{{[^ ]+}} {
  %last = dgemm.tile_at %pd : !dgemm.tile<64x8xbf16>
  dgemm.store_fragment %again[16] into %last : !dgemm.frag<64x24xf32>, !dgemm.tile<64x8xbf16>
}

// Scales of B are read through the pointer; the second is of the next row of blocks, or of the last one. Of the scales of
// A each thread reads those of its two rows.
// CHECK-LABEL: dgemm.kernel @scales(
dgemm.kernel @scales(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                     %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                     %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"})
    problem <sizes = [-1, 384, 512]>
    config <tile = <block = 64x24x128>, order = <group_m = 1>, schedule = <stages = 2, warpgroups = 1>> {
  %n = arith.constant 24 : index
  // CHECK: arith.minui
  // CHECK: llvm.load %{{.*}} invariant : !llvm.ptr<1> -> f32
  // CHECK: llvm.insertelement
  // CHECK: llvm.load %{{.*}} invariant : !llvm.ptr<1> -> f32
  // CHECK: llvm.insertelement
  %xb = dgemm.load_scales %scale_b[%n, %n] by <registers> : memref<3x4xf32> -> vector<2xf32>
  // CHECK-COUNT-2: llvm.load %{{.*}} invariant : !llvm.ptr<1> -> f32
  %ra = dgemm.load_scales %scale_a[%n, %n] by <registers> : memref<4x?xf32> -> !dgemm.frag<64x1xf32>
  // CHECK-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
  %p = llvm.mlir.zero : !llvm.ptr<3>
  %t = dgemm.tile_at %p : !dgemm.tile<1x64xf32>
  %rt = dgemm.load_scales %t : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
}
