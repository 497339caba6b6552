//===- PipelineOps.cpp - Warp roles around a ring of stages -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/FetchedOperands.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// WarpSpecializeOp
//===----------------------------------------------------------------------===//

static ParseResult parseRegisters(OpAsmParser &parser, StringRef name, NamedAttrList &attributes) {
  IntegerAttr registers;
  return failure(parser.parseKeyword("registers") || parser.parseEqual() ||
                 parser.parseAttribute(registers, parser.getBuilder().getI64Type(), name, attributes));
}

ParseResult WarpSpecializeOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  Region *producer = result.addRegion(), *consumer = result.addRegion();
  OpAsmParser::Argument warpgroup;
  int64_t consumers, producerThreads = 1;
  if (parser.parseKeyword("producer") ||
      (succeeded(parser.parseOptionalKeyword("x")) && parser.parseInteger(producerThreads)) ||
      parseRegisters(parser, getProducerRegistersAttrName(result.name).strref(), result.attributes) ||
      parser.parseRegion(*producer) || parser.parseKeyword("consumer") || parser.parseLParen() ||
      parser.parseArgument(warpgroup) || parser.parseRParen() || parser.parseKeyword("x") ||
      parser.parseInteger(consumers) ||
      parseRegisters(parser, getConsumerRegistersAttrName(result.name).strref(), result.attributes))
    return failure();
  warpgroup.type = builder.getIndexType();
  result.addAttribute(getConsumersAttrName(result.name), builder.getI64IntegerAttr(consumers));
  result.addAttribute(getProducerThreadsAttrName(result.name), builder.getI64IntegerAttr(producerThreads));
  if (parser.parseRegion(*consumer, warpgroup) || parser.parseOptionalAttrDict(result.attributes))
    return failure();
  for (Region *region : {producer, consumer})
    if (region->empty())
      region->emplaceBlock();
  return success();
}

void WarpSpecializeOp::print(OpAsmPrinter &printer) {
  printer.printNewline();
  printer << "producer ";
  if (getProducerThreads() != 1)
    printer << "x " << getProducerThreads() << ' ';
  printer << "registers = " << getProducerRegisters() << ' ';
  printer.printRegion(getProducer());
  printer << " consumer (" << getWarpgroup() << ") x " << getConsumers() << " registers = " << getConsumerRegisters()
          << ' ';
  printer.printRegion(getConsumer(), /*printEntryBlockArgs=*/false);
  printer.printOptionalAttrDict((*this)->getAttrs(), {getConsumersAttrName(), getProducerRegistersAttrName(),
                                                      getConsumerRegistersAttrName(), getProducerThreadsAttrName()});
}

void WarpSpecializeOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  if (region.getNumArguments() == 1)
    setName(region.getArgument(0), "wg");
}

LogicalResult WarpSpecializeOp::verify() {
  int64_t consumers = getConsumers();
  if (consumers < 1 || consumers > 3)
    return emitOpError() << "expected 1 to 3 consumers, but got " << consumers;
  if (!llvm::is_contained<uint64_t>({1, hopper::kWarpThreads, hopper::kWarpgroupThreads}, getProducerThreads()))
    return emitOpError() << "expected the producer to be 1, 32 or 128 threads, but got " << getProducerThreads();
  for (int64_t registers : {getProducerRegisters(), getConsumerRegisters()})
    if (registers < hopper::kMinSetMaxRegisters || registers > hopper::kMaxSetMaxRegisters ||
        registers % hopper::kRegisterStep)
      return emitOpError() << "expected registers to be a multiple of 8 from 24 to 256, but got " << registers;
  int64_t total =
      hopper::kWarpgroupThreads * static_cast<int64_t>(getProducerRegisters() + consumers * getConsumerRegisters());
  if (total > hopper::kRegisterFile)
    return emitOpError() << "the roles ask for " << total << " registers, but a multiprocessor has "
                         << hopper::kRegisterFile;
  if (getProducer().getNumArguments())
    return emitOpError("expected the producer region to have no arguments");
  if (getConsumer().getNumArguments() != 1 || !getWarpgroup().getType().isIndex())
    return emitOpError("expected the consumer region to have one index argument, the warpgroup");
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (int64_t own = kernel ? kernel.getConfig().getWarpgroups() : consumers; consumers != own)
    return emitOpError() << "expected as many consumers as the kernel has math warpgroups, " << own << ", but got "
                         << consumers;
  return success();
}

