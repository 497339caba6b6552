//===- BuildProblem.cpp - A shape as IR -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReadEpilogue.h"
#include "Session.h"
#include "dgemm/IR/GemmBuilder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace dgemm;

namespace {
constexpr int64_t kDynamic = GemmShape::kDynamic;
/// Rows of the smallest tile: those of a wgmma.
constexpr int64_t kMinBlockM = 64;

struct SizeDivisor {
  llvm::StringRef name;
  int64_t size, divisor;

  /// The promised divisor of the size if that is dynamic, else 1, which promises nothing.
  int64_t getPromise() const { return size == kDynamic ? divisor : 1; }
};

/// Columns of D. With a gated epilogue, D has half as many columns as B has rows.
int64_t getColumnsOfD(const GemmShape &shape, EpilogueAttr epilogue) {
  return epilogue && epilogue.getGated() && shape.n != kDynamic ? shape.n / 2 : shape.n;
}

/// The types of the operands.
class ProblemTypes {
public:
  ProblemTypes(mlir::MLIRContext *context, const GemmShape &shape, EpilogueAttr fused = {})
      : shape(shape), columnsOfD(getColumnsOfD(shape, fused)), lhs(scaled(context, shape.aType, shape.scaleA)),
        rhs(scaled(context, shape.bType, shape.scaleB)), builder(context) {}

  MemRefType a() { return matrix(lhs.getElement(), hasAs(), shape.m, shape.k, shape.lda, shape.batchStrideA); }
  MemRefType b() { return matrix(rhs.getElement(), hasBs(), shape.n, shape.k, shape.ldb, shape.batchStrideB); }
  MemRefType d() {
    return matrix(element(builder.getContext(), shape.outType), hasAs() || isKGrouped(), shape.m, columnsOfD, shape.ldd,
                  shape.batchStrideD);
  }
  MemRefType scaleA() { return scales(hasAs(), lhs, shape.m, shape.k, shape.scaleAKInnermost, shape.scaleAPitch); }
  MemRefType scaleB() {
    return scales(hasBs(), rhs, shape.n, shape.k, shape.scaleBNInnermost || shape.scaleBKInnermost, shape.scaleBPitch);
  }
  /// The scales of a quantised D, which are like those of A by 1x128; null if D has none.
  MemRefType scaleD() {
    if (!isFP8(d().getElementType()))
      return {};
    auto blocks = ScaledAttr::get(builder.getContext(), d().getElementType(), 1, kScaleBlock, builder.getF32Type());
    return scales(hasAs(), blocks, shape.m, columnsOfD, shape.scaleDNInnermost, /*pitch=*/0);
  }
  /// Null if the layout has no operand for its groups.
  MemRefType groups() {
    if (!readsGroups(shape.layout))
      return {};
    bool isOfRows = shape.layout == GemmLayout::Contiguous;
    return MemRefType::get({extent(isOfRows ? shape.m : shape.groups)}, builder.getI32Type());
  }
  MemRefType epilogue(EpilogueOperandAttr operand) {
    switch (operand.getAlong()) {
    case EpilogueAxisKind::N:
      return isGrouped() ? packed(operand, {shape.groups, columnsOfD}) : packed(operand, {columnsOfD});
    case EpilogueAxisKind::M:
      return hasAs() ? packed(operand, {shape.groups, shape.m}) : packed(operand, {shape.m});
    case EpilogueAxisKind::MN:
      return hasAs() ? packed(operand, {shape.groups, shape.m, columnsOfD}) : packed(operand, {shape.m, columnsOfD});
    case EpilogueAxisKind::G:
      return packed(operand, {shape.groups});
    case EpilogueAxisKind::None:
      return packed(operand, {1});
    }
    llvm_unreachable("no other axis");
  }
  bool isGrouped() const { return shape.layout != GemmLayout::Dense; }
  DenseI64ArrayAttr lhsGranularity() { return builder.getDenseI64ArrayAttr({lhs.getRows(), lhs.getK()}); }
  DenseI64ArrayAttr rhsGranularity() { return builder.getDenseI64ArrayAttr({rhs.getRows(), rhs.getK()}); }

private:
  /// Each group has an A and a D of its own.
  bool hasAs() const { return hasOwnRows(shape.layout); }
  bool isKGrouped() const { return shape.layout == GemmLayout::KGrouped; }
  /// Each group has a B of its own.
  bool hasBs() const { return isGrouped() && !isKGrouped(); }
  static MemRefType packed(EpilogueOperandAttr operand, ArrayRef<int64_t> sizes) {
    return MemRefType::get(llvm::map_to_vector(sizes, extent), operand.getElement());
  }
  static int64_t extent(int64_t size) { return size == kDynamic ? ShapedType::kDynamic : size; }
  static int64_t blocks(int64_t size, int64_t block) {
    if (block == ScaledAttr::kFull)
      return 1;
    return size == kDynamic ? size : int64_t(llvm::divideCeil(size, block));
  }
  static Type element(mlir::MLIRContext *context, ElementType type) {
    switch (type) {
    case ElementType::F8E4M3FN:
      return Float8E4M3FNType::get(context);
    case ElementType::F8E5M2:
      return mlir::Float8E5M2Type::get(context);
    case ElementType::F16:
      return mlir::Float16Type::get(context);
    case ElementType::F32:
      return mlir::Float32Type::get(context);
    default:
      return mlir::BFloat16Type::get(context);
    }
  }
  static ScaledAttr scaled(mlir::MLIRContext *context, ElementType type, ScaleGranularity granularity) {
    if (granularity == ScaleGranularity::None)
      return ScaledAttr::getWithoutScales(element(context, type));
    bool isForEachRow = granularity == ScaleGranularity::Row || granularity == ScaleGranularity::RowBlock;
    bool isWhole = granularity == ScaleGranularity::Tensor || granularity == ScaleGranularity::Row;
    int64_t block = isWhole ? ScaledAttr::kFull : kScaleBlock;
    return ScaledAttr::get(context, element(context, type), isForEachRow ? 1 : block, block,
                           mlir::Float32Type::get(context));
  }

