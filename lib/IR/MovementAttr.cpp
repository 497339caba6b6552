//===- MovementAttr.cpp - How loads and stores move their data -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"

using namespace mlir;
using namespace dgemm;

/// The most f32 scales that one cp.async moves: 16 bytes (PTX ISA 9.0, cp.async).
static constexpr int64_t kMostScalesOfCopy = 4;

LogicalResult MovementAttr::verify(function_ref<InFlightDiagnostic()> emitError, MovementKind kind, Multicast multicast,
                                   CachePolicy cache, int64_t prefetchFrom, int64_t fewRows, bool clipRows) {
  bool isPlain = multicast == Multicast::None && cache == CachePolicy::Normal && !prefetchFrom && !fewRows && !clipRows;
  if (kind != MovementKind::TMA && !isPlain)
    return emitError()
           << "expected multicast, cache, prefetch_from, few_rows and clip_rows with tma only, but got them with "
           << stringifyMovementKind(kind);
  if (prefetchFrom < 0)
    return emitError() << "expected 'prefetch_from' to be at least 0, but got " << prefetchFrom;
  if (fewRows < 0 || fewRows > kMostScalesOfCopy)
    return emitError() << "expected 'few_rows' to be 0 to " << kMostScalesOfCopy << ", but got " << fewRows;
  return success();
}

LogicalResult MovementAttr::verifyFor(Operation *op, Operand operand) const {
  auto kernel = op->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  ConfigAttr config = kernel.getConfig();
  bool isByTMA = getKind() == MovementKind::TMA;
  if (isByTMA && !OperandGeometry::get(kernel, operand).allowsTMA())
    return op->emitOpError("expected to move its data without TMA, which does not take these strides");
  if (isByTMA && operand == Operand::D && config.getSplitK() > 1)
    return op->emitOpError("expected to store from registers, as each CTA of a split K has columns of its own");
  if (!isByTMA && isScale(operand))
    return op->emitOpError("expected to load a tile of scales by TMA; dgemm.load_scales does without");
  Multicast multicast = operand == Operand::A && config.getClusterN() > 1   ? Multicast::Row
                        : operand == Operand::B && config.getClusterM() > 1 ? Multicast::Column
                                                                            : Multicast::None;
  if (getMulticast() != multicast)
    return op->emitOpError() << "expected multicast = " << stringifyMulticast(multicast)
                             << ", as the cluster of the kernel says, but got " << stringifyMulticast(getMulticast());
  bool isAlone = kernel.getLayout() == Layout::Dense && !config.isMulticast();
  if (getPrefetchFrom() && (!isAlone || isScale(operand)))
    return op->emitOpError("expected 'prefetch_from' for A and B of a dense layout without multicast only");
  bool hasWholeM = kernel.getLayout() == Layout::Dense || kernel.getLayout() == Layout::Batched;
  if (getClipRows() && (!hasWholeM || config.isMulticast() || operand != Operand::A))
    return op->emitOpError("expected 'clip_rows' only for A without multicast in a dense or batched layout");
  if (getFewRows() && (!isAlone || operand != Operand::ScaleA || config.getBlockM() != hopper::kWgmmaM))
    return op->emitOpError("expected 'few_rows' for scales of A of a dense layout without multicast, with a block M of "
                           "64, only");
  return success();
}

LogicalResult MovementAttr::verifyKind(Operation *op, ArrayRef<MovementKind> kinds) const {
  if (llvm::is_contained(kinds, getKind()))
    return success();
  InFlightDiagnostic error = op->emitOpError("expected to move its data by ");
  llvm::interleave(kinds, [&](MovementKind kind) { error << stringifyMovementKind(kind); }, [&] { error << " or "; });
  return error << ", but got " << stringifyMovementKind(getKind());
}
