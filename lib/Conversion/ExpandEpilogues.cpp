//===- ExpandEpilogues.cpp - dgemm-expand-epilogues -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/epilogues.md states the error of each form.
//
//===----------------------------------------------------------------------===//

#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/Support/MathExtras.h"

namespace dgemm {
#define GEN_PASS_DEF_EXPANDEPILOGUESPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {

/// Emits the approximations that the hardware has (PTX ISA 9.0, "Floating-Point Instructions").
class HardwareBuilder : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Value constant(double value) { return arith::ConstantOp::create(*this, getF32FloatAttr(static_cast<float>(value))); }
  Value mul(Value lhs, Value rhs) { return arith::MulFOp::create(*this, lhs, rhs); }
  Value mul(Value lhs, double rhs) { return mul(lhs, constant(rhs)); }
  Value add(Value lhs, double rhs) { return arith::AddFOp::create(*this, lhs, constant(rhs)); }
  Value fma(Value a, Value b, double c) { return math::FmaOp::create(*this, a, b, constant(c)); }
  Value ex2(Value value) { return call("llvm.nvvm.ex2.approx.ftz.f32", value); }
  Value lg2(Value value) { return call("llvm.nvvm.lg2.approx.ftz.f", value); }
  Value sqrt(Value value) { return call("llvm.nvvm.sqrt.approx.ftz.f", value); }
  Value rsqrt(Value value) { return call("llvm.nvvm.rsqrt.approx.ftz.f", value); }
  Value rcp(Value value) { return NVVM::RcpApproxFtzF32Op::create(*this, getF32Type(), value); }
  Value exp(Value value) { return ex2(mul(value, llvm::numbers::log2e)); }
  Value call(StringRef intrinsic, Value value, LLVM::FastmathFlags flags = LLVM::FastmathFlags::none) {
    auto op = LLVM::CallIntrinsicOp::create(*this, getF32Type(), getStringAttr(intrinsic), ValueRange{value});
    op.setFastmathFlags(flags);
    return op.getResults();
  }
};

/// tanh.approx.f32.
Value createTanh(HardwareBuilder &b, ValueRange args) {
  return b.call("llvm.tanh.f32", args[0], LLVM::FastmathFlags::afn);
}

/// 1 - (a1 t + ... + a5 t^5) exp(-x^2) with t = 1 / (1 + p |x|) (Abramowitz and Stegun, 7.1.26), with the sign of x.
Value createErf(HardwareBuilder &b, ValueRange args) {
  Value x = args[0], magnitude = math::AbsFOp::create(b, x);
  Value t = b.rcp(b.fma(magnitude, b.constant(0.3275911), 1.0));
  Value sum = b.fma(t, b.constant(1.061405429), -1.453152027);
  for (double next : {1.421413741, -0.284496736, 0.254829592})
    sum = b.fma(sum, t, next);
  Value decay = b.ex2(b.mul(b.mul(x, -llvm::numbers::log2e), x));
  Value negative = arith::NegFOp::create(b, b.mul(sum, t));
  return math::CopySignOp::create(b, b.fma(negative, decay, 1.0), x);
}

/// Replaces an op whose fastmath flags allow approximation by what `create` makes.
template <typename OpTy, Value (*create)(HardwareBuilder &, ValueRange)>
struct UseHardware : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!arith::bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn))
      return failure();
    HardwareBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, create(b, op->getOperands()));
    return success();
  }
};

Value createExp(HardwareBuilder &b, ValueRange args) { return b.exp(args[0]); }
Value createExp2(HardwareBuilder &b, ValueRange args) { return b.ex2(args[0]); }
Value createExpM1(HardwareBuilder &b, ValueRange args) { return b.add(b.exp(args[0]), -1.0); }
Value createLog(HardwareBuilder &b, ValueRange args) { return b.mul(b.lg2(args[0]), llvm::numbers::ln2); }
Value createLog2(HardwareBuilder &b, ValueRange args) { return b.lg2(args[0]); }
Value createLog1P(HardwareBuilder &b, ValueRange args) { return b.mul(b.lg2(b.add(args[0], 1.0)), llvm::numbers::ln2); }
Value createSqrt(HardwareBuilder &b, ValueRange args) { return b.sqrt(args[0]); }
Value createRsqrt(HardwareBuilder &b, ValueRange args) { return b.rsqrt(args[0]); }
Value createDiv(HardwareBuilder &b, ValueRange args) { return b.mul(args[0], b.rcp(args[1])); }

/// ex2.approx without .ftz is accurate to 2 ulp, so it needs no fastmath flag.
struct LowerExp2 : OpRewritePattern<math::Exp2Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Exp2Op op, PatternRewriter &rewriter) const override {
    HardwareBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, b.call("llvm.nvvm.ex2.approx.f32", op.getOperand()));
    return success();
  }
};

/// 1 / sqrt(x). Both operations are rounded to nearest.
struct LowerRsqrt : OpRewritePattern<math::RsqrtOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::RsqrtOp op, PatternRewriter &rewriter) const override {
    HardwareBuilder b(op.getLoc(), rewriter);
    Value root = math::SqrtOp::create(b, op.getOperand());
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, b.constant(1.0), root);
    return success();
  }
};

/// True for the ops that MLIR approximates by polynomials.
bool isPolynomial(StringRef name) {
  return llvm::is_contained({math::ExpOp::getOperationName(), math::ExpM1Op::getOperationName(),
                             math::LogOp::getOperationName(), math::Log2Op::getOperationName(),
                             math::Log1pOp::getOperationName(), math::TanhOp::getOperationName(),
                             math::ErfOp::getOperationName()},
                            name);
}

struct ExpandEpilogues : dgemm::impl::ExpandEpiloguesPassBase<ExpandEpilogues> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    const PatternBenefit kHardware = 2;
    set.add<UseHardware<math::ExpOp, createExp>, UseHardware<math::Exp2Op, createExp2>,
            UseHardware<math::ExpM1Op, createExpM1>, UseHardware<math::LogOp, createLog>,
            UseHardware<math::Log2Op, createLog2>, UseHardware<math::Log1pOp, createLog1P>,
            UseHardware<math::TanhOp, createTanh>, UseHardware<math::ErfOp, createErf>,
            UseHardware<math::SqrtOp, createSqrt>, UseHardware<math::RsqrtOp, createRsqrt>,
            UseHardware<arith::DivFOp, createDiv>>(context, kHardware);
    set.add<LowerExp2, LowerRsqrt>(context);
    populateMathPolynomialApproximationPatterns(set, isPolynomial);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](MapOp map) {
      return failed(applyPatternsGreedily(map.getBody(), patterns)) ? WalkResult::interrupt() : WalkResult::skip();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  FrozenRewritePatternSet patterns;
};

} // namespace
