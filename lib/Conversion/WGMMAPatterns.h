//===- WGMMAPatterns.h - Patterns of dgemm-lower-wgmma -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_WGMMAPATTERNS_H
#define DGEMM_LIB_CONVERSION_WGMMAPATTERNS_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Transforms/DialectConversion.h"

namespace dgemm {

/// Fragments become structs of a thread's values, tiles become pointers.
void addFragmentConversions(TypeConverter &converter);

/// The f32 values of a thread, to and from its struct.
SmallVector<Value> unpack(NVVMBuilder &b, Value fragment);
Value pack(NVVMBuilder &b, ArrayRef<Value> values);
/// Row 16w + g of a thread's fragment (i32); its other row is 8 further.
Value getFirstRow(NVVMBuilder &b, Value thread);

/// How many f32 of a fragment a thread holds.
unsigned getThreadValues(FragType frag);
/// Of a tile that wgmma reads only the descriptor is wanted; of any other the address.
bool isMmaOperand(TileType tile);
/// An empty asm that reads and writes every value: LLVM moves no use of the results before it, nor their making behind.
Value createAccumulatorFence(NVVMBuilder &b, Value fragment);
/// Two f32 values as a pair of `type`, bf16 or f16, in 32 bits, `low` in the lower half.
Value packHalves(NVVMBuilder &b, Type type, Value low, Value high);

/// Fragments.cpp: dgemm.zero, dgemm.tile_at, and the tile loop that carries fragments.
void populateFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerLoadScales.cpp.
void populateLoadScalesPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerMap.cpp: epilogues.
void populateMapPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerMma.cpp: dgemm.mma, dgemm.mma_start, dgemm.mma_wait.
void populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerPromote.cpp.
void populatePromotePatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// StoreFragments.cpp: dgemm.store_fragment, and dgemm.store that no TMA does.
void populateStoreFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_WGMMAPATTERNS_H
