// RUN: not dgemm-opt %s 2>&1 | FileCheck %s

// Pointers are of the llvm dialect, which nothing else here has loaded.
// CHECK: tile-at-alone.mlir:[[#@LINE+1]]:15: error: use of undeclared SSA value name
dgemm.tile_at %p : !dgemm.tile<24x128xf32>
