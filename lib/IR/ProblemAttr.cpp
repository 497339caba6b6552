//===- ProblemAttr.cpp - #dgemm.problem and its parts -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/OperandGeometry.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// DivisorsAttr, ScaledAttr
//===----------------------------------------------------------------------===//

LogicalResult DivisorsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t n, int64_t k, int64_t lda,
                                   int64_t ldb, int64_t ldd) {
  for (int64_t divisor : {n, k, lda, ldb, ldd})
    if (divisor < 1)
      return emitError() << "expected positive divisors, but got " << divisor;
  return success();
}

static std::string describeExtent(int64_t extent) {
  return extent == ScaledAttr::kFull ? "full" : std::to_string(extent);
}

ParseResult dgemm::parseGranularity(AsmParser &parser, int64_t &rows, int64_t &k) {
  auto parseExtent = [&](int64_t &extent) -> ParseResult {
    extent = ScaledAttr::kFull;
    if (succeeded(parser.parseOptionalKeyword("full")))
      return success();
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseInteger(extent))
      return failure();
    return extent > 0 ? success() : parser.emitError(loc, "expected a positive extent or full");
  };
  return failure(parser.parseLSquare() || parseExtent(rows) || parser.parseComma() || parseExtent(k) ||
                 parser.parseRSquare());
}

void dgemm::printGranularity(AsmPrinter &printer, int64_t rows, int64_t k) {
  printer << '[' << describeExtent(rows) << ", " << describeExtent(k) << ']';
}

ParseResult dgemm::parseGranularity(OpAsmParser &parser, DenseI64ArrayAttr &block) {
  int64_t rows, k;
  if (parseGranularity(static_cast<AsmParser &>(parser), rows, k))
    return failure();
  block = parser.getBuilder().getDenseI64ArrayAttr({rows, k});
  return success();
}

void dgemm::printGranularity(OpAsmPrinter &printer, Operation *, DenseI64ArrayAttr block) {
  printGranularity(printer, block[0], block[1]);
}

LogicalResult ScaledAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type element, int64_t rows, int64_t k,
                                 Type scale) {
  if (!isa<Float8E4M3FNType, Float8E5M2Type>(element))
    return emitError() << "expected elements of type f8E4M3FN or f8E5M2, but got " << element;
  if (!scale)
    return rows == kFull && k == kFull ? success() : emitError() << "expected a block of rows and K only with scales";
  if (!scale.isF32())
    return emitError() << "expected scales of type f32, but got " << scale;
  bool isBlock = k == kScaleBlock && (rows == 1 || rows == kScaleBlock);
  bool isWhole = k == kFull && (rows == 1 || rows == kFull);
  if (!isBlock && !isWhole)
    return emitError() << "expected scales by [1, 128], [128, 128], [1, full] or [full, full], but got ["
                       << describeExtent(rows) << ", " << describeExtent(k) << "]";
  return success();
}

LogicalResult QuantizedAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns,
                                    Type scale) {
  if (!scale.isF32())
    return emitError() << "expected scales of D of type f32, but got " << scale;
  if (rows == 1 && columns == kScaleBlock)
    return success();
  return emitError() << "expected D to be scaled by [1, 128], but got [" << describeExtent(rows) << ", "
                     << describeExtent(columns) << "]";
}

LogicalResult dgemm::verifyOut(function_ref<InFlightDiagnostic()> emitError, StringRef name, Type out,
                               QuantizedAttr quantized, Layout layout, bool accumulate) {
  if (!quantized && !out.isBF16() && !out.isF16() && !out.isF32())
    return emitError() << "expected " << name << " to be bf16, f16, f32, or FP8 with scales, but got " << out
                       << (isFP8(out) ? " without scales" : "");
  if (quantized && !isFP8(out))
    return emitError() << "expected " << name << " with scales to be f8E4M3FN or f8E5M2, but got " << out;
  if (quantized && accumulate)
    return emitError() << "expected no scales of " << name
                       << " where the product is added to it: the scales are those of the product";
  if (quantized && layout == Layout::KGrouped)
    return emitError() << "expected no scales of " << name << " in a k_grouped layout";
  return success();
}

