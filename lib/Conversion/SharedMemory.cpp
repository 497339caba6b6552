//===- SharedMemory.cpp - Addresses in dynamic shared memory -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedMemory.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

constexpr StringLiteral kSharedMemoryName = "dgemm_shared";

/// The symbol of dynamic shared memory. The module of `kernel` has one for all its kernels.
static LLVM::GlobalOp getGlobal(KernelOp kernel) {
  Operation *module = SymbolTable::getNearestSymbolTable(kernel->getParentOp());
  if (!module)
    module = kernel->getParentOfType<ModuleOp>();
  if (auto global = dyn_cast_or_null<LLVM::GlobalOp>(SymbolTable::lookupSymbolIn(module, kSharedMemoryName)))
    return global;
  auto b = ImplicitLocOpBuilder::atBlockBegin(module->getLoc(), &module->getRegion(0).front());
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  return LLVM::GlobalOp::create(b, bytes, /*isConstant=*/false, LLVM::Linkage::External, kSharedMemoryName, Attribute{},
                                hopper::kSwizzleAtom, static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

SharedMemory::SharedMemory(KernelOp kernel) : layout(SharedMemoryLayout::get(kernel.getConfig(), kernel.getProblem())) {
  for (auto address : kernel.getBody().getOps<LLVM::AddressOfOp>())
    if (address.getGlobalName() == kSharedMemoryName)
      start = address;
  if (start)
    return;
  auto b = ImplicitLocOpBuilder::atBlockBegin(kernel.getLoc(), &kernel.getBody().front());
  start = LLVM::AddressOfOp::create(b, getGlobal(kernel));
}
