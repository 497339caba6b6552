//===- TileOps.cpp - Operations over tiles -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Rules that several operations share
//===----------------------------------------------------------------------===//

static LogicalResult verifyOffsets(Operation *op, MemRefType type, ValueRange offsets) {
  if (type.getRank() == static_cast<int64_t>(offsets.size()))
    return success();
  return op->emitOpError() << "expected " << type.getRank() << " offsets for " << type << ", but got "
                           << offsets.size();
}

LogicalResult dgemm::verifyIsOperand(Operation *op, StringRef what, Value value, Operand operand) {
  auto kernel = op->getParentOfType<KernelOp>();
  if (!kernel || kernel.getOperandOf(value) == operand)
    return success(); // the place of the op is verified separately
  return op->emitOpError() << "expected the " << what << " to be the kernel argument " << stringifyOperand(operand);
}

/// Verifies that `tile` is of `operand`, if it is loaded, fetched, or viewed in a stage; any other tile is accepted.
static LogicalResult verifyIsTileOf(Operation *op, StringRef what, Value tile, Operand operand) {
  if (auto load = tile.getDefiningOp<LoadOp>())
    return verifyIsOperand(op, (what + ", which is loaded,").str(), load.getSource(), operand);
  if (auto fetch = tile.getDefiningOp<FetchOp>())
    return verifyIsOperand(op, (what + ", which is fetched,").str(), fetch.getSource(), operand);
  auto view = tile.getDefiningOp<ViewOp>();
  if (!view || (view.getIndex() < std::size(kStageOperands) && kStageOperands[view.getIndex()] == operand))
    return success();
  return op->emitOpError() << "expected the " << what << " to be the tile of " << stringifyOperand(operand)
                           << " in its stage, " << llvm::find(kStageOperands, operand) - std::begin(kStageOperands)
                           << ", but got " << view.getIndex();
}

/// A wgmma operand: FP8, 128 columns with 128-byte swizzle (C1 of dgemm.mma).
static LogicalResult verifyMmaTile(Operation *op, StringRef name, TileType tile) {
  if (isa<Float8E4M3FNType, Float8E5M2Type>(tile.getElementType()) && tile.getColumns() == hopper::kSwizzleBytes &&
      tile.getSwizzle() == hopper::kSwizzleBytes)
    return success();
  return op->emitOpError() << "expected '" << name
                           << "' to be f8E4M3FN or f8E5M2 with 128 columns and swizzle = 128, but got " << tile;
}

/// Verifies an mma of these tiles with this result (C1, C2 and C4 of dgemm.mma).
static LogicalResult verifyMma(Operation *op, TypedValue<TileType> lhsTile, TypedValue<TileType> rhsTile,
                               FragType result) {
  TileType lhs = lhsTile.getType(), rhs = rhsTile.getType();
  if (failed(verifyMmaTile(op, "lhs", lhs)) || failed(verifyMmaTile(op, "rhs", rhs)))
    return failure();
  if (rhs.getRows() % hopper::kWgmmaNStep || rhs.getRows() > hopper::kWgmmaMaxN)
    return op->emitOpError() << "expected rows of 'rhs' to be a multiple of 8 up to 256 (wgmma N), but got "
                             << rhs.getRows();
  if (result.getRows() != lhs.getRows() || result.getColumns() != rhs.getRows())
    return op->emitOpError() << "expected a fragment of " << lhs.getRows() << "x" << rhs.getRows() << ", but got "
                             << result;
  if (failed(verifyIsTileOf(op, "lhs", lhsTile, Operand::A)))
    return failure();
  return verifyIsTileOf(op, "rhs", rhsTile, Operand::B);
}

