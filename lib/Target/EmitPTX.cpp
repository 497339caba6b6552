//===- EmitPTX.cpp - nvvm and llvm dialects to PTX -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/EmitPTX.h"
#include "JoinWGMMA.h"
#include "dgemm/Target/ExtractSymbols.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

extern "C" {
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

using namespace mlir;

static constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";
/// PTX ISA 8.6 has every instruction that we emit (CUDA 12.7, driver 565 and later).
static constexpr llvm::StringLiteral kFeatures = "+ptx86";

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createMachine(StringRef chip) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  if (chip != "sm_90a")
    return makeError("target '" + chip + "' is not supported; kernels use wgmma and TMA of sm_90a");
  std::string message;
  llvm::Triple triple(kTriple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return makeError(message);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, chip, kFeatures, llvm::TargetOptions(), std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Default));
}

void dgemm::registerTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

/// wgmma has no LLVM intrinsic, and the translation has none for bar.arrive, so they become inline PTX.
static LogicalResult lowerToInlinePTX(ModuleOp module) {
  dgemm::joinWGMMA(module);
  RewritePatternSet patterns(module.getContext());
  populateNVVMToLLVMConversionPatterns(patterns);
  ConversionTarget target(*module.getContext());
  target.addLegalDialect<LLVM::LLVMDialect>();
  target.addIllegalOp<NVVM::WgmmaMmaAsyncOp, NVVM::BarrierArriveOp>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(module, target, std::move(patterns));
}

/// Drops our argument attributes: the translation warns about each unknown attribute, and prints the kernel with the
/// warning.
static void dropLaunchAttributes(ModuleOp module) {
  for (auto func : module.getOps<LLVM::LLVMFuncOp>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      for (NamedAttribute attr : NamedAttrList(func.getArgAttrDict(i)))
        if (attr.getName().strref().starts_with("dgemm."))
          func.removeArgAttr(i, attr.getName());
}

/// The device code of `module`, as a separate module.
static llvm::Expected<OwningOpRef<ModuleOp>> extractDeviceCode(ModuleOp module) {
  SmallVector<LLVM::LLVMFuncOp> kernels = dgemm::findKernels(module);
  if (kernels.empty())
    return OwningOpRef<ModuleOp>(module.clone());
  return dgemm::extractSymbols(llvm::to_vector_of<Operation *>(kernels), module.getLoc());
}

llvm::Expected<std::unique_ptr<llvm::Module>> dgemm::translateToLLVM(ModuleOp module, llvm::LLVMContext &context,
                                                                     StringRef chip) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = createMachine(chip);
  if (!machine)
    return machine.takeError();
  llvm::Expected<OwningOpRef<ModuleOp>> device = extractDeviceCode(module);
  if (!device)
    return device.takeError();
  dropLaunchAttributes(**device);
  if (failed(lowerToInlinePTX(**device)))
    return makeError("cannot lower nvvm ops to inline PTX");
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(**device, context);
  if (!translated)
    return makeError("cannot translate the module to LLVM IR");
  translated->setTargetTriple(llvm::Triple(kTriple));
  translated->setDataLayout((*machine)->createDataLayout());
  return translated;
}

/// The passes that our IR needs. The default O3 pipeline takes twice as long, and ptxas makes the same code. Loops stay
/// rolled, because a K block fills enough of the instruction cache.
static constexpr llvm::StringLiteral kPipeline = "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,"
                                                 "simplifycfg,loop-mssa(licm),gvn<no-pre;no-load-pre>,"
                                                 "instcombine<no-verify-fixpoint>,simplifycfg)";

static llvm::Error optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  llvm::ModulePassManager passes;
  if (llvm::Error error = builder.parsePassPipeline(passes, kPipeline))
    return error;
  passes.run(module, modules);
  return llvm::Error::success();
}

llvm::Expected<std::string> dgemm::emitPTX(llvm::Module &module, StringRef chip) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = createMachine(chip);
  if (!machine)
    return machine.takeError();
  if (llvm::Error error = optimize(module, **machine))
    return std::move(error);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager codegen;
  if ((*machine)->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return makeError("the NVPTX back end cannot print PTX");
  codegen.run(module);
  return text.str().str();
}
