//===- ForEachTileOp.cpp - dgemm.for_each_tile -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace dgemm;

void ForEachTileOp::build(OpBuilder &builder, OperationState &state, Value m, Value n, Layout layout, Value groups,
                          ArrayRef<int64_t> tile, int64_t groupM, ArrayRef<int64_t> cluster, ValueRange inits) {
  state.addOperands({m, n});
  if (groups)
    state.addOperands(groups);
  state.addOperands(inits);
  state.addAttribute(getOperandSegmentSizesAttrName(state.name),
                     builder.getDenseI32ArrayAttr({1, 1, groups ? 1 : 0, static_cast<int32_t>(inits.size())}));
  state.addAttribute(getLayoutAttrName(state.name), LayoutAttr::get(builder.getContext(), layout));
  state.addTypes(inits.getTypes());
  state.addAttribute(getTileAttrName(state.name), builder.getDenseI64ArrayAttr(tile));
  state.addAttribute(getGroupMAttrName(state.name), builder.getI64IntegerAttr(groupM));
  state.addAttribute(getClusterAttrName(state.name), builder.getDenseI64ArrayAttr(cluster));
  Region *body = state.addRegion();
  Block &block = body->emplaceBlock();
  for (unsigned i = 0; i < countTileArgs(layout, cluster); ++i)
    block.addArgument(builder.getIndexType(), state.location);
  for (Value init : inits)
    block.addArgument(init.getType(), init.getLoc());
  if (inits.empty())
    ensureTerminator(*body, builder, state.location);
}

/// (%m, %n) of (%M, %N) [contiguous | masked | offsets | k_grouped %groups : type] [batched] tile = [..] group_m = G
/// [cluster = [..]] [iter_args(%x = %init, ...) -> (types)] [first] { ... }
ParseResult ForEachTileOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  SmallVector<OpAsmParser::Argument> offsets, iterArgs;
  OpAsmParser::UnresolvedOperand m, n;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  DenseI64ArrayAttr tile;
  IntegerAttr groupM;
  SMLoc loc = parser.getCurrentLocation();
  Layout layout = Layout::Dense;
  OpAsmParser::UnresolvedOperand groups;
  Type groupsType;
  if (parser.parseArgumentList(offsets, OpAsmParser::Delimiter::Paren) || parser.parseKeyword("of") ||
      parser.parseLParen() || parser.parseOperand(m) || parser.parseComma() || parser.parseOperand(n) ||
      parser.parseRParen())
    return failure();
  for (Layout grouped : {Layout::Contiguous, Layout::Masked, Layout::Offsets, Layout::KGrouped, Layout::Batched})
    if (succeeded(parser.parseOptionalKeyword(stringifyLayout(grouped)))) {
      layout = grouped;
      if (ProblemAttr::getGroupOperand(layout) && (parser.parseOperand(groups) || parser.parseColonType(groupsType)))
        return failure();
    }
  if (parser.parseKeyword("tile") || parser.parseEqual() ||
      parser.parseCustomAttributeWithFallback(tile, Type{}, getTileAttrName(result.name).strref(), result.attributes) ||
      parser.parseKeyword("group_m") || parser.parseEqual() ||
      parser.parseAttribute(groupM, builder.getI64Type(), getGroupMAttrName(result.name).strref(), result.attributes))
    return failure();
  auto cluster = builder.getDenseI64ArrayAttr({1, 1});
  if (succeeded(parser.parseOptionalKeyword("cluster")) &&
      (parser.parseEqual() || parser.parseCustomAttributeWithFallback(cluster)))
    return failure();
  result.addAttribute(getClusterAttrName(result.name), cluster);
  if (unsigned count = countTileArgs(layout, cluster.asArrayRef()); offsets.size() != count)
    return parser.emitError(loc, "expected ")
           << count
           << " tile arguments (%m, %n, then the group, and where its rows end, its columns of K or the other row's "
              "group), but got "
           << offsets.size();
  if (succeeded(parser.parseOptionalKeyword("iter_args")) &&
      (parser.parseAssignmentList(iterArgs, inits) || parser.parseArrowTypeList(result.types)))
    return failure();
  if (inits.size() != result.types.size())
    return parser.emitError(loc, "expected as many iter_args types as values");
  for (OpAsmParser::Argument &offset : offsets)
    offset.type = builder.getIndexType();
  for (auto [arg, type] : llvm::zip(iterArgs, result.types))
    arg.type = type;
  if (parser.resolveOperands({m, n}, builder.getIndexType(), result.operands) ||
      (groupsType && parser.resolveOperand(groups, groupsType, result.operands)) ||
      parser.resolveOperands(inits, result.types, loc, result.operands))
    return failure();
  result.addAttribute(getLayoutAttrName(result.name), LayoutAttr::get(builder.getContext(), layout));
  result.addAttribute(getOperandSegmentSizesAttrName(result.name),
                      builder.getDenseI32ArrayAttr({1, 1, groupsType ? 1 : 0, static_cast<int32_t>(inits.size())}));
  if (succeeded(parser.parseOptionalKeyword("first")))
    result.addAttribute(getFirstAttrName(result.name), builder.getUnitAttr());
  llvm::append_range(offsets, iterArgs);
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, offsets))
    return failure();
  ensureTerminator(*body, builder, result.location);
  return parser.parseOptionalAttrDict(result.attributes);
}

void ForEachTileOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(getBody().getArguments().take_front(getNumTileArgs()), printer);
  printer << ") of (" << getM() << ", " << getN() << ")";
  if (getLayout() != Layout::Dense)
    printer << ' ' << stringifyLayout(getLayout());
  if (getGroups())
    printer << ' ' << getGroups() << " : " << getGroups().getType();
  printer << " tile = ";
  printer.printStrippedAttrOrType(getTileAttr());
  printer << " group_m = " << getGroupM();
  if (getCluster() != ArrayRef<int64_t>{1, 1}) {
    printer << " cluster = ";
    printer.printStrippedAttrOrType(getClusterAttr());
  }
  if (!getInitArgs().empty()) {
    printer << " iter_args(";
    llvm::interleaveComma(llvm::zip(getRegionIterArgs(), getInitArgs()), printer,
                          [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
    printer << ")";
    printer.printArrowTypeList(getResultTypes());
  }
  if (getFirst())
    printer << " first";
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/!getInitArgs().empty());
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {getTileAttrName(), getGroupMAttrName(), getClusterAttrName(), getLayoutAttrName(),
                                 getFirstAttrName(), getOperandSegmentSizesAttrName()});
}

void ForEachTileOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  setName(region.getArgument(0), "m");
  setName(region.getArgument(1), "n");
  if (getGroup())
    setName(getGroup(), "g");
  if (getGroupRows())
    setName(getGroupRows(), "rows");
  if (getKBegin()) {
    setName(getKBegin(), "k_begin");
    setName(getKEnd(), "k_end");
  }
  if (getPeerGroup())
    setName(getPeerGroup(), "peer");
}

/// C2.
static LogicalResult verifyInKernel(ForEachTileOp op, KernelOp kernel) {
  ConfigAttr config = kernel.getConfig();
  SmallVector<int64_t> tile = {config.getBlockM(), config.getBlockN()},
                       cluster = {config.getClusterM(), config.getClusterN()};
  if (config.getSplitK() > 1)
    cluster.push_back(config.getSplitK());
  if (op.getTile() != ArrayRef(tile) || op.getCluster() != ArrayRef(cluster) ||
      static_cast<int64_t>(op.getGroupM()) != config.getOrder().getGroupM())
    return op.emitOpError() << "expected tile = [" << tile << "], group_m = " << config.getOrder().getGroupM()
                            << " and cluster = [" << cluster << "], as the config of the kernel says";
  if (op.getLayout() != kernel.getLayout())
    return op.emitOpError() << "expected the layout of the kernel, " << stringifyLayout(kernel.getLayout())
                            << ", but got " << stringifyLayout(op.getLayout());
  if (std::optional<Operand> groups = kernel.getProblem().getGroupsOperand();
      op.getGroups() && op.getGroups() != kernel.findOperand(*groups))
    return op.emitOpError() << "expected the groups to be the kernel argument " << stringifyOperand(*groups);
  if (!kernel.isSize(op.getM(), 0) || !kernel.isSize(op.getN(), 1))
    return op.emitOpError("expected to walk the M and N of the kernel: the argument, or the constant that it is");
  return success();
}

