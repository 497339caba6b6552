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
    - C1: the ring has the stages of the kernel's config, and these the tiles of A, B, the scales of A and those of B, in
      this order; the last or the last two may be missing. A tile that nothing loads keeps the place of those behind it.
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
    The last warpgroup runs the producer region, on one elected thread or, as `producer x 32` and `producer x 128`, on
    its first warp or on all of its threads; each of the first `consumers` warpgroups runs the consumer region, whose
    argument is its index. The register counts are what `setmaxnreg` asks for a thread of that role.

    - C1: 1 to 3 consumers.
    - C2: register counts are multiples of 8 from 24 to 256 (PTX ISA 9.0, setmaxnreg).
    - C3: the producer is 1, 32 or 128 threads.
    - C4: all roles together stay within the 65536 registers of a multiprocessor.
    - C5: there are as many consumers as math warpgroups in the kernel's config.
    - C6: what a consumer views of a stage the producer loads.

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
    `dgemm-assign-stage-phase` says which stage it is: its `index` in the ring and the `parity` of the phase, i32; and, where
    the producer brings the scales of B, the `slot` of those of the K block.

    - C1: an index has a parity, and a slot has both.

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
    By `tma` or `registers` the box of A, B or of scales for each row that starts at the element offsets. By `cp_async`
    what `dgemm.load_scales` reads of the scales of blocks of B, which have a place of their own in shared memory, not one
    in each stage: `dgemm-lower-ring` copies those of 32 K blocks of the K loop at once.

    - C1: the tile is that of the operand, in the order of A, B, the scales of A and those of B.

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
  let summary = "hands the acquired stage over; it is full when its copies have landed";
  let arguments = (ins DGemm_RingType:$ring, Optional<I32>:$index);
  let builders = [OpBuilder<(ins "Value":$ring), [{ build($_builder, $_state, ring, /*index=*/Value()); }]>];
  let assemblyFormat = "$ring (`[` $index^ `]`)? attr-dict `:` qualified(type($ring))";
}

def DGemm_WaitOp : DGemm_Op<"wait", [
    DGemm_InConsumer, AttrSizedOperandSegments, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the consumer's next stage, once it is full";
  let description = [{
    Where `condition` is given and does not hold, nothing is waited for, and the stage must not be read. Which stage it is
    `dgemm-assign-stage-phase` says, as of `dgemm.acquire`.

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
    Tile `index` of the stage from element `offset` on: whole rows for a tile of several rows, elements for one of a
    single row.

    - C1: the result has the element type and swizzle of the tile, and all of its columns or its only row.

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

def DGemm_FetchScalesOp : DGemm_Op<"fetch_scales", [DGemm_InConsumer, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts a copy of scales of a sum to shared memory";
  let description = [{
    The threads of a math warpgroup copy the scales that are the same along K, of rows of A or of B from the row offset on:
    as many as the tile has, zeros for rows that do not exist. They are on their way while K is walked and take no
    registers meanwhile. The tile is the warpgroup's own, where the scales of K blocks have their place in other kernels;
    it may be read after a `dgemm.await_scales`.

    - C1: the tile is a row of f32.
    - C2: the source is the kernel argument scale_a or scale_b, with a scale for each row that is the same along K, and no
      scales of the kernel vary along K.

    Example: `%xb = dgemm.fetch_scales %scale_b[%n, %c0] : memref<1x4096xf32> -> !dgemm.tile<1x256xf32>`.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$offsets);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = "$source `[` $offsets `]` attr-dict `:` type($source) `->` qualified(type($tile))";
  let hasVerifier = 1;
}

def DGemm_AwaitScalesOp : DGemm_Op<"await_scales", [DGemm_InConsumer]> {
  let summary = "waits until the scales that a warpgroup fetches are there for all of its threads";
  let description = [{
    All threads of the warpgroup come this far, and the copies that they have started by `dgemm.fetch_scales` have landed.
    In front of a `dgemm.fetch_scales` it keeps threads from overwriting what others still read of the tile before.
  }];
  let assemblyFormat = "attr-dict";
}

def DGemm_TileAtOp : DGemm_Op<"tile_at", [DGemm_InKernel, Pure]> {
  let summary = "the tile at a shared-memory address";
  let description = [{
    Made by `dgemm-lower-ring` and `dgemm-lower-stores`, which know where tiles lie. The address is aligned as the swizzle
    wants it.

    Example: `%ta = dgemm.tile_at %p : !dgemm.tile<64x128xf8E4M3FN, swizzle = 128>`.
  }];
  let arguments = (ins LLVM_PointerInAddressSpace<3>:$address);
  let results = (outs DGemm_TileType:$tile);
  let assemblyFormat = "$address attr-dict `:` qualified(type($tile))";
}

def DGemm_StoreFragmentOp : DGemm_Op<"store_fragment", [DGemm_InKernel, MemoryEffects<[MemWrite]>]> {
  let summary = "columns of a fragment to a tile in shared memory, rounded to bf16";
  let description = [{
    Writes columns `column` to `column + C` of the fragment to a tile of C columns, with its swizzle.

    - C1: the tile is bf16, has the rows of the fragment and 8, 16, 32 or 64 columns, with a swizzle of its row's bytes
      (none for 8 columns).
    - C2: the columns lie inside the fragment.

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
    Starts to write the columns that CTA r sums to its shared memory: what CTA q sends lies behind `buffer` (an address of
    this CTA, which stands for the same of each) in place q, or q - 1 for q > r. `barrier` of CTA r gets the bytes. Rows
    past the end of D are sent like others: every CTA must hear of every other one in each tile, or it could run ahead.

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
    Adds in the order of the places behind `buffer` (see `dgemm.send_fragment`), from which all has been received.

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
