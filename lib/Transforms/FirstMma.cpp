//===- FirstMma.cpp - Sums that start with an mma -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// If only mmas add to a sum, its first mma starts from zero, so the sum needs no zeros. Otherwise each thread would
// write zeros before each tile.
//
//===----------------------------------------------------------------------===//

#include "KLoop.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace dgemm;

/// The fragment to which `op` adds; null if there is none, or if `op` is no mma.
static Value getAcc(Operation *op) {
  if (auto mma = dyn_cast<MmaOp>(op))
    return mma.getAcc();
  auto start = dyn_cast<MmaStartOp>(op);
  return start ? start.getAcc() : Value();
}

bool dgemm::startsFromZero(scf::ForOp loop) {
  if (!isConstantIntValue(loop.getLowerBound(), 0)) // a K loop from 0 on has an iteration, as K is at least 1
    return false;
  bool addsByMma = false;
  for (auto [init, carried] : llvm::zip_equal(loop.getInits(), loop.getRegionIterArgs())) {
    if (!init.getDefiningOp<ZeroOp>())
      continue;
    for (Operation *user : carried.getUsers())
      if (getAcc(user) != carried)
        return false;
    addsByMma = true;
  }
  return addsByMma;
}

scf::ForOp dgemm::peelFirst(scf::ForOp loop) {
  std::optional<int64_t> step = getConstantIntValue(loop.getStep());
  if (!startsFromZero(loop) || !step)
    return loop;
  OpBuilder b(loop);
  IRMapping map;
  map.map(loop.getInductionVar(), loop.getLowerBound());
  map.map(loop.getRegionIterArgs(), loop.getInits());
  for (Operation &op : loop.getBody()->without_terminator())
    b.clone(op, map);
  auto carried = llvm::map_to_vector(loop.getYieldedValues(), [&](Value value) { return map.lookupOrDefault(value); });
  if (std::optional<APInt> count = loop.getStaticTripCount(); count && *count == 1) {
    loop.replaceAllUsesWith(carried);
    loop.erase();
    return {};
  }
  loop.setLowerBound(arith::ConstantIndexOp::create(b, loop.getLoc(), *step));
  for (auto [init, value] : llvm::zip_equal(loop.getInitsMutable(), carried))
    init.set(value);
  return loop;
}
