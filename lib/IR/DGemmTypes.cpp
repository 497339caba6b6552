//===- DGemmTypes.cpp - Tiles, fragments, rings -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// TileType: <RxCxElement, swizzle = W>
//===----------------------------------------------------------------------===//

Type TileType::parse(AsmParser &parser) {
  SmallVector<int64_t> dims;
  Type element;
  int64_t swizzle = 0;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(dims, /*allowDynamic=*/false) || parser.parseType(element))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("swizzle") || parser.parseEqual() || parser.parseInteger(swizzle)))
    return {};
  if (parser.parseGreater())
    return {};
  if (dims.size() != 2) {
    parser.emitError(loc, "expected a tile to have 2 dimensions, but got ") << dims.size();
    return {};
  }
  return parser.getChecked<TileType>(loc, parser.getContext(), dims[0], dims[1], element, swizzle);
}

void TileType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getColumns() << "x" << getElementType();
  if (getSwizzle())
    printer << ", swizzle = " << getSwizzle();
  printer << ">";
}

LogicalResult TileType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns,
                               Type element, int64_t swizzle) {
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8)
    return emitError() << "expected a tile element type of whole bytes, but got " << element;
  if (rows < 1 || columns < 1)
    return emitError() << "expected a tile of at least 1x1 elements, but got " << rows << "x" << columns;
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "expected swizzle to be 32, 64 or 128 bytes, but got " << swizzle;
  int64_t rowBytes = columns * element.getIntOrFloatBitWidth() / 8;
  if (swizzle && rowBytes > swizzle)
    return emitError() << "expected a row of at most " << swizzle << " bytes for that swizzle, but got " << rowBytes;
  return success();
}

//===----------------------------------------------------------------------===//
// FragType: <RxCxf32>
//===----------------------------------------------------------------------===//

Type FragType::parse(AsmParser &parser) {
  SmallVector<int64_t> dims;
  Type element;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(dims, /*allowDynamic=*/false) || parser.parseType(element) ||
      parser.parseGreater())
    return {};
  if (dims.size() != 2 || !element.isF32()) {
    parser.emitError(loc, "expected a fragment to be RxCxf32");
    return {};
  }
  return parser.getChecked<FragType>(loc, parser.getContext(), dims[0], dims[1]);
}

void FragType::print(AsmPrinter &printer) const { printer << "<" << getRows() << "x" << getColumns() << "xf32>"; }

LogicalResult FragType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns) {
  if (rows != 1 && (rows < hopper::kWgmmaM || rows % hopper::kWgmmaM))
    return emitError() << "expected fragment rows to be 1 or a multiple of 64, but got " << rows;
  if (rows == 1 && columns == 1)
    return emitError() << "expected a fragment of several rows or columns, but got 1x1";
  if (columns != 1 && (columns < hopper::kWgmmaNStep || columns % hopper::kWgmmaNStep))
    return emitError() << "expected fragment columns to be 1 or a multiple of 8, but got " << columns;
  return success();
}

//===----------------------------------------------------------------------===//
// StageType, RingType
//===----------------------------------------------------------------------===//

LogicalResult StageType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<TileType> tiles) {
  if (tiles.empty())
    return emitError() << "expected a stage to hold at least one tile";
  return success();
}

LogicalResult RingType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t depth, StageType stage) {
  if (depth < 2)
    return emitError() << "expected a ring of at least 2 stages, but got " << depth;
  return success();
}

#define GET_TYPEDEF_CLASSES
#include "dgemm/IR/DGemmTypes.cpp.inc"

void DGemmDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dgemm/IR/DGemmTypes.cpp.inc"
      >();
}