ScaledAttr ScaledAttr::getOfA(MLIRContext *context) {
  return get(context, Float8E4M3FNType::get(context), 1, kScaleBlock, Float32Type::get(context));
}

ScaledAttr ScaledAttr::getOfB(MLIRContext *context) {
  return get(context, Float8E4M3FNType::get(context), kScaleBlock, kScaleBlock, Float32Type::get(context));
}

//===----------------------------------------------------------------------===//
// ProblemAttr
//===----------------------------------------------------------------------===//

std::optional<Operand> ProblemAttr::getGroupOperand(Layout layout) {
  switch (layout) {
  case Layout::Dense:
  case Layout::Batched:
    return std::nullopt;
  case Layout::Contiguous:
    return Operand::MIndices;
  case Layout::Masked:
    return Operand::MaskedM;
  case Layout::Offsets:
  case Layout::KGrouped:
    return Operand::Offsets;
  }
  llvm_unreachable("no other layout");
}

SmallVector<Operand> ProblemAttr::getOperands() const {
  SmallVector<Operand> operands;
  for (Operand operand : {Operand::A, Operand::ScaleA, Operand::B, Operand::ScaleB, Operand::D})
    if (!isScale(operand) || getScaledOf(operand).hasScales())
      operands.push_back(operand);
  if (std::optional<Operand> groups = getGroupOperand(getLayout()))
    operands.push_back(*groups);
  for (size_t i = 0, e = getEpilogue() ? getEpilogue().getOperands().size() : 0; i < e; ++i)
    operands.push_back(dgemm::getEpilogueOperand(i));
  if (getQuantized())
    operands.push_back(Operand::ScaleD);
  return operands;
}

EpilogueOperandAttr ProblemAttr::getEpilogueOperand(Operand operand) const {
  std::optional<unsigned> index = getEpilogueIndex(operand);
  if (!index || !getEpilogue() || *index >= getEpilogue().getOperands().size())
    return {};
  return getEpilogue().getOperands()[*index];
}

ProblemAttr ProblemAttr::get(MLIRContext *context, Layout layout, ArrayRef<int64_t> sizes, DictionaryAttr strides,
                             DivisorsAttr divisors) {
  return get(context, DenseI64ArrayAttr::get(context, sizes), layout, strides, divisors, ScaledAttr::getOfA(context),
             ScaledAttr::getOfB(context), BFloat16Type::get(context), AccuracyKind::Exact, /*pdl=*/false,
             /*alignment=*/1, /*accumulate=*/false, EpilogueAttr(), QuantizedAttr());
}

ProblemAttr ProblemAttr::getSymbolic(Layout layout, ScaledAttr lhs, ScaledAttr rhs, Type out, EpilogueAttr epilogue,
                                     QuantizedAttr quantized) {
  MLIRContext *context = out.getContext();
  constexpr int64_t kDynamic[] = {-1, -1, -1, -1};
  auto sizes = ArrayRef(kDynamic).take_front(layout == Layout::Dense ? 3 : 4);
  // With a gated epilogue, N must be known to have two halves of whole scale blocks.
  auto divisors =
      epilogue && epilogue.getGated() ? DivisorsAttr::get(context, 2 * kScaleBlock, 1, 1, 1, 1) : DivisorsAttr();
  int64_t alignment = layout == Layout::KGrouped ? kScaleBlock : 1;
  return get(context, DenseI64ArrayAttr::get(context, sizes), layout, DictionaryAttr(), divisors, lhs, rhs, out,
             AccuracyKind::Exact, /*pdl=*/false, alignment, /*accumulate=*/false, epilogue, quantized);
}

