//===- ProblemOps.cpp - dgemm.gemm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace dgemm;

static std::string describe(int64_t extent) { return ShapedType::isDynamic(extent) ? "?" : std::to_string(extent); }

/// M, N, K, and G if there are groups; -1 for `?`.
static SmallVector<int64_t> getSizes(GemmOp op) {
  SmallVector<int64_t> sizes = {op.getM(), op.getN(), op.getK()};
  if (op.getLayout() != Layout::Dense)
    sizes.push_back(op.getNumGroups());
  for (int64_t &size : sizes)
    size = ShapedType::isDynamic(size) ? -1 : size;
  return sizes;
}

SmallVector<std::pair<Operand, Value>> GemmOp::getRoles() {
  SmallVector<std::pair<Operand, Value>> roles;
  auto add = [&](Operand operand, Value value) {
    if (value)
      roles.emplace_back(operand, value);
  };
  add(Operand::A, getLhs());
  add(Operand::ScaleA, getLhsScale());
  add(Operand::B, getRhs());
  add(Operand::ScaleB, getRhsScale());
  add(Operand::D, getOut());
  if (getGroups())
    add(*ProblemAttr::getGroupOperand(getLayout()), getGroups());
  for (auto [i, value] : llvm::enumerate(getEpilogueOperands()))
    add(getEpilogueOperand(i), value);
  add(Operand::ScaleD, getOutScale());
  return roles;
}

/// The operands of the epilogue as attributes.
static SmallVector<EpilogueOperandAttr> getEpilogueRoles(GemmOp op) {
  std::optional<ArrayAttr> roles = op.getEpilogueRoles();
  return roles ? llvm::to_vector(roles->getAsRange<EpilogueOperandAttr>()) : SmallVector<EpilogueOperandAttr>();
}

/// Like getExplicitStrides. But an operand of the epilogue has none if its type states the strides of its extents: it
/// is packed, and may be part of a larger buffer.
static FailureOr<SmallVector<int64_t>> getStrides(Operand operand, ShapedType type) {
  FailureOr<SmallVector<int64_t>> strides = getExplicitStrides(type);
  if (failed(strides) || strides->empty() || !getEpilogueIndex(operand))
    return strides;
  SmallVector<int64_t> shape(type.getShape());
  shape.front() = 1; // not part of a stride
  bool isKnown = llvm::none_of(shape, ShapedType::isDynamic);
  return isKnown && *strides == computeStrides(shape) ? SmallVector<int64_t>() : *strides;
}

ProblemAttr GemmOp::getProblem() {
  Builder builder(getContext());
  SmallVector<NamedAttribute> strides;
  for (auto [operand, value] : getRoles())
    if (SmallVector<int64_t> own = *getStrides(operand, cast<ShapedType>(value.getType())); !own.empty())
      strides.push_back(builder.getNamedAttr(stringifyOperand(operand), builder.getDenseI64ArrayAttr(own)));
  auto scaled = [&](ShapedType type, std::optional<ArrayRef<int64_t>> block, Value scale) {
    if (!block)
      return ScaledAttr::getWithoutScales(type.getElementType());
    return ScaledAttr::get(getContext(), type.getElementType(), (*block)[0], (*block)[1],
                           cast<ShapedType>(scale.getType()).getElementType());
  };
  QuantizedAttr quantized;
  if (std::optional<ArrayRef<int64_t>> block = getOutGranularity())
    quantized = QuantizedAttr::get(getContext(), (*block)[0], (*block)[1],
                                   cast<ShapedType>(getOutScale().getType()).getElementType());
  return ProblemAttr::get(
      getContext(), builder.getDenseI64ArrayAttr(::getSizes(*this)), getLayout(),
      strides.empty() ? DictionaryAttr() : builder.getDictionaryAttr(strides), getDivisorsAttr(),
      scaled(getLhsType(), getLhsGranularity(), getLhsScale()),
      scaled(getRhsType(), getRhsGranularity(), getRhsScale()), getOutType().getElementType(), getAccuracy(), getPdl(),
      ProblemAttr::getGroupOperand(getLayout()) == Operand::Offsets ? getRowAlignment() : 1, getAccumulate(),
      hasEpilogue() ? dgemm::getEpilogue(getEpilogue(), ::getEpilogueRoles(*this), getGated()) : EpilogueAttr(),
      quantized);
}

/// The name of an operand in messages.
static StringRef getDiagnosticName(Operand operand) {
  switch (operand) {
  case Operand::A:
    return "lhs";
  case Operand::ScaleA:
    return "lhs scale";
  case Operand::B:
    return "rhs";
  case Operand::ScaleB:
    return "rhs scale";
  case Operand::D:
    return "out";
  case Operand::ScaleD:
    return "out scale";
  default:
    return stringifyOperand(operand);
  }
}

