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
#include <numeric>

using namespace mlir;
using namespace dgemm;

#include "dgemm/IR/DGemmDialect.cpp.inc"

#include "dgemm/IR/DGemmEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dgemm/IR/DGemmOps.cpp.inc"

namespace {
/// Rings and stages are long types that every pipeline op repeats: print them once, by name.
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
    os << map.getOperand() << "_map";
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

/// The role of the nearest warp_specialize around `op` that it stands in; null for none.
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

SmallVector<StringRef> dgemm::getOperandNames(Layout layout) {
  SmallVector<StringRef> names = {"a", "scale_a", "b", "scale_b", "d"};
  if (layout != Layout::Dense)
    names.push_back(layout == Layout::Masked ? "masked_m" : "m_indices");
  return names;
}

int64_t dgemm::getScaleBlocksOfTile(int64_t columns) {
  // Tiles start at multiples of gcd(columns, 128) modulo 128, so at worst at 128 - gcd.
  int64_t step = std::gcd(columns, kScaleBlock);
  return (kScaleBlock - step + columns + kScaleBlock - 1) / kScaleBlock;
}