/// C6.
LogicalResult WarpSpecializeOp::verifyRegions() {
  llvm::SmallDenseSet<uint64_t> loaded;
  getProducer().walk([&](LoadAsyncOp load) { loaded.insert(load.getIndex()); });
  WalkResult result = getConsumer().walk([&](ViewOp view) {
    if (loaded.contains(view.getIndex()))
      return WalkResult::advance();
    view.emitOpError() << "expected tile " << view.getIndex() << " of a stage to be loaded by the producer";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// Ring operations
//===----------------------------------------------------------------------===//

static LogicalResult verifyStageOf(Operation *op, RingType ring, StageType stage) {
  if (ring.getStage() == stage)
    return success();
  return op->emitOpError() << "expected the stage of the ring, " << ring.getStage() << ", but got " << stage;
}

/// The tile with this index in a stage; null after an error.
static TileType getTileOf(Operation *op, StageType stage, int64_t index) {
  int64_t count = stage.getTiles().size();
  if (index >= 0 && index < count)
    return stage.getTiles()[index];
  op->emitOpError() << "expected a tile index from 0 to " << count - 1 << ", but got " << index;
  return {};
}

LogicalResult RingOp::verify() {
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  RingType type = getRing().getType();
  if (int64_t stages = kernel.getConfig().getStages(); type.getDepth() != stages)
    return emitOpError() << "expected the " << stages << " stages of the kernel's config, but got " << type.getDepth();
  ArrayRef<TileType> tiles = type.getStage().getTiles();
  if (tiles.size() < 2 || tiles.size() > std::size(kStageOperands))
    return emitOpError() << "expected tiles of A and B, and maybe of the scales of A and B, but got " << tiles.size();
  for (auto [operand, tile] : llvm::zip(kStageOperands, tiles))
    if (TileType expected = kernel.getTileOf(operand); tile != expected)
      return emitOpError() << "expected the tile of " << stringifyOperand(operand)
                           << " that the config of the kernel says, " << expected << ", but got " << tile;
  return success();
}

/// C1 of dgemm.acquire.
static LogicalResult verifyPosition(Operation *op, Value index, Value parity, Value slot) {
  if (!index == !parity && (index || !slot))
    return success();
  return op->emitOpError("expected an index with its parity, and a slot only with both");
}

LogicalResult AcquireOp::verify() {
  if (failed(verifyPosition(*this, getIndex(), getParity(), getSlot())))
    return failure();
  return verifyStageOf(*this, getRing().getType(), getStage().getType());
}

LogicalResult WaitOp::verify() {
  if (failed(verifyPosition(*this, getIndex(), getParity(), getSlot())))
    return failure();
  return verifyStageOf(*this, getRing().getType(), getStage().getType());
}

template <typename OpTy>
static void assignPosition(OpTy op, Value index, Value parity, Value slot) {
  op.getIndexMutable().assign(index);
  op.getParityMutable().assign(parity);
  if (slot)
    op.getSlotMutable().assign(slot);
}

void AcquireOp::setPosition(Value index, Value parity, Value slot) { assignPosition(*this, index, parity, slot); }

void WaitOp::setPosition(Value index, Value parity, Value slot) { assignPosition(*this, index, parity, slot); }

/// Verifies a load of a tile of A, of B or of scales for each row.
static LogicalResult verifyTileLoad(LoadAsyncOp op, TileType tile, Operand operand) {
  // TMA box limits (cuda.h, cuTensorMapEncodeTiled).
  if (tile.getRows() > hopper::kTmaMaxBox || tile.getColumns() > hopper::kTmaMaxBox)
    return op.emitOpError() << "expected a tile of at most 256x256 (TMA box limit), but got " << tile;
  if (tile.getRowBytes() % hopper::kTmaAlignment)
    return op.emitOpError() << "expected tile rows of a multiple of 16 bytes (TMA box limit), but got "
                            << tile.getRowBytes();
  std::optional<MovementAttr> movement = op.getMovement();
  if (movement && failed(movement->verifyKind(op, {MovementKind::TMA, MovementKind::Registers})))
    return failure();
  if (failed(verifyIsOperand(op, "source", op.getSource(), operand)))
    return failure();
  return movement ? movement->verifyFor(op, operand) : success();
}

/// Verifies a load of scales of blocks of B.
static LogicalResult verifyBlockScalesLoad(LoadAsyncOp op, TileType tile) {
  if (std::optional<MovementAttr> movement = op.getMovement())
    if (failed(movement->verifyKind(op, {MovementKind::CpAsync})))
      return failure();
  if (tile.getRows() != 1)
    return op.emitOpError() << "expected a 1xC tile of f32, but got " << tile;
  return verifyIsOperand(op, "source", op.getSource(), Operand::ScaleB);
}

LogicalResult LoadAsyncOp::verify() {
  TileType tile = getTileOf(*this, getStage().getType(), getIndex());
  if (!tile)
    return failure();
  MemRefType type = getSource().getType();
  if (type.getRank() != static_cast<int64_t>(getOffsets().size()))
    return emitOpError() << "expected " << type.getRank() << " offsets for " << type << ", but got "
                         << getOffsets().size();
  if (type.getElementType() != tile.getElementType())
    return emitOpError() << "expected a source of " << tile.getElementType() << ", but got " << type;
  if (getIndex() >= std::size(kStageOperands))
    return emitOpError("expected a tile of A, B or their scales");
  Operand operand = kStageOperands[getIndex()];
  auto kernel = (*this)->getParentOfType<KernelOp>();
  bool isOfBlocks = operand == Operand::ScaleB && !(kernel && kernel.getProblem().getRhs().isForEachRowOfKBlock());
  return isOfBlocks ? verifyBlockScalesLoad(*this, tile) : verifyTileLoad(*this, tile, operand);
}

/// C1 of the ops of warpgroups that take turns.
static LogicalResult verifyTakesTurns(Operation *op) {
  auto kernel = op->getParentOfType<KernelOp>();
  if (!kernel || kernel.getConfig().getSchedule().getPingpong()) // the place of the op is verified separately
    return success();
  return op->emitOpError("expected the config of the kernel to have 'pingpong = true'");
}

LogicalResult SkipOp::verify() { return verifyTakesTurns(*this); }

LogicalResult AwaitTurnOp::verify() { return verifyTakesTurns(*this); }

LogicalResult PassTurnOp::verify() { return verifyTakesTurns(*this); }

/// C2 of dgemm.fetch for scales.
static LogicalResult verifyFetchedScales(FetchOp op, ProblemAttr problem, Operand operand) {
  if (problem.getLhs().variesAlongK() || problem.getRhs().variesAlongK())
    return op.emitOpError()
           << "expected scales of A and B that are the same along K, which leave room for the tile, but got "
           << problem.getLhs() << " and " << problem.getRhs();
  if (!problem.getScaledOf(operand).isForEachRow())
    return op.emitOpError() << "expected a scale for each row, but got " << problem.getScaledOf(operand);
  return success();
}

LogicalResult FetchOp::verify() {
  TileType tile = getTile().getType();
  MemRefType type = getSource().getType();
  if (tile.getRows() != 1 || tile.getElementType() != type.getElementType())
    return emitOpError() << "expected a row of the elements of the source, but got " << tile << " and " << type;
  if (type.getRank() != static_cast<int64_t>(getOffsets().size()))
    return emitOpError() << "expected " << type.getRank() << " offsets for " << type << ", but got "
                         << getOffsets().size();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  ProblemAttr problem = kernel.getProblem();
  std::optional<Operand> operand = kernel.getOperandOf(getSource());
  if (operand && isScale(*operand))
    return verifyFetchedScales(*this, problem, *operand);
  if (!operand || !problem.getEpilogueOperand(*operand))
    return emitOpError("expected the source to be the kernel argument scale_a or scale_b, or one for an operand of the "
                       "epilogue");
  if (!getFetchBytes(problem, *operand))
    return emitOpError() << "expected an operand of the epilogue along n or m that can be copied 4 bytes at a time, or "
                            "of f32 along g or none, but got "
                         << problem.getEpilogueOperand(*operand) << " of type " << type;
  return success();
}

LogicalResult PrefetchOp::verify() {
  MemRefType type = getSource().getType();
  if (type.getRank() != static_cast<int64_t>(getOffsets().size()))
    return emitOpError() << "expected " << type.getRank() << " offsets for " << type << ", but got "
                         << getOffsets().size();
  ArrayRef<int64_t> extent = getExtent();
  if (extent.size() != 2 || extent[0] < 1 || extent[1] < 1)
    return emitOpError() << "expected 'extent' to be a number of rows and one of columns, at least 1, but got ["
                         << extent << "]";
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  std::optional<Operand> operand = kernel.getOperandOf(getSource());
  EpilogueOperandAttr role = operand ? kernel.getProblem().getEpilogueOperand(*operand) : EpilogueOperandAttr();
  if (!role)
    return emitOpError("expected the source to be a kernel argument for an operand of the epilogue");
  if (role.getAlong() != EpilogueAxisKind::MN && extent[0] != 1)
    return emitOpError() << "expected one row of an operand along " << stringifyEpilogueAxisKind(role.getAlong())
                         << ", but got " << extent[0];
  return success();
}

LogicalResult AwaitOp::verify() {
  if (getTiles().getTypes() == getLanded().getTypes())
    return success();
  return emitOpError() << "expected a result for each tile, of its type, but got (" << getLanded().getTypes()
                       << ") for (" << getTiles().getTypes() << ")";
}

LogicalResult ViewOp::verify() {
  TileType whole = getTileOf(*this, getStage().getType(), getIndex());
  if (!whole)
    return failure();
  TileType part = getTile().getType();
  bool sameKind = part.getElementType() == whole.getElementType() && part.getSwizzle() == whole.getSwizzle();
  bool someRows = part.getColumns() == whole.getColumns() && part.getRows() <= whole.getRows();
  bool someOfOnlyRow = whole.getRows() == 1 && part.getRows() == 1 && part.getColumns() <= whole.getColumns();
  if (sameKind && (someRows || someOfOnlyRow))
    return success();
  return emitOpError() << "expected rows of " << whole << ", but got " << part;
}

LogicalResult StoreFragmentOp::verify() {
  TileType tile = getTile().getType();
  FragType frag = getValue().getType();
  Type element = tile.getElementType();
  bool isKnown = element.isBF16() || element.isF16() || element.isF32() || element.isInteger(8);
  if (!isKnown || tile.getRows() != frag.getRows())
    return emitOpError() << "expected a bf16, f16, f32 or i8 tile of " << frag.getRows() << " rows, but got " << tile;
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (kernel && element.isInteger(8) && !isFP8(kernel.getProblem().getOut()))
    return emitOpError() << "expected a tile of i8 in a kernel with a D of FP8 only, but got " << tile << " for "
                         << kernel.getProblem().getOut();
  int64_t columns = tile.getColumns();
  SmallVector<OutputPanel> panels = getOutputPanels(columns, element.getIntOrFloatBitWidth() / 8);
  if (columns % 8 || panels.size() != 1 || tile.getSwizzle() != panels.front().getSwizzle())
    return emitOpError() << "expected a tile of 8 columns or a power of two above, with rows of at most 128 bytes, "
                            "swizzled over its row (none for 16 bytes), but got "
                         << tile;
  if (getColumn() + columns > static_cast<uint64_t>(frag.getColumns()) || getColumn() % 8)
    return emitOpError() << "expected columns inside " << frag << " from a multiple of 8, but got " << getColumn()
                         << " to " << getColumn() + columns;
  return success();
}
