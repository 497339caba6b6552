//===- CopyTile.cpp - Tiles that TMA cannot load -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All threads of the producer warpgroup copy a tile with ordinary loads and stores, into the same 128-byte swizzle that
// TMA writes. This is slower than TMA, but it works for any stride.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "RingLowering.h"
#include "TensorMaps.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

namespace {

constexpr int64_t kChunkBytes = 16;
constexpr int64_t kChunksOfRow = hopper::kSwizzleBytes / kChunkBytes;
constexpr int64_t kRowsOfStep = hopper::kWarpgroupThreads / kChunksOfRow;

/// Loads runs of bytes from a row of FP8 elements, as 32-bit words.
class RunCopy {
public:
  RunCopy(NVVMBuilder &b, OperandAccess &access) : b(b), access(access) {}

  /// Loads `bytes` (4 to 16) from element `offset` on. From there, `left` (i64) elements exist, or none if it is not
  /// positive; pieces past them read as zero.
  SmallVector<Value> load(Value offset, Value left, int64_t bytes);

private:
  Value loadPiece(Value offset, Value left, int64_t first, Type type);
  Value i64(int64_t value) { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); }

  NVVMBuilder &b;
  OperandAccess &access;
};

/// A piece outside of the operand loads the first bytes of the operand instead, and its value is replaced by zero.
Value RunCopy::loadPiece(Value offset, Value left, int64_t first, Type type) {
  Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, left, i64(first));
  Value element = arith::SelectOp::create(b, inside, arith::AddIOp::create(b, offset, i64(first)), i64(0));
  Value piece = access.load(type, element);
  Value zero = LLVM::ZeroOp::create(b, type);
  return LLVM::SelectOp::create(b, inside, piece, zero);
}

SmallVector<Value> RunCopy::load(Value offset, Value left, int64_t bytes) {
  int64_t width = access.getGeometry().getAccessBytes();
  SmallVector<Value> words;
  if (width >= 4) {
    Type type = width == 4 ? Type(b.getI32Type()) : VectorType::get(width / 4, b.getI32Type());
    for (int64_t first = 0; first < bytes; first += width) {
      Value piece = loadPiece(offset, left, first, type);
      for (int64_t i = 0; i < width / 4; ++i)
        words.push_back(width == 4 ? piece : Value(LLVM::ExtractElementOp::create(b, piece, b.i32(i))));
    }
    return words;
  }
  for (int64_t word = 0; word < bytes; word += 4) {
    Value sum = b.i32(0);
    for (int64_t byte = 0; byte < 4; byte += width) {
      Value piece = loadPiece(offset, left, word + byte, b.getIntegerType(8 * width));
      Value wide = arith::ExtUIOp::create(b, b.getI32Type(), piece);
      sum = arith::OrIOp::create(b, sum, b.shiftLeft(wide, 8 * byte));
    }
    words.push_back(sum);
  }
  return words;
}

} // namespace

void dgemm::copyTile(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value stage) {
  TileType tile = load.getStage().getType().getTiles()[load.getIndex()];
  OperandAccess access(b, lowering.kernel, load.getSource());
  RunCopy runs(b, access);
  auto toI64 = [&](Value value) { return access.toI64(value); };
  auto add = [&](Value lhs, Value rhs) -> Value { return arith::AddIOp::create(b, lhs, rhs); };
  auto sub = [&](Value lhs, Value rhs) -> Value { return arith::SubIOp::create(b, lhs, rhs); };
  Value zero = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));

  // Thread t copies chunk t % 8 of rows t / 8, t / 8 + 16, ...: its column and its swizzle stay the same.
  Value thread = b.bitAnd(b.threadIndex(), hopper::kWarpgroupThreads - 1);
  Value firstRow = b.shiftRight(thread, 3), chunk = b.bitAnd(thread, kChunksOfRow - 1);
  Value swizzled = b.bitXor(chunk, b.bitAnd(firstRow, 7));
  Value inTile = b.add(b.shiftLeft(firstRow, 7), b.shiftLeft(swizzled, 4));
  Value dest = b.offsetPointer(lowering.shared.tileAddress(b, stage, load.getIndex()), inTile);

  SmallVector<Value> offsets = llvm::map_to_vector(load.getOffsets(), toI64);
  Value &row = offsets[offsets.size() - 2], &column = offsets.back();
  column = add(column, toI64(b.shiftLeft(chunk, 4)));
  Value rowsLeft = sub(access.getExtent(1), row), left = sub(access.getExtent(0), column);
  auto loop = scf::ForOp::create(b, b.i32(0), b.i32(tile.getRows()), b.i32(kRowsOfStep));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value own = b.add(firstRow, loop.getInductionVar());
  auto copy = [&] {
    Value inOperand = own;
    if (hasHalves(load)) {
      int64_t half = tile.getRows() / 2;
      Value isSecond = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, own, b.i32(half));
      Value way = b.add(getRowsOfHalf(b, load), -half);
      inOperand = b.add(own, arith::SelectOp::create(b, isSecond, way, b.i32(0)));
    }
    Value wide = toI64(inOperand);
    SmallVector<Value> indices = offsets;
    indices[indices.size() - 2] = add(row, wide);
    Value isRow = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, wide, rowsLeft);
    Value offset = access.getOffset(indices), inRow = arith::SelectOp::create(b, isRow, left, zero);
    Value to = b.offsetPointer(dest, b.shiftLeft(loop.getInductionVar(), 7));
    if (access.getGeometry().getAccessBytes() >= 4) {
      Value vector = LLVM::UndefOp::create(b, VectorType::get(4, b.getI32Type()));
      for (auto [i, word] : llvm::enumerate(runs.load(offset, inRow, kChunkBytes)))
        vector = LLVM::InsertElementOp::create(b, vector, word, b.i32(i));
      LLVM::StoreOp::create(b, vector, to);
      return;
    }
    // One word at a time, because the producer has few registers.
    auto words = scf::ForOp::create(b, b.i32(0), b.i32(kChunkBytes), b.i32(4));
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(words.getBody());
    Value byte = toI64(words.getInductionVar());
    Value word = runs.load(add(offset, byte), sub(inRow, byte), 4).front();
    LLVM::StoreOp::create(b, word, b.offsetPointer(to, words.getInductionVar()));
  };
  if (tile.getRows() % kRowsOfStep == 0)
    return copy();
  b.when(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, own, b.i32(tile.getRows())), copy);
}
