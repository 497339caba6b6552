//===- TargetAttr.cpp - #dgemm.target makes objects of gpu.modules -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/TargetAttr.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/Target/Assembler.h"
#include "dgemm/Target/EmitPTX.h"
#include "dgemm/Target/ExtractSymbols.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace dgemm;

static constexpr StringLiteral kTargetChip = "sm_90a";

static SmallVector<LLVM::LLVMFuncOp> getKernels(Operation *module) {
  SmallVector<LLVM::LLVMFuncOp> kernels;
  module->walk([&](LLVM::LLVMFuncOp func) {
    if (func->hasAttr(kLaunchAttr))
      kernels.push_back(func);
  });
  return kernels;
}

/// One PTX with all kernels; `module` does not change.
static llvm::Expected<std::string> makePTX(Operation *module, ArrayRef<LLVM::LLVMFuncOp> kernels) {
  SmallVector<Operation *> symbols(kernels.begin(), kernels.end());
  llvm::Expected<OwningOpRef<ModuleOp>> alone = extractSymbols(symbols, module->getLoc());
  if (!alone)
    return alone.takeError();
  llvm::LLVMContext context;
  llvm::Expected<std::unique_ptr<llvm::Module>> translated = translateToLLVM(**alone, context, kTargetChip);
  if (!translated)
    return translated.takeError();
  return emitPTX(**translated, kTargetChip);
}

static llvm::Expected<std::string> makeObject(Operation *module, gpu::CompilationTarget format) {
  SmallVector<LLVM::LLVMFuncOp> kernels = getKernels(module);
  if (kernels.empty())
    return llvm::createStringError(
        "expected a kernel in a gpu.module with #dgemm.target; run dgemm-lower-to-nvvm first");
  if (format == gpu::CompilationTarget::Offload)
    return llvm::createStringError("expected the format isa, bin or fatbin for #dgemm.target, but got offload");
  bool isCubin = format != gpu::CompilationTarget::Assembly;
  if (isCubin && kernels.size() != 1)
    return llvm::createStringError("expected one kernel for a cubin, but got " + llvm::Twine(kernels.size()) +
                                   "; the format isa takes any number");
  llvm::Expected<std::string> ptx = makePTX(module, kernels);
  if (!ptx || !isCubin)
    return ptx;
  llvm::Expected<Assembler> assembler = findAssembler();
  if (!assembler)
    return assembler.takeError();
  llvm::Expected<AssembledKernel> assembled = assemble(*assembler, *ptx, kernels.front().getSymName(), kTargetChip);
  if (!assembled)
    return assembled.takeError();
  return std::move(assembled->image);
}

namespace {
struct TargetModel : gpu::TargetAttrInterface::ExternalModel<TargetModel, dgemm::TargetAttr> {
  std::optional<SmallVector<char, 0>> serializeToObject(Attribute, Operation *module,
                                                        const gpu::TargetOptions &options) const {
    llvm::Expected<std::string> object = makeObject(module, options.getCompilationTarget());
    if (object)
      return SmallVector<char, 0>(object->begin(), object->end());
    module->emitError() << llvm::toString(object.takeError());
    return std::nullopt;
  }

  /// Programs that load an object need not know this dialect.
  Attribute createObject(Attribute, Operation *module, const SmallVector<char, 0> &object,
                         const gpu::TargetOptions &options) const {
    Builder b(module->getContext());
    SmallVector<NamedAttribute> launches;
    for (LLVM::LLVMFuncOp kernel : getKernels(module)) {
      llvm::Expected<LaunchDescriptor> launch = getLaunchDescriptor(kernel, kTargetChip);
      if (!launch) {
        kernel.emitError() << llvm::toString(launch.takeError());
        return nullptr;
      }
      launches.push_back(b.getNamedAttr(kernel.getSymName(), b.getStringAttr(launch->toJSON())));
    }
    auto target = NVVM::NVVMTargetAttr::get(b.getContext(), /*optLevel=*/3, "nvptx64-nvidia-cuda", kTargetChip);
    return gpu::ObjectAttr::get(target, options.getCompilationTarget(),
                                b.getStringAttr(StringRef(object.data(), object.size())),
                                b.getDictionaryAttr(b.getNamedAttr(kLaunchAttr, b.getDictionaryAttr(launches))));
  }
};
} // namespace

void dgemm::registerTarget(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, DGemmDialect *) { TargetAttr::attachInterface<TargetModel>(*context); });
}
