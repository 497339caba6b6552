//===- EmbedKernels.cpp - dgemm-embed-kernels -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/Target/EmitPTX.h"
#include "dgemm/Target/ExtractSymbols.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {
#define GEN_PASS_DEF_EMBEDKERNELSPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

constexpr StringLiteral kChip = "sm_90a";
/// The name and the version are those of include/dgemm-c/Runtime.h.
constexpr StringLiteral kLaunchFunction = "dgemm_launch_or_abort";
constexpr int32_t kHandleVersion = 1;

namespace {
/// The PTX and the launch descriptor of a kernel.
struct KernelText {
  std::string ptx, launch;
};

/// Fills in the bodies of the launchers of one symbol table.
class HostSide {
public:
  explicit HostSide(Operation *module) : symbols(module) {}

  void fill(func::FuncOp launcher, StringRef kernel, const KernelText &text);

private:
  LLVM::GlobalOp getHandle(ImplicitLocOpBuilder &b, StringRef kernel, const KernelText &text);
  LLVM::GlobalOp createText(ImplicitLocOpBuilder &b, StringRef name, StringRef text);
  LLVM::LLVMFuncOp getLaunchFunction(ImplicitLocOpBuilder &b);

  SymbolTable symbols;
  llvm::StringMap<LLVM::GlobalOp> handles;
};
} // namespace

LLVM::GlobalOp HostSide::createText(ImplicitLocOpBuilder &b, StringRef name, StringRef text) {
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
  auto global =
      LLVM::GlobalOp::create(b, type, /*isConstant=*/true, LLVM::Linkage::Internal, name, b.getStringAttr(text));
  symbols.insert(global);
  return global;
}

/// The `dgemm_kernel` of the runtime for `kernel`: version, PTX, launch descriptor, and the state of the runtime, null
/// at first.
LLVM::GlobalOp HostSide::getHandle(ImplicitLocOpBuilder &b, StringRef kernel, const KernelText &text) {
  LLVM::GlobalOp &handle = handles[kernel];
  if (handle)
    return handle;
  OpBuilder::InsertionGuard guard(b);
  b.clearInsertionPoint();
  LLVM::GlobalOp ptx = createText(b, (kernel + "_ptx").str(), text.ptx);
  LLVM::GlobalOp launch = createText(b, (kernel + "_descriptor").str(), text.launch);
  Type pointer = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {b.getI32Type(), pointer, i64, pointer, i64, pointer});
  handle = LLVM::GlobalOp::create(b, type, /*isConstant=*/false, LLVM::Linkage::Internal, (kernel + "_kernel").str(),
                                  Attribute());
  symbols.insert(handle);
  b.createBlock(&handle.getInitializerRegion());
  Value value = LLVM::UndefOp::create(b, type);
  auto set = [&](Value field, int64_t position) { value = LLVM::InsertValueOp::create(b, value, field, position); };
  set(LLVM::ConstantOp::create(b, b.getI32IntegerAttr(kHandleVersion)), 0);
  set(LLVM::AddressOfOp::create(b, ptx), 1);
  set(LLVM::ConstantOp::create(b, b.getI64IntegerAttr(text.ptx.size())), 2);
  set(LLVM::AddressOfOp::create(b, launch), 3);
  set(LLVM::ConstantOp::create(b, b.getI64IntegerAttr(text.launch.size())), 4);
  set(LLVM::ZeroOp::create(b, pointer), 5);
  LLVM::ReturnOp::create(b, value);
  return handle;
}

LLVM::LLVMFuncOp HostSide::getLaunchFunction(ImplicitLocOpBuilder &b) {
  if (auto known = symbols.lookup<LLVM::LLVMFuncOp>(kLaunchFunction))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.clearInsertionPoint();
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {pointer, b.getI64Type(), pointer, pointer});
  auto func = LLVM::LLVMFuncOp::create(b, kLaunchFunction, type);
  symbols.insert(func);
  return func;
}

