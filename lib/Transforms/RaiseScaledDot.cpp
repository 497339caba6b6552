//===- RaiseScaledDot.cpp - Scaled dots of StableHLO -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ops are known by name. So this library does not need StableHLO, and the ops may be unregistered.
//
//===----------------------------------------------------------------------===//

#include "Attempt.h"
#include "Raise.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace dgemm;

namespace {
/// The contracting dimension of an operand, and the dimension of its rows. In rank 3, the batch is in front.
struct Dimensions {
  int64_t contracting, row;
};

/// Matches one scaled dot (lhs, rhs, lhs_scale, rhs_scale).
class ScaledDot : public Match {
public:
  explicit ScaledDot(Operation *op) : op(op) {}

  bool match();
  /// Null, with the reason in `why`, if the operands do not fit together.
  GemmOp raise();

private:
  bool matchDimensions();
  bool takeOperand(RaisedOperand &operand, Value value, Value scale, Dimensions dims);
  bool isBatchOfOne() { return result.getRank() == 3 && result.getDimSize(0) == 1; }
  Value dropBatch(ImplicitLocOpBuilder &b, Value value);

  Operation *op;
  RankedTensorType result;
  Dimensions lhsDims, rhsDims;
  RaisedOperand lhs, rhs;
};
} // namespace

/// Whether `op` is the op `name` of StableHLO, registered or not, with this text as its attribute `attr`.
static bool isNamed(Operation *op, StringRef name, StringRef attr, StringRef text) {
  auto value = op->getAttrOfType<StringAttr>(attr);
  return op->getName().getStringRef() == name && value && value.getValue() == text;
}

static bool isComposite(Operation *op) { return isNamed(op, "stablehlo.composite", "name", "xla.scaled_dot"); }

static bool isScaledDot(Operation *op) {
  return isComposite(op) || isNamed(op, "stablehlo.custom_call", "call_target_name", "__op$block_scaled_dot");
}

/// The only dimension in `dims`, an array of arrays: [[contracting of lhs], [of rhs]].
static std::optional<int64_t> getOnly(Attribute dims, unsigned side) {
  auto sides = dyn_cast_or_null<ArrayAttr>(dims);
  auto own = sides && sides.size() == 2 ? dyn_cast<ArrayAttr>(sides[side]) : ArrayAttr();
  auto dim = own && own.size() == 1 ? dyn_cast<IntegerAttr>(own[0]) : IntegerAttr();
  return dim ? std::optional(dim.getInt()) : std::nullopt;
}

bool ScaledDot::matchDimensions() {
  int64_t rank = result.getRank();
  lhsDims = rhsDims = {rank - 1, rank - 2};
  if (!isComposite(op)) // the custom call has no other form
    return rank == 3 || fail("expected operands of rank 3");
  auto attrs = op->getAttrOfType<DictionaryAttr>("composite_attributes");
  auto numbers = attrs ? attrs.getAs<ArrayAttr>("dimension_numbers") : ArrayAttr();
  if (!numbers || numbers.size() != 2)
    return fail("expected 'dimension_numbers' of contracting and batch dimensions");
  auto take = [&](Dimensions &dims, unsigned side) {
    std::optional<int64_t> contracting = getOnly(numbers[0], side), batch = getOnly(numbers[1], side);
    bool hasBatch = rank == 3 && batch == 0, hasNone = rank == 2 && !batch;
    if ((!hasBatch && !hasNone) || !contracting || *contracting < rank - 2 || *contracting >= rank)
      return fail("expected one contracting dimension among the last two, and in rank 3 a batch in front");
    dims = {*contracting, 2 * rank - 3 - *contracting};
    return true;
  };
  return take(lhsDims, 0) && take(rhsDims, 1);
}

/// The operand of the stablehlo.transpose that makes `value`; null if another op makes it.
static Value getTransposed(Value value) {
  Operation *op = value.getDefiningOp();
  auto permutation = op && op->getName().getStringRef() == "stablehlo.transpose"
                         ? op->getAttrOfType<DenseI64ArrayAttr>("permutation")
                         : DenseI64ArrayAttr();
  auto isSwapOf = [&](ArrayRef<int64_t> swapped) { return permutation.asArrayRef() == swapped; };
  bool isSwapped = permutation && op->getNumOperands() == 1 && (isSwapOf({1, 0}) || isSwapOf({0, 2, 1}));
  return isSwapped ? op->getOperand(0) : Value();
}

