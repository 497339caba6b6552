//===- DGemmAttrs.td - Configuration and launch facts ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_ATTRS
#define DGEMM_IR_ATTRS

include "DGemmDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def DGemm_Layout : I32EnumAttr<"Layout", "how the rows of a problem are grouped", [
    I32EnumAttrCase<"Dense", 0, "dense">,
    I32EnumAttrCase<"Contiguous", 1, "contiguous">,
    I32EnumAttrCase<"Masked", 2, "masked">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_ConfigAttr : AttrDef<DGemm_Dialect, "Config"> {
  let mnemonic = "config";
  let summary = "every choice that tuning may make for a kernel";
  let description = [{
    | field | meaning |
    | --- | --- |
    | `block` | tile of D that a CTA computes at a time, and the K depth of a stage: M x N x K elements |
    | `stages` | depth of the ring between TMA and tensor cores |
    | `math_warpgroups` | warpgroups that share the rows of a tile; one more warpgroup produces |
    | `group_m` | tile rows that are walked together before the next tile column, so that L2 keeps B |
    | `cluster` | M x N adjacent tiles whose CTAs form a cluster: TMA multicasts the tile of A along N, that of B along M; 1x1, no cluster, if left out |
    | `split_k` | CTAs of a cluster that share a tile, each with its part of the K blocks; their sums are added through distributed shared memory; 1 if left out |
    | `evict_first` | `b`: tiles of B leave L2 first, for a B that is read once; `none` if left out |
    | `rotate_k_loop` | math warpgroups wait for a stage and load its scales in the K block before; false if left out |
    | `unroll_k` | K blocks in an iteration of the math warpgroups' K loop, where their number is known (not with split_k) and at least twice that, or, with early_store, less than that; 1 if left out |
    | `even_waves` | no more CTAs take part than do the tiles in the same number of waves; false (as many as multiprocessors) if left out |
    | `early_store` | of what a warpgroup has of a tile, the first slice or the first half of the columns is stored while the tensor cores compute the last K block of the second (where the number of K blocks is known), and D goes through shared memory in halves, which leaves room for stages; false if left out |
    | `serpentine_k` | every second tile of a CTA takes its K blocks from the last one backwards, so that the L2 still has what the wave of tiles before has read last; its sums are added in that order; false if left out |
    | `pdl` | programmatic dependent launch: the next kernel of the stream may start while this one runs, and this one, once it has set itself up, waits for the one in front of it (PTX ISA 9.0, griddepcontrol); false if left out |

    Constraints (PTX ISA 9.0, sections wgmma and setmaxnreg; the numbers stand in HopperLimits.h):

    - C1: block M is 64 or 128 rows for each math warpgroup.
    - C2: block N is a multiple of 8 from 8 to 256, and of 16 above 200, where each half of the columns has an mma of its
      own (one partial accumulator for all of them would leave the final one no room).
    - C3: block K is 128, the depth of a scale block.
    - C4: 1 to 3 math warpgroups.
    - C5: 2 to 32 stages.
    - C6: group_m is at least 1.
    - C7: partial and final accumulators fit the registers of a math thread.
    - C8: stages, output staging and barriers fit the shared memory of a CTA.
    - C9: cluster is 1x1, 1x2, 2x1 or 2x2, and with two CTAs along M, which fetch half of B's tile each, block N is a
      multiple of 16 (a half holds whole swizzle atoms of 8 rows).
    - C10: split_k is 1 to 8 (the CTAs that a cluster may have anywhere), and 1 with a cluster of several tiles; each CTA
      has columns of block N to sum, in groups of 8.
    - C11: unroll_k is 1, 2 or 4.
    - C12: early_store wants a split_k of 1; where a math warpgroup has one mma in a K block, which the last one divides,
      also a block N of a multiple of 16 and no rotate_k_loop.
    - C13: K is not walked back and forth with split_k, of which a CTA may have no K block.

    Example: `#dgemm.config<block = 128x192x128, stages = 4, math_warpgroups = 2, group_m = 8, cluster = 2x1>`.
  }];
  let parameters = (ins "int64_t":$blockM, "int64_t":$blockN, "int64_t":$blockK, "int64_t":$stages,
                        "int64_t":$mathWarpgroups, "int64_t":$groupM, "int64_t":$clusterM, "int64_t":$clusterN,
                        "int64_t":$splitK, "bool":$evictFirstB, "bool":$rotateKLoop, "int64_t":$unrollK, "bool":$evenWaves,
                        "bool":$earlyStore, "bool":$serpentineK, "bool":$pdl);
  let extraClassDeclaration = [{
    /// CTAs of a cluster.
    int64_t getClusterSize() const { return getClusterM() * getClusterN() * getSplitK(); }
    /// CTAs of a cluster share tiles of A or B.
    bool isMulticast() const { return getClusterM() * getClusterN() > 1; }
    /// The same with this choice of `pdl`.
    ConfigAttr withPdl(bool pdl) const;
    /// Math threads hold what they need in what the producer leaves them (RegisterBudget).
    bool fitsRegisters(bool loadsByTMA, bool isMasked, bool hasOneGroup) const;
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def DGemm_DivisorsAttr : AttrDef<DGemm_Dialect, "Divisors"> {
  let mnemonic = "divisors";
  let summary = "what dynamic sizes are promised to be multiples of";
  let description = [{
    In elements; 1, which promises nothing, where left out. `lda`, `ldb` and `ldd` are leading dimensions that are given at
    launch. A launch with a size that breaks the promise is refused.

    Example: `#dgemm.divisors<n = 8, k = 16>`.
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "1">:$n, DefaultValuedParameter<"int64_t", "1">:$k,
                        DefaultValuedParameter<"int64_t", "1">:$lda, DefaultValuedParameter<"int64_t", "1">:$ldb,
                        DefaultValuedParameter<"int64_t", "1">:$ldd);
  let extraClassDeclaration = [{
    /// In the order of kSizeNames.
    std::array<int64_t, 7> getAll() const { return {1, getN(), getK(), 1, getLda(), getLdb(), getLdd()}; }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DGemm_TensorMapAttr : AttrDef<DGemm_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "how the host encodes a CUtensorMap kernel parameter";
  let description = [{
    Stands on the kernel argument that takes the map. `dims` (elements) and `strides` (bytes, without the innermost) are
    affine maps of (M, N, K) or (M, N, K, G), with the leading dimensions (LDA, LDB, LDD) behind G where one is dynamic,
    innermost dimension first as cuTensorMapEncodeTiled takes them. `rows`, where given, is the box's extent along rows as a
    map of the same sizes, and `box` has the most that it can be. The launch descriptor is printed from this attribute.

    Example:
    ```mlir
    #dgemm.tensor_map<operand = "a", element = f8E4M3FN, dims = affine_map<(M, N, K) -> (K, M)>,
                      strides = affine_map<(M, N, K) -> (K)>, box = [128, 128], swizzle = 128>
    ```
  }];
  let parameters = (ins StringRefParameter<"operand of the problem">:$operand, "::mlir::Type":$element,
                        "::mlir::AffineMap":$dims, "::mlir::AffineMap":$strides,
                        "::mlir::DenseI64ArrayAttr":$box, DefaultValuedParameter<"int64_t", "0">:$swizzle,
                        OptionalParameter<"::mlir::AffineMap", "rows of the box, where sizes say how many">:$rows);
  let builders = [AttrBuilder<(ins "StringRef":$operand, "Type":$element, "AffineMap":$dims, "AffineMap":$strides,
                                   "DenseI64ArrayAttr":$box, "int64_t":$swizzle), [{
    return $_get($_ctxt, operand, element, dims, strides, box, swizzle, AffineMap());
  }]>];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

class DGemm_DefaultedEnum<EnumInfo enumInfo, string value> : EnumParameter<enumInfo> {
  let defaultValue = value;
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

def DGemm_CachePolicy : I32EnumAttr<"CachePolicy", "how the L2 keeps what a load brings", [
    I32EnumAttrCase<"Normal", 0, "normal">,
    I32EnumAttrCase<"EvictFirst", 1, "evict_first">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_MovementAttr : AttrDef<DGemm_Dialect, "Movement"> {
  let mnemonic = "movement";
  let summary = "how a load or a store moves its data";
  let description = [{
    `dgemm-choose-data-movement` puts it on the loads and stores of a kernel; later passes do as it says.

    | kind | meaning |
    | --- | --- |
    | `tma` | bulk copies of the TMA unit, which one thread starts |
    | `cp_async` | `cp.async` of a few bytes by each lane of a warp |
    | `registers` | ordinary loads and stores of all threads that take part |

    | field | meaning |
    | --- | --- |
    | `multicast` | the CTAs of a `row` or `column` of the cluster need the same tile: each loads a slice of its rows for all of them |
    | `cache` | `evict_first`: its lines leave L2 first |
    | `prefetch_from` | where M is at least that, the tile that a CTA loads first is prefetched to the L2; 0: never |
    | `few_rows` | where M is at most that, scales of A come by `cp_async` instead; 0: never |
    | `clip_rows` | the last tile along M loads only the rows that exist, up to a multiple of 8; what the others hold is undefined |

    - C1: the fields are for `tma` only.
    - C2: `prefetch_from` is not negative, and `few_rows` is 0 to 4: one `cp.async` moves up to 16 bytes (PTX ISA 9.0).
    - C3: `tma` suits the strides of the operand, and scales of A come by it; D is not stored by it with split_k.
    - C4: A is multicast along a row where the cluster has several columns, B along a column where it has several rows.
    - C5: `prefetch_from` and `few_rows` are for a dense layout without multicast, the one for A and B, the other for scales
      of A with a block M of 64.
    - C6: `clip_rows` is for A of a dense layout without multicast.

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
    /// Emits an error at `op`, which is moved as this says, unless the kind is one of `kinds`.
    LogicalResult verifyKind(Operation *op, ArrayRef<MovementKind> kinds) const;
    /// Emits an error at `op`, which so moves a tile of `operand`, unless the kernel around it allows that.
    LogicalResult verifyFor(Operation *op, StringRef operand) const;
  }];
  let assemblyFormat = "`<` $kind (`,` struct($multicast, $cache, $prefetch_from, $few_rows, $clip_rows)^)? `>`";
  let genVerifyDecl = 1;
}

#endif // DGEMM_IR_ATTRS
