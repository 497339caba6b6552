//===- Epilogue.cpp - Regions on the elements of D -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/Epilogue.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

Operand dgemm::getEpilogueOperand(unsigned index) {
  assert(index < EpilogueAttr::kMaxOperands && "an epilogue has no such operand");
  return static_cast<Operand>(static_cast<unsigned>(Operand::Epilogue0) + index);
}

std::optional<unsigned> dgemm::getEpilogueIndex(Operand operand) {
  // Operands that came later have larger values.
  auto index = static_cast<unsigned>(operand) - static_cast<unsigned>(Operand::Epilogue0);
  return index < EpilogueAttr::kMaxOperands ? std::optional(index) : std::nullopt;
}

LogicalResult EpilogueOperandAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef name,
                                          EpilogueAxisKind, Type element) {
  if (!element.isF32() && !element.isBF16() && !element.isF16())
    return emitError() << "expected elements of type f32, bf16 or f16 of an operand of an epilogue, but got "
                       << element;
  auto isLetter = [](char c) { return llvm::isAlpha(c) || c == '_'; };
  bool isName = !name.empty() && isLetter(name.front()) &&
                llvm::all_of(name, [&](char c) { return isLetter(c) || llvm::isDigit(c); });
  std::optional<Operand> other = symbolizeOperand(name);
  if (isName && (!other || getEpilogueIndex(*other)))
    return success();
  return emitError() << "expected the name of an operand of an epilogue to be letters, digits and _, no digit first, "
                        "and no other operand's, but got '"
                     << name << "'";
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

namespace {
/// An op that an epilogue may have. dgemm-expand-epilogues and dgemm-lower-to-nvvm give each op its form in PTX.
struct EpilogueOp {
  llvm::StringLiteral name;
  size_t numArgs;
};

constexpr EpilogueOp kEpilogueOps[] = {
    {"arith.constant", 0}, {"arith.addf", 2},     {"arith.subf", 2},     {"arith.mulf", 2},    {"arith.divf", 2},
    {"arith.negf", 1},     {"arith.maximumf", 2}, {"arith.minimumf", 2}, {"arith.maxnumf", 2}, {"arith.minnumf", 2},
    {"arith.cmpf", 2},     {"arith.select", 3},   {"arith.andi", 2},     {"arith.ori", 2},     {"arith.xori", 2},
    {"math.fma", 3},       {"math.absf", 1},      {"math.copysign", 2},  {"math.floor", 1},    {"math.ceil", 1},
    {"math.trunc", 1},     {"math.roundeven", 1}, {"math.sqrt", 1},      {"math.rsqrt", 1},    {"math.exp", 1},
    {"math.exp2", 1},      {"math.expm1", 1},     {"math.log", 1},       {"math.log2", 1},     {"math.log1p", 1},
    {"math.tanh", 1},      {"math.erf", 1}};

const EpilogueOp *findEpilogueOp(StringRef name) {
  const EpilogueOp *op = llvm::find_if(kEpilogueOps, [&](const EpilogueOp &op) { return op.name == name; });
  return op == std::end(kEpilogueOps) ? nullptr : op;
}

std::string listEpilogueOps() {
  return llvm::join(llvm::map_range(kEpilogueOps, [](const EpilogueOp &op) { return op.name; }), ", ");
}

bool isEpilogueType(Type type) { return type.isF32() || type.isInteger(1); }
} // namespace

bool dgemm::isEpilogueOp(StringRef name) { return findEpilogueOp(name); }

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// Verifies an op before the yield; `known` are the values before the op.
static LogicalResult verifyScalarOp(Operation &op, const llvm::DenseSet<Value> &known) {
  if (op.getNumRegions() || op.getNumSuccessors() || op.getNumResults() != 1)
    return op.emitOpError("expected ops of an epilogue to have a result, and no regions");
  for (Value operand : op.getOperands())
    if (!known.contains(operand))
      return op.emitOpError(
          "expected to take values of the epilogue that come before it; what comes from outside is an "
          "operand of the epilogue");
  return success();
}

LogicalResult dgemm::verifyEpilogue(Operation *op, Region &region, unsigned numArguments) {
  for (Operation &nested : region.getOps()) {
    if (nested.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (!isEpilogueOp(nested.getName().getStringRef()))
      return nested.emitOpError() << "has no form in an epilogue, whose ops are " << listEpilogueOps();
    if (failed(mlir::verify(&nested)))
      return failure();
    for (Type type : nested.getResultTypes())
      if (!isEpilogueType(type))
        return nested.emitOpError() << "expected values of an epilogue to be f32 or i1, but got " << type;
  }
  return verifyScalarRegion(op, region, numArguments);
}

LogicalResult dgemm::verifyScalarRegion(Operation *op, Region &region, unsigned numArguments) {
  if (!region.hasOneBlock())
    return op->emitOpError("expected an epilogue of one block");
  Block &block = region.front();
  if (block.getNumArguments() != numArguments ||
      !llvm::all_of(block.getArgumentTypes(), [](Type type) { return type.isF32(); }))
    return op->emitOpError() << "expected an epilogue of " << numArguments
                             << " f32 arguments, the element and a value of each operand, but got ("
                             << block.getArgumentTypes() << ")";
  llvm::DenseSet<Value> known(block.args_begin(), block.args_end());
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError("expected an epilogue to end with dgemm.yield");
  for (Operation &nested : block) {
    if (&nested == yield)
      break;
    if (failed(verifyScalarOp(nested, known)))
      return failure();
    known.insert(nested.result_begin(), nested.result_end());
  }
  if (yield.getNumOperands() != 1 || !yield.getOperand(0).getType().isF32() || !known.contains(yield.getOperand(0)))
    return yield.emitOpError() << "expected an epilogue to yield one f32 of its own, but got ("
                               << yield.getOperandTypes() << ")";
  return success();
}

/// The value of a constant or the predicate of a comparison; null for any other op.
static Attribute getStepValue(Operation &op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return constant.getValue();
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return StringAttr::get(op.getContext(), arith::stringifyCmpFPredicate(compare.getPredicate()));
  return {};
}

static std::string getStepFlags(Operation &op) {
  auto fast = dyn_cast<arith::ArithFastMathInterface>(op);
  arith::FastMathFlagsAttr flags = fast ? fast.getFastMathFlagsAttr() : arith::FastMathFlagsAttr();
  return flags && flags.getValue() != arith::FastMathFlags::none ? arith::stringifyFastMathFlags(flags.getValue()) : "";
}

EpilogueAttr dgemm::getEpilogue(Region &region, ArrayRef<EpilogueOperandAttr> operands, bool isGated) {
  Block &block = region.front();
  MLIRContext *context = region.getContext();
  DenseMap<Value, int64_t> numbers;
  auto add = [&](Value value) { numbers.try_emplace(value, static_cast<int64_t>(numbers.size())); };
  llvm::for_each(block.getArguments(), add);
  SmallVector<EpilogueStepAttr> steps;
  for (Operation &op : block.without_terminator()) {
    SmallVector<int64_t> args = llvm::map_to_vector(op.getOperands(), [&](Value arg) { return numbers.lookup(arg); });
    steps.push_back(
        EpilogueStepAttr::get(context, op.getName().getStringRef(), args, getStepValue(op), getStepFlags(op)));
    add(op.getResult(0));
  }
  return EpilogueAttr::get(context, operands, steps, numbers.lookup(block.getTerminator()->getOperand(0)), isGated);
}

void dgemm::buildEpilogue(OpBuilder &builder, Location location, EpilogueAttr epilogue, Region &region) {
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> types(epilogue.getNumArguments(), builder.getF32Type());
  Block *block = builder.createBlock(&region, {}, types, SmallVector<Location>(types.size(), location));
  SmallVector<Value> values(block->getArguments());
  for (EpilogueStepAttr step : epilogue.getOps()) {
    OperationState state(location, step.getOp());
    for (int64_t arg : step.getArgNumbers())
      state.addOperands(values[arg]);
    Type type = state.operands.empty() ? cast<TypedAttr>(step.getValue()).getType() : state.operands.back().getType();
    if (auto predicate = dyn_cast_or_null<StringAttr>(step.getValue())) {
      type = builder.getI1Type();
      state.addAttribute(
          "predicate", arith::CmpFPredicateAttr::get(builder.getContext(), *arith::symbolizeCmpFPredicate(predicate)));
    } else if (step.getValue()) {
      state.addAttribute("value", step.getValue());
    }
    if (!step.getFastmath().empty())
      state.addAttribute("fastmath", arith::FastMathFlagsAttr::get(builder.getContext(),
                                                                   *arith::symbolizeFastMathFlags(step.getFastmath())));
    state.addTypes(type);
    values.push_back(builder.create(state)->getResult(0));
  }
  YieldOp::create(builder, location, values[epilogue.getResult()]);
}

//===----------------------------------------------------------------------===//
// #dgemm.epilogue
//===----------------------------------------------------------------------===//

/// C2, for one op with `numValues` values before it.
static LogicalResult verifyStep(function_ref<InFlightDiagnostic()> emitError, EpilogueStepAttr step,
                                int64_t numValues) {
  const EpilogueOp *op = findEpilogueOp(step.getOp());
  if (!op)
    return emitError() << "expected an op of an epilogue, which are " << listEpilogueOps() << ", but got '"
                       << step.getOp() << "'";
  if (step.getArgNumbers().size() != op->numArgs)
    return emitError() << "expected " << op->numArgs << " args of '" << op->name << "', but got "
                       << step.getArgNumbers().size();
  for (int64_t arg : step.getArgNumbers())
    if (arg < 0 || arg >= numValues)
      return emitError() << "expected args of '" << op->name << "' to be among the " << numValues
                         << " values in front of it, but got " << arg;
  bool isConstant = op->name == "arith.constant", isCompare = op->name == "arith.cmpf";
  auto typed = dyn_cast_or_null<TypedAttr>(step.getValue());
  auto text = dyn_cast_or_null<StringAttr>(step.getValue());
  bool isValue = isConstant  ? typed && isEpilogueType(typed.getType())
                 : isCompare ? text && arith::symbolizeCmpFPredicate(text)
                             : !step.getValue();
  if (!isValue)
    return emitError() << "expected '" << op->name << "' to have "
                       << (isConstant  ? "a value of f32 or i1"
                           : isCompare ? "a predicate of arith.cmpf as its value"
                                       : "no value")
                       << ", but got " << (step.getValue() ? step.getValue() : UnitAttr::get(step.getContext()));
  if (step.getFastmath().empty() || arith::symbolizeFastMathFlags(step.getFastmath()))
    return success();
  return emitError() << "expected 'fastmath' to be flags of the arith dialect, but got '" << step.getFastmath() << "'";
}

LogicalResult EpilogueAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<EpilogueOperandAttr> operands,
                                   ArrayRef<EpilogueStepAttr> ops, int64_t result, bool gated) {
  if (operands.size() > kMaxOperands)
    return emitError() << "expected at most " << kMaxOperands << " operands of an epilogue, but got "
                       << operands.size();
  llvm::StringSet<> names;
  for (EpilogueOperandAttr operand : operands)
    if (!names.insert(operand.getName()).second)
      return emitError() << "expected operands of an epilogue to have names of their own, but got '"
                         << operand.getName() << "' twice";
  int64_t numValues = (gated ? 2 : 1) + static_cast<int64_t>(operands.size());
  for (EpilogueStepAttr op : ops)
    if (failed(verifyStep(emitError, op, numValues++)))
      return failure();
  if (result >= 0 && result < numValues)
    return success();
  return emitError() << "expected the result to be one of the " << numValues << " values of the epilogue, but got "
                     << result;
}

//===----------------------------------------------------------------------===//
// The epilogue of dgemm.gemm in text
//===----------------------------------------------------------------------===//

LogicalResult dgemm::verifyHasEpilogue(function_ref<InFlightDiagnostic()> emitError, Layout layout, bool accumulate) {
  if (accumulate)
    return emitError() << "expected no epilogue where the product is added to D";
  if (layout == Layout::Offsets || layout == Layout::KGrouped)
    return emitError() << "expected an epilogue to be of a dense, contiguous, masked or batched layout, but got "
                       << stringifyLayout(layout);
  return success();
}

/// `%bias : memref<4096xf32> along n named "bias"`.
static ParseResult parseOperand(OpAsmParser &parser, OpAsmParser::UnresolvedOperand &operand, Type &type,
                                EpilogueOperandAttr &role, size_t index) {
  StringRef along;
  SMLoc loc = parser.getCurrentLocation(), axisLoc;
  if (parser.parseOperand(operand) || parser.parseColonType(type) || parser.parseKeyword("along"))
    return failure();
  axisLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&along))
    return failure();
  std::optional<EpilogueAxisKind> axis = symbolizeEpilogueAxisKind(along);
  if (!axis)
    return parser.emitError(axisLoc, "expected n, m, mn, g or none, but got '") << along << "'";
  std::string name = "epilogue" + std::to_string(index);
  if (succeeded(parser.parseOptionalKeyword("named")) && parser.parseString(&name))
    return failure();
  if (!isa<MemRefType, RankedTensorType>(type))
    return parser.emitError(loc, "expected an operand of an epilogue to be a memref or a tensor, but got ") << type;
  role = EpilogueOperandAttr::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), StringRef(name),
                                         *axis, cast<ShapedType>(type).getElementType());
  return success(!!role);
}

