//===- Pipelines.h - Named pass pipelines -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One definition of the order of passes, shared by dgemm-opt, the library and the plugin.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PIPELINES_PIPELINES_H
#define DGEMM_PIPELINES_PIPELINES_H

#include "dgemm/Support/LLVM.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace dgemm {

/// Levels of IR that the pipeline passes through; each names the state after the passes that lead to it.
enum class Level { Problem, Configured, Tiled, Promoted, Specialized, TMA, WGMMA, NVVM };

struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  PassOptions::Option<std::string> config{*this, "config", llvm::cl::desc("given fields of #dgemm.config"),
                                          llvm::cl::init("")};
  PassOptions::Option<std::string> machine{*this, "machine", llvm::cl::desc("GPU to choose configs for"),
                                           llvm::cl::init("")};
  PassOptions::Option<int64_t> multiprocessors{*this, "multiprocessors",
                                               llvm::cl::desc("multiprocessors to use, 0 for those of the machine"),
                                               llvm::cl::init(0)};
  PassOptions::Option<std::string> tunedTable{
      *this, "tuned-table", llvm::cl::desc("file of a tuned table that precedes those of the library"),
      llvm::cl::init("")};
  PassOptions::Option<std::string> spillData{
      *this, "spill-data", llvm::cl::desc("file with the configs that ptxas spills, in place of the library's"),
      llvm::cl::init("")};
  PassOptions::Option<bool> attachTarget{
      *this, "attach-target",
      llvm::cl::desc("the gpu.module of the kernels has #dgemm.target, of which gpu-module-to-binary makes an object"),
      llvm::cl::init(false)};
  PassOptions::ListOption<std::string> avoided{*this, "avoid",
                                               llvm::cl::desc("complete configs that must not be chosen")};
};

/// Adds the passes that lead from `from` (exclusive) to `to`.
void buildPipeline(mlir::OpPassManager &pm, Level from, Level to, const PipelineOptions &options);

/// The dialects that our IR uses at any level, with the interfaces that lowering needs.
void registerDialects(mlir::DialectRegistry &registry);

/// Registers every pass and the pipeline `dgemm-to-nvvm` (problem to llvm and nvvm). Safe to call more than once.
void registerPassesAndPipelines();

} // namespace dgemm

#endif // DGEMM_PIPELINES_PIPELINES_H
