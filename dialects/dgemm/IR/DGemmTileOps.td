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
    Every CTA of the grid runs the body. Memref arguments are operands of the problem and carry `dgemm.operand`; index
    arguments are sizes that are given at launch and carry `dgemm.size` ("M", "N", "K", "G", "LDA", "LDB" or "LDD").

    - C1: each argument is an operand, a dynamic size or, below `dgemm-create-tensor-maps`, a `dgemm.tensor_map`.
    - C2: each operand of the layout is an argument or has a tensor map, and each dynamic size is an argument; once.
    - C3: the types of operands and the tensor maps follow from the problem.
    - C4: the name is one that PTX takes.
    - C5: a config with a cluster wants strides of A and B that TMA takes.

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
    /// The argument for an operand or for a size of kSizeNames, null if there is none.
    BlockArgument findOperand(Operand operand);
    BlockArgument findSize(StringRef name);
    /// The operand that `value` is.
    std::optional<Operand> getOperandOf(Value value);
    /// `value` is the size with this index of kSizeNames (M, N, K, G): the argument, or the constant that it is.
    bool isSize(Value value, unsigned index);
    /// What a K block reads of an operand: rows of A or B, swizzled for wgmma; the scales of the rows or columns.
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
    arguments are the element offsets of the tile, followed by the loop-carried values. Tiles are numbered down `group_m`
    tile rows, then along the columns of that group, so that the CTAs of one wave share rows of B in L2; in every second
    group from the last column back to the first.

    With `cluster` = [CM, CN] the CTAs of a cluster take CM x CN adjacent tiles at a time. Some of these may
    lie wholly past the end of D: loads read zero there, and stores write nothing. With `cluster` = [1, 1, S] all S CTAs
    take the same tile.

    `contiguous %m_indices` adds the group of the tile, that of its first row, to the region arguments, and skips the
    tiles where that is negative. With CM = 2 it adds the group of the other tile row of the cluster, too: groups may end
    between the two. Of a cluster with a valid row nothing is skipped: its row of padding takes the group of the other.
    `masked %masked_m` walks the groups one after the other, and of each only the tiles of its first `masked_m`[g] rows;
    it adds the group and that number. All tiles of a cluster are of one group.
    `offsets %ends` walks the groups in the same way, where the rows of group g are those from the end of the one before it,
    rounded up to the `alignment` of the problem, to `ends`[g]: it adds the group and the row behind its last. Tiles start at
    the first row of the group.
    `k_grouped %ends` walks all tiles of D for each group, and adds the group, and the columns of K that it has, from the
    first to the one behind its last. Where the kernel accumulates, groups without columns are skipped.

    With `first` only the first tile of this CTA, if it has one.

    - C1: with `first` the layout is dense, and nothing is carried.
    - C2: tile, group_m, cluster, layout, groups and the two sizes are those of the kernel.
    - C3: in it, a loop over K has block K as its step, as often as its body has K blocks.

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
    /// CTAs that take tiles together.
    int64_t getClusterSize() { return llvm::product_of(getCluster()); }
    Value getTileM() { return getBody().getArgument(0); }
    Value getTileN() { return getBody().getArgument(1); }
    /// The group of the tile; null for a dense layout.
    Value getGroup() { return getNumTileArgs() > 2 ? getBody().getArgument(2) : Value(); }
    /// Where the rows of that group end; null unless groups are searched. Masked: rows are counted in the group.
    Value getGroupRows() { return searchesGroups() ? getBody().getArgument(3) : Value(); }
    /// The columns of K of that group; null unless k_grouped.
    Value getKBegin() { return getLayout() == Layout::KGrouped ? getBody().getArgument(3) : Value(); }
    Value getKEnd() { return getLayout() == Layout::KGrouped ? getBody().getArgument(4) : Value(); }
    /// The group of the other tile row of the cluster; null unless contiguous, with two rows.
    Value getPeerGroup() {
      return getLayout() == Layout::Contiguous && getNumTileArgs() > 3 ? getBody().getArgument(3) : Value();
    }
    /// A group has as many tiles as its rows want, so that the group of a tile has to be looked for.
    bool searchesGroups() { return searchesGroups(getLayout()); }
    static bool searchesGroups(Layout layout) { return layout == Layout::Masked || layout == Layout::Offsets; }
    /// Region arguments before the loop-carried ones.
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
    The K blocks of 128 of `k` elements divided between the `split` CTAs of a cluster in order of their rank, as evenly as
    whole blocks go; with fewer blocks than CTAs some get none. `begin` and `end` are element offsets, multiples of 128.

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
  let summary = "where the K block lies that a K loop takes next";
  let description = [{
    In every second tile of a CTA the K blocks of 128 from `begin` to `end` are taken from the last one backwards, in the
    others in order: `offset` is `k` or as far from the last K block as `k` is from `begin`. So a wave of tiles begins with
    what the wave before has left in the L2, where they share rows of A or B. (`serpentine` of #dgemm.config)
    It reads which tile this is, so it stays in the tile loop, whatever its operands are.

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
    Every CTA of a cluster gives a fragment of the same tile and gets, of the sum of all, the columns from `column` on: the
    CTA of rank r columns r * C to r * C + C, where C are the columns of the result. Each element is added in an order
    that depends on nothing but its column. Columns past the fragment are not defined.

    - C1: `split` is 2 to 8, and the result has the rows of the fragment and as many columns as `split` CTAs need, in
      whole groups of 8.

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
    Copies the box that starts at the element offsets; elements outside the operand read as zero. `by` says how. Of B in a gated
    kernel a tile has two halves: rows from the offset on, and rows from N/2 behind it on.

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
    What the result is says which: a fragment `Rx1` has the scales of A for its rows, a fragment `1xC` those of B for its
    columns, of which each thread gets those of its own; a vector has the scales of B that the columns of a tile meet, of
    which each thread gets all.

    The source is a row of shared memory, `1xR` or `1xC` of f32, or the operand. Then the offsets are those of A or B itself,
    row and k in elements, with the group in front of them where there is one. In a fragment the scales of rows of A or B
    that do not exist are zero. Element i of a vector is the scale of row `n / 128 + i` of B, and a row past the last reads the
    last (its columns lie outside D). `by` says how scales of B come from the operand: by `cp_async` through shared memory, by
    `registers` to each thread.

    - C1: a row of shared memory has as many f32 as the result, without offsets and `by`.
    - C2: an operand is of f32, and has an offset for each dimension.
    - C3: a fragment `1xC` is of a B that has a scale for each row, a vector of one that has not.

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
    /// Scales of A; else of B.
    bool isOfRows() {
      auto frag = dyn_cast<FragType>(getScales().getType());
      return frag && frag.getRows() != 1;
    }
    /// A value for each row of A or of B; else one for each block of columns.
    bool isForEachRow() { return isa<FragType>(getScales().getType()); }
    /// From shared memory; else from the operand.
    bool isFromTile() { return isa<TileType>(getSource().getType()); }
  }];
  let hasVerifier = 1;
}

