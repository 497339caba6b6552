//===- Recipe.cpp - What a kernel computes with ---------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Recipe.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

std::array<int64_t, 2> Granularity::getShape(int64_t matrixRows, int64_t matrixK) const {
  int64_t rowBlocks = int64_t(divideCeil(matrixRows, rows)), kBlocks = int64_t(divideCeil(matrixK, k));
  if (rows == 1)
    return {kBlocks, rowBlocks};
  return {rowBlocks, kBlocks};
}

int64_t Granularity::getIndex(int64_t matrixRows, int64_t matrixK, int64_t row, int64_t column) const {
  if (rows == 1)
    return column / k * matrixRows + row;
  return row / rows * int64_t(divideCeil(matrixK, k)) + column / k;
}

static Expected<const OperandInfo *> findOperand(const LaunchDescriptor &launch, StringRef name,
                                                 ArrayRef<ElementType> allowed) {
  const OperandInfo *operand = launch.findOperand(name);
  if (!operand)
    return createStringError(formatv("the launch descriptor has no operand '{0}'", name));
  if (!is_contained(allowed, operand->type))
    return createStringError(
        formatv("operand '{0}' of the launch descriptor is of {1}; expected {2}", name, toString(operand->type),
                join(map_range(allowed, [](ElementType type) { return toString(type); }), " or ")));
  return operand;
}

static Expected<Granularity> evaluateGranularity(const OperandInfo &operand, const Sizes &sizes) {
  if (!operand.granularity)
    return createStringError(formatv("operand '{0}' of the launch descriptor has no granularity", operand.name));
  std::array<int64_t, 2> values = {};
  for (const auto &[index, expr] : enumerate(*operand.granularity)) {
    Expected<int64_t> value = expr.evaluate(sizes);
    if (!value)
      return createStringError(
          formatv("operand '{0}', granularity[{1}]: {2}", operand.name, index, toString(value.takeError())));
    if (*value < 0)
      return createStringError(formatv("operand '{0}', granularity[{1}] is {2}", operand.name, index, *value));
    values[index] = std::max<int64_t>(*value, 1); // a matrix without rows has blocks without rows
  }
  return Granularity{values[0], values[1]};
}

static Expected<ScaledType> getScaledType(const LaunchDescriptor &launch, const Sizes &sizes, StringRef name) {
  Expected<const OperandInfo *> values = findOperand(launch, name, {ElementType::F8E4M3FN, ElementType::F8E5M2});
  if (!values)
    return values.takeError();
  ScaledType type{(*values)->type, std::nullopt};
  std::string scaleName = ("scale_" + name).str();
  if (!launch.findOperand(scaleName))
    return type;
  Expected<const OperandInfo *> scales = findOperand(launch, scaleName, {ElementType::F32, ElementType::F8E8M0FNU});
  if (!scales)
    return scales.takeError();
  type.scale = (*scales)->type;
  Expected<Granularity> granularity = evaluateGranularity(**scales, sizes);
  if (!granularity)
    return granularity.takeError();
  type.granularity = *granularity;
  return type;
}

/// Reads the types of D and of its scales.
static Error readOutput(const LaunchDescriptor &launch, const Sizes &sizes, Recipe &recipe) {
  bool isQuantized = launch.findOperand("scale_d");
  SmallVector<ElementType, 3> types = {ElementType::BF16, ElementType::F16, ElementType::F32};
  if (isQuantized)
    types = {ElementType::F8E4M3FN, ElementType::F8E5M2};
  Expected<const OperandInfo *> d = findOperand(launch, "d", types);
  if (!d)
    return d.takeError();
  recipe.out = (*d)->type;
  if (!isQuantized)
    return Error::success();
  Expected<const OperandInfo *> scales = findOperand(launch, "scale_d", {ElementType::F32});
  if (!scales)
    return scales.takeError();
  Expected<Granularity> granularity = evaluateGranularity(**scales, sizes);
  if (!granularity)
    return granularity.takeError();
  if (granularity->rows != 1)
    return createStringError(
        formatv("operand 'scale_d' of the launch descriptor has a scale for {0} rows; expected 1", granularity->rows));
  recipe.quantized = *granularity;
  return Error::success();
}

Expected<Recipe> Recipe::get(const LaunchDescriptor &launch, const Sizes &sizes) {
  Recipe recipe;
  if (Error error = getScaledType(launch, sizes, "a").moveInto(recipe.a))
    return error;
  if (Error error = getScaledType(launch, sizes, "b").moveInto(recipe.b))
    return error;
  if (Error error = readOutput(launch, sizes, recipe))
    return std::move(error);
  recipe.accuracy = launch.accuracy;
  recipe.accumulate = launch.accumulate;
  return recipe;
}

static json::Object toJSON(const ScaledType &type) {
  json::Object object{{"type", toString(type.element)}};
  if (type.granularity) {
    object["scale_type"] = toString(type.scale);
    object["granularity"] = json::Array{type.granularity->rows, type.granularity->k};
  }
  return object;
}

json::Object Recipe::toJSON() const {
  json::Object object{{"a", dgemm::toJSON(a)},
                      {"b", dgemm::toJSON(b)},
                      {"d", dgemm::toJSON(ScaledType{out, quantized})},
                      {"accuracy", toString(accuracy)}};
  if (accumulate)
    object["accumulate"] = true;
  return object;
}

} // namespace dgemm
