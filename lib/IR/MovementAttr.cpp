//===- MovementAttr.cpp - How loads and stores move their data -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"

using namespace mlir;
using namespace dgemm;

/// Bytes that one cp.async moves at most (PTX ISA 9.0, cp.async), in scales.
static constexpr int64_t kMostScalesOfCopy = 4;

LogicalResult MovementAttr::verify(function_ref<InFlightDiagnostic()> emitError, MovementKind kind, Multicast multicast,
                                   CachePolicy cache, int64_t prefetchFrom, int64_t fewRows) {
  bool isPlain = multicast == Multicast::None && cache == CachePolicy::Normal && !prefetchFrom && !fewRows;
  if (kind != MovementKind::TMA && !isPlain)
    return emitError() << "expected multicast, cache, prefetch_from and few_rows with tma only, but got them with "
                       << stringifyMovementKind(kind);
  if (prefetchFrom < 0)
    return emitError() << "expected 'prefetch_from' to be at least 0, but got " << prefetchFrom;
  if (fewRows < 0 || fewRows > kMostScalesOfCopy)
    return emitError() << "expected 'few_rows' to be 0 to " << kMostScalesOfCopy << ", but got " << fewRows;
  return success();
}

LogicalResult MovementAttr::verifyKind(Operation *op, ArrayRef<MovementKind> kinds) const {
  if (llvm::is_contained(kinds, getKind()))
    return success();
  InFlightDiagnostic error = op->emitOpError("expected to move its data by ");
  llvm::interleave(kinds, [&](MovementKind kind) { error << stringifyMovementKind(kind); }, [&] { error << " or "; });
  return error << ", but got " << stringifyMovementKind(getKind());
}
