//===- DGemmTileOps.td - Kernels over tiles ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_TILE_OPS
#define DGEMM_IR_TILE_OPS

include "DGemmAttrs.td"
include "DGemmTypes.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/LoopLikeInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def DGemm_KernelOp : DGemm_Op<"kernel", [
    FunctionOpInterface, IsolatedFromAbove, NoTerminator, SingleBlock,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "a persistent GPU kernel";
  let description = [{
    Every CTA of the grid runs the body. Memref arguments are operands of the problem and carry `dgemm.operand`. Index
    arguments are sizes that are given at launch and carry `dgemm.size` ("M", "N", "K", "G", "LDA", "LDB" or "LDD").

    - C1: each argument is an operand, a dynamic size or, after `dgemm-create-tensor-maps`, a `dgemm.tensor_map`.
    - C2: each operand of the layout is an argument or has a tensor map. Each dynamic size is an argument. None is given
      twice.
    - C3: the types of operands and the tensor maps follow from the problem.
    - C4: the name is one that PTX takes.
    - C5: a config with a cluster requires strides of A and B that TMA takes.

    Example:
    ```mlir
    dgemm.kernel @gemm(%a: memref<?x512xf8E4M3FN> {dgemm.operand = "a"}, ..., %m: index {dgemm.size = "M"})
        problem <sizes = [-1, 256, 512]> config <tile = <block = 128x128x128>, schedule = <stages = 4, warpgroups = 2>> {
      ...
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       DGemm_ProblemAttr:$problem, DGemm_ConfigAttr:$config, OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ArrayRef<Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ArrayRef<Type> getResultTypes() { return getFunctionType().getResults(); }
    Region *getCallableRegion() { return &getBody(); }
    Layout getLayout() { return getProblem().getLayout(); }
    ArrayRef<int64_t> getSizes() { return getProblem().getSizes(); }
    bool getPdl() { return getProblem().getPdl(); }
    /// The argument for an operand or for a size of kSizeNames; null if there is none.
    BlockArgument findOperand(Operand operand);
    BlockArgument findSize(StringRef name);
    /// The operand that `value` is; none if it is not an operand.
    std::optional<Operand> getOperandOf(Value value);
    /// True if `value` is the size with this index of kSizeNames (M, N, K, G): the argument, or the constant of that
    /// size.
    bool isSize(Value value, unsigned index);
    /// The tile of an operand that a K block reads: rows of A or B, swizzled for wgmma, or the scales of rows or
    /// columns.
    TileType getTileOf(Operand operand);
  }];
}

def DGemm_ForEachTileOp : DGemm_Op<"for_each_tile", [
    DGemm_InKernel,
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<LoopLikeOpInterface, ["getInitsMutable", "getRegionIterArgs", "getYieldedValuesMutable",
                                                    "getLoopResults", "replaceWithAdditionalYields"]>,
    SingleBlockImplicitTerminator<"YieldOp">, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "the tiles of D that this CTA computes";
  let description = [{
    Walks the output tiles of an M x N matrix that belong to this CTA: tile t, t + grid size, and so on. The region
    arguments are the element offsets of the tile, followed by the loop-carried values. Tiles are numbered down
    `group_m` tile rows, then along the columns of that group of rows, so that the CTAs of one wave share rows of B in
    L2. In every second group of rows, columns are walked from the last one back to the first.

    With `cluster` = [CM, CN] the CTAs of a cluster take CM x CN adjacent tiles at a time. Some of these may
    lie wholly past the end of D: loads read zero there, and stores write nothing. With `cluster` = [1, 1, S] all S CTAs
    take the same tile.

    - `contiguous %m_indices` adds the group of the tile, that of its first row, to the region arguments. It skips tiles
      whose group is negative. With CM = 2 it also adds the group of the other tile row of the cluster, because a group
      may end between the two. If one tile row of a cluster is valid, the cluster is not skipped: its tile row of
      padding takes the group of the other.
    - `masked %masked_m` walks the groups one after the other, and in each only the tiles of its first `masked_m`[g]
      rows. It adds the group and that number of rows. All tiles of a cluster are of one group.
    - `offsets %ends` walks the groups in the same way. The rows of group g begin at the end of the previous group,
      rounded up to the `alignment` of the problem, and end at `ends`[g]. It adds the group and the row after its last
      one. Tiles start at the first row of the group.
    - `k_grouped %ends` walks all tiles of D for each group. It adds the group, its first column of K, and the column
      after its last one. If the kernel accumulates, groups without columns are skipped.
    - `batched` walks all tiles of D for each group. It adds the group.

    With `first`, the op takes only the first tile of this CTA, if it has one.

    - C1: with `first` the layout is dense, and the loop carries no values.
    - C2: tile, group_m, cluster, layout, groups and the two sizes are those of the kernel.
    - C3: the step of a K loop in it is block K times the number of K blocks in the body of the loop.

    Example:
    ```mlir
    dgemm.for_each_tile (%m, %n) of (%M, %N) tile = [128, 192] group_m = 8 {
      ...
    }
    ```
  }];
  let arguments = (ins Index:$m, Index:$n, Optional<AnyMemRef>:$groups,
                       DefaultValuedAttr<DGemm_Layout, "Layout::Dense">:$layout, DenseI64ArrayAttr:$tile,
                       I64Attr:$groupM, DenseI64ArrayAttr:$cluster, UnitAttr:$first,
                       Variadic<AnyType>:$initArgs);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "Value":$m, "Value":$n, "Layout":$layout, "Value":$groups,
                                 "ArrayRef<int64_t>":$tile, "int64_t":$groupM, "ArrayRef<int64_t>":$cluster,
                                 CArg<"ValueRange", "{}">:$inits)>];
  let skipDefaultBuilders = 1;
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The number of CTAs that take tiles together.
    int64_t getClusterSize() { return llvm::product_of(getCluster()); }
    Value getTileM() { return getBody().getArgument(0); }
    Value getTileN() { return getBody().getArgument(1); }
    /// The group of the tile; null for a dense layout.
    Value getGroup() { return getNumTileArgs() > 2 ? getBody().getArgument(2) : Value(); }
    /// The row where that group ends; null unless groups are searched. For masked layouts, rows are counted in the
    /// group.
    Value getGroupRows() { return searchesGroups() ? getBody().getArgument(3) : Value(); }
    /// The first column of K of that group and the column after its last one; null unless k_grouped.
    Value getKBegin() { return getLayout() == Layout::KGrouped ? getBody().getArgument(3) : Value(); }
    Value getKEnd() { return getLayout() == Layout::KGrouped ? getBody().getArgument(4) : Value(); }
    /// The group of the other tile row of the cluster; null unless the layout is contiguous and the cluster has two
    /// rows.
    Value getPeerGroup() {
      return getLayout() == Layout::Contiguous && getNumTileArgs() > 3 ? getBody().getArgument(3) : Value();
    }
    /// True if the number of tiles of a group depends on its rows, so that the group of a tile must be searched for.
    bool searchesGroups() { return searchesGroups(getLayout()); }
    static bool searchesGroups(Layout layout) { return layout == Layout::Masked || layout == Layout::Offsets; }
    /// True if all groups have the same tiles, those of M x N.
    bool walksGroups() { return getLayout() == Layout::KGrouped || getLayout() == Layout::Batched; }
    /// The number of region arguments before the loop-carried ones.
    unsigned getNumTileArgs() { return countTileArgs(getLayout(), getCluster()); }
    static unsigned countTileArgs(Layout layout, ArrayRef<int64_t> cluster) {
      bool hasPeer = layout == Layout::Contiguous && !cluster.empty() && cluster.front() > 1;
      return 2 + (layout != Layout::Dense) + searchesGroups(layout) + 2 * (layout == Layout::KGrouped) + hasPeer;
    }
  }];
}

def DGemm_YieldOp : DGemm_Op<"yield", [Pure, Terminator, 
                                       ParentOneOf<["ForEachTileOp", "GemmOp", "MapOp"]>]> {
  let summary = "values carried to the next tile, or the result of an epilogue";
  let arguments = (ins Variadic<AnyType>:$values);
  let builders = [OpBuilder<(ins), [{ (void)$_state; }]>];
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def DGemm_KRangeOp : DGemm_Op<"k_range", [
    DGemm_InKernel,
    Pure, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "this CTA's part of K";
  let description = [{
    The `split` CTAs of a cluster divide the K blocks (128 of the `k` elements each) between them in order of rank, as
    evenly as whole blocks allow. With fewer blocks than CTAs, some CTAs get none. `begin` and `end` are element
    offsets, multiples of 128.

    Example: `%begin, %end = dgemm.k_range %K split = 4`.
  }];
  let arguments = (ins Index:$k, I64Attr:$split);
  let results = (outs Index:$begin, Index:$end);
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) {
      setName(getBegin(), "begin");
      setName(getEnd(), "end");
    }
  }];
  let assemblyFormat = "$k `split` `=` $split attr-dict";
  let hasVerifier = 1;
}

def DGemm_WalkKOp : DGemm_Op<"walk_k", [
    DGemm_InKernel,
    MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the offset of the K block that a K loop takes next";
  let description = [{
    In every second tile of a CTA, the K blocks of 128 from `begin` to `end` are walked backwards from the last one; in
    the other tiles they are walked in order. `offset` is `k`, or as far from the last K block as `k` is from `begin`. A
    wave of tiles therefore begins with what the previous wave has left in the L2, if they share rows of A or B
    (`serpentine` of `#dgemm.config`). The op reads the number of the tile, so it stays in the tile loop, whatever its
    operands are.

    - C1: it stands in a `dgemm.for_each_tile`.

    Example: `%offset = dgemm.walk_k %k from %c0 to %K`.
  }];
  let arguments = (ins Index:$k, Index:$begin, Index:$end);
  let results = (outs Index:$offset);
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) { setName(getOffset(), "offset"); }
  }];
  let assemblyFormat = "$k `from` $begin `to` $end attr-dict";
  let hasVerifier = 1;
}