def DGemm_ScaledMmaOp : DGemm_Op<"scaled_mma", [DGemm_InKernel, Pure, AttrSizedOperandSegments, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + (lhs x rhs^T) scaled, over one K block";
  let description = [{
    `result = acc + (lhs * rhs^T) * (rowScales (x) columnScales)`, each of which may be left out. `columnScales` are a
    fragment of a row, with a scale for each column, or a vector: column c of the tile, which starts at column `n` of D,
    takes scale `(n mod 128 + c) / 128` of it.

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
    The partial sum of one K block, complete when the op is: `wgmma` m64nNk32 over the depth of the tiles, committed and
    waited for. Both tiles lie in shared memory, K innermost, with 128-byte swizzle.

    - C1: both tiles have the element type f8E4M3FN or f8E5M2, 128 columns and swizzle 128.
    - C2: the result has the rows of `lhs` by the rows of `rhs`; the latter are a multiple of 8 up to 256.
    - C3: `over` and `into` have the type of the result, and are not given both.
    - C4: `lhs` is a tile of A and `rhs` one of B, as far as is known: loaded from there, or in their places of a stage.

    `over` is a fragment of which nothing is needed any more: the result takes its registers. It orders the op behind
    all reads of that fragment, so that two partial sums never live at once. The sum starts at zero, or with `into` at that
    fragment, to which the tensor cores add: in their own precision, which is less than that of f32.

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
    `dgemm.mma` that does not wait: the partial sum is there after a `dgemm.mma_wait` that names it. Until then the
    tensor cores read the tiles and own the registers of the result. Sums complete in the order in which they start.

    Constraints are those of `dgemm.mma`.

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
    Waits until no more than `pending` of the started mma of this warpgroup are unfinished (PTX ISA 9.0,
    wgmma.wait_group).

    - C1: `pending` is 0 to 7.

    Example: `%part = dgemm.mma_wait %0 pending = 1 : !dgemm.frag<64x64xf32>`.
  }];
  let arguments = (ins DGemm_SumType:$started, I64Attr:$pending);
  let results = (outs DGemm_SumType:$result);
  let assemblyFormat = "$started `pending` `=` $pending attr-dict `:` qualified(type($started))";
  let hasVerifier = 1;
}

