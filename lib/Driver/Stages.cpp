//===- Stages.cpp - Names of compile stages and config sources -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"

using namespace dgemm;

static constexpr std::pair<Stage, llvm::StringLiteral> kStages[] = {{Stage::Problem, "problem"},
                                                                    {Stage::Configured, "configured"},
                                                                    {Stage::Tiled, "tiled"},
                                                                    {Stage::Promoted, "promoted"},
                                                                    {Stage::Specialized, "specialized"},
                                                                    {Stage::TMA, "tma"},
                                                                    {Stage::WGMMA, "wgmma"},
                                                                    {Stage::NVVM, "nvvm"},
                                                                    {Stage::LLVM, "llvm"},
                                                                    {Stage::PTX, "ptx"},
                                                                    {Stage::Cubin, "cubin"},
                                                                    {Stage::SASS, "sass"},
                                                                    {Stage::Launch, "launch"}};

llvm::StringRef dgemm::toString(Stage stage) { return kStages[static_cast<int>(stage)].second; }

std::optional<Stage> dgemm::parseStage(llvm::StringRef name) {
  for (auto &[stage, spelling] : kStages)
    if (name == spelling)
      return stage;
  return std::nullopt;
}

llvm::StringRef dgemm::toString(ConfigSource source) {
  switch (source) {
  case ConfigSource::Input:
    return "the input";
  case ConfigSource::TunedTable:
    return "the tuned table";
  case ConfigSource::CostModel:
    return "the cost model";
  }
  llvm_unreachable("unknown config source");
}