  /// `strides` are those of rows and columns, kDynamic for `?`. `step` is that of groups, 0 if they follow each other.
  MemRefType type(Type element, bool hasGroups, int64_t rows, int64_t columns,
                  std::optional<std::pair<int64_t, int64_t>> strides = {}, int64_t step = 0) {
    SmallVector<int64_t> dims = {extent(rows), extent(columns)};
    if (hasGroups)
      dims.insert(dims.begin(), extent(shape.groups));
    if (!strides)
      return MemRefType::get(dims, element);
    auto [row, column] = *strides;
    SmallVector<int64_t> all = {extent(row), extent(column)};
    if (hasGroups) {
      bool isDynamic = !step && llvm::is_contained({rows, columns, row, column}, kDynamic);
      all.insert(all.begin(), isDynamic ? ShapedType::kDynamic : step ? step : std::max(rows * row, columns * column));
    }
    return MemRefType::get(dims, element, mlir::StridedLayoutAttr::get(builder.getContext(), /*offset=*/0, all));
  }
  /// `pitch` from row to row and `step` from group to group; 0 where these follow each other.
  MemRefType matrix(Type element, bool hasGroups, int64_t rows, int64_t columns, int64_t pitch, int64_t step) {
    if (!pitch && !step)
      return type(element, hasGroups, rows, columns);
    return type(element, hasGroups, rows, columns, std::pair<int64_t, int64_t>(pitch ? pitch : columns, 1), step);
  }
  /// The scales of an operand with these rows and columns; the outer dimension is innermost if `isTransposed`. `pitch`
  /// is the stride of the dimension that is not innermost; 0 where lines follow each other. Null for no scales.
  MemRefType scales(bool hasGroups, ScaledAttr scaled, int64_t operandRows, int64_t operandColumns, bool isTransposed,
                    int64_t pitch) {
    if (!scaled.hasScales())
      return {};
    int64_t rows = blocks(operandRows, scaled.getRows()), columns = blocks(operandColumns, scaled.getK());
    if (scaled.isForEachRow())
      std::swap(rows, columns);
    if (!isTransposed && !pitch)
      return type(scaled.getScale(), hasGroups, rows, columns);
    auto strides = isTransposed ? std::pair<int64_t, int64_t>(1, pitch ? pitch : rows) : std::pair(pitch, int64_t(1));
    return type(scaled.getScale(), hasGroups, rows, columns, strides);
  }