def DGemm_PromoteOp : DGemm_Op<"promote", [DGemm_InKernel, Pure, AttrSizedOperandSegments, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + part scaled, in f32 on the CUDA cores";
  let description = [{
    The second level of accumulation: `result = acc + part * (rowScales (x) columnScales)`, one fused multiply-add for
    each element; scales as in `dgemm.scaled_mma`. Into a `dgemm.zero` it scales a sum, where scales are the same along K. With `from` c, `part` holds only some of the columns of `acc`, the
    first of which is c; the others stay as they are. A fragment of column scales then has those of the part's columns.

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

def DGemm_MapOp : DGemm_Op<"map", [
    DGemm_InKernel, MemoryEffects<[MemRead]>, AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock]> {
  let summary = "a region on each element of a fragment";
  let description = [{
    Each element of the result is what the region yields for that of `value`, its first argument. The other arguments
    are values of `sources`, operands of the epilogue, for the row and column that the element has in D: the fragment starts
    at row `m` and column `n` of D, and of the group `group` in a grouped layout. Of a row or column that D has not, some
    value inside of the operand is read. Where the epilogue is gated, the region has two elements as its first arguments: that of a
    column of the first half of `value` and that of the column as far into the second half; the result has half of the
    columns. With `part` = [c, n] only n columns from c on are mapped; the others stay as they are.

    Sources are read where they are used, a few columns at a time: there are no registers for all of them.

    - C1: sources are arguments of the kernel for operands of its epilogue; the region has an f32 for each, behind that of
      the element, and yields one f32.
    - C2: `group` is there in grouped layouts only.
    - C3: the result has the type of `value`, in a gated kernel half of the columns, and no `part`.
    - C4: the region is one of scalars: that of `dgemm.gemm`, or what `dgemm-expand-epilogues` made of it.

    Example:
    ```mlir
    %y = dgemm.map %sum at [%m, %n] with (%epilogue0 : memref<4096xf32>) {
    ^bb0(%x: f32, %bias: f32):
      %0 = arith.addf %x, %bias : f32
      dgemm.yield %0 : f32
    } : !dgemm.frag<128x192xf32> -> !dgemm.frag<128x192xf32>
    ```
  }];
  let arguments = (ins DGemm_SumType:$value, Index:$m, Index:$n, Optional<Index>:$group, Variadic<AnyMemRef>:$sources,
                       OptionalAttr<DenseI64ArrayAttr>:$part);
  let results = (outs DGemm_SumType:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $value `at` ` ` `[` $m `,` $n `]` (`group` $group^)? (`part` $part^)? (`with` ` ` `(` $sources^ `:` type($sources) `)`)? $body
    attr-dict `:` qualified(type($value)) `->` qualified(type($result))
  }];
  let extraClassDeclaration = [{
    /// Of the result.
    int64_t getFirstColumn() { return getPart() ? getPart()->front() : 0; }
    int64_t getNumColumns() { return getPart() ? getPart()->back() : getResult().getType().getColumns(); }
    /// It makes one column of two.
    bool isGated() { return getResult().getType() != getValue().getType(); }
  }];
  let hasVerifier = 1;
}

def DGemm_StoreOp : DGemm_Op<"store", [DGemm_InKernel, MemoryEffects<[MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "a fragment to global memory, as the element type of D";
  let description = [{
    Rounds to bf16 or f16 to nearest even; f32 stays as it is, and comes from registers. Elements outside the destination are not written, nor, where `rows` is given, are rows from
    that one on, nor, where `columns` is given, columns from that one on. With `accumulate` the elements are added to what is
    there, in its type. With `part` = [c, n] only n columns of the
    fragment are written, from c on, to where they go of the whole.

    Example: `dgemm.store %acc, %d[%m, %n] : !dgemm.frag<128x192xf32>, memref<?x4096xbf16>`.
  }];
  let arguments = (ins DGemm_SumType:$value, AnyMemRef:$dest, Variadic<Index>:$offsets, Optional<Index>:$rows,
                       Optional<Index>:$columns, OptionalAttr<DenseI64ArrayAttr>:$part,
                       UnitAttr:$accumulate, OptionalAttr<DGemm_MovementAttr>:$movement);
  let assemblyFormat = [{
    $value `,` $dest `[` $offsets `]` (`accumulate` $accumulate^)? (`rows` $rows^)? (`columns` $columns^)? (`part` $part^)? (`by` $movement^)? attr-dict `:`
    qualified(type($value)) `,` type($dest)
  }];
  let extraClassDeclaration = [{
    int64_t getFirstColumn() { return getPart() ? getPart()->front() : 0; }
    int64_t getNumColumns() { return getPart() ? getPart()->back() : getValue().getType().getColumns(); }
  }];
  let hasVerifier = 1;
}

#endif // DGEMM_IR_TILE_OPS
