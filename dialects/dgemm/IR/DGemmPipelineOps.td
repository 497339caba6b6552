//===- DGemmPipelineOps.td - Warp roles around a ring of stages ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_PIPELINE_OPS
#define DGEMM_IR_PIPELINE_OPS

include "DGemmTileOps.td"
include "mlir/Dialect/LLVMIR/LLVMOpBase.td"

def DGemm_RingOp : DGemm_Op<"ring", [
    DGemm_DirectlyInKernel,
    MemoryEffects<[MemAlloc]>, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the ring of stages of a kernel, all empty";
  let description = [{
    - C1: the ring has as many stages as the kernel's config says. A stage has the tiles of A, B, the scales of A and
      the scales of B, in this order; the last one or two may be missing. A tile that nothing loads stays in the stage,
      so that the tiles after it keep their places.
  }];
  let results = (outs DGemm_RingType:$ring);
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) { setName(getRing(), "ring"); }
  }];
  let assemblyFormat = "attr-dict `:` qualified(type($ring))";
  let hasVerifier = 1;
}

def DGemm_WarpSpecializeOp : DGemm_Op<"warp_specialize", [
    DGemm_DirectlyInKernel,
    SingleBlock, NoTerminator, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "one role for each warpgroup of a CTA";
  let description = [{
    The last warpgroup runs the producer region: on one elected thread, on its first warp (`producer x 32`) or on all of
    its threads (`producer x 128`). Each of the first `consumers` warpgroups runs the consumer region, whose argument is
    the index of the warpgroup. The register counts are those that `setmaxnreg` requests for a thread of the role.

    - C1: 1 to 3 consumers.
    - C2: register counts are multiples of 8 from 24 to 256 (PTX ISA 9.0, setmaxnreg).
    - C3: the producer is 1, 32 or 128 threads.
    - C4: all roles together stay within the 65536 registers of a multiprocessor.
    - C5: there are as many consumers as math warpgroups in the kernel's config.
    - C6: the producer loads every tile of a stage that a consumer views.

    Example:
    ```mlir
    dgemm.warp_specialize
    producer registers = 40 {
      ...
    } consumer (%wg) x 2 registers = 232 {
      ...
    }
    ```
  }];
  let arguments = (ins I64Attr:$consumers, I64Attr:$producerRegisters, I64Attr:$consumerRegisters,
                       DefaultValuedAttr<I64Attr, "1">:$producerThreads);
  let builders = [OpBuilder<(ins "int64_t":$consumers, "int64_t":$producerRegisters, "int64_t":$consumerRegisters), [{
    build($_builder, $_state, consumers, producerRegisters, consumerRegisters, /*producerThreads=*/1);
  }]>];
  let regions = (region SizedRegion<1>:$producer, SizedRegion<1>:$consumer);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    Value getWarpgroup() { return getConsumer().getArgument(0); }
    /// Threads of the CTA.
    int64_t getThreads() { return (static_cast<int64_t>(getConsumers()) + 1) * 128; }
  }];
}

def DGemm_AcquireOp : DGemm_Op<"acquire", [
    DGemm_InProducer, AttrSizedOperandSegments, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the producer's next stage, once all consumers have released it";
  let description = [{
    `dgemm-assign-stage-phase` adds the position of the stage, as i32: its `index` in the ring and the `parity` of the
    phase. If the producer copies the scales of B, it also adds the `slot` of the scales of the K block.

    - C1: `index` and `parity` come together, and `slot` only with both.

    Example: `%stage = dgemm.acquire %ring[%i] parity %p : !dgemm.ring<3, !stage> -> !stage`.
  }];
  let arguments = (ins DGemm_RingType:$ring, Optional<I32>:$index, Optional<I32>:$parity, Optional<I32>:$slot);
  let results = (outs DGemm_StageType:$stage);
  let builders = [OpBuilder<(ins "Type":$stage, "Value":$ring), [{
    build($_builder, $_state, stage, ring, /*index=*/Value(), /*parity=*/Value(), /*slot=*/Value());
  }]>];
  let extraClassDeclaration = [{
    /// The slot may be null.
    void setPosition(Value index, Value parity, Value slot);
  }];
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) { setName(getStage(), "stage"); }
  }];
  let assemblyFormat = [{
    $ring (`[` $index^ `]`)? (`parity` $parity^)? (`slot` $slot^)? attr-dict `:` qualified(type($ring)) `->`
    qualified(type($stage))
  }];
  let hasVerifier = 1;
}

