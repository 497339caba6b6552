// RUN: dgemm-opt %s --dgemm-lower-to-nvvm -verify-diagnostics

// Threads and registers are those of the roles, so there are roles.
// expected-error @+1 {{'dgemm.kernel' op expected one dgemm.warp_specialize; run dgemm-warp-specialize first}}
dgemm.kernel @sequential() sizes [-1, 384, 512] config <block = 128x96x128, stages = 2, math_warpgroups = 2, group_m = 8> {
}