int64_t ProblemAttr::getScalesOfTileOfB(int64_t rows) const {
  // A half lies inside a block, or has the only scale.
  return isGated() && getRhs().getRows() != ScaledAttr::kFull ? 2 : getRhs().getScalesOfTile(rows);
}

int64_t ProblemAttr::getScalesBeforeTile() const {
  constexpr int64_t kScalesIn16Bytes = 4;
  bool startsAnywhere = getLayout() == Layout::Offsets && getAlignment() % kScalesIn16Bytes != 0;
  return startsAnywhere && getLhs().isForEachRowOfKBlock() ? kScalesIn16Bytes : 0;
}

ScaledAttr ProblemAttr::getScaledOf(Operand operand) const {
  if (operand == Operand::D || operand == Operand::ScaleD)
    return ScaledAttr::get(getContext(), getOut(), getQuantized().getRows(), getQuantized().getColumns(),
                           getQuantized().getScale());
  return operand == Operand::A || operand == Operand::ScaleA ? getLhs() : getRhs();
}

ArrayRef<int64_t> ProblemAttr::getStridesOf(Operand operand) const {
  auto strides = getStrides() ? getStrides().getAs<DenseI64ArrayAttr>(stringifyOperand(operand)) : DenseI64ArrayAttr();
  return strides ? strides.asArrayRef() : ArrayRef<int64_t>();
}

Type ProblemAttr::getElementOf(Operand operand) const {
  switch (operand) {
  case Operand::A:
    return getLhs().getElement();
  case Operand::ScaleA:
    return getLhs().getScale();
  case Operand::B:
    return getRhs().getElement();
  case Operand::ScaleB:
    return getRhs().getScale();
  case Operand::D:
    return getOut();
  case Operand::ScaleD:
    return getQuantized().getScale();
  case Operand::MIndices:
  case Operand::MaskedM:
  case Operand::Offsets:
    return IntegerType::get(getContext(), 32);
  default:
    return getEpilogueOperand(operand).getElement();
  }
  llvm_unreachable("no other operand");
}

SmallVector<StringRef> ProblemAttr::getDynamicSizes() const {
  SmallVector<StringRef> names;
  for (auto [name, size] : llvm::zip(kSizeNames, getSizes().asArrayRef()))
    if (size < 0)
      names.push_back(name);
  Operand matrices[] = {Operand::A, Operand::B, Operand::D};
  for (auto [operand, name] : llvm::zip_equal(matrices, ArrayRef(kSizeNames).drop_front(kFirstLeadingDimension)))
    if (hasDynamicLeadingDimension(getStridesOf(operand)))
      names.push_back(name);
  return names;
}

/// C1.
static LogicalResult verifySizes(function_ref<InFlightDiagnostic()> emitError, Layout layout, ArrayRef<int64_t> sizes) {
  size_t expected = layout == Layout::Dense ? 3 : 4;
  if (sizes.size() != expected)
    return emitError() << "expected 'sizes' to give M, N" << (expected == 3 ? " and K" : ", K and G") << ", but got "
                       << sizes.size() << " values";
  for (auto [name, size] : llvm::zip(kSizeNames, sizes))
    if (size != -1 && (size < 1 || size > INT32_MAX))
      return emitError() << "expected " << name << " to be 1 to 2147483647, or -1 where it is dynamic, but got "
                         << size;
  return success();
}

/// Only an epilogue operand with the shape of D may have strides. Its row stride is dynamic only if that of D is.
static LogicalResult verifyEpilogueStrides(function_ref<InFlightDiagnostic()> emitError, ProblemAttr symbolic,
                                           Operand operand, DictionaryAttr all) {
  EpilogueOperandAttr role = symbolic.getEpilogueOperand(operand);
  if (!role)
    return success();
  if (role.getAlong() != EpilogueAxisKind::MN)
    return emitError() << "expected no 'strides' of '" << stringifyOperand(operand) << "', which is along "
                       << stringifyEpilogueAxisKind(role.getAlong());
  auto own = all.getAs<DenseI64ArrayAttr>(stringifyOperand(operand));
  auto ofD = all.getAs<DenseI64ArrayAttr>(stringifyOperand(Operand::D));
  if (hasDynamicLeadingDimension(own) && !(ofD && hasDynamicLeadingDimension(ofD)))
    return emitError() << "expected the row stride of '" << stringifyOperand(operand)
                       << "' to be static, as that of D is";
  return success();
}

