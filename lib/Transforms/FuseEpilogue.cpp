//===- FuseEpilogue.cpp - dgemm-fuse-epilogue -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Attempt.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/FormatVariadic.h"

namespace dgemm {
#define GEN_PASS_DEF_FUSEEPILOGUEPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

template <typename T>
static std::string print(T part) {
  return llvm::formatv("{0}", part).str();
}

static bool isEpilogueFloat(Type type) { return type.isF32() || type.isBF16() || type.isF16(); }

namespace {
/// The meaning of a value in the body of the consumer: the element of D, a number, or an element of an operand of the
/// epilogue.
struct Source {
  enum Kind { Element, Number, Operand } kind = Element;
  TypedAttr number = {};
  /// Its index among the new operands.
  unsigned operand = 0;
};

/// A new operand of the epilogue: a tensor or a scalar. `units` are its dimensions of extent 1
/// that an epilogue operand does not have.
struct NewOperand {
  Value value;
  EpilogueAxisKind along;
  llvm::SmallBitVector units;
};

/// Folds an element-wise user of D into the epilogue of its gemm.
class Fusion : public Match {
public:
  Fusion(GemmOp gemm, linalg::LinalgOp user) : gemm(gemm), user(user) {}

  bool match();
  /// Replaces both ops by a gemm. Null, with the reason, if the verifier refuses the gemm.
  GemmOp fuse();

private:
  bool matchPlace();
  bool matchLoops();
  bool addArgument(OpOperand &operand);
  bool addScalar(Value inBody, Value scalar);
  bool addOperand(Value inBody, Value value, AffineMap map);
  bool matchOp(Operation &op);
  std::optional<EpilogueAxisKind> getAxis(ArrayRef<AffineExpr> indices);
  Value arrange(ImplicitLocOpBuilder &b, const NewOperand &operand);
  void buildRegion(ImplicitLocOpBuilder &b, GemmOp fused);

  GemmOp gemm;
  linalg::LinalgOp user;
  /// The loops of the user as dimensions of D: [group,] row, column.
  SmallVector<AffineExpr> loops;
  llvm::MapVector<Value, Source> sources;
  SmallVector<NewOperand> operands;
};
} // namespace

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

bool Fusion::matchPlace() {
  std::optional<std::string> fault = findFault(gemm.getContext(), [&] {
    return verifyHasEpilogue([&] { return emitError(gemm.getLoc()); }, gemm.getLayout(), gemm.getAccumulate());
  });
  if (fault)
    return fail(*fault);
  if (!llvm::all_of(gemm->getUsers(), [&](Operation *other) { return other == user; }))
    return fail("expected the product to have no other user");
  if (gemm->getBlock() != user->getBlock())
    return fail("expected the product to be computed in the same block");
  if (gemm.getLayout() == Layout::Masked && !gemm.getOut().getDefiningOp<tensor::EmptyOp>())
    return fail("expected the rows beyond 'masked_m' to hold nothing, with a tensor.empty in 'out'");
  return true;
}

bool Fusion::matchLoops() {
  AffineMap out = user.getIndexingMapsArray().back();
  if (!user.hasPureTensorSemantics() || user.getNumDpsInits() != 1 || !out.isPermutation())
    return fail("expected one tensor as the result, indexed by all loops");
  Type type = getElementTypeOrSelf(user->getResult(0));
  if (!isEpilogueFloat(type))
    return fail("expected a result of f32, bf16 or f16, but got " + print(type));
  loops.assign(out.getResults().begin(), out.getResults().end());
  for (OpOperand &use : gemm->getResult(0).getUses())
    if (user.getMatchingIndexingMap(&use) != out)
      return fail("expected each element of the product to be read where the result is written");
  return true;
}

/// The axes along which an operand with these indices has values; none if no operand of an epilogue has such axes.
std::optional<EpilogueAxisKind> Fusion::getAxis(ArrayRef<AffineExpr> indices) {
  if (indices.empty())
    return EpilogueAxisKind::None;
  if (indices == ArrayRef(loops))
    return EpilogueAxisKind::MN;
  ArrayRef<AffineExpr> group = ArrayRef(loops).drop_back(2);
  auto isOf = [&](unsigned loop) { return indices.back() == loops[loop] && indices.drop_back() == group; };
  if (isOf(group.size()))
    return EpilogueAxisKind::M;
  // In a contiguous layout, the loops do not say to which group a row belongs.
  if (gemm.getLayout() != Layout::Contiguous && isOf(group.size() + 1))
    return EpilogueAxisKind::N;
  if (!group.empty() && indices == group)
    return EpilogueAxisKind::G;
  return std::nullopt;
}

bool Fusion::addScalar(Value inBody, Value scalar) {
  Attribute value;
  if (matchPattern(scalar, m_Constant(&value)) && isa<FloatAttr, IntegerAttr>(value)) {
    sources[inBody] = {Source::Number, cast<TypedAttr>(value)};
    return true;
  }
  return addOperand(inBody, scalar, AffineMap::get(user.getContext()));
}

bool Fusion::addOperand(Value inBody, Value value, AffineMap map) {
  if (!isEpilogueFloat(getElementTypeOrSelf(value)))
    return fail("expected values of f32, bf16 or f16, but got " + print(getElementTypeOrSelf(value)));
  llvm::SmallBitVector units(map.getNumResults());
  SmallVector<AffineExpr> indices;
  for (auto [i, index] : llvm::enumerate(map.getResults())) {
    bool isUnit = isa<AffineConstantExpr>(index) && cast<ShapedType>(value.getType()).getDimSize(i) == 1;
    units[i] = isUnit;
    if (!isUnit)
      indices.push_back(index);
  }
  std::optional<EpilogueAxisKind> along = getAxis(indices);
  if (!along)
    return fail("expected an operand with a value for each row, column or element of a " +
                stringifyLayout(gemm.getLayout()) + " product, or a single value, but got an operand indexed by " +
                print(map));
  auto isSame = [&](const NewOperand &other) { return other.value == value && other.along == *along; };
  auto *known = llvm::find_if(operands, isSame);
  sources[inBody] = {Source::Operand, {}, static_cast<unsigned>(known - operands.begin())};
  if (known == operands.end())
    operands.push_back({value, *along, units});
  return true;
}

/// Adds the source of the argument that the body has for `operand`. Skips fills and broadcasts before the operand.
bool Fusion::addArgument(OpOperand &operand) {
  BlockArgument argument = user.getMatchingBlockArgument(&operand);
  if (argument.use_empty())
    return true;
  Value value = operand.get();
  AffineMap map = user.getMatchingIndexingMap(&operand);
  if (value == gemm->getResult(0)) {
    sources[argument] = {Source::Element};
    return true;
  }
  while (auto broadcast = value.getDefiningOp<linalg::BroadcastOp>()) {
    SmallVector<AffineExpr> kept;
    for (auto [i, index] : llvm::enumerate(map.getResults()))
      if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(i)))
        kept.push_back(index);
    map = AffineMap::get(map.getNumDims(), 0, kept, map.getContext());
    value = broadcast.getInput();
  }
  SplatElementsAttr splat;
  if (matchPattern(value, m_Constant(&splat)) && isa<FloatAttr, IntegerAttr>(splat.getSplatValue<Attribute>())) {
    sources[argument] = {Source::Number, splat.getSplatValue<TypedAttr>()};
    return true;
  }
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return addScalar(argument, fill.getInputs().front());
  return isa<ShapedType>(value.getType()) ? addOperand(argument, value, map) : addScalar(argument, value);
}