  const GemmShape &shape;
  int64_t columnsOfD;
  ScaledAttr lhs, rhs;
  Builder builder;
};
} // namespace

static std::array<SizeDivisor, 5> getDivisors(const GemmShape &shape) {
  return {{{"n", shape.n, shape.nDivisor},
           {"k", shape.k, shape.kDivisor},
           {"lda", shape.lda, shape.ldaDivisor},
           {"ldb", shape.ldb, shape.ldbDivisor},
           {"ldd", shape.ldd, shape.lddDivisor}}};
}

/// Sizes and leading dimensions.
static llvm::Error checkSizes(const GemmShape &shape) {
  // 0 means no leading dimension.
  std::vector<std::tuple<const char *, int64_t, int64_t>> sizes = {{"M", shape.m, 1},
                                                                   {"N", shape.n, 1},
                                                                   {"K", shape.k, 1},
                                                                   {"the leading dimension of A", shape.lda, 0},
                                                                   {"the leading dimension of B", shape.ldb, 0},
                                                                   {"the leading dimension of D", shape.ldd, 0}};
  if (shape.layout != GemmLayout::Dense)
    sizes.emplace_back("the number of groups", shape.groups, 1);
  for (auto [name, size, least] : sizes)
    if (size != kDynamic && (size < least || size > INT32_MAX))
      return makeError(llvm::formatv("expected {0} to be 1 to 2147483647 or dynamic, but got {1}", name, size));
  return llvm::Error::success();
}

/// A batch stride must be positive. It requires a batched layout whose rows have known strides. Each launch checks that
/// no two elements of D have the same address.
static llvm::Error checkBatchStrides(const GemmShape &shape) {
  std::tuple<const char *, int64_t, int64_t, int64_t> strides[] = {{"A", shape.batchStrideA, shape.lda, shape.k},
                                                                   {"B", shape.batchStrideB, shape.ldb, shape.k},
                                                                   {"D", shape.batchStrideD, shape.ldd, shape.n}};
  for (auto [name, stride, pitch, row] : strides) {
    if (stride < 0)
      return makeError(llvm::formatv("expected the batch stride of {0} to be at least 1, or 0 for matrices that follow "
                                     "each other, but got {1}",
                                     name, stride));
    if (stride && shape.layout != GemmLayout::Batched)
      return makeError(
          llvm::formatv("expected a batch stride of {0} in a batched layout only, but got {1} in a {2} one", name,
                        stride, toString(shape.layout)));
    if (stride && !pitch && row == kDynamic)
      return makeError(
          llvm::formatv("expected a leading dimension of {0} beside its batch stride of {1}, as its rows are "
                        "dynamic",
                        name, stride));
  }
  return llvm::Error::success();
}

/// A leading dimension is at least the length of a row.
static llvm::Error checkPitches(const GemmShape &shape, EpilogueAttr epilogue) {
  std::tuple<const char *, int64_t, int64_t> pitches[] = {
      {"A", shape.lda, shape.k}, {"B", shape.ldb, shape.k}, {"D", shape.ldd, getColumnsOfD(shape, epilogue)}};
  for (auto [name, pitch, row] : pitches)
    if (pitch && pitch != kDynamic && pitch < row)
      return makeError(llvm::formatv("expected the leading dimension of {0} to be at least its row, {1}, but got {2}",
                                     name, row, pitch));
  return llvm::Error::success();
}

