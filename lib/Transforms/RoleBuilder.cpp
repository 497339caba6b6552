//===- RoleBuilder.cpp - The loops that both roles copy -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dgemm;

void RoleBuilder::openTileLoop(Block *block, ValueRange inits) {
  b.setInsertionPointToEnd(block);
  ForEachTileOp old = parts.tiles;
  auto loop = ForEachTileOp::create(b, old.getM(), old.getN(), old.getLayout(), old.getGroups(), old.getTile(),
                                    old.getGroupM(), old.getCluster(), inits);
  map.map(old.getBody().getArguments(), loop.getBody().getArguments().drop_back(inits.size()));
  b.setInsertionPointToStart(&loop.getBody().front());
  for (Operation &op : old.getBody().front())
    if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) && op.isBeforeInBlock(parts.kLoop))
      b.clone(op, map);
}

void RoleBuilder::cloneIndexArithmetic() {
  for (Operation &op : parts.kLoop.getBody()->without_terminator())
    if (isa_and_nonnull<arith::ArithDialect>(op.getDialect()) || isa<WalkKOp>(op))
      b.clone(op, map);
}

scf::ForOp RoleBuilder::buildKLoop(ValueRange inits, function_ref<SmallVector<Value>(ValueRange)> body) {
  scf::ForOp old = parts.kLoop;
  SmallVector<Value> bounds = mapAll({old.getLowerBound(), old.getUpperBound(), old.getStep()});
  return scf::ForOp::create(b, bounds[0], bounds[1], bounds[2], inits,
                            [&](OpBuilder &, Location, Value k, ValueRange carried) {
                              OpBuilder::InsertionGuard guard(b);
                              b.setInsertionPointToEnd(k.getParentBlock());
                              map.map(old.getInductionVar(), k);
                              cloneIndexArithmetic();
                              scf::YieldOp::create(b, body(carried));
                            });
}
