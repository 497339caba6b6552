//===- OperandGeometry.cpp - Shapes and strides of the operands -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "llvm/ADT/Sequence.h"
#include <numeric>

using namespace mlir;
using namespace dgemm;

namespace {
/// Expressions of M, N, K and G; constants for static sizes.
struct SizeExprs {
  MLIRContext *context;
  AffineExpr m, n, k, g;

  SizeExprs(MLIRContext *context, ArrayRef<int64_t> sizes) : context(context) {
    AffineExpr *fields[] = {&m, &n, &k, &g};
    for (auto [i, size] : llvm::enumerate(sizes))
      *fields[i] = size < 0 ? getAffineDimExpr(i, context) : getAffineConstantExpr(size, context);
  }
};
} // namespace

/// Extents of scales: [K blocks, rows] for a scale for each row, otherwise [row blocks, K blocks].
static SmallVector<AffineExpr> getScaleShape(ScaledAttr scaled, AffineExpr rows, AffineExpr k) {
  AffineExpr one = getAffineConstantExpr(1, rows.getContext());
  auto blocksOf = [&](AffineExpr size, int64_t block) {
    return block == ScaledAttr::kFull ? one : size.ceilDiv(block);
  };
  AffineExpr rowBlocks = blocksOf(rows, scaled.getRows()), kBlocks = blocksOf(k, scaled.getK());
  return scaled.isForEachRow() ? SmallVector<AffineExpr>{kBlocks, rowBlocks}
                               : SmallVector<AffineExpr>{rowBlocks, kBlocks};
}

/// Extents of an operand of an epilogue.
static SmallVector<AffineExpr> getEpilogueShape(EpilogueAxisKind along, Layout layout, const SizeExprs &size,
                                                AffineExpr columns) {
  auto inGroups = [&](bool isGrouped, SmallVector<AffineExpr> shape) {
    if (isGrouped)
      shape.insert(shape.begin(), size.g);
    return shape;
  };
  switch (along) {
  case EpilogueAxisKind::N:
    return inGroups(layout != Layout::Dense, {columns});
  case EpilogueAxisKind::M:
    return inGroups(hasOwnRows(layout), {size.m});
  case EpilogueAxisKind::MN:
    return inGroups(hasOwnRows(layout), {size.m, columns});
  case EpilogueAxisKind::G:
    return {size.g};
  case EpilogueAxisKind::None:
    return {getAffineConstantExpr(1, size.context)};
  }
  llvm_unreachable("no other axis");
}

/// Extents of an operand without the group dimension; an operand of the epilogue has its group dimension.
static SmallVector<AffineExpr> getMatrixShape(ProblemAttr problem, Operand operand, const SizeExprs &size) {
  AffineExpr columns = problem.isGated() ? size.n.floorDiv(2) : size.n; // of D
  switch (operand) {
  case Operand::A:
    return {size.m, size.k};
  case Operand::B:
    return {size.n, size.k};
  case Operand::D:
    return {size.m, columns};
  case Operand::ScaleA:
    return getScaleShape(problem.getLhs(), size.m, size.k);
  case Operand::ScaleB:
    return getScaleShape(problem.getRhs(), size.n, size.k);
  case Operand::ScaleD:
    return getScaleShape(problem.getScaledOf(operand), size.m, columns);
  case Operand::MIndices:
    return {size.m};
  case Operand::MaskedM:
  case Operand::Offsets:
    return {size.g};
  default:
    return getEpilogueShape(problem.getEpilogueOperand(operand).getAlong(), problem.getLayout(), size, columns);
  }
}

OperandGeometry OperandGeometry::get(ProblemAttr problem, Operand operand) {
  SizeExprs size(problem.getContext(), problem.getSizes());
  OperandGeometry geometry;
  geometry.divisors = problem.getDivisors();
  geometry.element = problem.getElementOf(operand);
  geometry.shape = getMatrixShape(problem, operand, size);
  Layout layout = problem.getLayout();
  bool isOfB = operand == Operand::B || operand == Operand::ScaleB;
  bool isOfEpilogue = !!problem.getEpilogueOperand(operand);
  bool hasGroups =
      layout == Layout::KGrouped ? operand == Operand::D : hasOwnRows(layout) || (layout != Layout::Dense && isOfB);
  if (!isOfEpilogue && geometry.shape.size() == 2 && hasGroups)
    geometry.shape.insert(geometry.shape.begin(), size.g);
  llvm::append_range(geometry.explicitStrides, problem.getStridesOf(operand));
  geometry.setStrides(operand, /*padsRows=*/isScale(operand) && problem.getScaledOf(operand).isForEachRow());
  return geometry;
}

AffineExpr dgemm::getRowsOfLastTile(KernelOp kernel, int64_t tileRows) {
  constexpr int64_t kAtomRows = hopper::kSwizzleAtom / hopper::kSwizzleBytes;
  AffineExpr m = SizeExprs(kernel.getContext(), kernel.getSizes()).m;
  return ((m - 1) % tileRows).floorDiv(kAtomRows) * kAtomRows + kAtomRows;
}

