//===- ShapeOptions.cpp - The options that describe a problem -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeOptions.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace dgemm {

int64_t &ShapeOptions::getSize(GemmShape &shape, SizeName name) {
  switch (name) {
  case SizeName::M:
    return shape.m;
  case SizeName::N:
    return shape.n;
  case SizeName::K:
    return shape.k;
  case SizeName::Groups:
    return shape.groups;
  case SizeName::LDA:
    return shape.lda;
  case SizeName::LDB:
    return shape.ldb;
  case SizeName::LDD:
    return shape.ldd;
  }
  llvm_unreachable("unknown size");
}

void RecipeOptions::setRecipe(GemmShape &shape) const {
  shape.scaleA = scaleA;
  shape.scaleB = scaleB;
  shape.aType = aType;
  shape.bType = bType;
  shape.outType = outType;
  shape.accuracy = accuracy;
  shape.accumulate = accumulate;
}

StringRef ShapeOptions::getMissingSize() const {
  for (const cl::opt<std::string> *option : {&m, &n, &k})
    if (option->empty())
      return option->ArgStr;
  return "";
}

/// Names as they are; of a file what it holds.
static Expected<std::string> readEpilogue(StringRef text) {
  if (!text.ends_with(".mlir"))
    return text.str();
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(text);
  if (!file)
    return createStringError(formatv("cannot read '{0}': {1}", text, file.getError().message()));
  if (!(*file)->getBuffer().contains("func.func"))
    return createStringError(formatv("'{0}' has no func.func, which an epilogue is (docs/epilogues.md)", text));
  return (*file)->getBuffer().str();
}

Expected<GemmShape> ShapeOptions::getShape() const {
  GemmShape shape;
  if (Error error = readEpilogue(epilogue).moveInto(shape.epilogue))
    return error;
  shape.layout = layout;
  shape.rowAlignment = rowAlignment;
  shape.expectedM = expectedM;
  recipe.setRecipe(shape);
  shape.batchStrideA = batchStrideA;
  shape.batchStrideB = batchStrideB;
  shape.batchStrideD = batchStrideD;
  shape.scaleAKInnermost = scaleAK;
  shape.scaleBKInnermost = scaleBK;
  shape.scaleBNInnermost = scaleBN;
  shape.scaleDNInnermost = scaleDN;
  shape.scaleAPitch = scaleAPitch;
  shape.scaleBPitch = scaleBPitch;
  shape.pdl = pdl;
  shape.nDivisor = nDivisor;
  shape.kDivisor = kDivisor;
  shape.ldaDivisor = ldaDivisor;
  shape.ldbDivisor = ldbDivisor;
  shape.lddDivisor = lddDivisor;
  for (auto [option, name] : {std::pair(&m, SizeName::M),
                              {&n, SizeName::N},
                              {&k, SizeName::K},
                              {&groups, SizeName::Groups},
                              {&lda, SizeName::LDA},
                              {&ldb, SizeName::LDB},
                              {&ldd, SizeName::LDD}}) {
    int64_t &size = getSize(shape, name);
    StringRef text = *option;
    if (text == "?" || (text.empty() && !option->getNumOccurrences()))
      size = GemmShape::kDynamic;
    else if (text.getAsInteger(10, size) || size < 0 || size > kMaxSize)
      return createStringError(
          formatv("expected an integer of 0 to {0} or ? for --{1}, but got '{2}'", kMaxSize, option->ArgStr, text));
  }
  return shape;
}

/// True if there are several scales, one beside the other.
static bool hasLines(ScaleGranularity granularity) {
  return granularity != ScaleGranularity::Tensor && granularity != ScaleGranularity::None;
}

std::vector<OptionRule> ShapeOptions::getRules() {
  ScaleGranularity ofA = recipe.getScaleA(), ofB = recipe.getScaleB();
  std::string layoutIs = ("with --layout=" + toString(layout)).str();
  ElementType outType = recipe.getOutType();
  bool isQuantized = outType == ElementType::F8E4M3FN || outType == ElementType::F8E5M2;
  StringRef out = toString(outType);
  bool isDense = layout == GemmLayout::Dense,
       isAligned = layout == GemmLayout::Contiguous || layout == GemmLayout::Offsets || layout == GemmLayout::KGrouped;
  bool hasExpectedM = layout == GemmLayout::Masked || layout == GemmLayout::Offsets || isDynamic(SizeName::M, m);
  return {{isDense, layoutIs, {&groups}},
          {!isAligned, layoutIs, {&rowAlignment}},
          {layout != GemmLayout::Batched, layoutIs, {&batchStrideA, &batchStrideB, &batchStrideD}},
          {!hasExpectedM, "with a static M of a dense, contiguous or batched layout", {&expectedM}},
          {ofA != ScaleGranularity::RowBlock, ("with --scale-a=" + toString(ofA)).str(), {&scaleAK}},
          {ofB != ScaleGranularity::RowBlock, ("with --scale-b=" + toString(ofB)).str(), {&scaleBK}},
          {ofB != ScaleGranularity::SquareBlock, ("with --scale-b=" + toString(ofB)).str(), {&scaleBN}},
          {!isQuantized, ("with --out=" + out).str(), {&scaleDN}},
          {!hasLines(ofA), ("with --scale-a=" + toString(ofA)).str(), {&scaleAPitch}},
          {!hasLines(ofB), ("with --scale-b=" + toString(ofB)).str(), {&scaleBPitch}},
          {!isDynamic(SizeName::N, n), "without a dynamic --n", {&nDivisor}},
          {!isDynamic(SizeName::K, k), "without a dynamic --k", {&kDivisor}},
          {!isDynamic(SizeName::LDA, lda), "without a dynamic --lda", {&ldaDivisor}},
          {!isDynamic(SizeName::LDB, ldb), "without a dynamic --ldb", {&ldbDivisor}},
          {!isDynamic(SizeName::LDD, ldd), "without a dynamic --ldd", {&lddDivisor}}};
}

Error ShapeOptions::check() {
  bool isDense = layout == GemmLayout::Dense;
  if (isDense && dynamic.isSet(SizeName::Groups))
    return createStringError("--dynamic=groups has no effect with --layout=dense");
  if (!isDense && !groups.getNumOccurrences() && !dynamic.isSet(SizeName::Groups))
    return createStringError(formatv(
        "--layout={0} requires --groups=COUNT, or --groups=? for a count that is given at launch", toString(layout)));
  return Error::success();
}

GemmShape ShapeOptions::leaveDynamic(GemmShape shape) {
  for (SizeName name :
       {SizeName::M, SizeName::N, SizeName::K, SizeName::Groups, SizeName::LDA, SizeName::LDB, SizeName::LDD})
    if (dynamic.isSet(name))
      getSize(shape, name) = GemmShape::kDynamic;
  return shape;
}

} // namespace dgemm
