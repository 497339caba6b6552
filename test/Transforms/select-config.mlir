// RUN: dgemm-opt %s --dgemm-select-config | FileCheck %s
// RUN: dgemm-opt %s '--dgemm-select-config=config=block=128x96x128,stages=3' | FileCheck %s --check-prefix=GIVEN
// RUN: dgemm-opt %s '--dgemm-select-config=config=<tile=<block=64x8x128>,order=<group_m=2>,schedule=<stages=3,warpgroups=1>>' | FileCheck %s --check-prefix=WHOLE
// RUN: dgemm-opt %s --dgemm-select-config -o %t && dgemm-opt %t --dgemm-select-config | diff %t -

// dgemm-select-config attaches a #dgemm.config to each problem that has none. A second run changes nothing.

// All fields come from the cost model; nothing else about the problem changes.
// CHECK-LABEL: func.func @chosen(
// CHECK: dgemm.gemm dense {{.*}} config <tile = <block = {{[0-9]+}}x{{[0-9]+}}x128>, {{(order = <.*>, )?}}schedule = <stages = {{[0-9]+}}, warpgroups = {{[1-3]}}{{(, rotate = true)?}}>> {dgemm.config_source = "cost_model"} : (memref<4096x512xf8E4M3FN>, memref<4x4096xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<4096x384xbf16>)

// Fields given in the pass option are taken as they are, and the model chooses the rest among what is legal with them.
// GIVEN-LABEL: func.func @chosen(
// GIVEN: config <tile = <block = 128x96x128>, {{(order = <.*>, )?}}schedule = <stages = 3, warpgroups = {{[12]}}{{(, rotate = true)?}}>>

// Between < and > they are a whole config.
// WHOLE-LABEL: func.func @chosen(
// WHOLE: config <tile = <block = 64x8x128>, order = <group_m = 2>, schedule = <stages = 3, warpgroups = 1>> : (
func.func @chosen(%a: memref<4096x512xf8E4M3FN>, %sa: memref<4x4096xf32>, %b: memref<384x512xf8E4M3FN>,
                  %sb: memref<3x4xf32>, %d: memref<4096x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<4096x512xf8E4M3FN>, memref<4x4096xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>,
         memref<4096x384xbf16>)
  return
}

// Sizes may be dynamic.
// CHECK-LABEL: func.func @dynamic(
// CHECK: dgemm.gemm dense {{.*}} config <tile = <block =
func.func @dynamic(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>,
                   %sb: memref<3x4xf32>, %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}

// A problem that has a config keeps it, whatever the option says.
// CHECK-LABEL: func.func @kept(
// CHECK: config <tile = <block = 64x40x128>, order = <group_m = 5>, schedule = <stages = 2, warpgroups = 1>>
// GIVEN-LABEL: func.func @kept(
// GIVEN: config <tile = <block = 64x40x128>, order = <group_m = 5>, schedule = <stages = 2, warpgroups = 1>>
func.func @kept(%a: memref<?x512xf8E4M3FN>, %sa: memref<4x?xf32>, %b: memref<384x512xf8E4M3FN>, %sb: memref<3x4xf32>,
                %d: memref<?x384xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x40x128>, order = <group_m = 5>, schedule = <stages = 2, warpgroups = 1>>
      : (memref<?x512xf8E4M3FN>, memref<4x?xf32>, memref<384x512xf8E4M3FN>, memref<3x4xf32>, memref<?x384xbf16>)
  return
}