/// Verifies the scales of the rows and columns of `acc`. A fragment of column scales has `columnsOfPart` columns.
template <typename OpTy>
static LogicalResult verifyScales(OpTy op, int64_t columnsOfPart) {
  FragType acc = op.getAcc().getType();
  if (Value rows = op.getRowScales())
    if (rows.getType() != FragType::get(op.getContext(), acc.getRows(), 1))
      return op.emitOpError() << "expected row scales of " << acc.getRows() << "x1, but got " << rows.getType();
  Value columns = op.getColumnScales();
  if (!columns != !op.getN())
    return op.emitOpError("expected column scales to come with the first column, and that with them");
  auto kernel = op->template getParentOfType<KernelOp>();
  if (!columns || !kernel)
    return success(); // the place of the op is verified separately
  ProblemAttr problem = kernel.getProblem();
  ScaledAttr scaled = problem.getRhs();
  auto vector = dyn_cast<VectorType>(columns.getType());
  if (!vector != scaled.isForEachRow())
    return op.emitOpError() << "expected column scales of " << scaled << ", but got " << columns.getType();
  int64_t width = vector ? acc.getColumns() : columnsOfPart, expected = problem.getScalesOfTileOfB(width);
  int64_t given = vector ? vector.getNumElements() : cast<FragType>(columns.getType()).getColumns();
  if (!vector && cast<FragType>(columns.getType()).getRows() != 1)
    return op.emitOpError() << "expected a row of column scales, but got " << columns.getType();
  if (given != expected)
    return op.emitOpError() << "expected " << expected << " column scales for " << width << " columns, but got "
                            << given;
  return success();
}

//===----------------------------------------------------------------------===//
// Scales in text
//===----------------------------------------------------------------------===//

ParseResult dgemm::parseScales(OpAsmParser &parser, OptionalOperand &rows, OptionalOperand &columns,
                               OptionalOperand &n) {
  if (failed(parser.parseOptionalKeyword("scaled")))
    return success();
  bool onlyRows = succeeded(parser.parseOptionalKeyword("rows"));
  bool onlyColumns = !onlyRows && succeeded(parser.parseOptionalKeyword("columns"));
  if (!onlyColumns && parser.parseOperand(rows.emplace()))
    return failure();
  if (onlyRows)
    return success();
  return failure((!onlyColumns && parser.parseComma()) || parser.parseOperand(columns.emplace()) ||
                 parser.parseKeyword("at") || parser.parseOperand(n.emplace()));
}

void dgemm::printScales(OpAsmPrinter &printer, Operation *, Value rows, Value columns, Value n) {
  if (!rows && !columns)
    return;
  printer << (!columns ? " scaled rows " : !rows ? " scaled columns " : " scaled ");
  if (rows)
    printer << rows << (columns ? ", " : "");
  if (columns)
    printer << columns << " at " << n;
}

ParseResult dgemm::parseScaleTypes(OpAsmParser &parser, const OptionalOperand &rows, const OptionalOperand &columns,
                                   Type &rowsType, Type &columnsType) {
  return failure(parseScaleType(parser, rows, rowsType) || parseScaleType(parser, columns, columnsType));
}

void dgemm::printScaleTypes(OpAsmPrinter &printer, Operation *op, Value rows, Value columns, Type, Type) {
  for (Value scales : {rows, columns})
    printScaleType(printer, op, scales, Type());
}

ParseResult dgemm::parseScaleType(OpAsmParser &parser, const OptionalOperand &scale, Type &type) {
  return failure(scale && (parser.parseComma() || parser.parseType(type)));
}

