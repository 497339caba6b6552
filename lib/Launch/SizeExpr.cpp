//===- SizeExpr.cpp - Integer expressions over problem sizes --------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Launch/SizeExpr.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

namespace {
struct OpName {
  SizeExpr::Op op;
  StringLiteral name;
};
constexpr OpName kOpNames[] = {
    {SizeExpr::Op::Add, "+"},           {SizeExpr::Op::Mul, "*"},   {SizeExpr::Op::FloorDiv, "floordiv"},
    {SizeExpr::Op::CeilDiv, "ceildiv"}, {SizeExpr::Op::Mod, "mod"}, {SizeExpr::Op::Min, "min"},
    {SizeExpr::Op::Max, "max"},
};

StringRef nameOf(SizeExpr::Op op) {
  for (const OpName &entry : kOpNames)
    if (entry.op == op)
      return entry.name;
  llvm_unreachable("not a binary operation");
}

Error makeError(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Expected<int64_t> apply(SizeExpr::Op op, int64_t lhs, int64_t rhs) {
  bool divides = op == SizeExpr::Op::FloorDiv || op == SizeExpr::Op::CeilDiv || op == SizeExpr::Op::Mod;
  if (divides && rhs < 1)
    return makeError(formatv("'{0}' by {1} in a size expression; a divisor must be at least 1", nameOf(op), rhs));
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
  case SizeExpr::Op::Add:
    overflow = AddOverflow(lhs, rhs, result);
    break;
  case SizeExpr::Op::Mul:
    overflow = MulOverflow(lhs, rhs, result);
    break;
  case SizeExpr::Op::FloorDiv:
    result = divideFloorSigned(lhs, rhs);
    break;
  case SizeExpr::Op::CeilDiv:
    result = divideCeilSigned(lhs, rhs);
    break;
  case SizeExpr::Op::Mod:
    result = mod(lhs, rhs);
    break;
  case SizeExpr::Op::Min:
    result = std::min(lhs, rhs);
    break;
  case SizeExpr::Op::Max:
    result = std::max(lhs, rhs);
    break;
  case SizeExpr::Op::Constant:
  case SizeExpr::Op::Name:
    llvm_unreachable("not a binary operation");
  }
  if (overflow)
    return makeError(formatv("{0} {1} {2} in a size expression does not fit 64 bits", lhs, nameOf(op), rhs));
  return result;
}
} // namespace

SizeExpr SizeExpr::name(StringRef name) {
  SizeExpr expr;
  expr.op = Op::Name;
  expr.symbol = name.str();
  return expr;
}

SizeExpr SizeExpr::binary(Op op, SizeExpr lhs, SizeExpr rhs) {
  assert(op != Op::Constant && op != Op::Name && "not a binary operation");
  SizeExpr expr;
  expr.op = op;
  expr.operands.push_back(std::move(lhs));
  expr.operands.push_back(std::move(rhs));
  return expr;
}

/// `expr`, or its value if both operands are constants.
static SizeExpr fold(SizeExpr expr, const SizeExpr &lhs, const SizeExpr &rhs) {
  if (!lhs.isConstant() || !rhs.isConstant())
    return expr;
  Expected<int64_t> value = expr.evaluate(Sizes());
  if (value)
    return SizeExpr(*value);
  // Not evaluable (a divisor below 1, an overflow): evaluating the expression reports it.
  consumeError(value.takeError());
  return expr;
}

SizeExpr SizeExpr::add(SizeExpr lhs, SizeExpr rhs) { return fold(binary(Op::Add, lhs, rhs), lhs, rhs); }

SizeExpr SizeExpr::mul(SizeExpr lhs, SizeExpr rhs) { return fold(binary(Op::Mul, lhs, rhs), lhs, rhs); }

SizeExpr SizeExpr::min(SizeExpr lhs, SizeExpr rhs) { return fold(binary(Op::Min, lhs, rhs), lhs, rhs); }

SizeExpr SizeExpr::ceilDiv(SizeExpr lhs, SizeExpr rhs) { return fold(binary(Op::CeilDiv, lhs, rhs), lhs, rhs); }

Expected<int64_t> SizeExpr::evaluate(const Sizes &sizes) const {
  if (op == Op::Constant)
    return value;
  if (op == Op::Name) {
    auto it = sizes.find(symbol);
    if (it == sizes.end())
      return makeError(formatv("size '{0}' has no value", symbol));
    return it->second;
  }
  Expected<int64_t> lhs = operands[0].evaluate(sizes);
  if (!lhs)
    return lhs.takeError();
  Expected<int64_t> rhs = operands[1].evaluate(sizes);
  if (!rhs)
    return rhs.takeError();
  return apply(op, *lhs, *rhs);
}

json::Value SizeExpr::toJSON() const {
  if (op == Op::Constant)
    return value;
  if (op == Op::Name)
    return symbol;
  return json::Array{nameOf(op), operands[0].toJSON(), operands[1].toJSON()};
}

Expected<SizeExpr> SizeExpr::fromJSON(const json::Value &json) {
  if (std::optional<int64_t> constant = json.getAsInteger())
    return SizeExpr(*constant);
  if (std::optional<StringRef> symbol = json.getAsString(); symbol && !symbol->empty())
    return SizeExpr::name(*symbol);
  const json::Array *array = json.getAsArray();
  std::optional<StringRef> opName;
  if (array && array->size() == 3)
    opName = (*array)[0].getAsString();
  if (!opName)
    return makeError(formatv("expected an integer, a size name or [op, lhs, rhs], but got {0}", json));
  for (const OpName &entry : kOpNames) {
    if (entry.name != *opName)
      continue;
    Expected<SizeExpr> lhs = fromJSON((*array)[1]);
    if (!lhs)
      return lhs;
    Expected<SizeExpr> rhs = fromJSON((*array)[2]);
    if (!rhs)
      return rhs;
    return binary(entry.op, std::move(*lhs), std::move(*rhs));
  }
  return makeError(
      formatv("'{0}' is not an operation of size expressions; allowed: + * floordiv ceildiv mod min max", *opName));
}

} // namespace dgemm
