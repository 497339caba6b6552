//===- FetchScales.cpp - dgemm.fetch_scales and dgemm.await_scales -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each scale is copied by its own cp.async of 4 bytes, which works for any stride and any address of a float.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "RingLowering.h"
#include "dgemm/IR/HopperLimits.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dgemm;

static constexpr int64_t kFetchBytes = 4;

FailureOr<Value> FetchedScales::place(NVVMBuilder &b, FetchScalesOp fetch) {
  const SharedMemoryLayout &layout = lowering.shared.getLayout();
  int64_t each =
      llvm::alignDown(layout.sumScalesBytes / static_cast<int64_t>(lowering.roles.getConsumers()), kAlignment);
  int64_t &used = usedBytes[fetch->getBlock()], offset = used;
  used += llvm::alignTo(fetch.getTile().getType().getColumns() * kFetchBytes, kAlignment);
  if (used > each)
    return fetch.emitOpError() << "expected at most " << each << " bytes of scales of sums of a warpgroup, but got "
                               << used,
           failure();
  Value own = b.mul(b.uniform(b.toI32(lowering.roles.getWarpgroup())), each);
  return lowering.shared.sumScaleAddress(b, own, offset);
}

/// Thread t copies scales t, t + 128, ...; scales past the end are zero.
LogicalResult FetchedScales::lower(NVVMBuilder &b, FetchScalesOp fetch) {
  FailureOr<Value> dest = place(b, fetch);
  if (failed(dest))
    return failure();
  OperandAccess access(b, lowering.kernel, fetch.getSource());
  int64_t columns = fetch.getTile().getType().getColumns();
  Value thread = b.bitAnd(b.threadIndex(), hopper::kWarpgroupThreads - 1);
  SmallVector<Value> indices(fetch.getOffsets().drop_back(2));
  Value row = access.toI64(fetch.getOffsets().drop_back().back()), zero = access.toI64(b.i32(0));
  Value extent = access.getExtent(0);
  for (int64_t first = 0; first < columns; first += hopper::kWarpgroupThreads) {
    Value column = b.add(thread, first);
    auto copy = [&] {
      SmallVector<Value> own = indices;
      own.append({zero, arith::AddIOp::create(b, row, access.toI64(column))});
      Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, own.back(), extent);
      Value offset = arith::SelectOp::create(b, inside, access.getOffset(own), zero);
      Value bytes = arith::SelectOp::create(b, inside, b.i32(kFetchBytes), b.i32(0));
      NVVM::CpAsyncOp::create(b, b.offsetPointer(*dest, b.mul(column, kFetchBytes)), access.getAddress(offset),
                              kFetchBytes, NVVM::LoadCacheModifierKind::CA, bytes);
    };
    if (first + hopper::kWarpgroupThreads <= columns)
      copy();
    else
      b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, column, b.i32(columns)), copy);
  }
  fetch.replaceAllUsesWith(Value(TileAtOp::create(b, fetch.getTile().getType(), *dest)));
  return success();
}

void FetchedScales::lower(NVVMBuilder &b, AwaitScalesOp) {
  NVVM::CpAsyncCommitGroupOp::create(b);
  NVVM::CpAsyncWaitGroupOp::create(b, 0);
  b.warpgroupBarrier(b.uniform(b.toI32(lowering.roles.getWarpgroup())));
}