ParseResult dgemm::parseEpilogue(OpAsmParser &parser, SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands,
                                 SmallVectorImpl<Type> &types, ArrayAttr &roles, UnitAttr &gated, Region &region) {
  if (failed(parser.parseOptionalKeyword("epilogue")))
    return success();
  if (succeeded(parser.parseOptionalKeyword("gated")))
    gated = parser.getBuilder().getUnitAttr();
  SmallVector<Attribute> all;
  auto parseOne = [&] {
    EpilogueOperandAttr role;
    ParseResult result = parseOperand(parser, operands.emplace_back(), types.emplace_back(), role, all.size());
    all.push_back(role);
    return result;
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::OptionalParen, parseOne))
    return failure();
  if (!all.empty())
    roles = parser.getBuilder().getArrayAttr(all);
  return parser.parseRegion(region);
}

void dgemm::printEpilogue(OpAsmPrinter &printer, Operation *, OperandRange operands, TypeRange, ArrayAttr roles,
                          UnitAttr gated, Region &region) {
  if (region.empty())
    return;
  printer << " epilogue" << (gated ? " gated" : "");
  if (!operands.empty()) {
    printer << '(';
    llvm::interleaveComma(llvm::zip_equal(operands, roles.getAsRange<EpilogueOperandAttr>()), printer, [&](auto pair) {
      auto [operand, role] = pair;
      printer << operand << " : " << operand.getType() << " along " << stringifyEpilogueAxisKind(role.getAlong())
              << " named ";
      printer.printString(role.getName());
    });
    printer << ')';
  }
  printer << ' ';
  printer.printRegion(region);
}
