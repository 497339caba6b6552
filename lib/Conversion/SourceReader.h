//===- SourceReader.h - Reads the sources of an epilogue -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_SOURCEREADER_H
#define DGEMM_LIB_CONVERSION_SOURCEREADER_H

#include "ElementPositions.h"
#include "dgemm/IR/DGemm.h"
#include <memory>

namespace dgemm {

/// Reads a source of an epilogue for the elements of a thread.
class SourceReader {
public:
  virtual ~SourceReader() = default;
  /// Reads the values for the 8 columns from `column` on.
  void advance(int64_t column) {
    if (!hasColumns())
      return;
    values.clear();
    readColumns(column);
  }
  /// The value for row `half` and column `lane` of the pair.
  Value get(int64_t half, int64_t lane) const {
    switch (along) {
    case EpilogueAxisKind::N:
      return values[lane];
    case EpilogueAxisKind::M:
      return values[half];
    case EpilogueAxisKind::MN:
      return values[2 * half + lane];
    default:
      return values.front();
    }
  }

protected:
  SourceReader(NVVMBuilder &b, EpilogueOperandAttr role) : b(b), along(role.getAlong()), element(role.getElement()) {}

  virtual void readColumns(int64_t column) = 0;
  bool hasColumns() const { return along == EpilogueAxisKind::N || along == EpilogueAxisKind::MN; }
  Value toF32(Value value) {
    return value.getType().isF32() ? value : Value(LLVM::FPExtOp::create(b, b.getF32Type(), value));
  }
  /// Adds the two elements that `load` reads at once. `load` returns both as one value of the type that it is given.
  void addPair(function_ref<Value(Type)> load) {
    if (element.isBF16()) { // the upper half of an f32
      Value bits = load(b.getI32Type());
      values.push_back(LLVM::BitcastOp::create(b, b.getF32Type(), b.shiftLeft(bits, 16)));
      values.push_back(LLVM::BitcastOp::create(b, b.getF32Type(), b.bitAnd(bits, 0xffff0000)));
      return;
    }
    Value pair = load(VectorType::get(2, element));
    for (int64_t lane : {0, 1})
      values.push_back(toF32(LLVM::ExtractElementOp::create(b, pair, b.i32(lane))));
  }

  NVVMBuilder &b;
  EpilogueAxisKind along;
  Type element;
  SmallVector<Value, 4> values;
};

/// Reads the operand `source` of `kernel` from global memory. `group` is null in a layout without groups. `positions`
/// has to outlive the reader.
std::unique_ptr<SourceReader> createOperandReader(NVVMBuilder &b, KernelOp kernel, Value source,
                                                  EpilogueOperandAttr role, Value group, ElementPositions &positions);
/// Reads source `i` of `op`: an operand, a tile or a fragment. `converted` is the source as the type converter left it.
/// `positions` is null if no source of `op` is an operand, and else has to outlive the reader.
std::unique_ptr<SourceReader> createSourceReader(NVVMBuilder &b, MapOp op, size_t i, Value converted,
                                                 ElementPositions *positions);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_SOURCEREADER_H
