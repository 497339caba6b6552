//===- DGemmTypes.td - Tiles, fragments, rings ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_TYPES
#define DGEMM_IR_TYPES

include "DGemmDialect.td"
include "mlir/IR/AttrTypeBase.td"

class DGemm_Type<string name, string typeMnemonic> : TypeDef<DGemm_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def DGemm_TileType : DGemm_Type<"Tile", "tile"> {
  let summary = "a tile in shared memory, rows contiguous";
  let description = [{
    Rows of `columns` elements lie one after the other. With a swizzle, the 16-byte chunks of each row are permuted as
    the TMA unit does for that width (PTX ISA 9.0, tensor swizzling modes), and a row is at most `swizzle` bytes.

    Example: `!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>`, `!dgemm.tile<1x128xf32>`.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::mlir::Type":$elementType, "int64_t":$swizzle);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRowBytes() const { return getColumns() * getElementType().getIntOrFloatBitWidth() / 8; }
    int64_t getByteSize() const { return getRows() * getRowBytes(); }
  }];
}

def DGemm_FragType : DGemm_Type<"Frag", "frag"> {
  let summary = "a block of f32 values in registers, in the wgmma accumulator layout";
  let description = [{
    The values are spread over the threads of the math warpgroups like the accumulator of wgmma (PTX ISA 9.0, "Register
    Fragments and Shared Memory Matrix Layouts" of wgmma): 64 rows for each warpgroup, two rows for each thread. A
    single column (`64x1`) holds one value for each row, for example the scales of A. A single row (`1x192`) holds one
    value for each column; a thread has the values of its columns.

    Example: `!dgemm.frag<64x192xf32>`.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

/// A fragment of sums of the tensor cores. A single row (scales of columns) does not qualify.
def DGemm_SumType : Type<And<[DGemm_FragType.predicate, CPred<"::llvm::cast<::dgemm::FragType>($_self).getRows() != 1">]>,
                         "a fragment of 64 rows or a multiple", "::dgemm::FragType">;

def DGemm_StageType : DGemm_Type<"Stage", "stage"> {
  let summary = "one stage of a ring: the tiles of one K block";
  let parameters = (ins ArrayRefParameter<"TileType">:$tiles);
  let assemblyFormat = "`<` $tiles `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getByteSize() const {
      int64_t bytes = 0;
      for (TileType tile : getTiles())
        bytes += tile.getByteSize();
      return bytes;
    }
  }];
}

def DGemm_RingType : DGemm_Type<"Ring", "ring"> {
  let summary = "a ring of pipeline stages in shared memory";
  let description = [{
    The ring has `depth` equal stages. Producer and consumers each walk them in order. A stage is full when all bytes of
    its tiles have landed, and empty when every consumer has released it.

    Example: `!dgemm.ring<4 x !dgemm.stage<!dgemm.tile<128x128xf8E4M3FN, swizzle = 128>, ...>>`, printed without the
    dialect prefix.
  }];
  let parameters = (ins "int64_t":$depth, "StageType":$stage);
  let assemblyFormat = "`<` $depth `,` $stage `>`";
  let genVerifyDecl = 1;
}

#endif // DGEMM_IR_TYPES
