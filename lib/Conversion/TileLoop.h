//===- TileLoop.h - The persistent loop over tiles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_TILELOOP_H
#define DGEMM_LIB_CONVERSION_TILELOOP_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Turns a tile loop into scf loops over the tiles of this CTA.
void lowerTileLoop(ForEachTileOp op);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_TILELOOP_H