def DGemm_ReduceClusterOp : DGemm_Op<"reduce_cluster", [
    DGemm_InKernel,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the sum of a fragment over the CTAs of a cluster, some columns for each";
  let description = [{
    Every CTA of a cluster gives a fragment of the same tile and gets some columns of the sum of all these fragments,
    from `column` on. The CTA of rank r gets columns r * C to r * C + C, where C is the number of columns of the result.
    The order of the additions for an element depends only on its column. Columns past the end of the fragment are
    undefined.

    - C1: `split` is 2 to 8. The result has the rows of the fragment and as many columns as `split` CTAs need, in whole
      groups of 8.

    Example:
    ```mlir
    %sum, %column = dgemm.reduce_cluster %acc split = 4 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x32xf32>
    ```
  }];
  let arguments = (ins DGemm_SumType:$value, I64Attr:$split);
  let results = (outs DGemm_SumType:$sum, Index:$column);
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) {
      setName(getSum(), "sum");
      setName(getColumn(), "column");
    }
  }];
  let assemblyFormat = [{
    $value `split` `=` $split attr-dict `:` qualified(type($value)) `->` qualified(type($sum))
  }];
  let hasVerifier = 1;
}

def DGemm_ZeroOp : DGemm_Op<"zero", [DGemm_InKernel, Pure]> {
  let summary = "a fragment of zeros";
  let results = (outs DGemm_FragType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def DGemm_LoadOp : DGemm_Op<"load", [DGemm_InKernel, MemoryEffects<[MemRead, MemAlloc]>]> {
  let summary = "global memory to a tile in shared memory";
  let description = [{
    Copies the box that starts at the element offsets, in the way that `by` says. Elements outside the operand read as
    zero. In a gated kernel, a tile of B has two halves: the rows from the offset on, and the rows from N/2 after it on.

    Example: `%ta = dgemm.load %a[%m, %k] : memref<?x512xf8E4M3FN> -> !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets, OptionalAttr<DGemm_MovementAttr>:$movement);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = [{
    $source `[` $offsets `]` (`by` $movement^)? attr-dict `:` type($source) `->` qualified(type($tile))
  }];
  let hasVerifier = 1;
}

def DGemm_ColumnScales : AnyTypeOf<[DGemm_FragType, VectorOfRankAndType<[1], [F32]>]>;

def DGemm_LoadScalesOp : DGemm_Op<"load_scales", [DGemm_InKernel, MemoryEffects<[MemRead]>]> {
  let summary = "scales of the rows of a fragment, or of the columns of a tile";
  let description = [{
    The type of the result says which scales are loaded:

    - A fragment `Rx1` has the scales of A for its rows.
    - A fragment `1xC` has the scales of B for its columns. Each thread gets those of its own columns.
    - A vector has the scales of the blocks of B that the columns of a tile overlap. Each thread gets all of them.

    The source is a row in shared memory (`1xR` or `1xC` of f32) or the operand. For the operand, the offsets are those
    of A or B itself: row and k in elements, after the group if there is one. In a fragment, the scales of rows of A or
    B that do not exist are zero. Element i of a vector is row `n / 128 + i` of the scales of B. A row past the last one
    reads the last (its columns lie outside D). `by` says how scales of B are loaded from the operand: by `cp_async`
    through shared memory, or by `registers` to each thread.

    - C1: a row in shared memory has as many f32 as the result; offsets and `by` are not given. A row of scales of A may
      have more. Then it has one offset, which is the place of the first scale.
    - C2: an operand is of f32, and has an offset for each dimension.
    - C3: a fragment `1xC` requires a B with a scale for each row, a vector a B without.

    Example:
    ```mlir
    %ra = dgemm.load_scales %xa : !dgemm.tile<1x64xf32> -> !dgemm.frag<64x1xf32>
    %xb = dgemm.load_scales %sb[%n, %k] by <cp_async> : memref<32x56xf32> -> vector<2xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[AnyMemRef, DGemm_TileType]>:$source, Variadic<Index>:$offsets,
                       OptionalAttr<DGemm_MovementAttr>:$movement);
  let results = (outs DGemm_ColumnScales:$scales);
  let builders = [OpBuilder<(ins "Type":$scales, "Value":$tile), [{
    build($_builder, $_state, scales, tile, /*offsets=*/ValueRange(), /*movement=*/MovementAttr());
  }]>];
  let assemblyFormat = [{
    $source (`[` $offsets^ `]`)? (`by` $movement^)? attr-dict `:` type($source) `->` type($scales)
  }];
  let extraClassDeclaration = [{
    /// True for scales of A; false for scales of B.
    bool isOfRows() {
      auto frag = dyn_cast<FragType>(getScales().getType());
      return frag && frag.getRows() != 1;
    }
    /// True for a scale for each row of A or of B; false for a scale for each block of columns.
    bool isForEachRow() { return isa<FragType>(getScales().getType()); }
    /// True if the source is in shared memory; false if it is the operand.
    bool isFromTile() { return isa<TileType>(getSource().getType()); }
  }];
  let hasVerifier = 1;
}

def DGemm_ScaledMmaOp : DGemm_Op<"scaled_mma", [DGemm_InKernel, Pure, AttrSizedOperandSegments, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + (lhs x rhs^T) scaled, over one K block";
  let description = [{
    `result = acc + (lhs * rhs^T) * (rowScales (x) columnScales)`. Either kind of scales may be left out. `columnScales`
    are a fragment of one row, with a scale for each column, or a vector. The tile starts at column `n` of D, and its
    column c takes element `(n mod 128 + c) / 128` of the vector.

    Example:
    ```mlir
    %next = dgemm.scaled_mma %ta, %tb scaled %ra, %xb at %n into %sum
        : !dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, !dgemm.tile<192x128xf8E4M3FN, swizzle = 128>,
          !dgemm.frag<128x1xf32>, vector<2xf32>, !dgemm.frag<128x192xf32>
    ```
  }];
  let arguments = (ins DGemm_TileType:$lhs, DGemm_TileType:$rhs, Optional<DGemm_FragType>:$rowScales,
                       Optional<DGemm_ColumnScales>:$columnScales, Optional<Index>:$n, DGemm_SumType:$acc);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `` custom<Scales>($rowScales, $columnScales, $n) `into` $acc attr-dict `:` qualified(type($lhs)) `,`
    qualified(type($rhs)) `` custom<ScaleTypes>(ref($rowScales), ref($columnScales), type($rowScales), type($columnScales)) `,`
    qualified(type($acc))
  }];
  let hasVerifier = 1;
}

def DGemm_MmaOp : DGemm_Op<"mma", [DGemm_InKernel, MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "lhs x rhs^T on the tensor cores";
  let description = [{
    The result is the partial sum of one K block, complete when the op has run: `wgmma` m64nNk32 over the depth of the
    tiles, with commit and wait. Both tiles lie in shared memory, K innermost, with 128-byte swizzle.

    - C1: both tiles have the element type f8E4M3FN or f8E5M2, 128 columns and swizzle 128.
    - C2: the result has the rows of `lhs` and, as columns, the rows of `rhs`. These are a multiple of 8 up to 256.
    - C3: `over` and `into` have the type of the result. At most one of them is given.
    - C4: `lhs` is a tile of A and `rhs` a tile of B, if the op that makes the tile shows it: a load, or a view of a
      stage.

    `over` is a fragment that is no longer needed: the result takes its registers. It orders the op after all reads of
    that fragment, so that two partial sums are never live at once. The sum starts at zero. With `into` it starts at
    that fragment, and the tensor cores add to it in their own precision, which is less than that of f32.

    Example:
    ```mlir
    %part = dgemm.mma %ta, %tb : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>,
                                 !dgemm.tile<192x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x192xf32>
    ```
  }];
  let arguments = (ins DGemm_TileType:$lhs, DGemm_TileType:$rhs, Optional<DGemm_SumType>:$over,
                       Optional<DGemm_SumType>:$acc);
  let results = (outs DGemm_SumType:$result);
  let builders = [OpBuilder<(ins "Type":$result, "Value":$lhs, "Value":$rhs), [{
    build($_builder, $_state, result, lhs, rhs, /*over=*/Value(), /*acc=*/Value());
  }]>];
  let assemblyFormat = [{
    $lhs `,` $rhs (`over` $over^ `:` qualified(type($over)))? (`into` $acc^ `:` qualified(type($acc)))? attr-dict `:` qualified(type($lhs)) `,` qualified(type($rhs)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def DGemm_MmaStartOp : DGemm_Op<"mma_start", [DGemm_InKernel, MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "starts lhs x rhs^T on the tensor cores";
  let description = [{
    The op is a `dgemm.mma` that does not wait: the partial sum is complete after a `dgemm.mma_wait` that names it.
    Until then the tensor cores read the tiles and own the registers of the result. Sums complete in the order in which
    they start.

    The constraints are those of `dgemm.mma`.

    Example:
    ```mlir
    %0 = dgemm.mma_start %ta, %tb0 : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>,
                                     !dgemm.tile<64x128xf8E4M3FN, swizzle = 128> -> !dgemm.frag<64x64xf32>
    %1 = dgemm.mma_start %ta, %tb1 : ...
    %part0 = dgemm.mma_wait %0 pending = 1 : !dgemm.frag<64x64xf32>
    ```
  }];
  let arguments = (ins DGemm_TileType:$lhs, DGemm_TileType:$rhs, Optional<DGemm_SumType>:$over,
                       Optional<DGemm_SumType>:$acc);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`over` $over^ `:` qualified(type($over)))? (`into` $acc^ `:` qualified(type($acc)))? attr-dict `:` qualified(type($lhs)) `,` qualified(type($rhs)) `->` qualified(type($result))
  }];
  let hasVerifier = 1;
}

def DGemm_MmaWaitOp : DGemm_Op<"mma_wait", [DGemm_InKernel, MemoryEffects<[MemRead, MemWrite]>, AllTypesMatch<["started", "result"]>]> {
  let summary = "a started partial sum, complete";
  let description = [{
    Waits until at most `pending` of the started mma of this warpgroup are unfinished (PTX ISA 9.0, wgmma.wait_group).

    - C1: `pending` is 0 to 7.

    Example: `%part = dgemm.mma_wait %0 pending = 1 : !dgemm.frag<64x64xf32>`.
  }];
  let arguments = (ins DGemm_SumType:$started, I64Attr:$pending);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = "$started `pending` `=` $pending attr-dict `:` qualified(type($started))";
  let hasVerifier = 1;
}

def DGemm_MmaWaitReadsOp : DGemm_Op<"mma_wait_reads", [DGemm_InKernel, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until the tensor cores have read the tiles of earlier mmas";
  let description = [{
    Waits until at most `pending` of the started mma of this warpgroup are unfinished (PTX ISA 9.0, wgmma.wait_group), as
    `dgemm.mma_wait` does. No sum is complete after it: later mmas, which are unfinished, add to the same registers.

    - C1: `pending` is 0 to 7.

    Example: `dgemm.mma_wait_reads pending = 2`.
  }];
  let arguments = (ins I64Attr:$pending);
  let assemblyFormat = "`pending` `=` $pending attr-dict";
  let hasVerifier = 1;
}

def DGemm_ColumnsOp : DGemm_Op<"columns", [DGemm_InKernel, Pure]> {
  let summary = "some columns of a fragment";
  let description = [{
    The result has the columns of `value` from `first` on, as many as its type says.

    - C1: the result has the rows of `value`. Its columns lie inside of `value`, in multiples of 8.

    Example: `%right = dgemm.columns %sum from 128 : !dgemm.frag<64x256xf32> -> !dgemm.frag<64x128xf32>`.
  }];
  let arguments = (ins DGemm_SumType:$value, I64Attr:$first);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = "$value `from` $first attr-dict `:` qualified(type($value)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def DGemm_PromoteOp : DGemm_Op<"promote", [DGemm_InKernel, Pure, AttrSizedOperandSegments, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + part scaled, in f32 on the CUDA cores";
  let description = [{
    The second level of accumulation: `result = acc + part * (rowScales (x) columnScales)`, with one fused multiply-add
    for each element. Scales are as in `dgemm.scaled_mma`. If scales are the same along K, a promote into a `dgemm.zero`
    scales the sum. With `from` c, `part` holds only some columns of `acc`, of which c is the first; the others stay as
    they are. A fragment of column scales then has those of the part's columns.

    Example:
    ```mlir
    %next = dgemm.promote %part scaled %ra, %xb at %n into %sum from 96
        : !dgemm.frag<64x96xf32>, !dgemm.frag<64x1xf32>, vector<2xf32> -> !dgemm.frag<64x192xf32>
    ```
  }];
  let arguments = (ins DGemm_SumType:$part, Optional<DGemm_FragType>:$rowScales,
                       Optional<DGemm_ColumnScales>:$columnScales, Optional<Index>:$n, DGemm_SumType:$acc,
                       DefaultValuedAttr<I64Attr, "0">:$column);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = [{
    $part `` custom<Scales>($rowScales, $columnScales, $n) `into` $acc (`from` $column^)? attr-dict `:` qualified(type($part)) ``
    custom<ScaleTypes>(ref($rowScales), ref($columnScales), type($rowScales), type($columnScales)) `->`
    qualified(type($acc))
  }];
  let hasVerifier = 1;
}

def DGemm_LoadColumnsOp : DGemm_Op<"load_columns", [DGemm_InKernel, MemoryEffects<[MemRead]>]> {
  let summary = "elements of an operand of the epilogue for the columns of a fragment";
  let description = [{
    The op reads C elements of an operand along n from the offsets on, and gives them as f32. Each thread gets those of its
    own columns. For a column outside D, some value inside the operand is read. The op is for a `dgemm.map` after the last
    mma of a tile: it stands before that mma is complete, so that it does not stop the tensor cores.

    - C1: the source is a kernel argument for an operand of the epilogue along n, and has an offset for each dimension.
    - C2: the result is a fragment 1xC, where C is a multiple of 8.

    Example: `%bias = dgemm.load_columns %epilogue0[%n] : memref<4096xf32> -> !dgemm.frag<1x128xf32>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets);
  let results = (outs DGemm_FragType:$values);
  let assemblyFormat = "$source `[` $offsets `]` attr-dict `:` type($source) `->` qualified(type($values))";
  let hasVerifier = 1;
}

def DGemm_MapOp : DGemm_Op<"map", [
    DGemm_InKernel, MemoryEffects<[MemRead]>, AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock]> {
  let summary = "applies a region to each element of a fragment";
  let description = [{
    Each element of the result is the value that the region yields for the element of `value`, its first argument. The
    other arguments are values of `sources`, the operands of the epilogue, for the row and column of the element in D.
    The fragment starts at row `m` and column `n` of D, in group `group` for a grouped layout. For a row or column
    outside D, some value inside the operand is read. If the epilogue is gated, the first two arguments of the region
    are elements: one from a column of the first half of `value`, one from the same column of the second half. The
    result then has half of the columns. With `part` = [c, n] only n columns from c on are mapped; the others stay as
    they are.

    A source is an operand, a tile that was fetched from it, or a fragment that was loaded from it. An operand is read
    where it is used, a few columns at a time, because there are too few registers for all of it. A tile has a value for
    each column of the tile of D, for each row of the fragment, or one value. With split_k, it has the columns of all
    CTAs, and each CTA reads its own. A fragment 1xC has the values for the columns that are mapped.

    - C1: source i is the kernel argument for operand i of the epilogue, or a tile fetched or a fragment loaded from it.
      The region has an f32 argument for each, after those for elements, and yields one f32.
    - C2: `group` is given in grouped layouts only.
    - C3: the result has the type of `value`. In a gated kernel it has half of the columns, and `part` is not given.
    - C4: the region has scalar ops: those of `dgemm.gemm`, or what `dgemm-expand-epilogues` made from them.

    Example:
    ```mlir
    %y = dgemm.map %sum at [%m, %n] with (%epilogue0 : memref<4096xf32>) {
    ^bb0(%x: f32, %bias: f32):
      %0 = arith.addf %x, %bias : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<128x192xf32> -> !dgemm.frag<128x192xf32>
    ```
  }];
  let arguments = (ins DGemm_SumType:$value, Index:$m, Index:$n, Optional<Index>:$group,
                       Variadic<AnyTypeOf<[AnyMemRef, DGemm_TileType, DGemm_FragType]>>:$sources, OptionalAttr<DenseI64ArrayAttr>:$part);
  let results = (outs DGemm_SumType:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $value `at` ` ` `[` $m `,` $n `]` (`group` $group^)? (`part` $part^)? (`with` ` ` `(` $sources^ `:` type($sources) `)`)? $body
    attr-dict `:` qualified(type($value)) `->` qualified(type($result))
  }];
  let extraClassDeclaration = [{
    /// The columns of the result that are mapped.
    int64_t getFirstColumn() { return getPart() ? getPart()->front() : 0; }
    int64_t getNumColumns() { return getPart() ? getPart()->back() : getResult().getType().getColumns(); }
    /// True if the op makes one column from two.
    bool isGated() { return getResult().getType() != getValue().getType(); }
  }];
  let hasVerifier = 1;
}

def DGemm_QuantizeOp : DGemm_Op<"quantize", [
    DGemm_InKernel, MemoryEffects<[MemWrite]>, AttrSizedOperandSegments, AllTypesMatch<["value", "result"]>]> {
  let summary = "divides blocks of a fragment by their scales, and writes the scales";
  let description = [{
    A block is a row of 128 columns. The op finds the largest magnitude of each block, computes its scale from that, and
    multiplies the elements by the reciprocal of the scale (`#dgemm.quantized`). The fragment starts at row and column
    of D, the last two offsets, in the group before them if D has groups. Scales are written to `dest`, for rows inside
    D and in front of `rows`, if that is given. Columns outside D do not count. With `part` = [c, n] only n columns from
    c on are quantised; the others stay as they are.

    - C1: the destination is the kernel argument for the scales of D.
    - C2: the columns are multiples of 128.

    Example:
    ```mlir
    %q = dgemm.quantize %y at [%m, %n] into %scale_d : !dgemm.frag<64x256xf32>, memref<32x?xf32>
    ```
  }];
  let arguments = (ins DGemm_SumType:$value, Variadic<Index>:$offsets, Optional<Index>:$rows, AnyMemRef:$dest,
                       OptionalAttr<DenseI64ArrayAttr>:$part);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = [{
    $value `at` ` ` `[` $offsets `]` (`rows` $rows^)? (`part` $part^)? `into` $dest attr-dict `:` qualified(type($value)) `,` type($dest)
  }];
  let extraClassDeclaration = [{
    int64_t getFirstColumn() { return getPart() ? getPart()->front() : 0; }
    int64_t getNumColumns() { return getPart() ? getPart()->back() : getValue().getType().getColumns(); }
  }];
  let hasVerifier = 1;
}

def DGemm_StoreOp : DGemm_Op<"store", [DGemm_InKernel, MemoryEffects<[MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "a fragment to global memory, as the element type of D";
  let description = [{
    Values are rounded to bf16, f16 or FP8, to nearest even. f32 is stored unchanged. For FP8, values beyond the largest
    number become that number. Elements outside the destination are not written. If `rows` is given, rows from that one
    on are not written; it is at most the number of rows of the destination. If `columns` is given, columns from that
    one on are not written. With `accumulate`, the elements are added to those of the destination, in its type. With
    `part` = [c, n] only n columns of the fragment, from c on, are written; they go to their places in the whole.

    With `scaled`, D is quantised (`#dgemm.quantized`): each row of each 128 columns is divided by its scale before it is
    rounded, and the scales are written for the same rows. `dgemm-lower-stores` makes a `dgemm.quantize` of that.

    - C1: with `scaled`, the columns are multiples of 128, and `columns` is not given.
    - C2: `accumulate` is not given for FP8.

    Examples:
    ```mlir
    dgemm.store %acc, %d[%m, %n] : !dgemm.frag<128x192xf32>, memref<?x4096xbf16>
    dgemm.store %acc, %d[%m, %n] scaled %scale_d : memref<32x?xf32> : !dgemm.frag<128x256xf32>, memref<?x4096xf8E4M3FN>
    ```
  }];
  let arguments = (ins DGemm_SumType:$value, AnyMemRef:$dest, Variadic<Index>:$offsets, Optional<AnyMemRef>:$scales,
                       Optional<Index>:$rows, Optional<Index>:$columns, OptionalAttr<DenseI64ArrayAttr>:$part,
                       UnitAttr:$accumulate, OptionalAttr<DGemm_MovementAttr>:$movement);
  let assemblyFormat = [{
    $value `,` $dest `[` $offsets `]` (`scaled` $scales^ `:` type($scales))? (`accumulate` $accumulate^)? (`rows` $rows^)? (`columns` $columns^)? (`part` $part^)? (`by` $movement^)? attr-dict `:`
    qualified(type($value)) `,` type($dest)
  }];
  let extraClassDeclaration = [{
    int64_t getFirstColumn() { return getPart() ? getPart()->front() : 0; }
    int64_t getNumColumns() { return getPart() ? getPart()->back() : getValue().getType().getColumns(); }
    int64_t getElementBytes() { return getDest().getType().getElementTypeBitWidth() / 8; }
  }];
  let hasVerifier = 1;
}

#endif // DGEMM_IR_TILE_OPS
