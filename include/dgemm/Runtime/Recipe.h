//===- Recipe.h - What a kernel computes with -------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element types, and the blocks that share a scale, in numbers, as the launch descriptor states them.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_RECIPE_H
#define DGEMM_RUNTIME_RECIPE_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "dgemm/Support/Scales.h"

namespace dgemm {

/// The block of elements of A or B that one scale covers; it may reach past the end of the matrix.
struct Granularity {
  int64_t rows = 1, k = 1;

  /// Shape of the scales of a matrix with these rows and K: [ceil(K / k), rows] if a block has one row, else [ceil(rows
  /// / rows of a block), ceil(K / k)].
  std::array<int64_t, 2> getShape(int64_t matrixRows, int64_t matrixK) const;
  /// The index of an element's scale in an array of that shape.
  int64_t getIndex(int64_t matrixRows, int64_t matrixK, int64_t row, int64_t column) const;

  bool operator==(const Granularity &other) const { return rows == other.rows && k == other.k; }
};

/// Element type and scales of A or B.
struct ScaledType {
  /// f8E4M3FN or f8E5M2.
  ElementType element = ElementType::F8E4M3FN;
  /// None: there are no scales, and the scale is 1.
  std::optional<Granularity> granularity;
  /// f32 or f8E8M0FNU.
  ElementType scale = ElementType::F32;

  bool operator==(const ScaledType &other) const {
    return element == other.element && granularity == other.granularity && scale == other.scale;
  }
};

/// The recipe of DeepSeek-V3 (Technical Report, section 3.3.2), without a descriptor.
struct Recipe {
  ScaledType a{ElementType::F8E4M3FN, Granularity{1, kScaleBlock}};
  ScaledType b{ElementType::F8E4M3FN, Granularity{kScaleBlock, kScaleBlock}};
  /// bf16, f16 or f32; with `quantized` f8E4M3FN or f8E5M2.
  ElementType out = ElementType::BF16;
  /// The block of D that has a scale, in rows and columns, if D is quantised.
  std::optional<Granularity> quantized = std::nullopt;
  Accuracy accuracy = Accuracy::Exact;
  /// The product is added to what D holds.
  bool accumulate = false;

  /// `sizes` as LaunchDescriptor::bindSizes makes them. Error: an operand is missing, has another type than those
  /// above, or has scales without a granularity.
  static llvm::Expected<Recipe> get(const LaunchDescriptor &launch, const Sizes &sizes);

  llvm::json::Object toJSON() const;

  bool operator==(const Recipe &other) const {
    return a == other.a && b == other.b && out == other.out && quantized == other.quantized &&
           accuracy == other.accuracy && accumulate == other.accumulate;
  }
};

} // namespace dgemm

#endif // DGEMM_RUNTIME_RECIPE_H