/// The operand of the epilogue that `operand` is; null for any other operand.
static EpilogueOperandAttr getEpilogueRole(GemmOp op, Operand operand) {
  std::optional<unsigned> index = getEpilogueIndex(operand);
  return index ? ::getEpilogueRoles(op)[*index] : EpilogueOperandAttr();
}

/// C1, C5, C7 and the rank, for one operand.
static LogicalResult verifyOperand(GemmOp op, Operand operand, Value value, const OperandGeometry &geometry) {
  auto type = cast<ShapedType>(value.getType());
  StringRef name = getDiagnosticName(operand);
  if (type.getElementType() != geometry.element)
    return op.emitOpError() << "expected '" << name << "' elements of type " << geometry.element << ", but got "
                            << type.getElementType();
  int64_t rank = geometry.shape.size();
  if (type.getRank() != rank)
    return op.emitOpError() << "expected '" << name << "' to have rank " << rank << ", but got " << type.getRank();
  if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && tensor.getEncoding())
    return op.emitOpError() << "expected '" << name << "' to have no encoding, but got " << type;
  if (auto memref = dyn_cast<MemRefType>(type); memref && memref.getMemorySpace())
    return op.emitOpError() << "expected '" << name << "' to lie in global memory, without a memory space, but got "
                            << type;
  FailureOr<SmallVector<int64_t>> strides = getStrides(operand, type);
  if (failed(strides))
    return op.emitOpError() << "expected '" << name
                            << "' to be packed or to have strides of which the innermost is static, but got " << type;
  EpilogueOperandAttr role = ::getEpilogueRole(op, operand);
  if (role && role.getAlong() != EpilogueAxisKind::MN && !strides->empty())
    return op.emitOpError() << "expected '" << name << "', which is along "
                            << stringifyEpilogueAxisKind(role.getAlong()) << ", to be packed, but got " << type;
  if (role && hasDynamicLeadingDimension(*strides) && !hasDynamicLeadingDimension(*getExplicitStrides(op.getOutType())))
    return op.emitOpError() << "expected the row stride of '" << name << "' to be static, as that of 'out' is, but got "
                            << type;
  if (!isScale(operand) && !strides->empty() && strides->back() != 1)
    return op.emitOpError() << "expected '" << name << "' rows to be contiguous (innermost stride 1), but got " << type;
  if (!strides->empty() && !areStridesOf(operand, *strides))
    return op.emitOpError() << "expected '" << name << "' to have strides of at least 1, but got " << type;
  return success();
}

/// Text for an extent: "M", "ceil(K / 128)", "N / 2" or "1".
static std::string describe(AffineExpr extent) {
  auto nameOf = [](AffineExpr dim) { return kSizeNames[cast<AffineDimExpr>(dim).getPosition()].str(); };
  if (auto constant = dyn_cast<AffineConstantExpr>(extent))
    return std::to_string(constant.getValue());
  if (isa<AffineDimExpr>(extent))
    return nameOf(extent);
  auto blocks = cast<AffineBinaryOpExpr>(extent);
  // Blocks of half of N are nested.
  std::string quotient =
      describe(blocks.getLHS()) + " / " + std::to_string(cast<AffineConstantExpr>(blocks.getRHS()).getValue());
  return extent.getKind() == AffineExprKind::CeilDiv ? "ceil(" + quotient + ")" : quotient;
}

/// C3, for one operand.
static LogicalResult verifyExtents(GemmOp op, Operand operand, Value value, ProblemAttr unknown) {
  OperandGeometry geometry = OperandGeometry::get(op.getProblem(), operand);
  OperandGeometry symbolic = OperandGeometry::get(unknown, operand);
  for (auto [i, given] : llvm::enumerate(cast<ShapedType>(value.getType()).getShape())) {
    auto constant = dyn_cast<AffineConstantExpr>(geometry.shape[i]);
    int64_t expected = constant ? constant.getValue() : ShapedType::kDynamic;
    if (given == expected)
      continue;
    std::string meaning = describe(symbolic.shape[i]), value = describe(expected);
    return op.emitOpError() << "expected dimension " << i << " of '" << getDiagnosticName(operand) << "' to be "
                            << meaning << (meaning == value ? "" : " = " + value) << ", but got " << describe(given);
  }
  return success();
}