bool ScaledDot::takeOperand(RaisedOperand &operand, Value value, Value scale, Dimensions dims) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto scaleType = dyn_cast<RankedTensorType>(scale.getType());
  int64_t rank = result.getRank();
  if (!type || !scaleType || type.getRank() != rank || scaleType.getRank() != rank)
    return fail("expected operands and scales of the rank of the result");
  if (!isa<Float8E4M3FNType, Float8E5M2Type>(type.getElementType()) || !scaleType.getElementType().isF32())
    return fail(llvm::formatv("expected FP8 operands with scales of f32, but got {0} with {1}", type.getElementType(),
                              scaleType.getElementType())
                    .str());
  int64_t k = type.getDimSize(dims.contracting), blocks = scaleType.getDimSize(dims.contracting);
  bool isForBlocks = !ShapedType::isDynamic(blocks) && blocks * kScaleBlock == k;
  if (!isForBlocks && blocks != 1)
    return fail(llvm::formatv("expected a scale for each row, or for each row and 128 of K, but got {0} and {1}", type,
                              scaleType)
                    .str());
  operand.value = value;
  operand.scale = scale;
  operand.granularity = {1, isForBlocks ? kScaleBlock : ScaledAttr::kFull};
  bool isKInnermost = dims.contracting == rank - 1;
  operand.form = !isKInnermost ? ScaleForm::AsIs : isForBlocks ? ScaleForm::Transposed : ScaleForm::Flattened;
  if (isKInnermost)
    return true;
  operand.value = getTransposed(value);
  return operand.value || fail("expected FP8 operands with K innermost, or the transpose of such");
}

bool ScaledDot::match() {
  result = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (op->getNumOperands() != 4 || !result || (result.getRank() != 2 && result.getRank() != 3))
    return fail("expected two operands, their scales, and a result of rank 2 or 3");
  return matchDimensions() && takeOperand(lhs, op->getOperand(0), op->getOperand(2), lhsDims) &&
         takeOperand(rhs, op->getOperand(1), op->getOperand(3), rhsDims);
}

/// The only matrix of a batch of one; other batches stay.
Value ScaledDot::dropBatch(ImplicitLocOpBuilder &b, Value value) {
  if (!isBatchOfOne())
    return value;
  return tensor::CollapseShapeOp::create(b, value, SmallVector<ReassociationIndices>{{0, 1}, {2}});
}

GemmOp ScaledDot::raise() {
  Attempt attempt(op, op->getLoc());
  ImplicitLocOpBuilder &b = attempt.b;
  for (Value *value : {&lhs.value, &lhs.scale, &rhs.value, &rhs.scale})
    *value = dropBatch(b, *value);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), lhs.value);
  sizes.back() = tensor::getMixedSizes(b, b.getLoc(), rhs.value).end()[-2];
  Value out = tensor::EmptyOp::create(b, sizes, result.getElementType());
  GemmOp gemm = buildRaised(b, lhs, rhs, out);
  if (std::optional<std::string> fault = attempt.findFault(gemm)) {
    why = *fault;
    return nullptr;
  }
  Value d = gemm->getResult(0);
  if (isBatchOfOne())
    d = tensor::ExpandShapeOp::create(b, result, d, SmallVector<ReassociationIndices>{{0, 1}, {2}});
  else if (d.getType() != result)
    d = tensor::CastOp::create(b, result, d);
  op->replaceAllUsesWith(ValueRange(d));
  op->erase();
  return gemm;
}

void dgemm::raiseScaledDots(Operation *root) {
  SmallVector<Operation *> dots;
  root->walk([&](Operation *op) {
    if (isScaledDot(op))
      dots.push_back(op);
  });
  for (Operation *op : dots) {
    ScaledDot dot(op);
    if (!dot.match() || !dot.raise())
      op->emitRemark() << "left alone by dgemm-raise: " << dot.getReason();
  }
}
