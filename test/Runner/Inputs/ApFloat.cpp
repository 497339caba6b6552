//===- ApFloat.cpp - Arithmetic of f8 for host code without MLIR ----------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// What of libmlir_apfloat_wrappers the tests of test/Runner call, over LLVM's Support library alone: for machines that
// have no LLVM (scripts/gpu-embedding.sh). convert-arith-to-apfloat makes the calls.
//
//===----------------------------------------------------------------------===//

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APSInt.h"

using llvm::APFloat;

static APFloat read(int32_t semantics, uint64_t bits) {
  const llvm::fltSemantics &kind = APFloat::EnumToSemantics(static_cast<llvm::APFloatBase::Semantics>(semantics));
  return APFloat(kind, llvm::APInt(APFloat::semanticsSizeInBits(kind), bits));
}
static int64_t write(const APFloat &value) { return int64_t(value.bitcastToAPInt().getZExtValue()); }

extern "C" {
int64_t _mlir_apfloat_add(int32_t semantics, uint64_t a, uint64_t b) {
  return write(read(semantics, a) + read(semantics, b));
}
int64_t _mlir_apfloat_subtract(int32_t semantics, uint64_t a, uint64_t b) {
  return write(read(semantics, a) - read(semantics, b));
}
int64_t _mlir_apfloat_multiply(int32_t semantics, uint64_t a, uint64_t b) {
  return write(read(semantics, a) * read(semantics, b));
}
int64_t _mlir_apfloat_maximum(int32_t semantics, uint64_t a, uint64_t b) {
  return write(llvm::maximum(read(semantics, a), read(semantics, b)));
}
int64_t _mlir_apfloat_neg(int32_t semantics, uint64_t a) { return write(-read(semantics, a)); }
int8_t _mlir_apfloat_compare(int32_t semantics, uint64_t a, uint64_t b) {
  return int8_t(read(semantics, a).compare(read(semantics, b)));
}
int64_t _mlir_apfloat_convert(int32_t from, int32_t to, uint64_t a) {
  APFloat value = read(from, a);
  bool losesInfo;
  value.convert(APFloat::EnumToSemantics(static_cast<llvm::APFloatBase::Semantics>(to)), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return write(value);
}
int64_t _mlir_apfloat_convert_from_int(int32_t semantics, int32_t width, bool isUnsigned, uint64_t a) {
  APFloat value(APFloat::EnumToSemantics(static_cast<llvm::APFloatBase::Semantics>(semantics)));
  value.convertFromAPInt(llvm::APInt(width, a, !isUnsigned, /*implicitTrunc=*/true), !isUnsigned,
                         APFloat::rmNearestTiesToEven);
  return write(value);
}
}
