//===- ShapeOptions.h - The options that describe a problem -----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_COMMON_SHAPEOPTIONS_H
#define DGEMM_TOOLS_COMMON_SHAPEOPTIONS_H

#include "OptionRules.h"
#include "dgemm/Driver/Compiler.h"
#include "llvm/Support/CommandLine.h"
#include <memory>

namespace dgemm {

/// Elements; TMA takes strides below 2^40 bytes.
constexpr int64_t kMaxBatchStride = (int64_t(1) << 40) - 1;

/// --m, --layout, --lda and so on, common to dgemm-gen and dgemm-run.
/// What scales and elements a problem has.
class RecipeOptions {
public:
  explicit RecipeOptions(llvm::cl::OptionCategory &category) : category(category) {}

  void setRecipe(GemmShape &shape) const;
  std::vector<const llvm::cl::Option *> getOptions() const {
    return {&scaleA, &scaleB, &aType, &bType, &outType, &accuracy, &accumulate};
  }
  ScaleGranularity getScaleA() const { return scaleA; }
  ScaleGranularity getScaleB() const { return scaleB; }
  ElementType getOutType() const { return outType; }

private:
  llvm::cl::OptionCategory &category;
  static llvm::cl::ValuesClass getGranularities() {
    return llvm::cl::values(clEnumValN(ScaleGranularity::Tensor, "tensor", "one"),
                            clEnumValN(ScaleGranularity::Row, "row", "one for each row: a token of A, a channel of B"),
                            clEnumValN(ScaleGranularity::RowBlock, "1x128", "one for each row and 128 columns"),
                            clEnumValN(ScaleGranularity::SquareBlock, "128x128", "one for each block of 128 x 128"),
                            clEnumValN(ScaleGranularity::None, "none", "none: the operand is used as it is"));
  }
  static llvm::cl::ValuesClass getFP8Types() {
    return llvm::cl::values(clEnumValN(ElementType::F8E4M3FN, "e4m3", "f8E4M3FN"),
                            clEnumValN(ElementType::F8E5M2, "e5m2", "f8E5M2"));
  }
  llvm::cl::opt<ScaleGranularity> scaleA{"scale-a", llvm::cl::desc("Scales of A (default 1x128)"),
                                         llvm::cl::init(ScaleGranularity::RowBlock), getGranularities(),
                                         llvm::cl::cat(category)};
  llvm::cl::opt<ScaleGranularity> scaleB{"scale-b", llvm::cl::desc("Scales of B (default 128x128)"),
                                         llvm::cl::init(ScaleGranularity::SquareBlock), getGranularities(),
                                         llvm::cl::cat(category)};
  llvm::cl::opt<ElementType> aType{"a-type", llvm::cl::desc("Element type of A (default e4m3)"),
                                   llvm::cl::init(ElementType::F8E4M3FN), getFP8Types(), llvm::cl::cat(category)};
  llvm::cl::opt<ElementType> bType{"b-type", llvm::cl::desc("Element type of B (default e4m3)"),
                                   llvm::cl::init(ElementType::F8E4M3FN), getFP8Types(), llvm::cl::cat(category)};
  llvm::cl::opt<ElementType> outType{
      "out", llvm::cl::desc("Element type of D (default bf16)"), llvm::cl::init(ElementType::BF16),
      llvm::cl::values(
          clEnumValN(ElementType::BF16, "bf16", ""), clEnumValN(ElementType::F16, "f16", ""),
          clEnumValN(ElementType::F32, "f32", ""),
          clEnumValN(ElementType::F8E4M3FN, "e4m3", "quantised, with a scale for each row and 128 columns"),
          clEnumValN(ElementType::F8E5M2, "e5m2", "the same")),
      llvm::cl::cat(category)};
  llvm::cl::opt<bool> accumulate{"accumulate", llvm::cl::desc("The product is added to what D holds"),
                                 llvm::cl::cat(category)};
  llvm::cl::opt<Accuracy> accuracy{
      "accuracy", llvm::cl::desc("Accuracy of D"), llvm::cl::init(Accuracy::Exact),
      llvm::cl::values(
          clEnumValN(Accuracy::Exact, "exact", "sums are promoted to f32 for each 128 of K (default)"),
          clEnumValN(Accuracy::Balanced, "balanced",
                     "sums are promoted for each 256 of K at most; requires scales by tensor, row or none"),
          clEnumValN(Accuracy::Fast, "fast",
                     "the tensor cores sum along all of K; requires scales by tensor, row or none")),
      llvm::cl::cat(category)};
};

class ShapeOptions {
public:
  explicit ShapeOptions(llvm::cl::OptionCategory &category) : category(category) {}

