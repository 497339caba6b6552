// RUN: dgemm-opt %s --dgemm-choose-data-movement | FileCheck %s

// dgemm-choose-data-movement says of each load and store how it moves its data.

// With strides of multiples of 16 bytes all goes by TMA. The last tile of A may have fewer rows than the others. The scales of B then come by cp.async. The first tiles are
// prefetched from the M on where it gains: of A only where CTAs have several rows of tiles.
// CHECK-LABEL: dgemm.kernel @plain(
// CHECK: dgemm.load_scales %scale_b{{.*}} by <cp_async> :
// CHECK-NEXT: dgemm.load %a{{.*}} by <tma, prefetch_from = 129, clip_rows = true> :
// CHECK-NEXT: dgemm.load %b{{.*}} by <tma, prefetch_from = 64> :
// CHECK-NEXT: dgemm.load %scale_a{{.*}} by <tma> :
// CHECK: dgemm.store {{.*}} by <tma> :
dgemm.kernel @plain(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x?xf32> {dgemm.operand = "scale_a"},
                    %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"}, %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                    %d: memref<?x384xbf16> {dgemm.operand = "d"}, %M: index {dgemm.size = "M"}) problem <sizes = [-1, 384, 512]>
    config <tile = <block = 128x96x128>, schedule = <stages = 3, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %xb = dgemm.load_scales %scale_b[%c0, %c0] : memref<3x4xf32> -> vector<2xf32>
  %ta = dgemm.load %a[%c0, %c0] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%c0, %c0] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  %ts = dgemm.load %scale_a[%c0, %c0] : memref<4x?xf32> -> !dgemm.tile<1x128xf32>
  %zero = dgemm.zero : <128x96xf32>
  dgemm.store %zero, %d[%c0, %c0] : !dgemm.frag<128x96xf32>, memref<?x384xbf16>
}

// Of up to four rows the scales of A come by cp.async, too, where one slice of 64 rows takes them. Nothing is prefetched:
// M is too small. B is evicted first, as the config has it.
// CHECK-LABEL: dgemm.kernel @few_rows(
// CHECK: dgemm.load %a{{.*}} by <tma, clip_rows = true> :
// CHECK-NEXT: dgemm.load %b{{.*}} by <tma, cache = evict_first> :
// CHECK-NEXT: dgemm.load %scale_a{{.*}} by <tma, few_rows = 4> :
dgemm.kernel @few_rows(%a: memref<3x512xf8E4M3FN> {dgemm.operand = "a"}, %scale_a: memref<4x3xf32> {dgemm.operand = "scale_a"},
                       %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
                       %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                       %d: memref<3x384xbf16> {dgemm.operand = "d"}) problem <sizes = [3, 384, 512]>
    config <tile = <block = 64x96x128>, schedule = <stages = 3, warpgroups = 1>, loads = <b = evict_first>> {
  %c0 = arith.constant 0 : index
  %ta = dgemm.load %a[%c0, %c0] : memref<3x512xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%c0, %c0] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
  %ts = dgemm.load %scale_a[%c0, %c0] : memref<4x3xf32> -> !dgemm.tile<1x64xf32>
}

// In a cluster the tile of A is shared by the CTAs of a row, that of B by those of a column.
// CHECK-LABEL: dgemm.kernel @cluster(
// CHECK: dgemm.load %a{{.*}} by <tma, multicast = row> :
// CHECK-NEXT: dgemm.load %b{{.*}} by <tma, multicast = column> :
dgemm.kernel @cluster(%a: memref<512x512xf8E4M3FN> {dgemm.operand = "a"}, %b: memref<384x512xf8E4M3FN> {dgemm.operand = "b"},
                      %scale_a: memref<4x512xf32> {dgemm.operand = "scale_a"},
                      %scale_b: memref<3x4xf32> {dgemm.operand = "scale_b"},
                      %d: memref<512x384xbf16> {dgemm.operand = "d"})
    problem <sizes = [512, 384, 512]> config <tile = <block = 128x96x128, cluster = 2x2>, schedule = <stages = 3, warpgroups = 2>> {
  %c0 = arith.constant 0 : index
  %ta = dgemm.load %a[%c0, %c0] : memref<512x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%c0, %c0] : memref<384x512xf8E4M3FN> -> !dgemm.tile<96x128xf8E4M3FN, swizzle = 128>
}

// Rows of 200 bytes of A, which TMA cannot load, and of 100 bytes of D, which it cannot store, go through registers; so do
// the scales of B then. B itself has rows of 208 bytes.
// CHECK-LABEL: dgemm.kernel @unaligned(
// CHECK: dgemm.load_scales {{.*}} by <registers> :
// CHECK-NEXT: dgemm.load %a{{.*}} by <registers> :
// CHECK-NEXT: dgemm.load %b{{.*}} by <tma, prefetch_from = 64> :
// CHECK: dgemm.store {{.*}} by <registers> :
dgemm.kernel @unaligned(%a: memref<72x200xf8E4M3FN> {dgemm.operand = "a"},
                        %b: memref<50x200xf8E4M3FN, strided<[208, 1]>> {dgemm.operand = "b"},
                        %scale_b: memref<1x2xf32> {dgemm.operand = "scale_b"}, %d: memref<72x50xbf16> {dgemm.operand = "d"},
                        %scale_a: memref<2x72xf32> {dgemm.operand = "scale_a"})
    problem <sizes = [72, 50, 200], strides = {b = array<i64: 208, 1>}> config <tile = <block = 64x56x128>, schedule = <stages = 3, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  %xb = dgemm.load_scales %scale_b[%c0, %c0] : memref<1x2xf32> -> vector<2xf32>
  %ta = dgemm.load %a[%c0, %c0] : memref<72x200xf8E4M3FN> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>
  %tb = dgemm.load %b[%c0, %c0] : memref<50x200xf8E4M3FN, strided<[208, 1]>> -> !dgemm.tile<56x128xf8E4M3FN, swizzle = 128>
  %zero = dgemm.zero : <64x56xf32>
  dgemm.store %zero, %d[%c0, %c0] : !dgemm.frag<64x56xf32>, memref<72x50xbf16>
}

// With split_k each CTA stores its columns from registers.
// CHECK-LABEL: dgemm.kernel @split(
// CHECK: dgemm.store {{.*}} by <registers> :
dgemm.kernel @split(%d: memref<64x96xbf16> {dgemm.operand = "d"},
                    %a: memref<64x512xf8E4M3FN> {dgemm.operand = "a"},
                    %scale_a: memref<4x64xf32> {dgemm.operand = "scale_a"},
                    %b: memref<96x512xf8E4M3FN> {dgemm.operand = "b"},
                    %scale_b: memref<1x4xf32> {dgemm.operand = "scale_b"}) problem <sizes = [64, 96, 512]>
    config <tile = <block = 64x96x128, split_k = 2>, schedule = <stages = 3, warpgroups = 1>> {
  %c0 = arith.constant 0 : index
  %zero = dgemm.zero : <64x48xf32>
  dgemm.store %zero, %d[%c0, %c0] : !dgemm.frag<64x48xf32>, memref<64x96xbf16>
}