/// The size that is the row stride of A, B or D if it is given at launch. Epilogue operands share that of D.
static AffineExpr getLeadingDimension(MLIRContext *context, Operand operand) {
  unsigned index = operand == Operand::A ? 0 : operand == Operand::B ? 1 : 2;
  return getAffineDimExpr(kFirstLeadingDimension + index, context);
}

/// True if rows lie closer together than columns. Scales may have either order.
static bool isRowInnermost(ArrayRef<AffineExpr> shape, ArrayRef<int64_t> strides) {
  int64_t row = strides[strides.size() - 2], column = strides.back();
  if (row == column) // one of the two dimensions has extent 1
    return shape[shape.size() - 2] == 1;
  return row >= 0 && (column < 0 || row < column);
}

/// A stride that is not given is the stride of the next inner dimension times its extent. With `padsRows`, and if no
/// strides are given, the innermost dimension (the rows of scales) is padded to a multiple of 16 bytes.
void OperandGeometry::setStrides(Operand operand, bool padsRows) {
  ArrayRef<int64_t> given = explicitStrides;
  MLIRContext *context = element.getContext();
  size_t rank = shape.size();
  auto inner = llvm::to_vector(llvm::reverse(llvm::seq<size_t>(0, rank)));
  auto isGiven = [&](size_t dim) { return !given.empty() && given[dim] >= 0; };
  bool isTransposed = !given.empty() && rank > 1 && isRowInnermost(shape, given);
  if (isTransposed)
    std::swap(inner[0], inner[1]);
  bool isMatrix = !isScale(operand) && rank > 1;
  strides.resize(rank);
  AffineExpr next = getAffineConstantExpr(1, context);
  for (size_t dim : inner) {
    if (isGiven(dim))
      strides[dim] = getAffineConstantExpr(given[dim], context);
    else if (isMatrix && !given.empty() && dim + 2 == rank)
      strides[dim] = getLeadingDimension(context, operand);
    else
      strides[dim] = next;
    bool isPadded = padsRows && given.empty() && dim == inner[0];
    next = strides[dim] * (isPadded ? shape[dim].ceilDiv(4) * 4 : shape[dim]);
  }
}

AffineExpr OperandGeometry::insertDivisors(AffineExpr expr) const {
  if (!divisors)
    return expr;
  SmallVector<AffineExpr> multiples;
  for (auto [i, divisor] : llvm::enumerate(divisors.getAll()))
    multiples.push_back(getAffineDimExpr(i, expr.getContext()) * divisor);
  return expr.replaceDims(multiples);
}

int64_t OperandGeometry::getKnownDivisor(AffineExpr expr) const {
  return insertDivisors(expr).getLargestKnownDivisor();
}

bool OperandGeometry::allowsTMA() const {
  auto innermost = dyn_cast<AffineConstantExpr>(strides.back());
  if (!innermost || innermost.getValue() != 1)
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [&](AffineExpr stride) {
    return getKnownDivisor(stride) * getElementBytes() % hopper::kTmaAlignment == 0;
  });
}

MemRefType OperandGeometry::getType() const {
  SmallVector<int64_t> extents = llvm::map_to_vector(shape, [](AffineExpr extent) {
    auto constant = dyn_cast<AffineConstantExpr>(extent);
    return constant ? constant.getValue() : ShapedType::kDynamic;
  });
  if (explicitStrides.empty())
    return MemRefType::get(extents, element);
  SmallVector<int64_t> given =
      llvm::map_to_vector(explicitStrides, [](int64_t stride) { return stride < 0 ? ShapedType::kDynamic : stride; });
  return MemRefType::get(extents, element, StridedLayoutAttr::get(element.getContext(), /*offset=*/0, given));
}

MapGeometry OperandGeometry::getMap() const {
  auto inBytes = [&](AffineExpr stride) { return stride * getElementBytes(); };
  return {SmallVector<AffineExpr>(llvm::reverse(shape)),
          llvm::map_to_vector(llvm::drop_begin(llvm::reverse(strides)), inBytes), AffineExpr()};
}

MapGeometry OperandGeometry::getWindowMap(int64_t rows) const {
  MapGeometry map = getMap();
  map.dims[1] = map.dims[1] + 1; // windows end before each row, and after the last
  map.dims.insert(map.dims.begin() + 1, getAffineConstantExpr(rows, element.getContext()));
  map.offset = map.strides.front() * -rows;
  map.strides.insert(map.strides.begin(), map.strides.front());
  return map;
}

int64_t OperandGeometry::getAccessBytes() const {
  int64_t bytes = 16;
  auto limit = [&](AffineExpr expr) { bytes = std::gcd(bytes, getKnownDivisor(expr) * getElementBytes()); };
  limit(shape.back());
  llvm::for_each(ArrayRef(strides).drop_back(), limit);
  return bytes;
}

bool OperandGeometry::isPacked() const {
  AffineExpr next = getAffineConstantExpr(1, element.getContext());
  for (auto [extent, stride] : llvm::reverse(llvm::zip_equal(shape, strides))) {
    if (extent != 1 && insertDivisors(stride - next) != 0)
      return false;
    next = next * extent;
  }
  return true;
}

