//===- Problem.cpp - A problem to tune for --------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Problem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <tuple>

using namespace llvm;

namespace dgemm::tune {

constexpr uint64_t kRowAlignment = 128;

Expected<Problem> Problem::parse(StringRef text) {
  Problem problem;
  problem.text = text.str();
  StringRef sizes = text;
  if (sizes.consume_front("contiguous:"))
    problem.layout = GemmLayout::Contiguous;
  else if (sizes.consume_front("masked:"))
    problem.layout = GemmLayout::Masked;
  SmallVector<StringRef> parts;
  sizes.split(parts, 'x');
  SmallVector<int64_t *> fields = {&problem.m, &problem.n, &problem.k};
  if (problem.layout != GemmLayout::Dense)
    fields.insert(fields.begin(), &problem.groups);
  bool ok = parts.size() == fields.size();
  for (size_t i = 0; ok && i < parts.size(); ++i)
    ok = !parts[i].getAsInteger(10, *fields[i]) && *fields[i] >= 1 && *fields[i] <= kMaxSize;
  if (!ok)
    return createStringError("'" + text +
                             "' is not a problem; expected MxNxK, contiguous:GxMxNxK or masked:GxMxNxK with "
                             "sizes of 1 to 2147483647");
  return problem;
}

int64_t Problem::getRows() const {
  switch (layout) {
  case GemmLayout::Dense:
  case GemmLayout::Batched:
    return m;
  case GemmLayout::Contiguous:
  case GemmLayout::Offsets:
  case GemmLayout::KGrouped:
    return groups * int64_t(alignTo(uint64_t(m), kRowAlignment));
  case GemmLayout::Masked:
    return int64_t(alignTo<64>(uint64_t(std::max<int64_t>(2 * m, 128))));
  }
  llvm_unreachable("unknown layout");
}

GemmShape Problem::getShape() const {
  GemmShape shape = recipe;
  shape.m = getRows();
  shape.n = n;
  shape.k = k;
  shape.layout = layout;
  if (layout != GemmLayout::Dense)
    shape.groups = groups;
  shape.rowAlignment = kRowAlignment;
  if (layout == GemmLayout::Masked)
    shape.expectedM = m;
  return shape;
}

static ScaledType getScaledType(ElementType element, ScaleGranularity scale, int64_t rows, int64_t k) {
  if (scale == ScaleGranularity::None)
    return {element, std::nullopt};
  bool isSquare = scale == ScaleGranularity::SquareBlock;
  bool varies = isSquare || scale == ScaleGranularity::RowBlock, isTensor = scale == ScaleGranularity::Tensor;
  return {element, Granularity{isSquare ? kScaleBlock : isTensor ? rows : 1, varies ? kScaleBlock : k}};
}

Recipe Problem::getRecipe() const {
  Recipe result;
  result.a = getScaledType(recipe.aType, recipe.scaleA, getRows(), k);
  result.b = getScaledType(recipe.bType, recipe.scaleB, n, k);
  result.out = recipe.outType;
  if (recipe.outType == ElementType::F8E4M3FN || recipe.outType == ElementType::F8E5M2)
    result.quantized = Granularity{1, kScaleBlock};
  result.accuracy = recipe.accuracy;
  return result;
}

std::string Problem::getKey() const {
  GemmShape plain;
  auto getParts = [](const GemmShape &shape) {
    return std::tie(shape.scaleA, shape.scaleB, shape.aType, shape.bType, shape.outType, shape.accuracy);
  };
  if (getParts(recipe) == getParts(plain))
    return text;
  return formatv("{0} {1} {2} by {3} {4}, {5} {6}", text, toString(recipe.aType), toString(recipe.scaleA),
                 toString(recipe.bType), toString(recipe.scaleB), toString(recipe.outType), toString(recipe.accuracy));
}

Expected<GemmInputs> Problem::makeInputs(uint64_t seed) const {
  GemmSizes sizes;
  sizes.m = getRows();
  sizes.n = n;
  sizes.k = k;
  sizes.layout = layout;
  sizes.groups = groups;
  std::vector<int64_t> rows;
  if (layout != GemmLayout::Dense)
    rows.assign(groups, m);
  return makeRandomInputs(sizes, seed, rows, layout == GemmLayout::Contiguous ? kRowAlignment : 1, getRecipe());
}

dgemm::TunedEntry Problem::getEntry() const {
  dgemm::TunedEntry entry;
  entry.layout = *dgemm::symbolizeLayout(toString(layout));
  entry.groups = groups;
  entry.m = layout == GemmLayout::Masked ? m : getRows();
  entry.n = n;
  entry.k = k;
  entry.recipe = getRecipeName(toString(recipe.scaleA), toString(recipe.scaleB), toString(recipe.accuracy),
                               recipe.outType == ElementType::F32);
  return entry;
}

} // namespace dgemm::tune
