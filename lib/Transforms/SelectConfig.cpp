//===- SelectConfig.cpp - dgemm-select-config -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/CostModel.h"
#include "dgemm/Analysis/TunedTable.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/IR/BuiltinOps.h"

namespace dgemm {
#define GEN_PASS_DEF_SELECTCONFIGPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

namespace {
struct SelectConfig : dgemm::impl::SelectConfigPassBase<SelectConfig> {
  using SelectConfigPassBase::SelectConfigPassBase;

  void runOnOperation() override {
    if (failed(readMachine()) || failed(readConfig()) || failed(readTable()) || failed(readSpills()) ||
        failed(readAvoided()))
      return signalPassFailure();
    bool hasProblems = false;
    WalkResult result = getOperation()->walk([&](GemmOp gemm) {
      hasProblems = true;
      if (failed(verifyIsBufferized(gemm)))
        return WalkResult::interrupt();
      if (gemm.getConfig())
        return WalkResult::advance();
      if (whole) {
        gemm.setConfigAttr(whole);
        return WalkResult::advance();
      }
      FailureOr<SelectedConfig> chosen = selectConfig(
          &getContext(), ProblemSize::get(gemm), fields, chosenFor,
          [&] { return gemm.emitOpError("cannot have this config: "); }, data);
      if (failed(chosen))
        return WalkResult::interrupt();
      gemm.setConfigAttr(chosen->config);
      gemm->setAttr(kConfigSourceAttr, StringAttr::get(&getContext(), chosen->isTuned ? kTunedTable : kCostModel));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    // A pass on a function does not change the module, and neither does a pass that finds no problem.
    if (auto module = dyn_cast<ModuleOp>(getOperation()); module && hasProblems)
      module->setAttr(kMachineAttr, MachineAttr::get(&getContext(), chosenFor.name, chosenFor.multiprocessors));
  }

private:
  /// An option has no location in the module.
  InFlightDiagnostic emitOptionError() { return emitError(UnknownLoc::get(&getContext())); }

  /// Reads the machine of the module, or else that of the options. Error: the two differ.
  LogicalResult readMachine() {
    llvm::Expected<Machine> given = Machine::parse(machine);
    if (!given)
      return emitOptionError() << llvm::toString(given.takeError());
    if (multiprocessors < 0)
      return emitOptionError() << "expected at least 1 multiprocessor, but got " << int64_t(multiprocessors);
    chosenFor = *given;
    if (multiprocessors)
      chosenFor.multiprocessors = multiprocessors;
    auto module = dyn_cast<ModuleOp>(getOperation());
    if (!module)
      module = getOperation()->getParentOfType<ModuleOp>();
    auto named = module ? module->getAttrOfType<MachineAttr>(kMachineAttr) : MachineAttr();
    if (!named)
      return success();
    bool isGiven = !machine.empty() || multiprocessors;
    if (isGiven && (named.getName() != chosenFor.name || named.getMultiprocessors() != chosenFor.multiprocessors))
      return emitOptionError() << "a machine is given, but the module has one already: " << named;
    llvm::Expected<Machine> found = Machine::get(named);
    if (!found)
      return module.emitError() << llvm::toString(found.takeError());
    chosenFor = *found;
    return success();
  }

  /// Reads the option `config`: a whole config, or fields of one.
  LogicalResult readConfig() {
    if (isWholeConfig(config)) {
      whole = parseWholeConfig([&] { return emitOptionError(); }, &getContext(), config);
      return success(bool(whole));
    }
    llvm::Expected<ConfigFields> read = ConfigFields::parse(config);
    if (!read)
      return emitOptionError() << llvm::toString(read.takeError());
    fields = *read;
    return success();
  }

  LogicalResult readTable() {
    if (tunedTable.empty())
      return success();
    llvm::Expected<TunedTable> read = TunedTable::read(tunedTable);
    if (!read)
      return emitOptionError() << "expected a tuned table, but " << llvm::toString(read.takeError());
    own = std::move(*read);
    data.own = &*own;
    return success();
  }

  LogicalResult readSpills() {
    if (spillData.empty())
      return success();
    llvm::Expected<SpillData> read = SpillData::read(spillData);
    if (!read)
      return emitOptionError() << "expected spill data, but " << llvm::toString(read.takeError());
    spills = std::move(*read);
    data.spills = &*spills;
    return success();
  }

  LogicalResult readAvoided() {
    avoidedConfigs.clear();
    for (const std::string &text : avoided) {
      avoidedConfigs.push_back(parseWholeConfig([&] { return emitOptionError(); }, &getContext(), text));
      if (!avoidedConfigs.back())
        return failure();
    }
    data.avoided = avoidedConfigs;
    return success();
  }

  Machine chosenFor = Machine::getDefault();
  /// Null if the option gives fields.
  ConfigAttr whole;
  ConfigFields fields;
  std::optional<TunedTable> own;
  std::optional<SpillData> spills;
  SmallVector<ConfigAttr> avoidedConfigs;
  /// Refers to the members above.
  ChoiceData data;
};
} // namespace
