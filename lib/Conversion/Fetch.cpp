//===- Fetch.cpp - dgemm.fetch, dgemm.await and dgemm.prefetch -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each thread copies 4 or 8 bytes by cp.async. Each scale is copied by itself, which works for any stride and any
// address of a float.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "RingLowering.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dgemm;

/// The least bytes that a prefetch brings to the L1 and to the L2 (CUDA Programming Guide, global memory).
static constexpr int64_t kSectorBytes = 32, kLineBytes = 128;

namespace {
/// The row of an operand that a fetch copies. Indices and offsets are in elements.
class FetchedRow {
public:
  FetchedRow(NVVMBuilder &b, KernelOp kernel, FetchOp fetch)
      : b(b), access(b, kernel, fetch.getSource()), zero(access.toI64(b.i32(0))) {
    Operand operand = *kernel.getOperandOf(fetch.getSource()); // verified
    isOfScales = isScale(operand);
    copyBytes = isOfScales ? access.getGeometry().getElementBytes() : getFetchBytes(kernel.getProblem(), operand);
    // The last offset of scales is along K.
    ValueRange offsets = fetch.getOffsets().drop_back(isOfScales ? 1 : 0);
    outer.assign(offsets.drop_back().begin(), offsets.drop_back().end());
    if (isOfScales)
      outer.push_back(zero);
    first = access.toI64(offsets.back());
    extent = access.getExtent(0);
  }

  int64_t getCopyBytes() const { return copyBytes; }
  int64_t getElementBytes() const { return access.getGeometry().getElementBytes(); }
  /// Copies the elements from `index` (i32) of the row on to `dest`; elements past the end of the operand are zero.
  void copy(Value index, Value dest) {
    SmallVector<Value> indices = outer;
    indices.push_back(arith::AddIOp::create(b, first, access.toI64(index)));
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, indices.back(), extent);
    Value offset = arith::SelectOp::create(b, inside, access.getOffset(indices), zero);
    Value bytes = arith::SelectOp::create(b, inside, b.i32(copyBytes), b.i32(0));
    NVVM::CpAsyncOp::create(b, dest, access.getAddress(offset), copyBytes, NVVM::LoadCacheModifierKind::CA, bytes);
  }

private:
  NVVMBuilder &b;
  OperandAccess access;
  Value zero;
  bool isOfScales;
  int64_t copyBytes;
  /// The indices before the index along the row. The row starts at `first`.
  SmallVector<Value> outer;
  Value first, extent;
};
} // namespace

FetchedRows::Room FetchedRows::getRoom(FetchOp fetch) {
  const SharedMemoryLayout &layout = lowering.shared.getLayout();
  if (isScale(*lowering.kernel.getOperandOf(fetch.getSource())))
    return {layout.sumScalesOffset, layout.sumScalesBytes, "scales of sums"};
  return {layout.operandsOffset, layout.operandsBytes, "operands of the epilogue"};
}

FailureOr<Value> FetchedRows::place(NVVMBuilder &b, FetchOp fetch) {
  Room room = getRoom(fetch);
  int64_t each = llvm::alignDown(room.bytes / static_cast<int64_t>(lowering.roles.getConsumers()), kFetchAlignment);
  int64_t &used = usedBytes[{fetch->getBlock(), room.offset}], offset = used;
  used += llvm::alignTo(fetch.getTile().getType().getByteSize(), kFetchAlignment);
  if (used > each)
    return fetch.emitOpError() << "expected at most " << each << " bytes of " << room.what
                               << " of a warpgroup, but got " << used,
           failure();
  Value own = b.mul(b.uniform(b.toI32(lowering.roles.getWarpgroup())), each);
  return lowering.shared.address(b, own, room.offset + offset);
}

