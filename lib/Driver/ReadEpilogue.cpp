//===- ReadEpilogue.cpp - Epilogues as text -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// The first argument of each function is the result of the function before it; for the first function it is the sum. A
// chain is thus one function after the other. A function with the attribute `dgemm.gated` takes two sums, so it comes
// first.
//
//===----------------------------------------------------------------------===//

#include "ReadEpilogue.h"
#include "dgemm/IR/Epilogue.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;
using namespace mlir;

/// On a function of a gated epilogue.
static constexpr llvm::StringLiteral kGatedAttr = "dgemm.gated";

namespace {
/// Joins functions into one region.
class Chain {
public:
  explicit Chain(MLIRContext *context)
      : holder(ModuleOp::create(UnknownLoc::get(context))), builder(OpBuilder::atBlockEnd(holder->getBody())) {
    values.push_back(addArgument(UnknownLoc::get(context)));
  }

  /// `elementType`, if given, is the type of operands with a value for each element.
  LogicalResult add(func::FuncOp function, Type elementType, bool isExact);

  EpilogueAttr finish() {
    YieldOp::create(builder, values.front().getLoc(), values.front());
    return getEpilogue(holder->getBodyRegion(), operands, isGated);
  }

private:
  Value addArgument(Location location) { return holder->getBody()->addArgument(builder.getF32Type(), location); }
  /// The value of an operand, which functions of a chain may share.
  FailureOr<Value> getOperand(func::FuncOp function, unsigned index, Type elementType);

  /// Holds the ops of the region. It is never verified.
  OwningOpRef<ModuleOp> holder;
  OpBuilder builder;
  /// The sum, or both sums of a gated epilogue. After the first function, its result.
  SmallVector<Value, 2> values;
  bool isGated = false, isEmpty = true;
  SmallVector<EpilogueOperandAttr> operands;
};
} // namespace

FailureOr<Value> Chain::getOperand(func::FuncOp function, unsigned index, Type elementType) {
  auto operand = function.getArgAttrOfType<EpilogueOperandAttr>(index, kOperandAttr);
  if (!operand)
    return function.emitOpError() << "expected argument " << index
                                  << " of an epilogue to say what it is, as {dgemm.operand = "
                                     "#dgemm.epilogue_operand<name = \"bias\", along = n, element = f32>}";
  if (elementType && operand.getAlong() == EpilogueAxisKind::MN)
    operand = EpilogueOperandAttr::get(operand.getContext(), operand.getName(), operand.getAlong(), elementType);
  for (auto [known, argument] :
       llvm::zip_equal(operands, holder->getBody()->getArguments().take_back(operands.size()))) {
    if (known == operand)
      return Value(argument);
    if (known.getName() == operand.getName())
      return function.emitOpError() << "expected operand '" << operand.getName()
                                    << "' to be the same in each function, " << known << ", but got " << operand;
  }
  operands.push_back(operand);
  return addArgument(function.getLoc());
}

LogicalResult Chain::add(func::FuncOp function, Type elementType, bool isExact) {
  auto isF32 = [](Type type) { return type.isF32(); };
  if (!function.getBody().hasOneBlock() || function.getNumArguments() < (function->hasAttr(kGatedAttr) ? 2 : 1) ||
      function.getNumResults() != 1 || !llvm::all_of(function.getArgumentTypes(), isF32) ||
      !isF32(function.getResultTypes()[0]))
    return function.emitOpError()
           << "expected an epilogue to be a function of one block, of f32 arguments, of which "
              "the first is the element (two with dgemm.gated), with one f32 as its result, but got "
           << function.getFunctionType();
  if (function->hasAttr(kGatedAttr)) {
    if (!isEmpty)
      return function.emitOpError("expected a gated function to be the first of an epilogue, as it takes two sums");
    isGated = true;
    values.push_back(addArgument(function.getLoc()));
  }
  isEmpty = false;
  unsigned numSums = values.size();
  if (operands.size() + function.getNumArguments() - numSums > EpilogueAttr::kMaxOperands)
    return function.emitOpError() << "expected at most " << EpilogueAttr::kMaxOperands << " operands of an epilogue";
  IRMapping mapping;
  mapping.map(function.getArguments().take_front(numSums), values);
  for (unsigned index = numSums; index < function.getNumArguments(); ++index) {
    FailureOr<Value> operand = getOperand(function, index, elementType);
    if (failed(operand))
      return failure();
    mapping.map(function.getArgument(index), *operand);
  }
  for (Operation &op : function.front().without_terminator()) {
    if (!isEpilogueOp(op.getName().getStringRef()))
      return op.emitOpError("has no form in an epilogue (docs/epilogues.md lists the ops)");
    for (Type type : op.getResultTypes())
      if (!type.isF32() && !type.isInteger(1))
        return op.emitOpError() << "expected values of an epilogue to be f32 or i1, but got " << type;
    Operation *copy = builder.clone(op, mapping);
    if (isExact && isa<arith::ArithFastMathInterface>(copy))
      copy->setAttr("fastmath", arith::FastMathFlagsAttr::get(copy->getContext(), arith::FastMathFlags::none));
  }
  values.assign({mapping.lookup(function.front().getTerminator()->getOperand(0))});
  return success();
}

/// Appends the functions of `text` to those of `chain`.
static LogicalResult addText(Chain &chain, MLIRContext *context, StringRef text, Type elementType, bool isExact) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, ParserConfig(context), "epilogue");
  if (!module)
    return failure();
  auto functions = module->getOps<func::FuncOp>();
  if (functions.empty())
    return module->emitOpError("expected the text of an epilogue to have a func.func");
  for (func::FuncOp function : functions)
    if (failed(chain.add(function, elementType, isExact)))
      return failure();
  return success();
}

EpilogueAttr dgemm::readEpilogue(MLIRContext *context, StringRef text, Type out) {
  context->loadDialect<DGemmDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  Chain chain(context);
  if (text.contains("func.func")) {
    if (failed(addText(chain, context, text, {}, /*isExact=*/false)))
      return {};
    return chain.finish();
  }
  SmallVector<StringRef> names;
  llvm::SplitString(text, names, "+, ");
  for (StringRef name : names) {
    StringRef functions = getReadyMadeEpilogue(name);
    if (functions.empty()) {
      emitError(UnknownLoc::get(context)) << "'" << name << "' is no epilogue; there are " << listReadyMadeEpilogues()
                                          << ", with + between several, and files of MLIR";
      return {};
    }
    if (failed(addText(chain, context, functions, out, /*isExact=*/out.isF32())))
      return {};
  }
  return chain.finish();
}