/// Checks an op of the body, and adds the values that it takes from outside.
bool Fusion::matchOp(Operation &op) {
  for (Value value : op.getOperands())
    if (value.getParentBlock() != user.getBlock() && !sources.contains(value) && !addScalar(value, value))
      return false;
  if (op.hasTrait<OpTrait::IsTerminator>())
    return true;
  if (!isa<arith::ExtFOp, arith::TruncFOp>(op) && !isEpilogueOp(op.getName().getStringRef()))
    return fail("'" + op.getName().getStringRef() + "' has no form in an epilogue");
  for (Type type : op.getResultTypes())
    if (!isEpilogueFloat(type) && !type.isInteger(1))
      return fail("expected values of f32, bf16, f16 or i1, but got " + print(type));
  return true;
}

bool Fusion::match() {
  if (!matchPlace() || !matchLoops())
    return false;
  for (OpOperand &operand : user->getOpOperands())
    if (!addArgument(operand))
      return false;
  if (!llvm::all_of(*user.getBlock(), [&](Operation &op) { return matchOp(op); }))
    return false;
  size_t count = gemm.getEpilogueOperands().size() + operands.size();
  if (count > EpilogueAttr::kMaxOperands)
    return fail("expected at most " + Twine(EpilogueAttr::kMaxOperands) + " operands of an epilogue, but got " +
                Twine(count));
  return true;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

/// The operand in the shape that the gemm takes.
Value Fusion::arrange(ImplicitLocOpBuilder &b, const NewOperand &operand) {
  auto type = dyn_cast<RankedTensorType>(operand.value.getType());
  if (!type)
    return tensor::FromElementsOp::create(b, operand.value);
  if (type.getRank() == 0)
    return tensor::ExpandShapeOp::create(b, RankedTensorType::get({1}, type.getElementType()), operand.value,
                                         ArrayRef<ReassociationIndices>());
  if (operand.units.none() || type.getRank() == 1)
    return operand.value;
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices group;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    group.push_back(i);
    if (operand.units[i])
      continue;
    groups.push_back(std::exchange(group, {}));
  }
  if (groups.empty())
    groups.emplace_back();
  llvm::append_range(groups.back(), group);
  return tensor::CollapseShapeOp::create(b, operand.value, groups);
}

/// The constant as it is in an epilogue.
static Value makeNumber(ImplicitLocOpBuilder &b, TypedAttr number) {
  if (auto wide = dyn_cast<FloatAttr>(number)) {
    APFloat value = wide.getValue();
    bool losesInfo;
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &losesInfo);
    number = b.getF32FloatAttr(value.convertToFloat());
  }
  return arith::ConstantOp::create(b, number);
}

