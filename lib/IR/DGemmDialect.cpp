//===- DGemmDialect.cpp - The dgemm dialect -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringExtras.h"
#include <numeric>

using namespace mlir;
using namespace dgemm;

#include "dgemm/IR/DGemmDialect.cpp.inc"

#include "dgemm/IR/DGemmEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dgemm/IR/DGemmOps.cpp.inc"

namespace {
/// Prints the types of rings and stages once, by name: they are long, and every pipeline op repeats them.
struct TypeAliases : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Type type, raw_ostream &os) const override {
    if (isa<RingType>(type)) {
      os << "ring";
      return AliasResult::OverridableAlias;
    }
    if (isa<StageType>(type)) {
      os << "stage";
      return AliasResult::OverridableAlias;
    }
    return AliasResult::NoAlias;
  }
  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    auto map = dyn_cast<TensorMapAttr>(attr);
    if (!map)
      return AliasResult::NoAlias;
    os << stringifyOperand(map.getOperand()) << "_map";
    return AliasResult::OverridableAlias;
  }
};
} // namespace

void DGemmDialect::initialize() {
  addInterfaces<TypeAliases>();
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dgemm/IR/DGemmOps.cpp.inc"
      >();
}

LogicalResult DGemmDialect::verifyOperationAttribute(Operation *op, NamedAttribute attr) {
  if (attr.getName() == kLaunchAttr && !(isa<LLVM::LLVMFuncOp>(op) && isa<LaunchAttr>(attr.getValue())))
    return op->emitError() << "expected " << kLaunchAttr << " to be a #dgemm.launch of an llvm.func";
  auto func = dyn_cast<FunctionOpInterface>(op);
  if (attr.getName() == kKernelAttr && !(func && isa<UnitAttr>(attr.getValue())))
    return op->emitError() << "expected " << kKernelAttr << " to have no value, and to stand on a function";
  if (attr.getName() == kLaunchesAttr && !(func && func.isExternal() && isa<SymbolRefAttr>(attr.getValue())))
    return op->emitError() << "expected " << kLaunchesAttr << " to name a kernel, and to stand on a declaration";
  return success();
}

/// The region of the nearest warp_specialize that contains `op`; null if there is none.
static Region *getRole(Operation *op) {
  auto roles = op->getParentOfType<WarpSpecializeOp>();
  Region *region = op->getParentRegion();
  while (roles && region->getParentOp() != roles)
    region = region->getParentOp()->getParentRegion();
  return roles ? region : nullptr;
}

LogicalResult dgemm::verifyPlace(Operation *op, Place place) {
  if (place == Place::Kernel)
    return isa<KernelOp>(op->getParentOp()) ? success()
                                            : op->emitOpError("expected to stand directly in a dgemm.kernel");
  if (!op->getParentOfType<KernelOp>())
    return op->emitOpError("expected to stand in a dgemm.kernel");
  if (place == Place::AnywhereInKernel)
    return success();
  bool isProducer = place == Place::Producer;
  Region *role = getRole(op);
  if (role && role->getRegionNumber() == (isProducer ? 0 : 1))
    return success();
  return op->emitOpError() << "expected to stand in the " << (isProducer ? "producer" : "consumer")
                           << " region of a dgemm.warp_specialize";
}

std::string dgemm::joinNames(ArrayRef<Operand> operands) {
  return llvm::join(llvm::map_range(operands, stringifyOperand), ", ");
}

int64_t dgemm::getScaleBlocksOfTile(int64_t extent, int64_t block) {
  // Modulo `block`, tiles start at multiples of gcd(extent, block), so the last possible start is block - gcd.
  int64_t step = std::gcd(extent, block);
  return (block - step + extent + block - 1) / block;
}
