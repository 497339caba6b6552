//===- RaiseGemm.cpp - dgemm-raise -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Attempt.h"
#include "Raise.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"

namespace dgemm {
#define GEN_PASS_DEF_RAISEGEMMPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {
/// Matches one linalg.generic.
class ScaledProduct : public Match {
public:
  explicit ScaledProduct(linalg::GenericOp op) : op(op) {}

  bool match();
  /// Null, with the reason in `why`, if the operands do not fit together.
  GemmOp raise();

private:
  bool matchLoops();
  std::optional<ArrayRef<AffineExpr>> dropBatch(AffineMap map) const;
  bool matchBody();
  bool addFactor(Value value, SmallVectorImpl<BlockArgument> &factors);
  bool takeFactor(BlockArgument factor, bool isMatrix);
  bool takeScale(RaisedOperand &operand, AffineMap map, AffineExpr row);
  bool startsFromZero();
  linalg::GenericOp findRounding();

  linalg::GenericOp op;
  AffineExpr m, n, k;
  /// The loop of the batch, if there is one.
  SmallVector<AffineExpr, 1> batch;
  RaisedOperand lhs, rhs;
};
} // namespace

/// Matches two parallel loops, or three with that of a batch, and a sum over another one. D is indexed by the parallel
/// loops.
bool ScaledProduct::matchLoops() {
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  if (kinds.size() < 3 || kinds.size() > 4 || llvm::count(kinds, utils::IteratorType::reduction) != 1 ||
      op.getNumDpsInits() != 1)
    return fail("expected a sum over one loop within two, or within three with a batch");
  AffineMap out = op.getIndexingMapsArray().back();
  for (unsigned dim = 0; dim < kinds.size(); ++dim)
    if (kinds[dim] == utils::IteratorType::reduction)
      k = getAffineDimExpr(dim, op.getContext());
  if (!out.isProjectedPermutation() || out.getNumResults() + 1 != kinds.size() ||
      llvm::is_contained(out.getResults(), k))
    return fail("expected a result that is indexed by the outer loops");
  batch.assign(out.getResults().begin(), out.getResults().end() - 2);
  m = out.getResults().end()[-2];
  n = out.getResults().back();
  return true;
}

/// The indices after that of the batch; none if the batch is not in front.
std::optional<ArrayRef<AffineExpr>> ScaledProduct::dropBatch(AffineMap map) const {
  ArrayRef<AffineExpr> indices = map.getResults();
  if (indices.take_front(batch.size()) != ArrayRef(batch))
    return std::nullopt;
  return indices.drop_front(batch.size());
}

/// Appends the arguments of the body that `value` is a product of, whether they are extended or not.
bool ScaledProduct::addFactor(Value value, SmallVectorImpl<BlockArgument> &factors) {
  if (auto product = value.getDefiningOp<arith::MulFOp>())
    return addFactor(product.getLhs(), factors) && addFactor(product.getRhs(), factors);
  if (auto wide = value.getDefiningOp<arith::ExtFOp>())
    value = wide.getIn();
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || argument.getOwner() != op.getBody())
    return fail("expected a product of operands and their scales");
  factors.push_back(argument);
  return true;
}

/// Assigns a factor to lhs or rhs: an FP8 matrix if `isMatrix`, else scales. A factor of the other kind is skipped.
bool ScaledProduct::takeFactor(BlockArgument factor, bool isMatrix) {
  if (isa<Float8E4M3FNType, Float8E5M2Type>(factor.getType()) != isMatrix)
    return true;
  OpOperand *operand = op.getMatchingOpOperand(factor);
  AffineMap map = op.getMatchingIndexingMap(operand);
  if (!isMatrix) {
    if (!factor.getType().isF32())
      return fail("expected scales of type f32");
    bool isOfLhs = map.isFunctionOfDim(cast<AffineDimExpr>(m).getPosition());
    bool isOfRhs = map.isFunctionOfDim(cast<AffineDimExpr>(n).getPosition());
    RaisedOperand &owner = isOfLhs || (!isOfRhs && !lhs.scale) ? lhs : rhs;
    if (owner.scale || (isOfLhs && isOfRhs))
      return fail("expected one scale for each operand");
    owner.scale = operand->get();
    return takeScale(owner, map, &owner == &lhs ? m : n);
  }
  std::optional<ArrayRef<AffineExpr>> indices = dropBatch(map);
  if (!indices || indices->size() != 2 || indices->back() != k)
    return fail(batch.empty() ? "expected FP8 operands with K innermost"
                              : "expected FP8 operands with K innermost and the batch in front");
  RaisedOperand &owner = indices->front() == m ? lhs : rhs;
  if (owner.value || (indices->front() != m && indices->front() != n))
    return fail("expected one FP8 operand for each outer loop");
  owner.value = operand->get();
  return true;
}