/// Element types, and scales that may have two orders.
static llvm::Error checkRecipe(const GemmShape &shape) {
  for (auto [name, type] : {std::pair("A", shape.aType), {"B", shape.bType}})
    if (type != ElementType::F8E4M3FN && type != ElementType::F8E5M2)
      return makeError(llvm::formatv("expected {0} to be f8E4M3FN or f8E5M2, but got {1}", name, toString(type)));
  constexpr ElementType kFP8[] = {ElementType::F8E4M3FN, ElementType::F8E5M2};
  constexpr ElementType kWide[] = {ElementType::BF16, ElementType::F16, ElementType::F32};
  bool isQuantized = llvm::is_contained(kFP8, shape.outType);
  if (!isQuantized && !llvm::is_contained(kWide, shape.outType))
    return makeError(
        llvm::formatv("expected D to be bf16, f16, f32, f8E4M3FN or f8E5M2, but got {0}", toString(shape.outType)));
  if (!isQuantized && shape.scaleDNInnermost)
    return makeError(
        llvm::formatv("expected scales of D with N innermost of an FP8 D only, but got {0}", toString(shape.outType)));
  for (auto [name, scale] : {std::pair("A", shape.scaleA), {"B", shape.scaleB}})
    if (shape.accuracy != Accuracy::Exact &&
        (scale == ScaleGranularity::RowBlock || scale == ScaleGranularity::SquareBlock))
      return makeError(
          llvm::formatv("expected scales of {0} by tensor, row or none for {1} accuracy, as those by {2} are "
                        "multiplied in for each 128 of K",
                        name, toString(shape.accuracy), toString(scale)));
  std::tuple<const char *, bool, ScaleGranularity> orders[] = {{"A", shape.scaleAKInnermost, shape.scaleA},
                                                               {"B", shape.scaleBKInnermost, shape.scaleB}};
  for (auto [name, isKInnermost, granularity] : orders)
    if (isKInnermost && granularity != ScaleGranularity::RowBlock && granularity != ScaleGranularity::Row)
      return makeError(llvm::formatv("expected scales of {0} by 1x128 or row if K is innermost, but got {1}", name,
                                     toString(granularity)));
  if (shape.scaleBNInnermost && shape.scaleB != ScaleGranularity::SquareBlock)
    return makeError(
        llvm::formatv("expected scales of B by 128x128 if N is innermost, but got {0}", toString(shape.scaleB)));
  return llvm::Error::success();
}

/// The scales of one line: those that lie innermost.
static int64_t getScalesOfLine(ScaleGranularity granularity, int64_t rows, int64_t k, bool isTransposed) {
  bool isSquare = granularity == ScaleGranularity::SquareBlock;
  auto blocksOf = [](int64_t size) {
    return size == kDynamic ? kDynamic : int64_t(llvm::divideCeil(size, kScaleBlock));
  };
  int64_t alongK = granularity == ScaleGranularity::Row ? 1 : blocksOf(k), alongRows = isSquare ? blocksOf(rows) : rows;
  return isSquare == isTransposed ? alongRows : alongK;
}

/// A pitch of scales is at least the length of a line.
static llvm::Error checkScalePitches(const GemmShape &shape) {
  bool isBTransposed = shape.scaleBNInnermost || shape.scaleBKInnermost;
  std::tuple<const char *, int64_t, ScaleGranularity, int64_t, bool> all[] = {
      {"A", shape.scaleAPitch, shape.scaleA, shape.m, shape.scaleAKInnermost},
      {"B", shape.scaleBPitch, shape.scaleB, shape.n, isBTransposed}};
  for (auto [name, pitch, granularity, rows, isTransposed] : all) {
    if (!pitch)
      continue;
    if (granularity == ScaleGranularity::Tensor || granularity == ScaleGranularity::None)
      return makeError(llvm::formatv("expected no pitch of the scales of {0} by {1}, but got {2}", name,
                                     toString(granularity), pitch));
    int64_t line = std::max<int64_t>(1, getScalesOfLine(granularity, rows, shape.k, isTransposed));
    if (pitch < line || pitch > INT32_MAX)
      return makeError(llvm::formatv("expected the pitch of the scales of {0} to be {1} to 2147483647, but got {2}",
                                     name, line, pitch));
  }
  return llvm::Error::success();
}

