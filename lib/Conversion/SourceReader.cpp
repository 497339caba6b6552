//===- SourceReader.cpp - Readers of operands, tiles and fragments -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SourceReader.h"
#include "Addressing.h"
#include "WGMMAPatterns.h"
#include "dgemm/IR/Epilogue.h"

using namespace mlir;
using namespace dgemm;

namespace {

/// Reads an operand from global memory. The operand may be D itself (docs/epilogues.md), so no load is invariant. As no
/// load is invariant, LLVM hoists none to where it would hold registers through the K loop.
class OperandReader : public SourceReader {
public:
  /// `group` is null in a layout without groups.
  OperandReader(NVVMBuilder &b, KernelOp kernel, Value source, EpilogueOperandAttr role, Value group,
                ElementPositions &positions)
      : SourceReader(b, role), access(b, kernel, source), positions(positions) {
    const OperandGeometry &geometry = access.getGeometry();
    isPaired = geometry.getAccessBytes() >= 2 * geometry.getElementBytes();
    SmallVector<Value> indices;
    bool hasRow = along == EpilogueAxisKind::M || along == EpilogueAxisKind::MN;
    if (along == EpilogueAxisKind::None)
      indices.push_back(b.i32(0));
    else if (geometry.shape.size() > size_t(hasRow + hasColumns()))
      indices.push_back(group);
    for (int64_t half = 0; half < (hasRow ? 2 : 1); ++half) {
      SmallVector<Value> own = indices;
      if (hasRow)
        own.push_back(positions.getRow(access, hasColumns() ? 1 : 0, half));
      if (hasColumns())
        own.push_back(positions.getFirstColumn());
      bases.push_back(access.getOffset(own));
    }
    if (!hasColumns())
      for (Value base : bases)
        values.push_back(load(base));
  }

protected:
  void readColumns(int64_t column) override {
    auto at = [&](Value base, int64_t first, int64_t count) -> Value {
      return arith::AddIOp::create(b, base, positions.getColumnDistance(access, first, count));
    };
    for (Value base : bases) {
      if (isPaired) {
        Value offset = at(base, column, 2);
        addPair([&](Type type) { return loadBits(type, offset); });
        continue;
      }
      for (int64_t lane : {0, 1})
        values.push_back(load(at(base, column + lane, 1)));
    }
  }
  Value loadBits(Type type, Value offset) {
    LLVM::LoadOp load = access.load(type, offset);
    load.setInvariant(false);
    return load;
  }

  OperandAccess access;
  ElementPositions &positions;

private:
  Value load(Value offset) { return toF32(loadBits(element, offset)); }

  bool isPaired;

protected:
  /// Offsets (i64) of the first column in each row, or of the only element.
  SmallVector<Value, 2> bases;
};

/// Reads an operand of 16-bit elements with the shape of D from global memory, 16 bytes at a time. If a warp loaded
/// pairs of columns, a load would touch 8 lines for 16 bytes of each, and the L1 processes one line at a time. So each
/// of the four threads of a row loads 8 of 32 columns, and they exchange their values.
class WideReader : public OperandReader {
public:
  /// Whether 8 columns of a row are 16 bytes that start at a multiple of 16 bytes.
  static bool canRead(KernelOp kernel, Operand operand, EpilogueOperandAttr role) {
    return role.getAlong() == EpilogueAxisKind::MN && role.getElement().getIntOrFloatBitWidth() == 16 &&
           OperandGeometry::get(kernel, operand).getAccessBytes() == kBytes;
  }

  WideReader(NVVMBuilder &b, MapOp op, Value source, EpilogueOperandAttr role, ElementPositions &positions)
      : OperandReader(b, op->getParentOfType<KernelOp>(), source, role, op.getGroup(), positions),
        first(op.getFirstColumn()), end(first + op.getNumColumns() / kColumns * kColumns) {
    Value lane = b.bitAnd(b.threadIndexHere(), 3);
    for (int64_t bit : {1, 2})
      hasBit.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, b.bitAnd(lane, bit), b.i32(0)));
    // From the thread's first column on: pair `lane` of 8 columns.
    toChunk = b.mul(lane, 6);
  }