/// Verifies the operand and the attribute that only grouped layouts have.
static LogicalResult verifyLayout(GemmOp op) {
  Layout layout = op.getLayout();
  bool hasGroups = ProblemAttr::getGroupOperand(layout).has_value();
  if (hasGroups != !!op.getGroups())
    return op.emitOpError() << "expected " << (hasGroups ? "a group operand" : "no group operand") << " for a "
                            << stringifyLayout(layout) << " layout";
  bool isAligned = layout == Layout::Contiguous || layout == Layout::Offsets || layout == Layout::KGrouped;
  if (op.getAlignment() && (!isAligned || op.getRowAlignment() < 1))
    return op.emitOpError()
           << "expected 'aligned' to be positive, and only for a contiguous, offsets or k_grouped layout, but got "
           << op.getRowAlignment() << " for a " << stringifyLayout(layout) << " layout";
  if (layout == Layout::KGrouped && op.getRowAlignment() % kScaleBlock)
    return op.emitOpError() << "expected 'aligned' to be a multiple of 128 for a k_grouped layout, but got "
                            << op.getRowAlignment();
  return success();
}

/// C7 to C9, except for the types of operands. Afterwards the roles of the operands are known.
static LogicalResult verifyEpilogue(GemmOp op) {
  std::optional<ArrayAttr> roles = op.getEpilogueRoles();
  size_t given = op.getEpilogueOperands().size();
  if ((roles ? roles->size() : 0) != given ||
      (roles && !llvm::all_of(*roles, [](Attribute role) { return isa<EpilogueOperandAttr>(role); })))
    return op.emitOpError() << "expected a #dgemm.epilogue_operand for each of the " << given
                            << " operands of the epilogue";
  SmallVector<EpilogueOperandAttr> all = ::getEpilogueRoles(op);
  if (!EpilogueAttr::getChecked([&] { return op.emitOpError(); }, op.getContext(), ArrayRef<EpilogueOperandAttr>(all),
                                ArrayRef<EpilogueStepAttr>(), int64_t(0), op.getGated()))
    return failure();
  for (EpilogueOperandAttr role : all)
    if (role.getAlong() == EpilogueAxisKind::G && op.getLayout() == Layout::Dense)
      return op.emitOpError() << "expected '" << role.getName()
                              << "' not to be along g in a dense layout, which has no groups";
  if (op.hasEpilogue() &&
      failed(verifyHasEpilogue([&] { return op.emitOpError(); }, op.getLayout(), op.getAccumulate())))
    return failure();
  if (op.hasEpilogue())
    return dgemm::verifyEpilogue(op, op.getEpilogue(), (op.getGated() ? 2 : 1) + given);
  if (op.getGated())
    return op.emitOpError("expected 'gated' to come with an epilogue");
  return given ? op.emitOpError("expected operands of an epilogue to come with its region") : success();
}

/// C4: only dynamic sizes have divisors.
static LogicalResult verifyDivisors(GemmOp op) {
  if (!op.getDivisors())
    return success();
  SmallVector<StringRef> dynamic = op.getProblem().getDynamicSizes();
  for (auto [name, divisor] : llvm::zip_equal(kSizeNames, op.getDivisors()->getAll()))
    if (divisor != 1 && !llvm::is_contained(dynamic, name))
      return op.emitOpError() << "expected only dynamic sizes to be 'divisible', but " << name << " is not";
  return success();
}

/// Verifies the limits that the problem sets for a config.
static LogicalResult verifyConfig(GemmOp op, ConfigAttr config) {
  int64_t rows = config.getBlockM();
  if (op.getLayout() == Layout::Contiguous && op.getRowAlignment() % rows)
    return op.emitOpError() << "expected block M to divide the alignment of groups, " << op.getRowAlignment()
                            << ", so that no tile has rows of two groups, but got " << rows;
  return verifyConfigFor(op, config, op.getProblem());
}

/// The scales of D that `op` describes; null if it has none.
static FailureOr<QuantizedAttr> verifyQuantized(GemmOp op) {
  std::optional<ArrayRef<int64_t>> block = op.getOutGranularity();
  if (!!block != !!op.getOutScale() || (block && block->size() != 2))
    return op.emitOpError("expected scales of 'out' to come with a block of rows and columns"), failure();
  if (!block)
    return QuantizedAttr();
  auto quantized = QuantizedAttr::getChecked([&] { return op.emitOpError() << "'out': "; }, op.getContext(),
                                             (*block)[0], (*block)[1], Type(Float32Type::get(op.getContext())));
  if (!quantized)
    return failure();
  if (isa<RankedTensorType>(op.getOut().getType()))
    return op.emitOpError("expected operands to be memrefs if 'out' has scales, but got tensors"), failure();
  return quantized;
}

