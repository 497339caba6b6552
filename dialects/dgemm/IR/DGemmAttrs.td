//===- DGemmAttrs.td - Attributes of problems and launches ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_ATTRS
#define DGEMM_IR_ATTRS

include "DGemmConfig.td"
include "DGemmDialect.td"
include "DGemmProblem.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def DGemm_MachineAttr : AttrDef<DGemm_Dialect, "Machine"> {
  let mnemonic = "machine";
  let summary = "the GPU that a module is compiled for";
  let description = [{
    A module carries it as `dgemm.machine`. Configs are chosen for this machine, from the tuned tables of that name and
    by the cost model.

    Example: `#dgemm.machine<name = "h200", multiprocessors = 132>`.
  }];
  let parameters = (ins StringRefParameter<"as --machine spells it">:$name,
                        AttrParameter<"int64_t", "multiprocessors that a kernel may take">:$multiprocessors);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DGemm_TargetAttr : AttrDef<DGemm_Dialect, "Target"> {
  let mnemonic = "target";
  let summary = "how a gpu.module becomes PTX or a cubin";
  let description = [{
    It belongs in the `targets` of a `gpu.module` with kernels that `dgemm-lower-to-nvvm` has made. Upstream's
    `gpu-module-to-binary` then makes an object from the module as this compiler does: PTX with `format=isa`, or a cubin
    with `format=bin` or `fatbin`. ptxas assembles the cubin, and the module must have exactly one kernel for it. The
    target of the object is a `#nvvm.target`, which other tools know. The properties of the object hold the launch
    descriptors as JSON in `dgemm.launch`, by kernel name.

    Example: `gpu.module @dgemm_kernels [#dgemm.target] { ... }`.
  }];
}

