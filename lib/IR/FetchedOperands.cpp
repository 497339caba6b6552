//===- FetchedOperands.cpp - Operands of epilogues in shared memory -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dgemm;

/// cp.async copies 4, 8 or 16 bytes from an address that is a multiple of these (PTX ISA 9.0, cp.async).
static constexpr int64_t kLeastCopy = 4;

int64_t dgemm::getFetchBytes(ProblemAttr problem, Operand operand) {
  EpilogueAxisKind along = problem.getEpilogueOperand(operand).getAlong();
  if (along == EpilogueAxisKind::MN)
    return 0;
  OperandGeometry geometry = OperandGeometry::get(problem, operand);
  int64_t element = geometry.getElementBytes();
  bool isRow = along == EpilogueAxisKind::N || along == EpilogueAxisKind::M;
  // Pairs, as the threads of a fragment want them.
  int64_t bytes = isRow && geometry.getAccessBytes() >= 2 * element ? 2 * element : element;
  return bytes < kLeastCopy ? 0 : bytes;
}

int64_t dgemm::countTileElements(ConfigAttr config, ProblemAttr problem, Operand operand) {
  int64_t columns = config.getBlockN(), split = config.getSplitK();
  switch (problem.getEpilogueOperand(operand).getAlong()) {
  case EpilogueAxisKind::N:
  case EpilogueAxisKind::MN:
    // The last CTA of a split may have columns behind those of the tile.
    return split > 1 ? getSplitColumns(columns, split) * split : problem.getColumnsOfD(columns);
  case EpilogueAxisKind::M:
    return hopper::kWgmmaM;
  default:
    return 1;
  }
}

int64_t dgemm::getFetchedBytes(ConfigAttr config, ProblemAttr problem) {
  int64_t slices = config.getBlockM() / hopper::kWgmmaM / config.getTileWarpgroups(), bytes = 0;
  for (Operand operand : problem.getOperands()) {
    EpilogueOperandAttr role = problem.getEpilogueOperand(operand);
    if (!role || !getFetchBytes(problem, operand))
      continue;
    int64_t each = countTileElements(config, problem, operand) * role.getElement().getIntOrFloatBitWidth() / 8;
    bytes += llvm::alignTo(each, kFetchAlignment) * (role.getAlong() == EpilogueAxisKind::M ? slices : 1);
  }
  return bytes;
}
