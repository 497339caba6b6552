//===- CompiledKernel.h - Kernels of the compiler, to run and to break --*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TEST_UNIT_EMULATOR_COMPILEDKERNEL_H
#define DGEMM_TEST_UNIT_EMULATOR_COMPILEDKERNEL_H

#include "dgemm/Driver/Compiler.h"
#include "dgemm/Emulator/Emulator.h"
#include "dgemm/Runtime/Reference.h"

namespace dgemm::emulator::test {

/// A dense GEMM that the compiler has made, with inputs and reference. PTX and descriptor may be edited before a run.
struct CompiledGemm {
  GemmSizes sizes;
  std::string ptx;
  LaunchDescriptor launch;
  GemmInputs inputs;
  Reference reference;
  int64_t multiprocessors = 2;
  Reconvergence reconvergence = Reconvergence::PostDominator;
  HostTensor d;

  /// `dynamic`: letters of the sizes that are left dynamic, "mnkg"; `shape` says how operands lie in memory. A leading
  /// dimension is dynamic where `sizes` has one.
  static llvm::Expected<CompiledGemm> compile(const GemmSizes &sizes, const std::string &config,
                                              const std::string &dynamic = "", GemmShape shape = {},
                                              llvm::ArrayRef<int64_t> groupRows = {});
  /// `shape` with the sizes that are not dynamic.
  static GemmShape getShape(const GemmSizes &sizes, const std::string &dynamic, GemmShape shape);
  /// Other dynamic sizes for the same kernel.
  llvm::Error setSizes(const GemmSizes &sizes, llvm::ArrayRef<int64_t> groupRows = {});
  llvm::Expected<Report> run(uint64_t seed);
  CheckResult check() const { return reference.compare(d); }
};

/// PTX as lines, to mutate. Each call says whether it found what it looked for.
class PtxEditor {
public:
  explicit PtxEditor(std::string &ptx) : ptx(ptx) {}
  /// Index of the nth line that contains `text`; -1 if there is none.
  int find(const std::string &text, unsigned nth = 0, int from = 0) const;
  bool remove(const std::string &text, unsigned nth = 0);
  bool removeAll(const std::string &text);
  bool insertBefore(const std::string &text, const std::string &line, unsigned nth = 0);
  /// Within the nth line that contains `where`.
  bool replaceIn(const std::string &where, const std::string &from, const std::string &to, unsigned nth = 0);
  bool replaceAll(const std::string &from, const std::string &to);
  std::string getLine(int index) const;
  /// Adds `delta` to the literal that register operand `index` of the nth line with `text` was set to by mov.
  bool addToConstant(const std::string &text, unsigned index, int64_t delta, unsigned nth = 0);

private:
  std::vector<std::string> lines() const;
  void store(const std::vector<std::string> &lines);
  std::string &ptx;
};

} // namespace dgemm::emulator::test

#endif // DGEMM_TEST_UNIT_EMULATOR_COMPILEDKERNEL_H