LogicalResult ForEachTileOp::verify() {
  if (getTile().size() != 2 || llvm::any_of(getTile(), [](int64_t extent) { return extent < 1; }))
    return emitOpError("expected 'tile' to give two positive extents");
  if (ProblemAttr::getGroupOperand(getLayout()).has_value() != !!getGroups())
    return emitOpError("expected a memref of groups for a layout that reads it, and none for a dense or batched one");
  if (getGroups()) {
    MemRefType type = getGroups().getType();
    if (type.getRank() != 1 || !type.getElementType().isInteger(32))
      return emitOpError() << "expected a rank-1 memref of i32, but got " << type;
  }
  if (getGroupM() < 1)
    return emitOpError() << "expected 'group_m' to be at least 1, but got " << getGroupM();
  if (getFirst() && (getLayout() != Layout::Dense || !getInitArgs().empty()))
    return emitOpError("expected a dense layout and nothing to carry with 'first'");
  ArrayRef<int64_t> cluster = getCluster();
  if (cluster.size() < 2 || cluster.size() > 3 || !llvm::all_of(cluster.take_front(2), llvm::isPowerOf2_64) ||
      cluster.back() < 1)
    return emitOpError("expected 'cluster' to give two powers of two, and the CTAs of a tile if there are several");
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (getInitArgs().getTypes() != getResultTypes() || yield.getValues().getTypes() != getResultTypes())
    return emitOpError() << "expected initial, yielded and result types to be equal, but got "
                         << getInitArgs().getTypes() << ", " << yield.getValues().getTypes() << " and "
                         << getResultTypes();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  return kernel ? verifyInKernel(*this, kernel) : success();
}

/// True for an op that a K loop's body has once for each K block.
static bool marksKBlock(Operation &op, KernelOp kernel) {
  if (auto load = dyn_cast<LoadOp>(op))
    return kernel.getOperandOf(load.getSource()) == Operand::B;
  return isa<AcquireOp, ReleaseOp>(op);
}

/// C3.
LogicalResult ForEachTileOp::verifyRegions() {
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel)
    return success(); // the place of the op is verified separately
  int64_t blockK = kernel.getConfig().getBlockK();
  WalkResult result = getBody().walk([&](scf::ForOp loop) {
    int64_t blocks = llvm::count_if(*loop.getBody(), [&](Operation &op) { return marksKBlock(op, kernel); });
    if (!blocks || getConstantIntValue(loop.getStep()) == std::optional(blocks * blockK))
      return WalkResult::advance();
    loop.emitOpError() << "expected a K loop of " << blocks << " K blocks of " << blockK
                       << " to have their sum as its step, " << blocks * blockK;
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// LoopLikeOpInterface
//===----------------------------------------------------------------------===//

SmallVector<Region *> ForEachTileOp::getLoopRegions() { return {&getBody()}; }

MutableArrayRef<OpOperand> ForEachTileOp::getInitsMutable() { return getInitArgsMutable(); }

Block::BlockArgListType ForEachTileOp::getRegionIterArgs() {
  return getBody().getArguments().drop_front(getNumTileArgs());
}

std::optional<MutableArrayRef<OpOperand>> ForEachTileOp::getYieldedValuesMutable() {
  return cast<YieldOp>(getBody().front().getTerminator())->getOpOperands();
}

std::optional<ResultRange> ForEachTileOp::getLoopResults() { return getResults(); }

FailureOr<LoopLikeOpInterface> ForEachTileOp::replaceWithAdditionalYields(RewriterBase &rewriter, ValueRange newInits,
                                                                          bool replaceInitUsesInLoop,
                                                                          const NewYieldValuesFn &newYieldValues) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(getOperation());
  SmallVector<Value> inits(getInitArgs());
  llvm::append_range(inits, newInits);
  auto loop = ForEachTileOp::create(rewriter, getLoc(), getM(), getN(), getLayout(), getGroups(), getTile(),
                                    getGroupM(), getCluster(), inits);

  // The new block is empty, because a loop with values gets no terminator. Replace it by the old body.
  rewriter.eraseBlock(&loop.getBody().front());
  rewriter.inlineRegionBefore(getBody(), loop.getBody(), loop.getBody().end());
  Block &body = loop.getBody().front();
  SmallVector<BlockArgument> added;
  for (Value init : newInits)
    added.push_back(body.addArgument(init.getType(), init.getLoc()));

  auto yield = cast<YieldOp>(body.getTerminator());
  rewriter.setInsertionPoint(yield);
  SmallVector<Value> values(yield.getValues());
  llvm::append_range(values, newYieldValues(rewriter, getLoc(), added));
  rewriter.replaceOpWithNewOp<YieldOp>(yield, values);
  if (replaceInitUsesInLoop)
    for (auto [init, arg] : llvm::zip(newInits, added))
      rewriter.replaceUsesWithIf(init, arg, [&](OpOperand &use) { return loop->isProperAncestor(use.getOwner()); });
  rewriter.replaceOp(getOperation(), loop.getResults().take_front(getNumResults()));
  return cast<LoopLikeOpInterface>(loop.getOperation());
}