/// Appends the body of the user; values of bf16 and f16 are f32 in an epilogue.
static void cloneBody(ImplicitLocOpBuilder &b, Block &body, IRMapping &values) {
  for (Operation &op : body.without_terminator()) {
    if (isa<arith::ExtFOp, arith::TruncFOp>(op)) {
      values.map(op.getResult(0), values.lookup(op.getOperand(0)));
      continue;
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      values.map(op.getResult(0), makeNumber(b, constant.getValue()));
      continue;
    }
    Operation *clone = b.clone(op, values);
    if (isEpilogueFloat(clone->getResult(0).getType()))
      clone->getResult(0).setType(b.getF32Type());
  }
}

/// The epilogue that the gemm has, and then the body of the user.
void Fusion::buildRegion(ImplicitLocOpBuilder &b, GemmOp fused) {
  OpBuilder::InsertionGuard guard(b);
  unsigned numSums = gemm.getGated() ? 2 : 1, numOld = gemm.getEpilogueOperands().size();
  SmallVector<Type> types(numSums + fused.getEpilogueOperands().size(), b.getF32Type());
  Block *block = b.createBlock(&fused.getEpilogue(), {}, types, SmallVector<Location>(types.size(), b.getLoc()));
  Value element = block->getArgument(0);
  if (gemm.hasEpilogue()) {
    IRMapping old;
    Block &before = gemm.getEpilogue().front();
    old.map(before.getArguments(), block->getArguments().take_front(before.getNumArguments()));
    for (Operation &op : before.without_terminator())
      b.clone(op, old);
    element = old.lookup(before.getTerminator()->getOperand(0));
  }
  IRMapping values;
  for (auto &[value, source] : sources)
    values.map(value, source.kind == Source::Element  ? element
                      : source.kind == Source::Number ? makeNumber(b, source.number)
                                                      : block->getArgument(numSums + numOld + source.operand));
  cloneBody(b, *user.getBlock(), values);
  YieldOp::create(b, values.lookup(user.getBlock()->getTerminator()->getOperand(0)));
}

GemmOp Fusion::fuse() {
  Attempt attempt(user, user.getLoc());
  ImplicitLocOpBuilder &b = attempt.b;
  SmallVector<Value> values(gemm.getEpilogueOperands());
  SmallVector<Attribute> roles;
  if (std::optional<ArrayAttr> known = gemm.getEpilogueRoles())
    llvm::append_range(roles, *known);
  for (const NewOperand &operand : operands) {
    std::string name = stringifyOperand(getEpilogueOperand(values.size())).str();
    roles.push_back(EpilogueOperandAttr::get(b.getContext(), name, operand.along, getElementTypeOrSelf(operand.value)));
    values.push_back(arrange(b, operand));
  }
  Value init = user.getDpsInits().front();
  auto fused =
      GemmOp::create(b, user->getResultTypes(), gemm.getLhs(), gemm.getLhsScale(), gemm.getRhs(), gemm.getRhsScale(),
                     init == gemm->getResult(0) ? gemm.getOut() : init, gemm.getGroups(), values, gemm.getOutScale(),
                     gemm.getLayout(), gemm.getAlignmentAttr(), gemm.getExpectedRowsAttr(), gemm.getDivisorsAttr(),
                     gemm.getAccuracy(), gemm.getAccumulate(), gemm.getPdl(), gemm.getLhsGranularityAttr(),
                     gemm.getRhsGranularityAttr(), gemm.getOutGranularityAttr(),
                     roles.empty() ? ArrayAttr() : b.getArrayAttr(roles), gemm.getGated(), gemm.getConfigAttr());
  buildRegion(b, fused);
  if (std::optional<std::string> fault = attempt.findFault(fused)) {
    why = *fault;
    return nullptr;
  }
  user->replaceAllUsesWith(fused->getResults());
  user->erase();
  gemm->erase();
  return fused;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The first user of D that is element-wise; null if there is none.
static linalg::LinalgOp findUser(GemmOp gemm) {
  for (Operation *user : gemm->getUsers())
    if (auto op = dyn_cast<linalg::LinalgOp>(user); op && op.isAllParallelLoops() && op.getNumLoops() > 0)
      return op;
  return nullptr;
}

namespace {
struct FuseEpilogue : dgemm::impl::FuseEpiloguePassBase<FuseEpilogue> {
  void runOnOperation() override {
    SmallVector<GemmOp> gemms;
    getOperation()->walk([&](GemmOp gemm) {
      if (gemm->getNumResults())
        gemms.push_back(gemm);
    });
    for (GemmOp gemm : gemms)
      while (linalg::LinalgOp user = gemm ? findUser(gemm) : linalg::LinalgOp()) {
        Fusion fusion(gemm, user);
        gemm = fusion.match() ? fusion.fuse() : nullptr;
        if (!gemm)
          user->emitRemark() << "left alone by dgemm-fuse-epilogue: " << fusion.getReason();
      }
  }
};
} // namespace