def DGemm_LoadAsyncOp : DGemm_Op<"load_async", [DGemm_InProducer, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts a copy from global memory to a tile of an acquired stage";
  let description = [{
    By `tma` or `registers`, the op copies the box of A, of B or of scales for each row that starts at the element
    offsets. By `cp_async`, it copies the scales of blocks of B that `dgemm.load_scales` reads. These have their own
    place in shared memory instead of one in each stage: `dgemm-lower-ring` copies the scales of 32 K blocks of the K
    loop at once.

    - C1: tile 0 is loaded from A, tile 1 from B, tile 2 from the scales of A and tile 3 from the scales of B.

    Example: `dgemm.load_async %a[%m, %k] into %stage[0] by <tma> : memref<?x512xf8E4M3FN>, !dgemm.stage<...>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets, DGemm_StageType:$stage, I64Attr:$index,
                       OptionalAttr<DGemm_MovementAttr>:$movement);
  let assemblyFormat = [{
    $source `[` $offsets `]` `into` $stage `[` $index `]` (`by` $movement^)? attr-dict `:` type($source) `,`
    qualified(type($stage))
  }];
  let hasVerifier = 1;
}

def DGemm_CommitOp : DGemm_Op<"commit", [DGemm_InProducer]> {
  let summary = "hands the acquired stage to the consumers; it is full when its copies have landed";
  let arguments = (ins DGemm_RingType:$ring, Optional<I32>:$index);
  let builders = [OpBuilder<(ins "Value":$ring), [{ build($_builder, $_state, ring, /*index=*/Value()); }]>];
  let assemblyFormat = "$ring (`[` $index^ `]`)? attr-dict `:` qualified(type($ring))";
}

def DGemm_WaitOp : DGemm_Op<"wait", [
    DGemm_InConsumer, AttrSizedOperandSegments, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the consumer's next stage, once it is full";
  let description = [{
    If `condition` is given and false, the op does not wait, and the stage must not be read. `dgemm-assign-stage-phase`
    adds the position of the stage, as for `dgemm.acquire`.

    Example: `%stage = dgemm.wait %ring when %more : !dgemm.ring<3, !stage> -> !stage`.
  }];
  let arguments = (ins DGemm_RingType:$ring, Optional<I32>:$index, Optional<I32>:$parity, Optional<I32>:$slot,
                       Optional<I1>:$condition);
  let results = (outs DGemm_StageType:$stage);
  let builders = [OpBuilder<(ins "Type":$stage, "Value":$ring), [{
    build($_builder, $_state, stage, ring, /*index=*/Value(), /*parity=*/Value(), /*slot=*/Value(), /*condition=*/Value());
  }]>];
  let extraClassDeclaration = [{
    /// The slot may be null.
    void setPosition(Value index, Value parity, Value slot);
  }];
  let extraClassDefinition = [{
    void $cppClass::getAsmResultNames(::mlir::OpAsmSetValueNameFn setName) { setName(getStage(), "stage"); }
  }];
  let assemblyFormat = [{
    $ring (`[` $index^ `]`)? (`parity` $parity^)? (`slot` $slot^)? (`when` $condition^)? attr-dict `:`
    qualified(type($ring)) `->` qualified(type($stage))
  }];
  let hasVerifier = 1;
}

def DGemm_ViewOp : DGemm_Op<"view", [DGemm_InKernel, Pure]> {
  let summary = "a tile of a stage, or some of its rows";
  let description = [{
    The result is a part of tile `index` of the stage. It starts at row `offset` of a tile of several rows, or at
    element `offset` of a tile of a single row.

    - C1: the result has the element type and swizzle of the tile. It has all columns of the tile, or is a part of its
      only row.

    Example: `%wa = dgemm.view %stage[0] from %r : !dgemm.stage<...> -> !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>`.
  }];
  let arguments = (ins DGemm_StageType:$stage, I64Attr:$index, Index:$offset);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = [{
    $stage `[` $index `]` `from` $offset attr-dict `:` qualified(type($stage)) `->` qualified(type($tile))
  }];
  let hasVerifier = 1;
}

def DGemm_ReleaseOp : DGemm_Op<"release", [DGemm_InConsumer]> {
  let summary = "hands the waited-for stage back to the producer";
  let arguments = (ins DGemm_RingType:$ring, Optional<I32>:$index);
  let builders = [OpBuilder<(ins "Value":$ring), [{ build($_builder, $_state, ring, /*index=*/Value()); }]>];
  let assemblyFormat = "$ring (`[` $index^ `]`)? attr-dict `:` qualified(type($ring))";
}

def DGemm_SkipOp : DGemm_Op<"skip", [DGemm_InConsumer]> {
  let summary = "leaves the next stages to another warpgroup";
  let description = [{
    Where warpgroups take turns, each stage is for one of them. A warpgroup neither waits for the next `count` stages nor
    releases them. It has released all stages before.

    - C1: the config of the kernel has `pingpong`.

    Example: `dgemm.skip %c56 of %ring : !dgemm.ring<3, !stage>`.
  }];
  let arguments = (ins Index:$count, DGemm_RingType:$ring);
  let assemblyFormat = "$count `of` $ring attr-dict `:` qualified(type($ring))";
  let hasVerifier = 1;
}

def DGemm_AwaitTurnOp : DGemm_Op<"await_turn", [DGemm_InConsumer]> {
  let summary = "waits until the stages of the tile before are full";
  let description = [{
    Two warpgroups take turns with tiles, which a CTA numbers from 0. The owner of tile `number` waits until the owner of
    the tile before it has passed the turn. Then all earlier phases of each stage are complete. A wait before that could
    take such a phase for its own, because a phase has only a parity.

    - C1: the config of the kernel has `pingpong`.

    Example: `dgemm.await_turn %number`.
  }];
  let arguments = (ins Index:$number);
  let assemblyFormat = "$number attr-dict";
  let hasVerifier = 1;
}

def DGemm_PassTurnOp : DGemm_Op<"pass_turn", [DGemm_InConsumer]> {
  let summary = "lets the owner of the next tile start";
  let description = [{
    The owner of tile `number` has waited for all of its stages.

    - C1: the config of the kernel has `pingpong`.

    Example: `dgemm.pass_turn %number`.
  }];
  let arguments = (ins Index:$number);
  let assemblyFormat = "$number attr-dict";
  let hasVerifier = 1;
}

def DGemm_FetchOp : DGemm_Op<"fetch", [DGemm_InConsumer, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts a copy of a row of an operand to shared memory";
  let description = [{
    The threads of a math warpgroup copy elements from the offsets on, as many as the tile has. They copy scales along
    the rows of A or B, and operands of the epilogue along their innermost dimension. Elements that do not exist are
    zero. The copies run while the K loop runs and take no registers. Each warpgroup has its own tile. A tile of scales
    takes the place of the scales of K blocks, which such a kernel does not have; a tile of an operand of the epilogue
    has a place of its own. The tile may be read after a `dgemm.await`.

    - C1: the tile is a row of the elements of the source.
    - C2: the source is the kernel argument scale_a or scale_b, or one for an operand of the epilogue. Scales are given
      for each row, and no scales of the kernel vary along K. An operand of the epilogue is one along n or m whose
      elements can be copied 4 bytes at a time, or one of f32 along g or none.

    Example: `%xb = dgemm.fetch %scale_b[%n, %c0] : memref<1x4096xf32> -> !dgemm.tile<1x256xf32>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = "$source `[` $offsets `]` attr-dict `:` type($source) `->` qualified(type($tile))";
  let hasVerifier = 1;
}

def DGemm_AwaitOp : DGemm_Op<"await", [DGemm_InConsumer]> {
  let summary = "waits until all threads of a warpgroup can read what it fetches";
  let description = [{
    The op waits until all threads of the warpgroup have reached it and the copies that they started by `dgemm.fetch`
    have landed. The results are the tiles, which may be read from here on. Before a `dgemm.fetch`, the op has no tiles:
    it keeps threads from overwriting what other threads still read for the previous tile of D.

    - C1: there is a result for each tile, with its type.

    Example: `%bias = dgemm.await(%0 : !dgemm.tile<1x256xf32> -> !dgemm.tile<1x256xf32>)`.
  }];
  let arguments = (ins Variadic<DGemm_TileType>:$tiles);
  let results = (outs Variadic<DGemm_TileType>:$landed);
  let assemblyFormat = "(`(` $tiles^ `:` qualified(type($tiles)) `->` qualified(type($landed)) `)`)? attr-dict";
  let hasVerifier = 1;
}

def DGemm_PrefetchOp : DGemm_Op<"prefetch", [
    DGemm_InConsumer, AttrSizedOperandSegments, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts to bring a part of an operand of the epilogue to a cache";
  let description = [{
    The threads of a math warpgroup prefetch a box of `extent` from the offsets on, for a `dgemm.map` that reads it at
    the end of the tile. A row goes to the L1. Several rows go to the L2, because the L1 has no room for them. Elements
    outside of the operand are not prefetched, and with `rows`, neither are rows from that index on.

    - C1: the source is a kernel argument for an operand of the epilogue, and has an offset for each dimension.
    - C2: `extent` is a number of rows and one of columns, at least 1. More than one row is of an operand along mn.

    Example: `dgemm.prefetch %epilogue0[%m, %n] extent = [64, 256] : memref<?x4096xbf16>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets, Optional<Index>:$rows,
                       DenseI64ArrayAttr:$extent);
  let extraClassDeclaration = [{
    int64_t getNumRows() { return getExtent()[0]; }
    int64_t getNumColumns() { return getExtent()[1]; }
  }];
  let assemblyFormat = [{
    $source `[` $offsets `]` (`rows` $rows^)? `extent` `=` $extent attr-dict `:` type($source)
  }];
  let hasVerifier = 1;
}

def DGemm_TileAtOp : DGemm_Op<"tile_at", [DGemm_InKernel, Pure]> {
  let summary = "the tile at a shared-memory address";
  let description = [{
    `dgemm-lower-ring` and `dgemm-lower-stores` make this op; they know where tiles lie. The address has the alignment
    that the swizzle requires.

    Example: `%ta = dgemm.tile_at %p : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>`.
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<3>:$address);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = "$address attr-dict `:` qualified(type($tile))";
}

def DGemm_StoreFragmentOp : DGemm_Op<"store_fragment", [DGemm_InKernel, MemoryEffects<[MemWrite]>]> {
  let summary = "columns of a fragment to a tile in shared memory, rounded to its elements";
  let description = [{
    Writes C columns of the fragment, from `column` on, to a tile of C columns, with its swizzle.

    - C1: the tile is bf16, f16, f32 or, in a kernel with a D of FP8, i8. It has the rows of the fragment, and 8 columns
      or a power of two above. A row has at most 128 bytes. The swizzle is the width of a row in bytes (none for 16
      bytes).
    - C2: the columns lie inside the fragment, and `column` is a multiple of 8.

    Example: `dgemm.store_fragment %acc[64] into %t : !dgemm.frag<64x192xf32>, !dgemm.tile<64x64xbf16, swizzle = 128>`.
  }];
  let arguments = (ins DGemm_SumType:$value, I64Attr:$column, DGemm_TileType:$tile);
  let assemblyFormat = [{
    $value `[` $column `]` `into` $tile attr-dict `:` qualified(type($value)) `,` qualified(type($tile))
  }];
  let hasVerifier = 1;
}

def DGemm_SendFragmentOp : DGemm_Op<"send_fragment", [DGemm_InKernel]> {
  let summary = "columns of a fragment to each of the other CTAs of a cluster";
  let description = [{
    Starts to write to the shared memory of each other CTA r: the op sends the columns that CTA r sums. `buffer` is an
    address of this CTA; it stands for the same address in every CTA. The columns from CTA q lie from `buffer` on, in
    place q, or q - 1 for q > r. `barrier` of CTA r counts their bytes. Rows past the end of D are sent like others:
    every CTA must hear from every other one in each tile, or it could run ahead.

    Example: `dgemm.send_fragment %acc to %buffer signal %barrier split = 4 : !dgemm.frag<64x128xf32>`.
  }];
  let arguments = (ins DGemm_SumType:$value, LLVM_PointerInAddressSpace<3>:$buffer,
                       LLVM_PointerInAddressSpace<3>:$barrier, I64Attr:$split);
  let assemblyFormat = [{
    $value `to` $buffer `signal` $barrier `split` `=` $split attr-dict `:` qualified(type($value))
  }];
  let hasVerifier = 1;
}

def DGemm_AddReceivedOp : DGemm_Op<"add_received", [DGemm_InKernel, MemoryEffects<[MemRead]>]> {
  let summary = "this CTA's columns of a fragment, plus those that the others have sent";
  let description = [{
    Adds the received columns in the order of their places from `buffer` on (see `dgemm.send_fragment`). All of them
    must have been received.

    Example:
    `%sum = dgemm.add_received %acc from %buffer split = 4 : !dgemm.frag<64x128xf32> -> !dgemm.frag<64x32xf32>`.
  }];
  let arguments = (ins DGemm_SumType:$value, LLVM_PointerInAddressSpace<3>:$buffer, I64Attr:$split);
  let results = (outs DGemm_SumType:$sum);
  let assemblyFormat = [{
    $value `from` $buffer `split` `=` $split attr-dict `:` qualified(type($value)) `->` qualified(type($sum))
  }];
  let hasVerifier = 1;
}

#endif // DGEMM_IR_PIPELINE_OPS