/// C1 and C2. Returns the problem without sizes; null after an error.
static ProblemAttr verifyRecipe(GemmOp op) {
  Type f32 = Float32Type::get(op.getContext());
  auto getScaled = [&](StringRef name, ShapedType type, std::optional<ArrayRef<int64_t>> block,
                       Value scale) -> ScaledAttr {
    auto emitError = [&] { return op.emitOpError() << "'" << name << "': "; };
    if (!!block != !!scale)
      return emitError() << "expected scales to come with a block of rows and K", nullptr;
    if (!block)
      return ScaledAttr::getChecked(emitError, op.getContext(), type.getElementType(), ScaledAttr::kFull,
                                    ScaledAttr::kFull, Type());
    if (block->size() != 2)
      return emitError() << "expected scales by a block of rows and K, but got " << block->size() << " extents",
             nullptr;
    return ScaledAttr::getChecked(emitError, op.getContext(), type.getElementType(), (*block)[0], (*block)[1], f32);
  };
  ScaledAttr lhs = getScaled("lhs", op.getLhsType(), op.getLhsGranularity(), op.getLhsScale());
  ScaledAttr rhs = lhs ? getScaled("rhs", op.getRhsType(), op.getRhsGranularity(), op.getRhsScale()) : nullptr;
  Type out = op.getOutType().getElementType();
  if (!rhs)
    return nullptr;
  FailureOr<QuantizedAttr> quantized = verifyQuantized(op);
  if (failed(quantized) ||
      failed(verifyOut([&] { return op.emitOpError(); }, "'out'", out, *quantized, op.getLayout(), op.getAccumulate())))
    return nullptr;
  for (auto [name, scaled] : {std::pair("lhs", lhs), {"rhs", rhs}})
    if (op.getAccuracy() != AccuracyKind::Exact && scaled.variesAlongK())
      return op.emitOpError() << "expected accuracy(exact) where the scales of '" << name << "' vary along K, but got "
                              << stringifyAccuracyKind(op.getAccuracy()),
             nullptr;
  if (op.getGated() &&
      failed(verifyGatedColumns([&] { return op.emitOpError(); }, rhs, op.getN(), op.getDivisorsAttr())))
    return nullptr;
  EpilogueAttr epilogue;
  if (op.hasEpilogue())
    epilogue = EpilogueAttr::get(op.getContext(), ::getEpilogueRoles(op), {}, /*result=*/0, op.getGated());
  return ProblemAttr::getSymbolic(op.getLayout(), lhs, rhs, out, epilogue, *quantized);
}

/// C5: where the operands are. Their roles are known. DestinationStyleOpInterface ties the result to `out`.
static LogicalResult verifyStorage(GemmOp op) {
  bool isTensor = isa<RankedTensorType>(op.getOut().getType());
  for (auto [operand, value] : op.getRoles())
    if (isa<RankedTensorType>(value.getType()) != isTensor)
      return op.emitOpError() << "expected all operands to be memrefs, or all to be tensors, but 'out' is "
                              << op.getOut().getType() << " and '" << getDiagnosticName(operand) << "' is "
                              << value.getType();
  return success();
}

void GemmOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    bool isInit = isDpsInit(&operand);
    bool isScaleOfD = getOutScale() && &operand == &getOperation()->getOpOperands().back();
    if ((!isInit && !isScaleOfD) || getAccumulate())
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (isInit || isScaleOfD)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

LogicalResult dgemm::verifyIsBufferized(GemmOp gemm) {
  if (!isa<RankedTensorType>(gemm.getOut().getType()))
    return success();
  return gemm.emitOpError("expected operands to be memrefs, but got tensors; run one-shot-bufferize first");
}

LogicalResult GemmOp::verify() {
  if (failed(verifyLayout(*this)) || failed(::verifyEpilogue(*this)) || failed(verifyStorage(*this)))
    return failure();
  ProblemAttr unknown = verifyRecipe(*this);
  if (!unknown)
    return failure();
  for (auto [operand, value] : getRoles())
    if (failed(verifyOperand(*this, operand, value, OperandGeometry::get(unknown, operand))))
      return failure();

  // C4.
  for (auto [name, size] : llvm::zip(kSizeNames, ::getSizes(*this)))
    if (size != -1 && (size < 1 || size > INT32_MAX))
      return emitOpError() << "expected " << name << " to be 1 to 2147483647, but got " << size;
  for (auto [operand, value] : getRoles())
    if (failed(verifyExtents(*this, operand, value, unknown)))
      return failure();
  if (failed(verifyDivisors(*this)))
    return failure();
  return getConfig() ? verifyConfig(*this, *getConfig()) : success();
}