FailureOr<SmallVector<int64_t>> dgemm::getExplicitStrides(ShapedType shaped) {
  auto type = dyn_cast<MemRefType>(shaped);
  if (!type || type.getLayout().isIdentity())
    return SmallVector<int64_t>();
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      llvm::all_of(ArrayRef(strides).take_back(2), ShapedType::isDynamic))
    return failure();
  for (int64_t &stride : strides)
    stride = ShapedType::isDynamic(stride) ? -1 : stride;
  return strides;
}

bool dgemm::hasOffset(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  return succeeded(type.getStridesAndOffset(strides, offset)) && offset != 0;
}

bool dgemm::areStridesOf(Operand operand, ArrayRef<int64_t> strides) {
  if (strides.empty() || llvm::any_of(strides, [](int64_t stride) { return stride == 0 || stride < -1; }))
    return false;
  return isScale(operand) ? llvm::any_of(strides.take_back(2), [](int64_t stride) { return stride > 0; })
                          : strides.back() == 1;
}

/// C8 of #dgemm.config with the scales of the problem, which a config does not know.
static LogicalResult verifySharedMemory(Operation *op, ConfigAttr config, ProblemAttr problem) {
  int64_t bytes = SharedMemoryLayout::get(config, problem).totalBytes;
  if (bytes <= hopper::kMaxSharedMemory)
    return success();
  int64_t fit = SharedMemoryLayout::getMaxStages(config.getBlockM(), config.getBlockN(), config.getBlockK(), kMaxStages,
                                                 config.getSplitK(), config.getSchedule().getStaging(),
                                                 StageScales::get(problem));
  return op->emitOpError() << "expected at most " << fit
                           << " stages with the scales of this problem in each K block, as " << config.getStages()
                           << " need " << bytes << " bytes of shared memory, but a CTA has "
                           << hopper::kMaxSharedMemory;
}

LogicalResult dgemm::verifyGatedColumns(function_ref<InFlightDiagnostic()> emitError, ScaledAttr rhs, int64_t n,
                                        DivisorsAttr divisors) {
  if (rhs.isForEachRow())
    return emitError()
           << "expected B to be scaled by [128, 128] or [full, full] or not at all for a gated epilogue, but got "
           << rhs;
  int64_t known = ShapedType::isDynamic(n) || n < 0 ? (divisors ? divisors.getN() : 1) : n;
  int64_t wanted = rhs.getRows() == kScaleBlock ? 2 * kScaleBlock : 2;
  if (known % wanted == 0)
    return success();
  return emitError() << "expected N to be a multiple of " << wanted << " for a gated epilogue with B scaled by " << rhs
                     << ", but got " << known << (known == n ? "" : " as its divisor");
}

bool dgemm::allowsGated(ConfigAttr config) {
  int64_t columns = config.getBlockN();
  return columns >= 2 * hopper::kWgmmaNStep && (2 * kScaleBlock) % columns == 0 && config.getSplitK() == 1;
}

bool dgemm::allowsQuantized(ConfigAttr config, bool isGated) {
  return config.getBlockN() % (isGated ? 2 * kScaleBlock : kScaleBlock) == 0 && config.getSplitK() == 1;
}

LogicalResult dgemm::verifyConfigFor(Operation *op, ConfigAttr config, ProblemAttr problem) {
  for (ScaledAttr scaled : {problem.getLhs(), problem.getRhs()})
    if (scaled.variesAlongK() && config.getBlockK() != scaled.getK())
      return op->emitOpError() << "expected block K to be the depth of the blocks of scales, " << scaled.getK()
                               << ", but got " << config.getBlockK();
  if (problem.isGated() && !allowsGated(config))
    return op->emitOpError()
           << "expected block N to be 16, 32, 64, 128 or 256 and no split_k, as a gated epilogue pairs "
              "the halves of a tile, but got "
           << config;
  if (problem.getQuantized() && !allowsQuantized(config, problem.isGated()))
    return op->emitOpError() << "expected block N to be " << (problem.isGated() ? "256" : "128 or 256")
                             << " and no split_k, as a tile of a quantised D has whole blocks of its scales, "
                             << (problem.isGated() ? "128 columns from each half" : "128 columns") << ", but got "
                             << config;
  if (failed(verifySharedMemory(op, config, problem)))
    return failure();
  if (problem.getLayout() == Layout::KGrouped && (config.getSplitK() > 1 || config.getOrder().getSerpentine()))
    return op->emitOpError()
           << "expected split_k = 1 and serpentine = false of a k_grouped layout, whose tiles have parts "
              "of K of their own, but got "
           << config;
  if (!config.isMulticast())
    return success();
  for (Operand operand : {Operand::A, Operand::B})
    if (!OperandGeometry::get(problem, operand).allowsTMA())
      return op->emitOpError() << "expected no cluster, as the strides of '" << stringifyOperand(operand)
                               << "' are not known to be multiples of 16 bytes, which leaves it without TMA and "
                                  "multicast, but got "
                               << config;
  return success();
}