private:
  static constexpr int64_t kBytes = 16, kWords = 4, kColumns = 32;

  void readColumns(int64_t column) override {
    if (column >= end)
      return OperandReader::readColumns(column);
    if ((column - first) % kColumns == 0)
      readBlock(column);
    for (ArrayRef<Value> row : words)
      addPair([&](Type type) -> Value {
        Value word = row[(column - first) % kColumns / 8];
        return type.isInteger(32) ? word : Value(LLVM::BitcastOp::create(b, type, word));
      });
  }

  /// Reads the 32 columns from `column` on.
  void readBlock(int64_t column) {
    words.clear();
    Value distance = positions.getColumnDistance(access, b.add(toChunk, column), 8);
    for (Value base : bases) {
      Value chunk = loadBits(VectorType::get(kWords, b.getI32Type()), arith::AddIOp::create(b, base, distance));
      SmallVector<Value> &row = words.emplace_back();
      for (int64_t i = 0; i < kWords; ++i)
        row.push_back(LLVM::ExtractElementOp::create(b, chunk, b.i32(i)));
      transpose(row);
    }
  }

  /// Transposes words among four neighbouring threads: word i of thread q becomes word q of thread i.
  void transpose(MutableArrayRef<Value> row) {
    for (int64_t step : {0, 1}) {
      int64_t distance = int64_t(1) << step;
      for (int64_t i = 0; i < kWords; ++i) {
        if (i & distance)
          continue;
        Value &low = row[i], &high = row[i + distance];
        auto choose = [&](Value set, Value clear) -> Value {
          return arith::SelectOp::create(b, hasBit[step], set, clear);
        };
        Value received = NVVM::ShflOp::create(b, b.getI32Type(), b.i32(-1), choose(low, high), b.i32(distance),
                                              b.i32(31), NVVM::ShflKind::bfly, UnitAttr{});
        Value newLow = choose(received, low);
        high = choose(high, received);
        low = newLow;
      }
    }
  }

  /// The columns that are read in blocks, from `first` to `end`.
  int64_t first, end;
  /// Whether the thread's number in its row has bit 0, and bit 1 (i1).
  SmallVector<Value, 2> hasBit;
  Value toChunk;
  /// For each of the two rows, a word for each 8 columns of the block.
  SmallVector<SmallVector<Value>, 2> words;
};

/// Reads a tile that the warpgroup has fetched to shared memory. It has a value for each column of the tile of D, for
/// each row of the fragment, or one value.
class TileReader : public SourceReader {
public:
  TileReader(NVVMBuilder &b, MapOp op, Value tile, EpilogueOperandAttr role) : SourceReader(b, role), first(tile) {
    Value thread = b.threadIndexHere();
    if (along == EpilogueAxisKind::N) {
      Value column = b.shiftLeft(b.bitAnd(thread, 3), 1);
      if (op->getParentOfType<KernelOp>().getConfig().getSplitK() > 1)
        column = b.add(column, b.mul(b.clusterRank(), op.getResult().getType().getColumns()));
      first = offset(b.mul(column, getElementBytes()));
    } else if (along == EpilogueAxisKind::M) {
      first = offset(b.mul(getFirstRow(b, thread), getElementBytes()));
      for (int64_t row : {0, 8})
        values.push_back(toF32(LLVM::LoadOp::create(b, element, offset(b.i32(row * getElementBytes())))));
    } else {
      values.push_back(toF32(LLVM::LoadOp::create(b, element, tile)));
    }
  }

private:
  void readColumns(int64_t column) override {
    addPair([&](Type type) { return LLVM::LoadOp::create(b, type, offset(b.i32(column * getElementBytes()))); });
  }
  int64_t getElementBytes() const { return element.getIntOrFloatBitWidth() / 8; }
  /// `bytes` (i32) behind the first value of the thread.
  Value offset(Value bytes) { return b.offsetPointer(first, bytes); }

  Value first;
};

/// Takes the values of a fragment 1xC, which has the columns that are mapped.
class FragmentReader : public SourceReader {
public:
  FragmentReader(NVVMBuilder &b, MapOp op, Value fragment, EpilogueOperandAttr role)
      : SourceReader(b, role), first(op.getFirstColumn()), all(unpack(b, fragment)) {}

private:
  void readColumns(int64_t column) override {
    llvm::append_range(values, ArrayRef(all).slice((column - first) / 4, 2));
  }

  int64_t first;
  SmallVector<Value> all;
};

} // namespace

std::unique_ptr<SourceReader> dgemm::createOperandReader(NVVMBuilder &b, KernelOp kernel, Value source,
                                                         EpilogueOperandAttr role, Value group,
                                                         ElementPositions &positions) {
  return std::make_unique<OperandReader>(b, kernel, source, role, group, positions);
}

std::unique_ptr<SourceReader> dgemm::createSourceReader(NVVMBuilder &b, MapOp op, size_t i, Value converted,
                                                        ElementPositions *positions) {
  auto kernel = op->getParentOfType<KernelOp>();
  Value source = op.getSources()[i];
  Operand operand = getEpilogueOperand(i);
  EpilogueOperandAttr role = kernel.getProblem().getEpilogueOperand(operand);
  if (isa<MemRefType>(source.getType())) {
    if (WideReader::canRead(kernel, operand, role))
      return std::make_unique<WideReader>(b, op, source, role, *positions);
    return createOperandReader(b, kernel, source, role, op.getGroup(), *positions);
  }
  if (isa<FragType>(source.getType()))
    return std::make_unique<FragmentReader>(b, op, converted, role);
  return std::make_unique<TileReader>(b, op, converted, role);
}