static llvm::Error checkShape(const GemmShape &shape) {
  if (llvm::Error error = checkSizes(shape))
    return error;
  if (llvm::Error error = checkRecipe(shape))
    return error;
  if (shape.layout == GemmLayout::Contiguous &&
      (shape.rowAlignment < 1 || shape.rowAlignment > INT32_MAX || shape.rowAlignment % kMinBlockM))
    return makeError(llvm::formatv("expected the row alignment of groups to be a multiple of {0}, the rows of the "
                                   "smallest tile, but got {1}",
                                   kMinBlockM, shape.rowAlignment));
  if (shape.layout == GemmLayout::KGrouped &&
      (shape.rowAlignment < 1 || shape.rowAlignment > INT32_MAX || shape.rowAlignment % kScaleBlock))
    return makeError(llvm::formatv("expected the alignment of groups of K to be a multiple of {0}, but got {1}",
                                   kScaleBlock, shape.rowAlignment));
  if (shape.layout == GemmLayout::Offsets && (shape.rowAlignment < 1 || shape.rowAlignment > INT32_MAX))
    return makeError(
        llvm::formatv("expected the row alignment of groups to be 1 to 2147483647, but got {0}", shape.rowAlignment));
  if (shape.expectedM < 0 || shape.expectedM > INT32_MAX)
    return makeError(
        llvm::formatv("expected the expected M to be 1 to 2147483647, or 0 for none, but got {0}", shape.expectedM));
  for (const SizeDivisor &entry : getDivisors(shape))
    if (entry.divisor < 1 || (entry.size > 0 && entry.size % entry.divisor))
      return makeError(llvm::formatv("expected the divisor of {0} to be positive{1}, but got {2}", entry.name.upper(),
                                     entry.size > 0 ? " and to divide " + std::to_string(entry.size) : "",
                                     entry.divisor));
  if (llvm::Error error = checkScalePitches(shape))
    return error;
  return checkBatchStrides(shape);
}

/// "dgemm_m4096_nx_k512", "dgemm_masked_g8_m..."; x for a dynamic size.
static std::string makeEntry(const GemmShape &shape) {
  auto nameOf = [](int64_t size) { return size == kDynamic ? "x" : std::to_string(size); };
  std::string group;
  if (shape.layout != GemmLayout::Dense)
    group = llvm::formatv("_{0}_g{1}", toString(shape.layout), nameOf(shape.groups));
  return llvm::formatv("dgemm{0}_m{1}_n{2}_k{3}", group, nameOf(shape.m), nameOf(shape.n), nameOf(shape.k));
}

/// Null if nothing is promised.
static DivisorsAttr makeDivisors(mlir::MLIRContext *context, const GemmShape &shape) {
  std::array<SizeDivisor, 5> all = getDivisors(shape);
  if (llvm::all_of(all, [](const SizeDivisor &entry) { return entry.getPromise() == 1; }))
    return {};
  return DivisorsAttr::get(context, all[0].getPromise(), all[1].getPromise(), all[2].getPromise(), all[3].getPromise(),
                           all[4].getPromise());
}

