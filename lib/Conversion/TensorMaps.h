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

/// Number of CTAs of a cluster that share the tile of `load`. Each of them loads one slice of its rows for all of them.
int64_t getSlices(LoadAsyncOp load);

/// The kernel argument with the tensor map through which TMA loads the slices of `load`; null, after an error, if there
/// is none. For a load that clips rows, it is the map of whole tiles.
Value findTensorMap(LoadAsyncOp load);

/// True if the tile of `load` has two halves, from two places of B, because the kernel is gated.
bool hasHalves(LoadAsyncOp load);
/// Number of rows of B (i32) from the start of one half to the start of the other.
Value getRowsOfHalf(NVVMBuilder &b, LoadAsyncOp load);

/// For a load that clips rows: the kernel argument with the tensor map of the last tile along M; null, after an error,
/// if there is none.
Value findLastTileMap(LoadAsyncOp load);

/// True if some tile of the load has all of its rows, so that there is a tensor map of whole tiles. False if rows are
/// clipped and the only tile along M has fewer.
bool hasWholeTiles(LoadAsyncOp load);

/// The kernel argument with the tensor map through which TMA stores `columns` columns of the fragment of `store`; null,
/// after an error, if there is none. If the rows of the store end, the map sees the rows of D through windows
/// (OperandGeometry::getWindowMap).
Value findTensorMap(StoreOp store, int64_t columns);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_TENSORMAPS_H
