//===- Pipelines.cpp - Named pass pipelines -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Pipelines/Pipelines.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/Target/TargetAttr.h"
#include "dgemm/Transforms/BufferizeGemm.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace dgemm;

void dgemm::buildPipeline(OpPassManager &pm, Level from, Level to, const PipelineOptions &options) {
  auto crosses = [&](Level level) { return from < level && level <= to; };
  // Problem -> problem with #dgemm.config.
  if (crosses(Level::Configured))
    pm.addPass(createSelectConfigPass({options.config, options.machine, options.multiprocessors, options.tunedTable,
                                       options.spillData,
                                       SmallVector<std::string>(options.avoided.begin(), options.avoided.end())}));
  // -> dgemm.kernel, sequential over tiles.
  if (crosses(Level::Tiled)) {
    pm.addPass(createOutlineKernelsPass({options.attachTarget}));
    pm.addPass(createTileProblemPass());
  }
  // -> mma + promote.
  if (crosses(Level::Promoted))
    pm.addPass(createPromoteAccumulatorsPass());
  // -> producer and consumers around a ring.
  if (crosses(Level::Specialized)) {
    pm.addPass(createChooseDataMovementPass());
    pm.addPass(createWarpSpecializePass());
    pm.addPass(createScheduleKLoopPass());
  }
  // -> tensor maps, bulk copies, mbarriers.
  if (crosses(Level::TMA)) {
    pm.addPass(createExpandEpiloguesPass());
    pm.addPass(createCreateTensorMapsPass());
    pm.addPass(createAssignStagePhasePass());
    pm.addPass(createLowerRingPass());
    pm.addPass(createLowerReductionsPass());
    pm.addPass(createLowerStoresPass());
    // Other functions do not change.
    pm.addNestedPass<KernelOp>(createCSEPass());
    pm.nest<gpu::GPUModuleOp>().addNestedPass<KernelOp>(createCSEPass());
  }
  // -> wgmma and per-thread f32.
  if (crosses(Level::WGMMA))
    pm.addPass(createLowerWGMMAPass());
  // -> llvm and nvvm only.
  if (crosses(Level::NVVM))
    pm.addPass(createLowerToNVVMPass());
}

void dgemm::registerDialects(DialectRegistry &registry) {
  registry.insert<DGemmDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, gpu::GPUDialect,
                  LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, NVVM::NVVMDialect, scf::SCFDialect>();
  registerBufferizableGemm(registry);
  registerTarget(registry);
}

void dgemm::registerPassesAndPipelines() {
  static const bool once = [] {
    registerDGemmTransformsPasses();
    registerDGemmConversionPasses();
    PassPipelineRegistration<PipelineOptions>("dgemm-to-nvvm",
                                              "lower dgemm problems to kernels in the nvvm and llvm dialects",
                                              [](OpPassManager &pm, const PipelineOptions &options) {
                                                buildPipeline(pm, Level::Problem, Level::NVVM, options);
                                              });
    PassPipelineRegistration<PipelineOptions>("dgemm-to-gpu",
                                              "lower dgemm problems to kernels in host code that launches them",
                                              [](OpPassManager &pm, const PipelineOptions &options) {
                                                buildPipeline(pm, Level::Problem, Level::NVVM, options);
                                                pm.addPass(createEmbedKernelsPass());
                                              });
    return true;
  }();
  (void)once;
}
