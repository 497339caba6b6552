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

/// Fragments become structs of a thread's f32 values. Tiles that wgmma reads become the low bits of their descriptor
/// (i32), and other tiles become pointers to shared memory.
void addFragmentConversions(TypeConverter &converter);

/// Unpacks the f32 values of a thread from its struct, or packs them into it.
SmallVector<Value> unpack(NVVMBuilder &b, Value fragment);
Value pack(NVVMBuilder &b, ArrayRef<Value> values);
/// First row (i32) of `thread` in a fragment, 16w + g (Fragments.cpp). Its other row is 8 rows further.
Value getFirstRow(NVVMBuilder &b, Value thread);

/// Number of f32 values of a fragment that a thread holds.
unsigned getThreadValues(FragType frag);
/// True if wgmma reads the tile, so that only its descriptor is needed. Other tiles need their address.
bool isMmaOperand(TileType tile);
/// Creates an empty asm that reads and writes every value. LLVM cannot move a use of the results before it, or the
/// computation of the values behind it.
Value createAccumulatorFence(NVVMBuilder &b, Value fragment);
/// Converts two f32 values to a pair of `type`, bf16 or f16, in an i32, with `low` in the lower half.
Value packHalves(NVVMBuilder &b, Type type, Value low, Value high);

/// Converts two f32 values to a pair of `type`, f8E4M3FN or f8E5M2, in an i16, with `low` in the lower byte. Values
/// beyond the largest number become that number.
Value packBytes(NVVMBuilder &b, Type type, Value low, Value high);

/// Fragments.cpp: dgemm.zero, dgemm.tile_at, and the tile loop that carries fragments.
void populateFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerLoadScales.cpp: dgemm.load_scales.
void populateLoadScalesPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerMap.cpp: dgemm.map, the epilogues.
void populateMapPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerMma.cpp: dgemm.mma, dgemm.mma_start, dgemm.mma_wait.
void populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerPromote.cpp: dgemm.promote.
void populatePromotePatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// LowerQuantize.cpp: dgemm.quantize.
void populateQuantizePatterns(const TypeConverter &converter, RewritePatternSet &patterns);
/// StoreFragments.cpp: dgemm.store_fragment, and dgemm.store without TMA.
void populateStoreFragmentPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_WGMMAPATTERNS_H