/// C2.
static LogicalResult verifyStrides(function_ref<InFlightDiagnostic()> emitError, ProblemAttr symbolic,
                                   DictionaryAttr all) {
  SmallVector<Operand> operands = symbolic.getOperands();
  for (NamedAttribute entry : all) {
    std::optional<Operand> operand = symbolizeOperand(entry.getName());
    if (!operand || !llvm::is_contained(operands, *operand))
      return emitError() << "expected 'strides' of " << joinNames(operands) << ", but got '"
                         << entry.getName().getValue() << "'";
    auto strides = dyn_cast<DenseI64ArrayAttr>(entry.getValue());
    int64_t rank = OperandGeometry::get(symbolic, *operand).shape.size();
    if (!strides || strides.size() != rank || !areStridesOf(*operand, strides))
      return emitError() << "expected 'strides' of '" << entry.getName().getValue() << "' to be " << rank
                         << " of at least 1, or -1 where dynamic, the innermost "
                         << (isScale(*operand) ? "static" : "1") << ", but got " << entry.getValue();
    if (failed(verifyEpilogueStrides(emitError, symbolic, *operand, all)))
      return failure();
  }
  return success();
}

LogicalResult ProblemAttr::verify(function_ref<InFlightDiagnostic()> emitError, DenseI64ArrayAttr sizes, Layout layout,
                                  DictionaryAttr strides, DivisorsAttr divisors, ScaledAttr lhs, ScaledAttr rhs,
                                  Type out, AccuracyKind accuracy, bool, int64_t alignment, bool accumulate,
                                  EpilogueAttr epilogue, QuantizedAttr quantized) {
  if (failed(verifySizes(emitError, layout, sizes)))
    return failure();
  // C3.
  for (ScaledAttr scaled : {lhs, rhs})
    if (accuracy != AccuracyKind::Exact && scaled.variesAlongK())
      return emitError() << "expected accuracy = exact with " << scaled
                         << ", because its scales multiply each partial sum, but got "
                         << stringifyAccuracyKind(accuracy);
  // C4 and C9.
  if (failed(verifyOut(emitError, "D", out, quantized, layout, accumulate)))
    return failure();
  // C5.
  for (EpilogueOperandAttr operand : epilogue ? epilogue.getOperands() : ArrayRef<EpilogueOperandAttr>())
    if (operand.getAlong() == EpilogueAxisKind::G && layout == Layout::Dense)
      return emitError() << "expected '" << operand.getName()
                         << "' not to be along g in a dense layout, which has no "
                            "groups";
  // C8.
  if (epilogue && failed(verifyHasEpilogue(emitError, layout, accumulate)))
    return failure();
  // C6.
  if (epilogue && epilogue.getGated() && failed(verifyGatedColumns(emitError, rhs, sizes[1], divisors)))
    return failure();
  // C7.
  bool isAligned = layout == Layout::Offsets || layout == Layout::KGrouped;
  if (alignment < 1 || (alignment != 1 && !isAligned) || (layout == Layout::KGrouped && alignment % kScaleBlock))
    return emitError()
           << "expected 'alignment' to be at least 1, a multiple of 128 for k_grouped, and 1 for layouts other than "
              "offsets and k_grouped, but got "
           << alignment << " for " << stringifyLayout(layout);
  if (!strides)
    return success();
  return verifyStrides(emitError, ProblemAttr::getSymbolic(layout, lhs, rhs, out, epilogue, quantized), strides);
}