/// The descriptors of the operands go on the stack, and their addresses into an array.
void HostSide::fill(func::FuncOp launcher, StringRef kernel, const KernelText &text) {
  ImplicitLocOpBuilder b(launcher.getLoc(), launcher.getContext());
  LLVM::GlobalOp handle = getHandle(b, kernel, text);
  LLVM::LLVMFuncOp launch = getLaunchFunction(b);
  launcher->removeAttr(kLaunchesAttr);
  b.setInsertionPointToStart(launcher.addEntryBlock());
  LLVMTypeConverter converter(b.getContext());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value one = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(1));
  Value count = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(launcher.getNumArguments()));
  Value array = LLVM::AllocaOp::create(b, pointer, pointer, count);
  for (auto [i, argument] : llvm::enumerate(launcher.getArguments())) {
    Type type = converter.convertType(argument.getType());
    Value descriptor = UnrealizedConversionCastOp::create(b, type, argument).getResult(0);
    Value slot = LLVM::AllocaOp::create(b, pointer, type, one);
    LLVM::StoreOp::create(b, descriptor, slot);
    LLVM::StoreOp::create(b, slot, LLVM::GEPOp::create(b, pointer, pointer, array, LLVM::GEPArg(int32_t(i))));
  }
  Value address = LLVM::AddressOfOp::create(b, handle), noStream = LLVM::ZeroOp::create(b, pointer);
  LLVM::CallOp::create(b, launch, ValueRange{address, count, array, noStream});
  func::ReturnOp::create(b);
}

namespace {
struct EmbedKernels : dgemm::impl::EmbedKernelsPassBase<EmbedKernels> {
  void getDependentDialects(DialectRegistry &registry) const override {
    EmbedKernelsPassBase::getDependentDialects(registry);
    registerTranslations(registry);
  }

  void runOnOperation() override {
    SmallVector<func::FuncOp> launchers;
    getOperation().walk([&](func::FuncOp func) {
      if (func->hasAttr(kLaunchesAttr))
        launchers.push_back(func);
    });
    std::map<Operation *, HostSide> hosts;
    for (func::FuncOp launcher : launchers) {
      auto name = launcher->getAttrOfType<SymbolRefAttr>(kLaunchesAttr);
      auto kernel = dyn_cast_or_null<LLVM::LLVMFuncOp>(SymbolTable::lookupSymbolIn(getOperation(), name));
      if (!kernel || !kernel->hasAttr(kLaunchAttr)) {
        launcher.emitOpError() << "expected " << name << " to be a kernel; run dgemm-lower-to-nvvm first";
        return signalPassFailure();
      }
      const KernelText *text = getText(kernel);
      if (!text)
        return signalPassFailure();
      Operation *table = SymbolTable::getNearestSymbolTable(launcher->getParentOp());
      hosts.try_emplace(table, table).first->second.fill(launcher, kernel.getSymName(), *text);
    }
    for (auto &[kernel, text] : texts)
      eraseKernel(cast<LLVM::LLVMFuncOp>(kernel));
    getOperation()->removeAttr(kMachineAttr); // of no use once the kernels are compiled
  }

private:
  /// The texts of `kernel`, made once; null after an error.
  const KernelText *getText(LLVM::LLVMFuncOp kernel) {
    auto [known, isNew] = texts.try_emplace(kernel);
    if (!isNew)
      return &known->second;
    llvm::Error error = emit(kernel, known->second);
    if (!error)
      return &known->second;
    kernel.emitOpError() << llvm::toString(std::move(error));
    return nullptr;
  }

  static llvm::Error emit(LLVM::LLVMFuncOp kernel, KernelText &text) {
    llvm::Expected<LaunchDescriptor> launch = getLaunchDescriptor(kernel, kChip);
    if (!launch)
      return launch.takeError();
    text.launch = launch->toJSON();
    llvm::Expected<OwningOpRef<ModuleOp>> alone = extractSymbols(kernel.getOperation(), kernel.getLoc());
    if (!alone)
      return alone.takeError();
    llvm::LLVMContext context;
    llvm::Expected<std::unique_ptr<llvm::Module>> module = translateToLLVM(**alone, context, kChip);
    if (!module)
      return module.takeError();
    return emitPTX(**module, kChip).moveInto(text.ptx);
  }

  /// Erases the kernel, and its gpu.module if only globals are left in it.
  static void eraseKernel(LLVM::LLVMFuncOp kernel) {
    auto module = dyn_cast<gpu::GPUModuleOp>(kernel->getParentOp());
    kernel.erase();
    if (module && llvm::all_of(*module.getBody(), [](Operation &op) { return isa<LLVM::GlobalOp>(op); }))
      module.erase();
  }

  std::map<Operation *, KernelText> texts;
};
} // namespace
