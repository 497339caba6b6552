//===- ForEachTileOp.cpp - dgemm.for_each_tile -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"

using namespace mlir;
using namespace mlir::dgemm;

void ForEachTileOp::build(OpBuilder &builder, OperationState &state, Value m, Value n, ArrayRef<int64_t> tile,
                          int64_t groupM, ValueRange inits) {
  state.addOperands({m, n});
  state.addOperands(inits);
  state.addTypes(inits.getTypes());
  state.addAttribute(getTileAttrName(state.name), builder.getDenseI64ArrayAttr(tile));
  state.addAttribute(getGroupMAttrName(state.name), builder.getI64IntegerAttr(groupM));
  Region *body = state.addRegion();
  Block &block = body->emplaceBlock();
  block.addArguments({builder.getIndexType(), builder.getIndexType()}, {state.location, state.location});
  for (Value init : inits)
    block.addArgument(init.getType(), init.getLoc());
  if (inits.empty())
    ensureTerminator(*body, builder, state.location);
}

/// (%m, %n) of (%M, %N) tile = [..] group_m = G [iter_args(%x = %init, ...) -> (types)] { ... }
ParseResult ForEachTileOp::parse(OpAsmParser &parser, OperationState &result) {
  Builder &builder = parser.getBuilder();
  SmallVector<OpAsmParser::Argument> offsets, iterArgs;
  OpAsmParser::UnresolvedOperand m, n;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  DenseI64ArrayAttr tile;
  IntegerAttr groupM;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseArgumentList(offsets, OpAsmParser::Delimiter::Paren) || parser.parseKeyword("of") ||
      parser.parseLParen() || parser.parseOperand(m) || parser.parseComma() || parser.parseOperand(n) ||
      parser.parseRParen() || parser.parseKeyword("tile") || parser.parseEqual() ||
      parser.parseCustomAttributeWithFallback(tile, Type{}, getTileAttrName(result.name).strref(), result.attributes) ||
      parser.parseKeyword("group_m") || parser.parseEqual() ||
      parser.parseAttribute(groupM, builder.getI64Type(), getGroupMAttrName(result.name).strref(), result.attributes))
    return failure();
  if (offsets.size() != 2)
    return parser.emitError(loc, "expected two tile offsets (%m, %n), but got ") << offsets.size();
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
      parser.resolveOperands(inits, result.types, loc, result.operands))
    return failure();
  llvm::append_range(offsets, iterArgs);
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, offsets))
    return failure();
  ensureTerminator(*body, builder, result.location);
  return parser.parseOptionalAttrDict(result.attributes);
}

void ForEachTileOp::print(OpAsmPrinter &printer) {
  printer << " (" << getTileM() << ", " << getTileN() << ") of (" << getM() << ", " << getN() << ") tile = ";
  printer.printStrippedAttrOrType(getTileAttr());
  printer << " group_m = " << getGroupM();
  if (!getInitArgs().empty()) {
    printer << " iter_args(";
    llvm::interleaveComma(llvm::zip(getRegionIterArgs(), getInitArgs()), printer,
                          [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
    printer << ")";
    printer.printArrowTypeList(getResultTypes());
  }
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/!getInitArgs().empty());
  printer.printOptionalAttrDict((*this)->getAttrs(), {getTileAttrName(), getGroupMAttrName()});
}

void ForEachTileOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  setName(region.getArgument(0), "m");
  setName(region.getArgument(1), "n");
}

LogicalResult ForEachTileOp::verify() {
  if (getTile().size() != 2 || llvm::any_of(getTile(), [](int64_t extent) { return extent < 1; }))
    return emitOpError("expected 'tile' to give two positive extents");
  if (getGroupM() < 1)
    return emitOpError() << "expected 'group_m' to be at least 1, but got " << getGroupM();
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (getInitArgs().getTypes() != getResultTypes() || yield.getValues().getTypes() != getResultTypes())
    return emitOpError() << "expected initial, yielded and result types to be equal, but got "
                         << getInitArgs().getTypes() << ", " << yield.getValues().getTypes() << " and "
                         << getResultTypes();
  return success();
}

//===----------------------------------------------------------------------===//
// LoopLikeOpInterface
//===----------------------------------------------------------------------===//

SmallVector<Region *> ForEachTileOp::getLoopRegions() { return {&getBody()}; }

MutableArrayRef<OpOperand> ForEachTileOp::getInitsMutable() { return getOperation()->getOpOperands().drop_front(2); }

Block::BlockArgListType ForEachTileOp::getRegionIterArgs() { return getBody().getArguments().drop_front(2); }

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
  auto loop = ForEachTileOp::create(rewriter, getLoc(), getM(), getN(), getTile(), getGroupM(), inits);

  // The new block is empty (no terminator is made for a loop with values): take the old body as it is.
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
