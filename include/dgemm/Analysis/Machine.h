//===- Machine.h - The GPUs that configs are chosen for -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_MACHINE_H
#define DGEMM_ANALYSIS_MACHINE_H

#include "dgemm/IR/DGemm.h"
#include "llvm/Support/Error.h"

namespace dgemm {

struct Machine {
  /// As --machine spells it.
  llvm::StringRef name;
  /// What CUDA's name of the GPU begins with; the first machine that fits is meant.
  llvm::StringRef gpu;
  int64_t multiprocessors;
  /// Names of the machines whose tuned tables serve it, the first goes first.
  llvm::ArrayRef<llvm::StringRef> tables;

  /// All of the target.
  static llvm::ArrayRef<Machine> getKnown();
  /// What is chosen for unless somebody says otherwise.
  static const Machine &getDefault();
  /// Null for a name that is none.
  static const Machine *find(llvm::StringRef name);
  /// That of a module. Error: an unknown name.
  static llvm::Expected<Machine> get(MachineAttr attribute);
  /// What --machine=`name` stands for; the default for an empty name. Error: another name.
  static llvm::Expected<Machine> parse(llvm::StringRef name);
  /// The machine of a GPU by CUDA's name ("NVIDIA H100 80GB HBM3"), null for another.
  static const Machine *findGpu(llvm::StringRef gpu);
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_MACHINE_H
