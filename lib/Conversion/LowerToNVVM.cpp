//===- LowerToNVVM.cpp - dgemm-lower-to-nvvm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-lower-wgmma. First, the remaining dgemm ops are rewritten to scf and arith, and the
// kernel becomes a function. Then this function is converted to llvm with 32-bit indices. Nothing else in the module is
// touched.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "ClusterReduction.h"
#include "GroupSearch.h"
#include "TileLoop.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/DialectConversion.h"

namespace dgemm {
#define GEN_PASS_DEF_LOWERTONVVMPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

/// if (warpgroup < consumers) { more registers; consumer } else { fewer registers; producer on one thread, one warp or
/// all threads }
static void lowerRoles(WarpSpecializeOp op) {
  NVVMBuilder b(op.getLoc(), op);
  Value thread = b.threadIndex();
  Value warp = b.uniform(b.shiftRight(thread, 5));
  Value warpgroup = b.shiftRight(warp, 2);
  Value isConsumer = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, warpgroup, b.i32(op.getConsumers()));
  op.getWarpgroup().replaceAllUsesWith(b.toIndex(warpgroup));
  auto branch = scf::IfOp::create(b, isConsumer, /*withElseRegion=*/true);

  b.setInsertionPointToStart(branch.thenBlock());
  NVVM::SetMaxRegisterOp::create(b, op.getConsumerRegisters(), NVVM::SetMaxRegisterAction::increase);
  branch.thenBlock()->getOperations().splice(b.getInsertionPoint(), op.getConsumer().front().getOperations());

  b.setInsertionPointToStart(branch.elseBlock());
  NVVM::SetMaxRegisterOp::create(b, op.getProducerRegisters(), NVVM::SetMaxRegisterAction::decrease);
  auto moveProducer = [&] {
    b.getBlock()->getOperations().splice(b.getInsertionPoint(), op.getProducer().front().getOperations());
  };
  auto onFirstWarp = [&](function_ref<void()> body) {
    b.when(b.equal(b.bitAnd(warp, hopper::kWarpgroupWarps - 1), 0), body);
  };
  if (op.getProducerThreads() == hopper::kWarpgroupThreads)
    moveProducer();
  else if (op.getProducerThreads() == hopper::kWarpThreads)
    onFirstWarp(moveProducer);
  else
    onFirstWarp([&] { b.when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{}), moveProducer); });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

