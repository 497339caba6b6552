// RUN: not dgemm-opt %s '--dgemm-select-config=config=block=256x256x128,warpgroups=2' 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: not dgemm-opt %s '--dgemm-select-config=config=block=128x128x128,stages=9' 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not dgemm-opt %s '--dgemm-select-config=config=block=96x128x128' 2>&1 | FileCheck %s --check-prefix=BLOCK
// RUN: not dgemm-opt %s '--dgemm-select-config=config=depth=4' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not dgemm-opt %s '--dgemm-select-config=config=stages=four' 2>&1 | FileCheck %s --check-prefix=INTEGER
// RUN: not dgemm-opt %s '--dgemm-select-config=config=stages=4,stages=5' 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not dgemm-opt %s '--dgemm-select-config=config=block=128' 2>&1 | FileCheck %s --check-prefix=EXTENTS
// RUN: not dgemm-opt %s '--dgemm-select-config=config=<stages=4>' 2>&1 | FileCheck %s --check-prefix=WHOLE

// Where no config has the given fields, the error names the rule that they break, with the number that would do.
// REGISTERS: error: 'dgemm.gemm' op cannot have this config: block 256x256 needs 320 registers of each math thread for accumulators, but 2 math warpgroups leave 232
// SHARED: error: 'dgemm.gemm' op cannot have this config: 9 stages of block 128x128x128 need 332688 bytes of shared memory, but a CTA has 232448; at most 5 stages fit
// BLOCK: error: 'dgemm.gemm' op cannot have this config: expected block M to be 128 or 256 for 2 math warpgroups (64 or 128 rows each), but got 96

// What is no config field at all is an error of the option.
// UNKNOWN: error: unknown config field 'depth'; known are block, cluster, split_k, group_m, serpentine, even_waves, stages, warpgroups, unroll, rotate, early_store, pingpong and b
// INTEGER: error: expected an integer for config field 'stages', but got 'four'
// TWICE: error: config field 'stages' is given twice
// EXTENTS: error: expected MxNxK for config field 'block', but got '128'

// A whole config gives all that has no default.
// WHOLE: error: expected a complete config to have 'block'
func.func @gemm(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}
