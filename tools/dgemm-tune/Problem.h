//===- Problem.h - A problem to tune for ------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_DGEMM_TUNE_PROBLEM_H
#define DGEMM_TOOLS_DGEMM_TUNE_PROBLEM_H

#include "dgemm/Analysis/TunedTable.h"
#include "dgemm/Driver/Compiler.h"
#include "dgemm/Runtime/GemmInputs.h"

namespace dgemm::tune {

struct Problem {
  /// As it was written.
  std::string text;
  GemmLayout layout = GemmLayout::Dense;
  int64_t groups = 1;
  /// Rows; with groups, rows of each group.
  int64_t m = 0, n = 0, k = 0;
  /// Scales and elements; sizes and layout are not read.
  GemmShape recipe;

  /// Reads MxNxK, contiguous:GxMxNxK or masked:GxMxNxK. Error: another form, or a size that is not 1 to 2147483647.
  static llvm::Expected<Problem> parse(llvm::StringRef text);

  GemmShape getShape() const;
  /// Each group has m rows; masked ones have memory for twice as many.
  llvm::Expected<GemmInputs> makeInputs(uint64_t seed) const;
  /// With no config yet.
  dgemm::TunedEntry getEntry() const;
  /// What a journal calls it: as it was written, and the recipe if that is not the default one.
  std::string getKey() const;

private:
  /// Rows of A and D: of all groups together, or of each masked group.
  int64_t getRows() const;
  Recipe getRecipe() const;
};

} // namespace dgemm::tune

#endif // DGEMM_TOOLS_DGEMM_TUNE_PROBLEM_H