namespace {

/// Checks that each use of a memref operand is a cast to a pointer, or a dgemm.for_each_tile, which this pass itself
/// lowers.
static LogicalResult verifyUses(BlockArgument operand) {
  for (Operation *user : operand.getUsers()) {
    bool isPointer = isa<UnrealizedConversionCastOp>(user) && user->getNumResults() == 1 &&
                     user->getResult(0).getType() == getOperandPointerType(operand.getContext());
    if (!isPointer && !isa<ForEachTileOp>(user))
      return user->emitOpError("expected no more use of a memref; run dgemm-lower-stores and dgemm-lower-wgmma first");
  }
  return success();
}

/// Checks that `kernel` has only ops that dgemm-lower-wgmma leaves.
static LogicalResult verifyOps(KernelOp kernel) {
  for (BlockArgument arg : kernel.getArguments())
    if (isa<MemRefType>(arg.getType()) && failed(verifyUses(arg)))
      return failure();
  WalkResult result = kernel.walk([&](Operation *op) {
    if (op == kernel ||
        isa<UnrealizedConversionCastOp, WarpSpecializeOp, ForEachTileOp, YieldOp, WalkKOp, KRangeOp>(op))
      return WalkResult::advance();
    if (isa_and_nonnull<arith::ArithDialect, math::MathDialect, scf::SCFDialect, cf::ControlFlowDialect,
                        LLVM::LLVMDialect, NVVM::NVVMDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitOpError("expected only ops that dgemm-lower-wgmma leaves");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Converts a kernel and its arguments to a function.
class KernelLowering {
public:
  explicit KernelLowering(KernelOp kernel) : kernel(kernel), b(kernel.getLoc(), kernel) {}

  FailureOr<LLVM::LLVMFuncOp> lower();

private:
  Type convertArgument(unsigned index, NamedAttrList &attrs);

  KernelOp kernel;
  NVVMBuilder b;
  LLVM::LLVMFuncOp func;
};

Type KernelLowering::convertArgument(unsigned index, NamedAttrList &attrs) {
  Type type = kernel.getArgument(index).getType();
  MLIRContext *context = b.getContext();
  if (kernel.getArgAttr(index, kTensorMapAttr)) {
    // 128 bytes by value, read only (cuda.h, CUtensorMap).
    Type map = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
    attrs.set(LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(map));
    attrs.set(LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
    attrs.set(NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    return LLVM::LLVMPointerType::get(context);
  }
  if (isa<MemRefType>(type))
    return getOperandPointerType(context);
  return b.getI32Type();
}

FailureOr<LLVM::LLVMFuncOp> KernelLowering::lower() {
  auto roles = llvm::to_vector(kernel.getBody().getOps<WarpSpecializeOp>());
  if (roles.size() != 1)
    return kernel.emitOpError("expected one dgemm.warp_specialize; run dgemm-warp-specialize first"), failure();
  if (failed(verifyOps(kernel)))
    return failure();
  int64_t threads = roles.front().getThreads();
  kernel.walk([](KRangeOp range) { lowerKRange(range); });
  SmallVector<ForEachTileOp> loops;
  kernel.walk([&](ForEachTileOp loop) { loops.push_back(loop); });
  for (ForEachTileOp loop : loops) {
    if (loop.searchesGroups() && !hasFewGroups(loop) && roles.front().getProducerThreads() < hopper::kWarpThreads)
      return loop.emitOpError()
                 << "expected a producer of whole warps, because all their lanes search for the group of a tile, "
                    "but got one of "
                 << roles.front().getProducerThreads() << " thread; run dgemm-lower-ring first",
             failure();
    lowerTileLoop(loop);
  }
  lowerRoles(roles.front());

  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    NamedAttrList list(kernel.getArgAttrDict(i));
    types.push_back(convertArgument(i, list));
    attrs.push_back(list.getDictionary(b.getContext()));
  }
  b.setInsertionPoint(kernel);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
  func = LLVM::LLVMFuncOp::create(b, kernel.getSymName(), type);
  func->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func->setAttr(NVVM::NVVMDialect::getReqntidAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(threads)}));
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  if (int64_t size = kernel.getConfig().getClusterSize(); size > 1)
    func->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(size)}));
  func->setAttr(kLaunchAttr,
                LaunchAttr::get(b.getContext(), kernel.getProblem(), kernel.getConfig(), threads,
                                SharedMemoryLayout::get(kernel.getConfig(), kernel.getProblem()).totalBytes));
  func.setAllArgAttrs(attrs);
  Block *entry = func.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  for (auto [from, to] : llvm::zip_equal(kernel.getArguments(), entry->getArguments())) {
    if (from.getType().isIndex()) {
      from.replaceAllUsesWith(b.toIndex(to));
      continue;
    }
    for (Operation *user : llvm::make_early_inc_range(from.getUsers()))
      if (isa<UnrealizedConversionCastOp>(user)) {
        user->getResult(0).replaceAllUsesWith(to);
        user->erase();
      }
    from.replaceAllUsesWith(to);
  }
  entry->getOperations().splice(entry->end(), kernel.getBody().front().getOperations());
  b.setInsertionPointToEnd(entry);
  LLVM::ReturnOp::create(b, ValueRange{});
  kernel.erase();
  return func;
}

struct LowerToNVVM : dgemm::impl::LowerToNVVMPassBase<LowerToNVVM> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels) {
      FailureOr<LLVM::LLVMFuncOp> func = KernelLowering(kernel).lower();
      if (failed(func) || failed(convertToControlFlow(*func)) || failed(convertToLLVM(*func)) ||
          failed(verifyLowered(*func)))
        return signalPassFailure();
      IRRewriter rewriter(&getContext());
      DominanceInfo dominance(*func);
      eliminateCommonSubExpressions(rewriter, dominance, *func);
    }
    if (failed(verifyNothingLeft()))
      signalPassFailure();
  }

private:
  /// Emits an error for a dgemm op outside of kernels, which nothing has converted.
  LogicalResult verifyNothingLeft() {
    WalkResult result = getOperation()->walk([](Operation *op) {
      if (!isa_and_nonnull<DGemmDialect>(op->getDialect()))
        return WalkResult::advance();
      op->emitOpError("is outside of a dgemm.kernel, so nothing converts it");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  static LogicalResult verifyLowered(LLVM::LLVMFuncOp func) {
    WalkResult result = func.walk([](Operation *op) {
      if (isa_and_nonnull<LLVM::LLVMDialect, NVVM::NVVMDialect>(op->getDialect()))
        return WalkResult::advance();
      op->emitOpError("has no form in the llvm and nvvm dialects");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  LogicalResult convertToControlFlow(LLVM::LLVMFuncOp func) {
    RewritePatternSet patterns(&getContext());
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget target(getContext());
    target.addIllegalDialect<scf::SCFDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(func, target, std::move(patterns));
  }

  LogicalResult convertToLLVM(LLVM::LLVMFuncOp func) {
    LowerToLLVMOptions options(&getContext());
    options.overrideIndexBitwidth(32); // sizes and offsets are below 2^31
    LLVMTypeConverter converter(&getContext(), options);
    RewritePatternSet patterns(&getContext());
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    populateMathToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    ConversionTarget target(getContext());
    target.addIllegalDialect<arith::ArithDialect, math::MathDialect, cf::ControlFlowDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(func, target, std::move(patterns));
  }
};

} // namespace
