// RUN: dgemm-opt %s --dgemm-tile-problem -split-input-file -verify-diagnostics

// A problem needs a config to become a kernel.
func.func @no_config(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                     %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected a config; run dgemm-select-config first}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// A kernel computes one problem.
func.func @two(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
               %d: memref<64x64xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  // expected-error @+1 {{'dgemm.gemm' op expected a function to hold one dgemm.gemm and nothing else to become a kernel; run dgemm-outline-kernels first}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// And nothing else.
func.func @more(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
                %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'memref.alloc' op expected a function to hold one dgemm.gemm and nothing else to become a kernel; run dgemm-outline-kernels first}}
  %x = memref.alloc() : memref<64x64xbf16>
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%x)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// A gemm that is not the body of a function does not become a kernel, nor is it left as it is.
func.func @nested(%p: i1, %a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                  %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  scf.if %p {
    // expected-error @+1 {{'dgemm.gemm' op expected to stand in the entry block of a function, which becomes a kernel; run dgemm-outline-kernels first}}
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  }
  return
}

// -----

func.func @block(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
                 %d: memref<64x64xbf16>) {
  cf.br ^next
^next:
  // expected-error @+1 {{'dgemm.gemm' op expected to stand in the entry block of a function, which becomes a kernel; run dgemm-outline-kernels first}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// A module in a module is looked into.
module {
  func.func @inner(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                   %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
    // expected-error @+1 {{'dgemm.gemm' op expected a config; run dgemm-select-config first}}
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
    return
  }
}

// -----

// A kernel returns nothing.
// expected-error @+1 {{'func.func' op expected a function without results to become a kernel}}
func.func @result(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                  %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) -> memref<64x64xbf16> {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return %d : memref<64x64xbf16>
}

// -----

// It has the operands of the problem as arguments, and no others.
func.func @argument(
    // expected-error @+1 {{argument 0 of 'argument' is no operand of its dgemm.gemm, and a kernel has no other arguments}}
    %x: memref<4xf32>,
    %a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>,
    %d: memref<64x64xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// Attributes that somebody has given have a meaning for somebody.
// expected-error @+1 {{'func.func' op expected a function to have no attributes to become a kernel, but got 'my.attr'}}
func.func @attribute(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                     %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) attributes {my.attr = 3} {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

func.func @gemm_attribute(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                          %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected no attributes that a kernel would lose, but got 'my.attr'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>> {my.attr}
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}

// -----

// A kernel is launched, not called.
func.func @callee(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                  %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}
func.func @caller(%a: memref<64x128xf8E4M3FN>, %sa: memref<1x64xf32>, %b: memref<64x128xf8E4M3FN>,
                  %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'callee' becomes a kernel, which only a host launches}}
  func.call @callee(%a, %sa, %b, %sb, %d)
      : (memref<64x128xf8E4M3FN>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>) -> ()
  return
}

// -----

// A kernel gets addresses of first elements.
func.func @offset(%a: memref<64x128xf8E4M3FN, strided<[128, 1], offset: 16>>, %sa: memref<1x64xf32>,
                  %b: memref<64x128xf8E4M3FN>, %sb: memref<1x1xf32>, %d: memref<64x64xbf16>) {
  // expected-error @+1 {{'dgemm.gemm' op expected operands of a kernel to begin at their base addresses; run dgemm-outline-kernels first, but got 'memref<64x128xf8E4M3FN, strided<[128, 1], offset: 16>>'}}
  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
      config <tile = <block = 64x64x128>, order = <group_m = 1>, schedule = <stages = 4, warpgroups = 1>>
      : (memref<64x128xf8E4M3FN, strided<[128, 1], offset: 16>>, memref<1x64xf32>, memref<64x128xf8E4M3FN>, memref<1x1xf32>, memref<64x64xbf16>)
  return
}
