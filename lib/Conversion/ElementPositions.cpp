//===- ElementPositions.cpp - Where the elements of a thread lie in D -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementPositions.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/SharedMemoryLayout.h"

using namespace mlir;
using namespace dgemm;

ElementPositions::ElementPositions(NVVMBuilder &b, KernelOp kernel, Value m, Value n) : b(b), kernel(kernel) {
  Value thread = b.threadIndexHere();
  if (m)
    firstRow = b.add(b.toI32(m), getFirstRow(b, thread));
  firstColumn = b.add(b.toI32(n), b.shiftLeft(b.bitAnd(thread, 3), 1));
  ProblemAttr problem = kernel.getProblem();
  ConfigAttr config = kernel.getConfig();
  auto divides = [](int64_t size, int64_t tile) { return size > 0 && size % tile == 0; };
  // The last CTA of a split may have columns past those of the tile.
  int64_t split = config.getSplitK(), columns = config.getBlockN();
  bool endsWithTile = split == 1 || getSplitColumns(columns, split) * split == columns;
  hasAllRows = divides(problem.getM(), config.getBlockM() * config.getClusterM());
  hasAllColumns = endsWithTile && divides(problem.getN(), columns * config.getClusterN()); // the same for D as for B
}

Value ElementPositions::getRow(OperandAccess &access, unsigned dim, int64_t half) {
  Value row = b.add(firstRow, 8 * half);
  return hasAllRows ? row : limit(row, access, dim, 1);
}

Value ElementPositions::getColumnDistance(OperandAccess &access, Value distance, int64_t count) {
  if (!hasAllColumns)
    distance = arith::MinSIOp::create(b, distance, arith::SubIOp::create(b, getLast(access, 0, count), firstColumn));
  return arith::ExtSIOp::create(b, b.getI64Type(), distance);
}

Value ElementPositions::getLast(OperandAccess &access, unsigned dim, int64_t count) {
  return b.add(arith::TruncIOp::create(b, b.getI32Type(), access.getExtent(dim)), -count);
}

Value ElementPositions::limit(Value index, OperandAccess &access, unsigned dim, int64_t count) {
  return arith::MinSIOp::create(b, index, getLast(access, dim, count));
}
