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

/// The symbol of dynamic shared memory, one for the module.
static LLVM::GlobalOp getGlobal(ModuleOp module) {
  if (auto global = module.lookupSymbol<LLVM::GlobalOp>(kSharedMemoryName))
    return global;
  auto b = ImplicitLocOpBuilder::atBlockBegin(module.getLoc(), module.getBody());
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  return LLVM::GlobalOp::create(b, bytes, /*isConstant=*/false, LLVM::Linkage::External, kSharedMemoryName, Attribute{},
                                hopper::kSwizzleAtom, static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

SharedMemory::SharedMemory(KernelOp kernel) : layout(SharedMemoryLayout::get(kernel.getConfig())) {
  for (auto address : kernel.getBody().getOps<LLVM::AddressOfOp>())
    if (address.getGlobalName() == kSharedMemoryName)
      start = address;
  if (start)
    return;
  auto b = ImplicitLocOpBuilder::atBlockBegin(kernel.getLoc(), &kernel.getBody().front());
  start = LLVM::AddressOfOp::create(b, getGlobal(kernel->getParentOfType<ModuleOp>()));
}