  /// True if one of --m, --n and --k was given.
  bool hasSizes() const { return m.getNumOccurrences() + n.getNumOccurrences() + k.getNumOccurrences() > 0; }
  /// "m", "n" or "k" where that was not given; empty if all were.
  llvm::StringRef getMissingSize() const;
  /// The problem as given; kDynamic for a size of `?` or none. Error: a size that is neither an integer of 0 to
  /// 2147483647 nor `?`.
  llvm::Expected<GemmShape> getShape() const;
  /// `shape` with the sizes that --dynamic names left dynamic.
  GemmShape leaveDynamic(GemmShape shape);
  GemmLayout getLayout() const { return layout; }

  /// Which options have no effect on a new problem of these sizes and layout.
  std::vector<OptionRule> getRules();
  /// Error: a grouped layout without --groups, or --dynamic names a size that there is not.
  llvm::Error check();
  /// --m, --n, --k, --groups and the leading dimensions, which a compiled kernel may leave open.
  std::vector<const llvm::cl::Option *> getSizeOptions() const { return {&m, &n, &k, &groups, &lda, &ldb, &ldd}; }
  /// The rest: what a kernel is compiled for.
  std::vector<const llvm::cl::Option *> getKernelOptions() const {
    std::vector<const llvm::cl::Option *> options = {
        &layout,       &rowAlignment, &expectedM,    &scaleAK,
        &scaleBK,      &scaleBN,      &pdl,          std::addressof(dynamic),
        &nDivisor,     &kDivisor,     &ldaDivisor,   &ldbDivisor,
        &lddDivisor,   &epilogue,     &batchStrideA, &batchStrideB,
        &batchStrideD, &scaleDN,      &scaleAPitch,  &scaleBPitch};
    for (const llvm::cl::Option *option : recipe.getOptions())
      options.push_back(option);
    return options;
  }

private:
  enum class SizeName { M, N, K, Groups, LDA, LDB, LDD };
  static int64_t &getSize(GemmShape &shape, SizeName name);
  bool isDynamic(SizeName name, const llvm::cl::opt<std::string> &option) {
    return option == "?" || dynamic.isSet(name);
  }

  llvm::cl::OptionCategory &category;
  RecipeOptions recipe{category};