void dgemm::printScaleType(OpAsmPrinter &printer, Operation *, Value scale, Type) {
  if (scale)
    printer << ", " << scale.getType();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult LoadOp::verify() {
  MemRefType type = getSource().getType();
  if (failed(verifyOffsets(*this, type, getOffsets())))
    return failure();
  if (type.getElementType() != getTile().getType().getElementType())
    return emitOpError() << "expected a tile of " << type.getElementType() << ", but got " << getTile().getType();
  std::optional<MovementAttr> movement = getMovement();
  if (movement && failed(movement->verifyKind(*this, {MovementKind::TMA, MovementKind::Registers})))
    return failure();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  std::optional<Operand> operand = kernel.getOperandOf(getSource());
  bool hasColumnScales = kernel.getProblem().getRhs().isForEachRowOfKBlock();
  if (operand != Operand::A && operand != Operand::B && operand != Operand::ScaleA &&
      !(operand == Operand::ScaleB && hasColumnScales))
    return emitOpError() << "expected the source to be the kernel argument "
                         << (hasColumnScales ? "a, b, scale_a or scale_b" : "a, b or scale_a");
  if (getTile().getType() != kernel.getTileOf(*operand))
    return emitOpError() << "expected the tile of " << stringifyOperand(*operand)
                         << " that the config of the kernel says, " << kernel.getTileOf(*operand) << ", but got "
                         << getTile().getType();
  return movement ? movement->verifyFor(*this, *operand) : success();
}

/// C1 of dgemm.load_scales.
static LogicalResult verifyTileScales(LoadScalesOp op) {
  auto tile = cast<TileType>(op.getSource().getType());
  Type scales = op.getScales().getType();
  bool isPart = op.isOfRows() && op.getOffsets().size() == 1;
  if ((!op.getOffsets().empty() && !isPart) || op.getMovement())
    return op.emitOpError(
        "expected no 'by' for scales in shared memory, and at most the place of the first scale of A");
  auto frag = dyn_cast<FragType>(scales);
  bool isRow = tile.getRows() == 1 && tile.getElementType().isF32();
  bool fits = frag && (isPart ? frag.getRows() < tile.getColumns() : frag.getRows() == tile.getColumns());
  if (frag && op.isOfRows() && (!isRow || frag.getColumns() != 1 || !fits))
    return op.emitOpError() << "expected a 1xR tile of f32 and a fragment of " << (isPart ? "fewer than R rows" : "Rx1")
                            << ", but got " << tile << " and " << frag;
  if (frag && !op.isOfRows() && (!isRow || frag.getColumns() != tile.getColumns()))
    return op.emitOpError() << "expected a 1xC tile of f32 and a fragment of 1xC, but got " << tile << " and " << frag;
  if (!frag && (!isRow || cast<VectorType>(scales).getNumElements() != tile.getColumns()))
    return op.emitOpError() << "expected a 1xC tile of f32 and a vector of C, but got " << tile << " and " << scales;
  return verifyIsTileOf(op, "tile", op.getSource(), op.isOfRows() ? Operand::ScaleA : Operand::ScaleB);
}

/// C2 of dgemm.load_scales for a scale for each row of A or of B.
static LogicalResult verifyRowScales(LoadScalesOp op, MemRefType type) {
  auto frag = cast<FragType>(op.getScales().getType());
  if (!type.getElementType().isF32() || (op.isOfRows() && frag.getColumns() != 1))
    return op.emitOpError() << "expected a memref of f32 and a fragment of Rx1 or 1xC, but got " << type << " and "
                            << frag;
  if (std::optional<MovementAttr> movement = op.getMovement())
    if (failed(movement->verifyKind(op, {MovementKind::Registers})))
      return failure();
  if (failed(verifyOffsets(op, type, op.getOffsets())))
    return failure();
  auto kernel = op->getParentOfType<KernelOp>();
  if (!op.isOfRows() && kernel && !kernel.getProblem().getRhs().isForEachRow()) // C3
    return op.emitOpError() << "expected a vector of scales of " << kernel.getProblem().getRhs() << ", but got "
                            << frag;
  return verifyIsOperand(op, "source", op.getSource(), op.isOfRows() ? Operand::ScaleA : Operand::ScaleB);
}

/// C2 of dgemm.load_scales for the scales of blocks of B.
static LogicalResult verifyBlockScales(LoadScalesOp op, MemRefType type) {
  if (type.getRank() < 2 || type.getRank() > 3 || !type.getElementType().isF32())
    return op.emitOpError() << "expected a memref of f32 with rank 2 or 3, but got " << type;
  if (std::optional<MovementAttr> movement = op.getMovement())
    if (failed(movement->verifyKind(op, {MovementKind::CpAsync, MovementKind::Registers})))
      return failure();
  if (failed(verifyOffsets(op, type, op.getOffsets())))
    return failure();
  auto kernel = op->getParentOfType<KernelOp>();
  int64_t given = cast<VectorType>(op.getScales().getType()).getNumElements();
  if (kernel && kernel.getProblem().getRhs().isForEachRow()) // C3
    return op.emitOpError() << "expected a fragment 1xC of scales of " << kernel.getProblem().getRhs() << ", but got "
                            << op.getScales().getType();
  if (int64_t expected = kernel ? kernel.getTileOf(Operand::ScaleB).getColumns() : given; given != expected)
    return op.emitOpError() << "expected the " << expected << " scales that block N of the kernel may meet, but got "
                            << given;
  return verifyIsOperand(op, "source", op.getSource(), Operand::ScaleB);
}

LogicalResult LoadScalesOp::verify() {
  if (isFromTile())
    return verifyTileScales(*this);
  auto type = cast<MemRefType>(getSource().getType());
  return isForEachRow() ? verifyRowScales(*this, type) : verifyBlockScales(*this, type);
}

LogicalResult ScaledMmaOp::verify() {
  if (failed(verifyMma(*this, getLhs(), getRhs(), getAcc().getType())))
    return failure();
  return verifyScales(*this, getAcc().getType().getColumns());
}

/// C3 of dgemm.mma.
static LogicalResult verifyOver(Operation *op, Value over, Value acc, FragType result) {
  if (over && acc)
    return op->emitOpError("expected 'over' or 'into', not both: the result takes the registers of either");
  Value given = over ? over : acc;
  if (!given || given.getType() == result)
    return success();
  return op->emitOpError() << "expected '" << (over ? "over" : "into") << "' to have the type of the result, " << result
                           << ", but got " << given.getType();
}

LogicalResult MmaOp::verify() {
  if (failed(verifyOver(*this, getOver(), getAcc(), getResult().getType())))
    return failure();
  return verifyMma(*this, getLhs(), getRhs(), getResult().getType());
}

LogicalResult MmaStartOp::verify() {
  if (failed(verifyOver(*this, getOver(), getAcc(), getResult().getType())))
    return failure();
  return verifyMma(*this, getLhs(), getRhs(), getResult().getType());
}

/// C1 of dgemm.mma_wait and dgemm.mma_wait_reads.
static LogicalResult verifyPending(Operation *op, uint64_t pending) {
  if (pending <= 7)
    return success();
  return op->emitOpError() << "expected 'pending' to be 0 to 7, but got " << static_cast<int64_t>(pending);
}

LogicalResult MmaWaitOp::verify() { return verifyPending(*this, getPending()); }

LogicalResult MmaWaitReadsOp::verify() { return verifyPending(*this, getPending()); }

/// Verifies that `part` has the columns of `whole` from `first` on.
static LogicalResult verifyColumns(Operation *op, FragType part, FragType whole, int64_t first) {
  if (part.getRows() == whole.getRows() && first >= 0 && first % hopper::kWgmmaNStep == 0 &&
      first + part.getColumns() <= whole.getColumns() && part.getColumns() % hopper::kWgmmaNStep == 0)
    return success();
  return op->emitOpError() << "expected a part with the rows of " << whole
                           << " and columns inside it from a multiple of 8, but got " << part << " from " << first;
}

LogicalResult ColumnsOp::verify() {
  return verifyColumns(*this, getResult().getType(), getValue().getType(), getFirst());
}

LogicalResult PromoteOp::verify() {
  FragType part = getPart().getType();
  if (failed(verifyColumns(*this, part, getAcc().getType(), getColumn())))
    return failure();
  return verifyScales(*this, part.getColumns());
}

static LogicalResult verifySplit(Operation *op, int64_t split) {
  if (split < 2 || split > hopper::kMaxCluster)
    return op->emitOpError() << "expected 'split' to be 2 to " << hopper::kMaxCluster << ", but got " << split;
  auto kernel = op->getParentOfType<KernelOp>();
  if (int64_t own = kernel ? kernel.getConfig().getSplitK() : split; split != own)
    return op->emitOpError() << "expected 'split' to be the split_k of the kernel, " << own << ", but got " << split;
  return success();
}

LogicalResult KRangeOp::verify() {
  if (failed(verifySplit(*this, getSplit())))
    return failure();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  return !kernel || kernel.isSize(getK(), 2) ? success() : emitOpError("expected to divide the K of the kernel");
}

LogicalResult WalkKOp::verify() {
  auto tiles = (*this)->getParentOfType<ForEachTileOp>();
  return tiles && !tiles.getFirst() ? success()
                                    : emitOpError("expected to stand in a dgemm.for_each_tile of all tiles");
}

/// Verifies a fragment of which each CTA sums some columns. `sum` is the fragment of these columns; null for an op
/// without.
static LogicalResult verifySplitFragment(Operation *op, int64_t split, FragType value, FragType sum) {
  if (failed(verifySplit(op, split)))
    return failure();
  if (value.getColumns() % hopper::kWgmmaNStep)
    return op->emitOpError() << "expected a fragment of whole groups of 8 columns, but got " << value;
  int64_t columns = getSplitColumns(value.getColumns(), split);
  if (sum && (sum.getRows() != value.getRows() || sum.getColumns() != columns))
    return op->emitOpError() << "expected a sum of " << value.getRows() << "x" << columns << ", but got " << sum;
  return success();
}

LogicalResult ReduceClusterOp::verify() {
  return verifySplitFragment(*this, getSplit(), getValue().getType(), getSum().getType());
}

LogicalResult SendFragmentOp::verify() {
  return verifySplitFragment(*this, getSplit(), getValue().getType(), FragType());
}

LogicalResult AddReceivedOp::verify() {
  return verifySplitFragment(*this, getSplit(), getValue().getType(), getSum().getType());
}

/// Verifies that `part`, if given, is a first column and a number of columns of `frag`.
static LogicalResult verifyPart(Operation *op, std::optional<ArrayRef<int64_t>> part, FragType frag) {
  if (!part || (part->size() == 2 && part->back() != 0 && part->front() + part->back() <= frag.getColumns() &&
                llvm::none_of(*part, [](int64_t i) { return i < 0 || i % hopper::kWgmmaNStep; })))
    return success();
  return op->emitOpError() << "expected 'part' to be a first column and a number of columns, multiples of 8 inside "
                           << frag;
}

/// The operand of a source of a map: the source itself, or the operand that it was fetched or loaded from. Null if that
/// is not known.
static Value findOperand(Value source) {
  if (isa<MemRefType>(source.getType()))
    return source;
  if (auto load = source.getDefiningOp<LoadColumnsOp>())
    return load.getSource();
  if (auto await = source.getDefiningOp<AwaitOp>())
    source = await.getTiles()[cast<OpResult>(source).getResultNumber()];
  auto fetch = source.getDefiningOp<FetchOp>();
  return fetch ? fetch.getSource() : Value();
}

/// C1 of dgemm.map.
static LogicalResult verifySources(MapOp op, KernelOp kernel) {
  ProblemAttr problem = kernel.getProblem();
  size_t expected = problem.getEpilogue() ? problem.getEpilogue().getOperands().size() : 0;
  if (op.getSources().size() != expected)
    return op.emitOpError() << "expected a source for each operand of the epilogue of the kernel, " << expected
                            << ", but got " << op.getSources().size();
  for (auto [i, source] : llvm::enumerate(op.getSources())) {
    Operand operand = getEpilogueOperand(i);
    Value memref = findOperand(source);
    if (memref && kernel.getOperandOf(memref) != operand)
      return op.emitOpError() << "expected source " << i << " to be the kernel argument " << stringifyOperand(operand)
                              << ", or to be fetched or loaded from it";
    Type expectedType = source.getType();
    if (isa<TileType>(expectedType))
      expectedType = TileType::get(op.getContext(), 1, countTileElements(kernel.getConfig(), problem, operand),
                                   problem.getElementOf(operand), /*swizzle=*/0);
    else if (isa<FragType>(expectedType))
      expectedType = FragType::get(op.getContext(), 1, op.getNumColumns());
    if (source.getType() != expectedType)
      return op.emitOpError() << "expected source " << i << " to be of type " << expectedType << ", but got "
                              << source.getType();
  }
  return success();
}

LogicalResult LoadColumnsOp::verify() {
  if (failed(verifyOffsets(*this, getSource().getType(), getOffsets())))
    return failure();
  FragType frag = getValues().getType();
  if (frag.getRows() != 1 || frag.getColumns() % hopper::kWgmmaNStep)
    return emitOpError() << "expected a fragment 1xC, C a multiple of 8, but got " << frag;
  auto kernel = (*this)->getParentOfType<KernelOp>();
  std::optional<Operand> operand = kernel ? kernel.getOperandOf(getSource()) : std::nullopt;
  EpilogueOperandAttr role = operand ? kernel.getProblem().getEpilogueOperand(*operand) : EpilogueOperandAttr();
  if (!kernel || (role && role.getAlong() == EpilogueAxisKind::N))
    return success(); // outside of a kernel, the place of the op is verified separately
  return emitOpError("expected the source to be a kernel argument for an operand of the epilogue along n");
}

LogicalResult MapOp::verify() {
  if (failed(verifyPart(*this, getPart(), getResult().getType())) ||
      failed(verifyScalarRegion(*this, getBody(), (isGated() ? 2 : 1) + getSources().size())))
    return failure();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  FragType value = getValue().getType();
  auto expected = FragType::get(getContext(), value.getRows(), kernel.getProblem().getColumnsOfD(value.getColumns()));
  if (getResult().getType() != expected || (isGated() && getPart()))
    return emitOpError() << "expected a result of type " << expected << (isGated() ? " without 'part'" : "")
                         << ", but got " << getResult().getType();
  if ((kernel.getLayout() == Layout::Dense) != !getGroup())
    return emitOpError() << "expected " << (getGroup() ? "no group" : "a group") << " in a kernel of the layout "
                         << stringifyLayout(kernel.getLayout());
  return verifySources(*this, kernel);
}

/// Verifies columns that are quantised, and the memref of their scales.
static LogicalResult verifyBlocksOfD(Operation *op, int64_t first, int64_t columns, Value scales) {
  if (first % kScaleBlock || columns % kScaleBlock)
    return op->emitOpError() << "expected whole blocks of " << kScaleBlock << " columns to quantise, but got "
                             << columns << " from " << first << " on";
  return verifyIsOperand(op, "memref of scales", scales, Operand::ScaleD);
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyPart(*this, getPart(), getValue().getType())) ||
      failed(verifyBlocksOfD(*this, getFirstColumn(), getNumColumns(), getDest())))
    return failure();
  return verifyOffsets(*this, cast<MemRefType>(getDest().getType()), getOffsets());
}

LogicalResult StoreOp::verify() {
  MemRefType type = getDest().getType();
  if (failed(verifyOffsets(*this, type, getOffsets())))
    return failure();
  Type element = type.getElementType();
  if (!element.isBF16() && !element.isF16() && !element.isF32() && !isFP8(element))
    return emitOpError() << "expected a destination of bf16, f16, f32 or FP8, but got " << type;
  if (failed(verifyPart(*this, getPart(), getValue().getType())))
    return failure();
  if (getAccumulate() && isFP8(element))
    return emitOpError() << "expected no 'accumulate' to FP8, but got " << type;
  if (getScales() && getColumns())
    return emitOpError("expected no 'columns' with scales of D");
  if (getScales() && failed(verifyBlocksOfD(*this, getFirstColumn(), getNumColumns(), getScales())))
    return failure();
  std::optional<MovementAttr> movement = getMovement();
  if (movement && failed(movement->verifyKind(*this, {MovementKind::TMA, MovementKind::Registers})))
    return failure();
  if (failed(verifyIsOperand(*this, "destination", getDest(), Operand::D)))
    return failure();
  return movement ? movement->verifyFor(*this, Operand::D) : success();
}
