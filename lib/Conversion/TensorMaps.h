//===- TensorMaps.h - Tensor maps of a kernel's operands -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_TENSORMAPS_H
#define DGEMM_LIB_CONVERSION_TENSORMAPS_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// CTAs of a cluster that share the tile of `load`, of which each fetches one slice of its rows for all of them.
int64_t getSlices(LoadAsyncOp load);

/// The kernel argument with the tensor map that TMA loads the slices of `load` through; null, after an error, if there
/// is none. Of a load that clips rows: that of whole tiles.
Value findTensorMap(LoadAsyncOp load);

/// Whether its tile has two halves, from two places of B (the kernel is gated); how many rows lie between these (i32).
bool hasHalves(LoadAsyncOp load);
Value getRowsOfHalf(NVVMBuilder &b, LoadAsyncOp load);

/// That of the last tile along M, for a load that clips rows, likewise.
Value findLastTileMap(LoadAsyncOp load);

/// Whether some tile of the load has all of its rows, and so a tensor map of whole tiles: not where the only tile along
/// M has fewer, and its rows are clipped.
bool hasWholeTiles(LoadAsyncOp load);

/// That through which TMA stores `columns` columns of all rows of the fragment of `store`, likewise.
Value findTensorMap(StoreOp store, int64_t columns);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_TENSORMAPS_H