  llvm::cl::opt<std::string> m{"m", llvm::cl::desc("Rows of A and D; ? for a size given at launch"),
                               llvm::cl::value_desc("size"), llvm::cl::cat(category)};
  llvm::cl::opt<std::string> n{"n", llvm::cl::desc("Rows of B, columns of D"), llvm::cl::value_desc("size"),
                               llvm::cl::cat(category)};
  llvm::cl::opt<std::string> k{"k", llvm::cl::desc("Columns of A and B"), llvm::cl::value_desc("size"),
                               llvm::cl::cat(category)};
  llvm::cl::opt<GemmLayout> layout{
      "layout", llvm::cl::desc("How rows are grouped"), llvm::cl::init(GemmLayout::Dense),
      llvm::cl::values(clEnumValN(GemmLayout::Dense, "dense", "one matrix (default)"),
                       clEnumValN(GemmLayout::Contiguous, "contiguous", "groups one after the other, m_indices[M]"),
                       clEnumValN(GemmLayout::Masked, "masked", "M rows for each group, masked_m[G] of them used"),
                       clEnumValN(GemmLayout::Offsets, "offsets",
                                  "groups one after the other, offsets[G] the row behind the last of each"),
                       clEnumValN(GemmLayout::KGrouped, "k_grouped",
                                  "groups of columns of K, offsets[G] the column after the last of each; a D for each"),
                       clEnumValN(GemmLayout::Batched, "batched", "each group has its own A, B and D")),
      llvm::cl::cat(category)};
  llvm::cl::opt<std::string> groups{"groups", llvm::cl::desc("Number of groups"), llvm::cl::value_desc("size"),
                                    llvm::cl::init("?"), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> rowAlignment{
      "row-alignment", llvm::cl::desc("Contiguous, offsets, k_grouped: groups start at multiples of it (default 128)"),
      llvm::cl::value_desc("rows"), llvm::cl::init(128), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> expectedM{
      "expected-m",
      llvm::cl::desc("Rows to choose the config for: of a dynamic M, or of a group whose rows the kernel reads"),
      llvm::cl::value_desc("rows"), llvm::cl::init(0), llvm::cl::cat(category)};
  llvm::cl::opt<std::string> lda{"lda", llvm::cl::desc("Elements from one row of A to the next (default K)"),
                                 llvm::cl::value_desc("size"), llvm::cl::init("0"), llvm::cl::cat(category)};
  llvm::cl::opt<std::string> ldb{"ldb", llvm::cl::desc("The same of B"), llvm::cl::value_desc("size"),
                                 llvm::cl::init("0"), llvm::cl::cat(category)};
  llvm::cl::opt<std::string> ldd{"ldd", llvm::cl::desc("The same of D (default N)"), llvm::cl::value_desc("size"),
                                 llvm::cl::init("0"), llvm::cl::cat(category)};
  IntegerOption<0, kMaxBatchStride> batchStrideA{
      "batch-stride-a", llvm::cl::desc("Batched: elements from one A to the next (default: M times lda)"),
      llvm::cl::value_desc("elements"), llvm::cl::init(0), llvm::cl::cat(category)};
  IntegerOption<0, kMaxBatchStride> batchStrideB{"batch-stride-b", llvm::cl::desc("The same of B"),
                                                 llvm::cl::value_desc("elements"), llvm::cl::init(0),
                                                 llvm::cl::cat(category)};
  IntegerOption<0, kMaxBatchStride> batchStrideD{"batch-stride-d", llvm::cl::desc("The same of D"),
                                                 llvm::cl::value_desc("elements"), llvm::cl::init(0),
                                                 llvm::cl::cat(category)};
  llvm::cl::opt<bool> scaleAK{"scale-a-k-innermost", llvm::cl::desc("Scales of A lie as [M, K/128], row-major"),
                              llvm::cl::cat(category)};
  llvm::cl::opt<std::string> epilogue{
      "epilogue",
      llvm::cl::desc(
          "What becomes of the sums before they are stored: bias, residual, alpha, scale, row_scale, relu, relu2, "
          "gelu, gelu_erf, silu, sigmoid, tanh, swiglu, geglu, with + between several, or a file of MLIR functions"),
      llvm::cl::value_desc("name+...|file.mlir"), llvm::cl::cat(category)};
  llvm::cl::opt<bool> scaleBK{"scale-b-k-innermost",
                              llvm::cl::desc("Scales of B by row or 1x128 lie as [N, K/128], row-major"),
                              llvm::cl::cat(category)};
  llvm::cl::opt<bool> scaleBN{"scale-b-n-innermost", llvm::cl::desc("Scales of B lie as [K/128, N/128], row-major"),
                              llvm::cl::cat(category)};
  llvm::cl::opt<bool> scaleDN{"scale-d-n-innermost", llvm::cl::desc("Scales of D lie as [M, N/128], row-major"),
                              llvm::cl::cat(category)};
  IntegerOption<0, kMaxSize> scaleAPitch{
      "scale-a-pitch",
      llvm::cl::desc("Elements from one line of scales of A to the next (default: no gaps, or padded to 16 bytes)"),
      llvm::cl::value_desc("elements"), llvm::cl::init(0), llvm::cl::cat(category)};
  IntegerOption<0, kMaxSize> scaleBPitch{"scale-b-pitch", llvm::cl::desc("The same of B"),
                                         llvm::cl::value_desc("elements"), llvm::cl::init(0), llvm::cl::cat(category)};
  llvm::cl::opt<bool> pdl{
      "pdl",
      llvm::cl::desc("Programmatic dependent launch: the kernel sets itself up while the previous one still runs"),
      llvm::cl::cat(category)};
  llvm::cl::bits<SizeName> dynamic{
      "dynamic", llvm::cl::desc("Sizes to compile as dynamic, even if they have a value"), llvm::cl::CommaSeparated,
      llvm::cl::values(clEnumValN(SizeName::M, "m", ""), clEnumValN(SizeName::N, "n", ""),
                       clEnumValN(SizeName::K, "k", ""), clEnumValN(SizeName::Groups, "groups", ""),
                       clEnumValN(SizeName::LDA, "lda", ""), clEnumValN(SizeName::LDB, "ldb", ""),
                       clEnumValN(SizeName::LDD, "ldd", "")),
      llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> nDivisor{
      "n-divisor",
      llvm::cl::desc("A dynamic N is a multiple of it; with 8, or 16 for an FP8 D, TMA stores D (default 1)"),
      llvm::cl::value_desc("elements"), llvm::cl::init(1), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> kDivisor{
      "k-divisor", llvm::cl::desc("A dynamic K is a multiple of it; with 16, TMA loads A and B (default 1)"),
      llvm::cl::value_desc("elements"), llvm::cl::init(1), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> ldaDivisor{"lda-divisor", llvm::cl::desc("The same for a dynamic leading dimension of A"),
                                        llvm::cl::value_desc("elements"), llvm::cl::init(1), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> ldbDivisor{"ldb-divisor", llvm::cl::desc("The same for B"),
                                        llvm::cl::value_desc("elements"), llvm::cl::init(1), llvm::cl::cat(category)};
  IntegerOption<1, kMaxSize> lddDivisor{"ldd-divisor", llvm::cl::desc("The same for D; with 8, TMA stores D"),
                                        llvm::cl::value_desc("elements"), llvm::cl::init(1), llvm::cl::cat(category)};
};

} // namespace dgemm

#endif // DGEMM_TOOLS_COMMON_SHAPEOPTIONS_H
