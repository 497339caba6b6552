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
#include "mlir/Transforms/DialectConversion.h"

namespace dgemm {

/// Fragments become structs of a thread's values, tiles become pointers.
void addFragmentConversions(TypeConverter &converter);

/// The f32 values of a thread, to and from its struct.
SmallVector<Value> unpack(NVVMBuilder &b, Value fragment);
Value pack(NVVMBuilder &b, ArrayRef<Value> values);
/// Row 16w + g of a thread's fragment (i32); its other row is 8 further.
Value getFirstRow(NVVMBuilder &b, Value thread);

void populateWGMMAPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_WGMMAPATTERNS_H
