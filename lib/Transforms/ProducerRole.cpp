//===- ProducerRole.cpp - The role of the producer: it loads the stages -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoleBuilder.h"

using namespace mlir;
using namespace dgemm;

void RoleBuilder::buildProducer(Block *block) {
  openTileLoop(block);
  buildKLoop({}, [&](ValueRange) -> SmallVector<Value> {
    Value stage = AcquireOp::create(b, stageType, ring);
    for (LoadOp load : parts.loads)
      LoadAsyncOp::create(b, load.getSource(), mapAll(load.getOffsets()), stage, getStageIndex(load),
                          load.getMovementAttr());
    if (parts.stagesBlockScales())
      LoadAsyncOp::create(b, parts.columnScales.getSource(), mapAll(parts.columnScales.getOffsets()), stage,
                          getStageIndex(Operand::ScaleB), parts.columnScales.getMovementAttr());
    CommitOp::create(b, ring);
    return {};
  });
}
