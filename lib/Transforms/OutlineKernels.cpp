//===- OutlineKernels.cpp - dgemm-outline-kernels -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace dgemm {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

constexpr StringLiteral kContainerName = "dgemm_kernels";

/// Whether `op` is a function that becomes a kernel. Such a function holds only its gemm.
static bool isKernelFunction(Operation *op) { return isa<func::FuncOp>(op) && op->hasAttr(kKernelAttr); }

/// The name of the function around `gemm`, made a valid PTX name.
static std::string makeKernelName(GemmOp gemm) {
  std::string name = "gemm";
  if (auto func = gemm->getParentOfType<FunctionOpInterface>())
    name = func.getName().str();
  for (char &c : name)
    if (!llvm::isAlnum(c) && c != '_' && c != '$')
      c = '_';
  return isKernelName(name) ? name : "gemm_" + name;
}

namespace {
class Outliner {
public:
  Outliner(ModuleOp module, bool attachTarget);
  LogicalResult outline(GemmOp gemm);

private:
  func::FuncOp getKernel(GemmOp gemm);
  func::FuncOp createKernel(GemmOp gemm);
  func::FuncOp getLauncher(GemmOp gemm, func::FuncOp kernel, Operation *table);
  gpu::GPUModuleOp getContainer();

  ModuleOp module;
  bool attachTarget;
  /// Where the kernels go; null before the first one.
  gpu::GPUModuleOp container;
  /// Names of all kernels in the module, because one PTX may hold them all.
  llvm::StringSet<> names;
  /// Kernels by problem and config, or by problem and all attributes if the config is not chosen yet.
  DenseMap<std::pair<Attribute, Attribute>, func::FuncOp> kernels;
  /// Launchers by symbol table, kernel and type.
  DenseMap<std::pair<std::pair<Operation *, Operation *>, Type>, func::FuncOp> launchers;
  SymbolTableCollection tables;
};
} // namespace

Outliner::Outliner(ModuleOp module, bool attachTarget) : module(module), attachTarget(attachTarget) {
  module.walk([&](Operation *op) {
    if (isa<KernelOp>(op) || isKernelFunction(op) || op->hasAttr(kLaunchAttr))
      names.insert(SymbolTable::getSymbolName(op));
  });
}

gpu::GPUModuleOp Outliner::getContainer() {
  if (!container) {
    OpBuilder b(module.getContext());
    SmallVector<Attribute> targets;
    if (attachTarget)
      targets.push_back(TargetAttr::get(b.getContext()));
    container = gpu::GPUModuleOp::create(b, module.getLoc(), kContainerName, targets);
    tables.getSymbolTable(module).insert(container);
  }
  return container;
}

/// Creates a function that holds only `gemm`. The types of its arguments follow from the problem; the launch handles
/// the offsets of the actual operands.
func::FuncOp Outliner::createKernel(GemmOp gemm) {
  std::string base = makeKernelName(gemm), name = base;
  for (unsigned i = 0; !names.insert(name).second; ++i)
    name = base + "_" + std::to_string(i);
  SmallVector<Type> types;
  for (auto [operand, value] : gemm.getRoles())
    types.push_back(OperandGeometry::get(gemm.getProblem(), operand).getType());
  auto b = ImplicitLocOpBuilder::atBlockEnd(gemm.getLoc(), getContainer().getBody());
  auto kernel = func::FuncOp::create(b, name, b.getFunctionType(types, {}));
  kernel->setAttr(kKernelAttr, b.getUnitAttr());
  b.setInsertionPointToStart(kernel.addEntryBlock());
  auto copy = cast<GemmOp>(b.clone(*gemm));
  copy->setOperands(kernel.getArguments());
  for (NamedAttribute attr : llvm::to_vector(copy->getDiscardableAttrs()))
    if (attr.getName() != kConfigSourceAttr)
      copy->removeDiscardableAttr(attr.getName());
  func::ReturnOp::create(b);
  return kernel;
}

func::FuncOp Outliner::getKernel(GemmOp gemm) {
  Attribute choice = gemm.getConfig() ? Attribute(*gemm.getConfig()) : gemm->getPropertiesAsAttribute();
  func::FuncOp &kernel = kernels[{gemm.getProblem(), choice}];
  if (!kernel)
    kernel = createKernel(gemm);
  return kernel;
}

/// The function that is called in place of `gemm`: a declaration, to which the lowering of the host code adds a body.
func::FuncOp Outliner::getLauncher(GemmOp gemm, func::FuncOp kernel, Operation *table) {
  OpBuilder b(gemm.getContext());
  auto type = b.getFunctionType(gemm->getOperandTypes(), {});
  func::FuncOp &launcher = launchers[{{table, kernel}, type}];
  if (!launcher) {
    launcher = func::FuncOp::create(b, gemm.getLoc(), (kernel.getSymName() + "_launch").str(), type);
    launcher.setPrivate();
    launcher->setAttr(kLaunchesAttr, SymbolRefAttr::get(getContainer().getNameAttr(),
                                                        FlatSymbolRefAttr::get(kernel.getSymNameAttr())));
    tables.getSymbolTable(table).insert(launcher);
  }
  return launcher;
}

LogicalResult Outliner::outline(GemmOp gemm) {
  if (failed(verifyIsBufferized(gemm)))
    return failure();
  for (Operation *parent = gemm->getParentOp(); parent; parent = parent->getParentOp())
    if (isa<gpu::GPUModuleOp, gpu::LaunchOp, KernelOp>(parent)) {
      InFlightDiagnostic error = gemm.emitOpError("expected to stand in code of the host, which launches its kernel");
      error.attachNote(parent->getLoc()) << "this is code of a GPU";
      return error;
    }
  Operation *table = SymbolTable::getNearestSymbolTable(gemm->getParentOp());
  if (!table)
    return gemm.emitOpError("expected to stand in ops that are registered: a call takes its place, and has to find "
                            "what it calls");
  func::FuncOp launcher = getLauncher(gemm, getKernel(gemm), table);
  ImplicitLocOpBuilder b(gemm.getLoc(), gemm);
  auto call = func::CallOp::create(b, launcher, gemm.getOperands());
  for (NamedAttribute attr : gemm->getDiscardableAttrs())
    if (attr.getName() != kConfigSourceAttr)
      call->setDiscardableAttr(attr.getName(), attr.getValue());
  gemm.erase();
  return success();
}

namespace {
struct OutlineKernels : dgemm::impl::OutlineKernelsPassBase<OutlineKernels> {
  using OutlineKernelsPassBase::OutlineKernelsPassBase;

  void runOnOperation() override {
    SmallVector<GemmOp> gemms;
    getOperation().walk([&](GemmOp gemm) {
      if (!isKernelFunction(gemm->getParentOp()))
        gemms.push_back(gemm);
    });
    Outliner outliner(getOperation(), attachTarget);
    for (GemmOp gemm : gemms)
      if (failed(outliner.outline(gemm)))
        return signalPassFailure();
  }
};
} // namespace