/// Thread t makes copies t, t + 128, and so on.
LogicalResult FetchedRows::lower(NVVMBuilder &b, FetchOp fetch) {
  FailureOr<Value> dest = place(b, fetch);
  if (failed(dest))
    return failure();
  FetchedRow row(b, lowering.kernel, fetch);
  int64_t bytes = row.getCopyBytes(), elements = bytes / row.getElementBytes();
  int64_t copies = llvm::divideCeil(fetch.getTile().getType().getColumns(), elements);
  Value thread = b.bitAnd(b.threadIndex(), hopper::kWarpgroupThreads - 1);
  for (int64_t first = 0; first < copies; first += hopper::kWarpgroupThreads) {
    Value index = b.add(thread, first);
    auto copy = [&] {
      row.copy(elements == 1 ? index : b.mul(index, elements), b.offsetPointer(*dest, b.mul(index, bytes)));
    };
    if (first + hopper::kWarpgroupThreads <= copies)
      copy();
    else
      b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, b.i32(copies)), copy);
  }
  fetch.replaceAllUsesWith(Value(TileAtOp::create(b, fetch.getTile().getType(), *dest)));
  return success();
}

void FetchedRows::lower(NVVMBuilder &b, AwaitOp await) {
  NVVM::CpAsyncCommitGroupOp::create(b);
  NVVM::CpAsyncWaitGroupOp::create(b, 0);
  b.warpgroupBarrier(b.uniform(b.toI32(lowering.roles.getWarpgroup())));
  await.replaceAllUsesWith(await.getTiles());
}

/// Thread t prefetches places t, t + 128, and so on, counted along the rows.
void dgemm::lowerPrefetch(RingLowering &lowering, NVVMBuilder &b, PrefetchOp prefetch) {
  bool isRow = prefetch.getNumRows() == 1;
  auto level = NVVM::PrefetchCacheLevelAttr::get(b.getContext(),
                                                 isRow ? NVVM::PrefetchCacheLevel::L1 : NVVM::PrefetchCacheLevel::L2);
  OperandAccess access(b, lowering.kernel, prefetch.getSource());
  int64_t element = access.getGeometry().getElementBytes(), step = (isRow ? kSectorBytes : kLineBytes) / element;
  int64_t each = llvm::divideCeil(prefetch.getNumColumns(), step), places = prefetch.getNumRows() * each;
  SmallVector<Value> indices(prefetch.getOffsets());
  Value firstColumn = access.toI64(indices.back()), firstRow, rows;
  if (!isRow) {
    firstRow = access.toI64(indices[indices.size() - 2]);
    rows = access.getExtent(1);
    if (prefetch.getRows())
      rows = arith::MinUIOp::create(b, rows, access.toI64(prefetch.getRows()));
  }
  Value thread = b.bitAnd(b.threadIndex(), hopper::kWarpgroupThreads - 1);
  for (int64_t first = 0; first < places; first += hopper::kWarpgroupThreads) {
    Value place = b.add(thread, first);
    Value row = arith::DivUIOp::create(b, place, b.i32(each)), column = arith::RemUIOp::create(b, place, b.i32(each));
    indices.back() = arith::AddIOp::create(b, firstColumn, access.toI64(b.mul(column, step)));
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, indices.back(), access.getExtent(0));
    auto isBelow = [&](Value index, Value end) {
      Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index, end);
      inside = arith::AndIOp::create(b, inside, below);
    };
    if (!isRow) {
      indices[indices.size() - 2] = arith::AddIOp::create(b, firstRow, access.toI64(row));
      isBelow(indices[indices.size() - 2], rows);
    }
    if (first + hopper::kWarpgroupThreads > places)
      isBelow(place, b.i32(places));
    b.when(inside, [&] {
      NVVM::PrefetchOp::create(b, level, /*evictPriority=*/{}, access.getAddress(access.getOffset(indices)),
                               /*predicate=*/Value(), /*tensormap=*/UnitAttr(), /*uniform=*/UnitAttr(),
                               /*in_param_space=*/UnitAttr());
    });
  }
}