/// Sets the granularity and the form of an operand's scales by their indexing map.
bool ScaledProduct::takeScale(RaisedOperand &operand, AffineMap map, AffineExpr row) {
  AffineExpr zero = getAffineConstantExpr(0, op.getContext());
  AffineExpr kBlock = k.floorDiv(kScaleBlock), rowBlock = row.floorDiv(kScaleBlock);
  struct Known {
    SmallVector<AffineExpr> indices;
    SmallVector<int64_t, 2> granularity;
    ScaleForm form;
  };
  constexpr int64_t full = ScaledAttr::kFull;
  const Known known[] = {{{kBlock, row}, {1, kScaleBlock}, ScaleForm::AsIs},
                         {{row, kBlock}, {1, kScaleBlock}, ScaleForm::Transposed},
                         {{rowBlock, kBlock}, {kScaleBlock, kScaleBlock}, ScaleForm::AsIs},
                         {{zero, row}, {1, full}, ScaleForm::AsIs},
                         {{row, zero}, {1, full}, ScaleForm::Flattened},
                         {{row}, {1, full}, ScaleForm::Expanded},
                         {{zero, zero}, {full, full}, ScaleForm::AsIs},
                         {{zero}, {full, full}, ScaleForm::Expanded},
                         {{}, {full, full}, ScaleForm::Expanded}};
  std::optional<ArrayRef<AffineExpr>> indices = dropBatch(map);
  for (const Known &each : known)
    if (indices && *indices == ArrayRef(each.indices)) {
      operand.granularity = each.granularity;
      operand.form = each.form;
      return true;
    }
  return fail("expected a scale for each row and 128 of K, for each block of 128 by 128, for each row, or for all" +
              Twine(batch.empty() ? "" : ", with the batch in front"));
}

/// Matches acc + (product of factors).
bool ScaledProduct::matchBody() {
  Block *body = op.getBody();
  auto sum = body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  Value accumulator = body->getArguments().back();
  if (!sum || !accumulator.getType().isF32() || (sum.getLhs() != accumulator && sum.getRhs() != accumulator))
    return fail("expected products that are added to f32");
  SmallVector<BlockArgument> factors;
  if (!addFactor(sum.getLhs() == accumulator ? sum.getRhs() : sum.getLhs(), factors))
    return false;
  for (bool isMatrix : {true, false})
    for (BlockArgument factor : factors)
      if (!takeFactor(factor, isMatrix))
        return false;
  if (!lhs.value || !rhs.value)
    return fail("expected two FP8 operands");
  return true;
}

bool ScaledProduct::startsFromZero() {
  Value init = op.getDpsInits().front();
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.getInputs().front(), m_AnyZeroFloat());
  return matchPattern(init, m_AnyZeroFloat());
}

bool ScaledProduct::match() {
  if (!op.hasPureTensorSemantics())
    return fail("expected tensors");
  return matchLoops() && matchBody() && (startsFromZero() || fail("expected a sum that starts from zero"));
}

/// The element-wise generic that rounds the sum to bf16 or f16; null if there is none or the sum has another user.
linalg::GenericOp ScaledProduct::findRounding() {
  Value sum = op.getResult(0);
  auto user = sum.hasOneUse() ? dyn_cast<linalg::GenericOp>(*sum.user_begin()) : nullptr;
  if (!user || user.getNumDpsInputs() != 1 || user.getNumDpsInits() != 1 || user.getDpsInputs().front() != sum ||
      user.getNumParallelLoops() != user.getNumLoops() ||
      !llvm::all_of(user.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return nullptr;
  auto rounding = user.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::TruncFOp>();
  if (!rounding || rounding.getIn() != user.getBody()->getArgument(0) ||
      (!rounding.getType().isBF16() && !rounding.getType().isF16()))
    return nullptr;
  return user;
}

GemmOp ScaledProduct::raise() {
  linalg::GenericOp rounding = findRounding();
  linalg::GenericOp last = rounding ? rounding : op;
  Attempt attempt(last, op.getLoc());
  GemmOp gemm = buildRaised(attempt.b, lhs, rhs, last.getDpsInits().front());
  if (std::optional<std::string> fault = attempt.findFault(gemm)) {
    why = *fault;
    return nullptr;
  }
  last->replaceAllUsesWith(gemm->getResults());
  last->erase();
  if (rounding)
    op->erase();
  return gemm;
}

/// Whether `op` sums over at least two FP8 inputs, so that a remark is due if it is left alone.
static bool looksLikeProduct(linalg::GenericOp op) {
  return op.getNumReductionLoops() > 0 &&
         llvm::count_if(op.getDpsInputs(), [](Value input) {
           return isa<Float8E4M3FNType, Float8E5M2Type>(getElementTypeOrSelf(input.getType()));
         }) >= 2;
}

namespace {
struct RaiseGemm : dgemm::impl::RaiseGemmPassBase<RaiseGemm> {
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> products;
    getOperation()->walk([&](linalg::GenericOp op) {
      if (looksLikeProduct(op))
        products.push_back(op);
    });
    for (linalg::GenericOp op : products) {
      ScaledProduct product(op);
      if (!product.match() || !product.raise())
        op.emitRemark() << "left alone by dgemm-raise: " << product.getReason();
    }
    raiseScaledDots(getOperation());
  }
};
} // namespace