def DGemm_TensorMapAttr : AttrDef<DGemm_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "how the host encodes a CUtensorMap kernel parameter";
  let description = [{
    The kernel argument for the map carries this attribute. `dims` (in elements) and `strides` (in bytes, without the
    innermost) are affine maps of (M, N, K) or (M, N, K, G), or of (M, N, K, G, LDA, LDB, LDD) if a leading dimension is
    dynamic. Their results start with the innermost dimension, as cuTensorMapEncodeTiled takes them. `rows`, if given,
    is an affine map of the same sizes to the box's extent along rows; `box` then has the largest extent. `offset`, if
    given, is an affine map of the same sizes to the bytes from the operand to the first element of the map. Such a map
    sees the rows through windows: dimension 1 is the rows of a window, and window w, dimension 2, is the rows that end
    before row w. A box that begins inside of a window ends with it, so TMA writes a part of the rows of the box. The
    launch descriptor is printed from this attribute.

    Example:
    ```mlir
    #dgemm.tensor_map<operand = a, element = f8E4M3FN, dims = affine_map<(M, N, K) -> (K, M)>,
                      strides = affine_map<(M, N, K) -> (K)>, box = [128, 128], swizzle = 128>
    ```
  }];
  let parameters = (ins EnumParameter<DGemm_Operand>:$operand, "::mlir::Type":$element,
                        "::mlir::AffineMap":$dims, "::mlir::AffineMap":$strides,
                        "::mlir::DenseI64ArrayAttr":$box, DefaultValuedParameter<"int64_t", "0">:$swizzle,
                        OptionalParameter<"::mlir::AffineMap", "rows of the box, if they depend on the sizes">:$rows,
                        OptionalParameter<"::mlir::AffineMap", "bytes before the first element, for windows of rows">:$offset);
  let builders = [AttrBuilder<(ins "Operand":$operand, "Type":$element, "AffineMap":$dims, "AffineMap":$strides,
                                   "DenseI64ArrayAttr":$box, "int64_t":$swizzle), [{
    return $_get($_ctxt, operand, element, dims, strides, box, swizzle, AffineMap(), AffineMap());
  }]>];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DGemm_MovementKind : I32EnumAttr<"MovementKind", "what moves a tile between global and shared memory", [
    I32EnumAttrCase<"TMA", 0, "tma">,
    I32EnumAttrCase<"CpAsync", 1, "cp_async">,
    I32EnumAttrCase<"Registers", 2, "registers">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_Multicast : I32EnumAttr<"Multicast", "which CTAs of a cluster share a tile", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Row", 1, "row">,
    I32EnumAttrCase<"Column", 2, "column">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_MovementAttr : AttrDef<DGemm_Dialect, "Movement"> {
  let mnemonic = "movement";
  let summary = "how a load or a store moves its data";
  let description = [{
    `dgemm-choose-data-movement` puts it on the loads and stores of a kernel. Later passes follow it.

    | kind | meaning |
    | --- | --- |
    | `tma` | bulk copies by the TMA unit, which one thread starts |
    | `cp_async` | `cp.async` of a few bytes by each lane of a warp |
    | `registers` | ordinary loads and stores by all threads that take part |

    | field | meaning |
    | --- | --- |
    | `multicast` | the CTAs of a `row` or `column` of the cluster need the same tile: each loads a slice of its rows for all of them |
    | `cache` | `evict_first`: the L2 evicts the lines first |
    | `prefetch_from` | if M is at least this value, the tile that a CTA loads first is prefetched to the L2; 0: never |
    | `few_rows` | if M is at most this value, scales of A are copied by `cp_async` instead; 0: never |
    | `clip_rows` | the last tile along M loads only the rows that exist, rounded up to a multiple of 8; the contents of the other rows are undefined |

    - C1: only `tma` takes these fields.
    - C2: `prefetch_from` is at least 0. `few_rows` is 0 to 4, because one `cp.async` moves up to 16 bytes (PTX ISA
      9.0).
    - C3: `tma` requires strides of the operand that TMA takes. A tile of scales is loaded by `tma`. With split_k, D is
      not stored by `tma`.
    - C4: A is multicast along a row if the cluster has several columns, B along a column if it has several rows.
    - C5: `prefetch_from` and `few_rows` require a dense layout without multicast. `prefetch_from` applies to A and B,
      `few_rows` to scales of A with a block M of 64.
    - C6: `clip_rows` applies to A of a dense layout without multicast.

    Example: `#dgemm.movement<tma, multicast = column, cache = evict_first>`.
  }];
  let parameters = (ins EnumParameter<DGemm_MovementKind>:$kind,
                        DGemm_DefaultedEnum<DGemm_Multicast, "Multicast::None">:$multicast,
                        DGemm_DefaultedEnum<DGemm_CachePolicy, "CachePolicy::Normal">:$cache,
                        DefaultValuedParameter<"int64_t", "0">:$prefetch_from,
                        DefaultValuedParameter<"int64_t", "0">:$few_rows,
                        DefaultValuedParameter<"bool", "false">:$clip_rows);
  let builders = [AttrBuilder<(ins "MovementKind":$kind), [{
    return $_get($_ctxt, kind, Multicast::None, CachePolicy::Normal, /*prefetch_from=*/0, /*few_rows=*/0, /*clip_rows=*/false);
  }]>];
  let extraClassDeclaration = [{
    /// Emits an error at `op`, which has this movement, unless the kind is one of `kinds`.
    LogicalResult verifyKind(Operation *op, ArrayRef<MovementKind> kinds) const;
    /// Emits an error at `op`, which moves a tile of `operand` in this way, unless the kernel around it allows that.
    LogicalResult verifyFor(Operation *op, Operand operand) const;
  }];
  let assemblyFormat = "`<` $kind (`,` struct($multicast, $cache, $prefetch_from, $few_rows, $clip_rows)^)? `>`";
  let genVerifyDecl = 1;
}

def DGemm_LaunchAttr : AttrDef<DGemm_Dialect, "Launch"> {
  let mnemonic = "launch";
  let summary = "what the host must know to launch a kernel";
  let description = [{
    The `llvm.func` of a lowered kernel carries it as `dgemm.launch`. The launch descriptor is made from it and from the
    attributes of the arguments. `shared_memory` is in bytes.
  }];
  let parameters = (ins "::dgemm::ProblemAttr":$problem, "::dgemm::ConfigAttr":$config, "int64_t":$threads,
                        "int64_t":$shared_memory);
  let assemblyFormat = "`<` struct(params) `>`";
}

#endif // DGEMM_IR_ATTRS