/// The function: its arguments are the operands of the gemm.
static void buildFunction(mlir::ImplicitLocOpBuilder &b, const GemmShape &shape, EpilogueAttr epilogue,
                          llvm::StringRef entry) {
  ProblemTypes types(b.getContext(), shape, epilogue);
  SmallVector<Type> operands = {types.a(), types.scaleA(), types.b(), types.scaleB(), types.d(), types.groups()};
  size_t firstOfEpilogue = operands.size();
  if (epilogue)
    for (EpilogueOperandAttr operand : epilogue.getOperands())
      operands.push_back(types.epilogue(operand));
  size_t endOfEpilogue = operands.size();
  operands.push_back(types.scaleD());
  auto given = llvm::make_filter_range(operands, [](Type type) { return !!type; });
  auto func = mlir::func::FuncOp::create(b, entry, b.getFunctionType(llvm::to_vector(given), {}));
  func->setAttr(kKernelAttr, b.getUnitAttr());
  mlir::Block *body = func.addEntryBlock();
  b.setInsertionPointToStart(body);
  auto *argument = body->args_begin();
  SmallVector<Value> values =
      llvm::map_to_vector(operands, [&](Type type) { return type ? Value(*argument++) : Value(); });
  GemmBuilder gemm(b, b.getLoc());
  gemm.lhs(values[0], values[1], types.lhsGranularity());
  gemm.rhs(values[2], values[3], types.rhsGranularity());
  gemm.out(values[4]).divisible(makeDivisors(b.getContext(), shape)).pdl(shape.pdl);
  gemm.accumulate(shape.accumulate);
  gemm.accuracy(*symbolizeAccuracyKind(toString(shape.accuracy)));
  if (shape.layout == GemmLayout::Contiguous)
    gemm.contiguous(values[5], shape.rowAlignment);
  if (shape.layout == GemmLayout::Masked)
    gemm.masked(values[5]);
  if (shape.layout == GemmLayout::Offsets)
    gemm.offsets(values[5], shape.rowAlignment);
  if (shape.layout == GemmLayout::KGrouped)
    gemm.kGrouped(values[5], shape.rowAlignment);
  if (shape.layout == GemmLayout::Batched)
    gemm.batched();
  bool isOfGroups = shape.layout == GemmLayout::Masked || shape.layout == GemmLayout::Offsets;
  if (shape.expectedM && (isOfGroups || shape.m == kDynamic))
    gemm.expectRows(shape.expectedM);
  if (epilogue)
    gemm.epilogue(epilogue, ArrayRef(values).slice(firstOfEpilogue, endOfEpilogue - firstOfEpilogue));
  if (values.back())
    gemm.quantized(values.back());
  gemm.create();
  mlir::func::ReturnOp::create(b);
}

llvm::StringRef dgemm::toString(ScaleGranularity granularity) {
  switch (granularity) {
  case ScaleGranularity::Tensor:
    return "tensor";
  case ScaleGranularity::Row:
    return "row";
  case ScaleGranularity::RowBlock:
    return "1x128";
  case ScaleGranularity::SquareBlock:
    return "128x128";
  case ScaleGranularity::None:
    return "none";
  }
  llvm_unreachable("no other granularity");
}

std::optional<ScaleGranularity> dgemm::parseScaleGranularity(llvm::StringRef name) {
  for (ScaleGranularity granularity : {ScaleGranularity::Tensor, ScaleGranularity::Row, ScaleGranularity::RowBlock,
                                       ScaleGranularity::SquareBlock, ScaleGranularity::None})
    if (name == toString(granularity))
      return granularity;
  return std::nullopt;
}

llvm::Error Session::build(const GemmShape &shape) {
  StageTimer timer(times, "problem");
  if (llvm::Error error = checkShape(shape))
    return error;
  if (!options.entry.empty() && !isKernelName(options.entry))
    return makeError(
        "expected the entry to be a name of letters, digits, _ and $ that does not start with a digit, but "
        "got '" +
        options.entry + "'");
  context.loadDialect<DGemmDialect, mlir::func::FuncDialect>();
  EpilogueAttr epilogue;
  if (!shape.epilogue.empty()) {
    pointsIntoText = true;
    // No operand of an epilogue is FP8.
    Type out = ProblemTypes(&context, shape).d().getElementType();
    epilogue = readEpilogue(&context, shape.epilogue, isFP8(out) ? mlir::BFloat16Type::get(&context) : out);
    pointsIntoText = false;
    if (!epilogue)
      return takeDiagnostics("the epilogue is not valid");
  }
  if (llvm::Error error = checkPitches(shape, epilogue))
    return error;
  auto location = mlir::UnknownLoc::get(&context);
  module = mlir::ModuleOp::create(location);
  auto b = mlir::ImplicitLocOpBuilder::atBlockEnd(location, module->getBody());
  buildFunction(b, shape, epilogue, options.entry.empty() ? makeEntry(shape) : options.entry);
  return mlir::succeeded(mlir::verify(*module)) ? llvm::Error::success() : takeDiagnostics("the problem is not valid");
}

std::string dgemm::listEpilogues() { return listReadyMadeEpilogues(); }

llvm::Expected<std::string> dgemm::makeProblem(const GemmShape &shape, const CompileOptions &options) {
  return lowerToText(shape, Stage::Problem, options);
}
