// The IR between any two passes prints, parses and verifies; and what is continued from there gives the PTX of a
// whole run.
// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=ptx -o %t.ptx

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=problem -o %t.problem.mlir
// RUN: dgemm-opt %t.problem.mlir --verify-roundtrip | FileCheck %s --check-prefix=PROBLEM
// RUN: dgemm-gen %t.problem.mlir --emit=ptx | diff %t.ptx -
// PROBLEM: dgemm.gemm dense {{.*}} out(%{{[^ ]+}}) : 

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=configured -o %t.configured.mlir
// RUN: dgemm-opt %t.configured.mlir --verify-roundtrip | FileCheck %s --check-prefix=CONFIGURED
// RUN: dgemm-gen %t.configured.mlir --emit=ptx | diff %t.ptx -
// CONFIGURED: dgemm.gemm dense {{.*}} config <tile = <block =

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=tiled -o %t.tiled.mlir
// RUN: dgemm-opt %t.tiled.mlir --verify-roundtrip | FileCheck %s --check-prefix=TILED
// RUN: dgemm-gen %t.tiled.mlir --emit=ptx | diff %t.ptx -
// TILED: dgemm.scaled_mma

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=promoted -o %t.promoted.mlir
// RUN: dgemm-opt %t.promoted.mlir --verify-roundtrip | FileCheck %s --check-prefix=PROMOTED
// RUN: dgemm-gen %t.promoted.mlir --emit=ptx | diff %t.ptx -
// PROMOTED: dgemm.mma
// PROMOTED-NEXT: dgemm.promote

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=specialized -o %t.specialized.mlir
// RUN: dgemm-opt %t.specialized.mlir --verify-roundtrip | FileCheck %s --check-prefix=SPECIALIZED
// RUN: dgemm-gen %t.specialized.mlir --emit=ptx | diff %t.ptx -
// SPECIALIZED: dgemm.warp_specialize

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=tma -o %t.tma.mlir
// RUN: dgemm-opt %t.tma.mlir --verify-roundtrip | FileCheck %s --check-prefix=TMA
// RUN: dgemm-gen %t.tma.mlir --emit=ptx | diff %t.ptx -
// TMA: nvvm.mbarrier.init
// TMA: dgemm.mma

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=wgmma -o %t.wgmma.mlir
// RUN: dgemm-opt %t.wgmma.mlir --verify-roundtrip | FileCheck %s --check-prefix=WGMMA
// RUN: dgemm-gen %t.wgmma.mlir --emit=ptx | diff %t.ptx -
// WGMMA: dgemm.warp_specialize
// WGMMA: nvvm.wgmma.mma_async

// RUN: dgemm-gen --m=? --n=384 --k=512 --emit=nvvm -o %t.nvvm.mlir
// RUN: dgemm-opt %t.nvvm.mlir --verify-roundtrip | FileCheck %s --check-prefix=NVVM
// RUN: dgemm-gen %t.nvvm.mlir --emit=ptx | diff %t.ptx -
// NVVM: llvm.func @dgemm_mx_n384_k512(
