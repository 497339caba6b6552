//===- DGemm.h - The dgemm dialect -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one header that clients include for the dialect, its attributes, types and operations.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_DGEMM_H
#define DGEMM_IR_DGEMM_H

#include "dgemm/IR/ConfigField.h"
#include "dgemm/Support/LLVM.h"
#include "dgemm/Support/Scales.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dgemm/IR/DGemmDialect.h.inc"

namespace dgemm {

/// Where an op may stand (DGemmDialect.td), and the check of it.
enum class Place { Kernel, AnywhereInKernel, Producer, Consumer };
LogicalResult verifyPlace(Operation *op, Place place);

/// Verified behind the op itself and its regions.
template <typename ConcreteType, template <typename> class TraitType, Place place>
struct PlaceTrait : mlir::OpTrait::TraitBase<ConcreteType, TraitType> {
  static LogicalResult verifyRegionTrait(Operation *op) { return verifyPlace(op, place); }
};
template <typename ConcreteType>
struct DirectlyInKernel : PlaceTrait<ConcreteType, DirectlyInKernel, Place::Kernel> {};
template <typename ConcreteType>
struct InKernel : PlaceTrait<ConcreteType, InKernel, Place::AnywhereInKernel> {};
template <typename ConcreteType>
struct InProducer : PlaceTrait<ConcreteType, InProducer, Place::Producer> {};
template <typename ConcreteType>
struct InConsumer : PlaceTrait<ConcreteType, InConsumer, Place::Consumer> {};

} // namespace dgemm

#include "dgemm/IR/DGemmEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dgemm/IR/DGemmAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dgemm/IR/DGemmTypes.h.inc"

#define GET_OP_CLASSES
#include "dgemm/IR/DGemmOps.h.inc"

namespace dgemm {

/// Kernel argument attributes that tie arguments to the problem: the operand ("a", "scale_a", "b", "scale_b", "d",
/// "m_indices", "masked_m"), the dynamic size (one of kSizeNames), and the tensor map of a TMA operand.
constexpr llvm::StringLiteral kOperandAttr = "dgemm.operand";
constexpr llvm::StringLiteral kSizeAttr = "dgemm.size";
/// The sizes of a problem in the order of the `sizes` of a kernel; a dense one has no G. Behind them the leading
/// dimensions of A, B and D, which are sizes where they are given at launch.
constexpr llvm::StringLiteral kSizeNames[] = {"M", "N", "K", "G", "LDA", "LDB", "LDD"};
/// Where LDA stands there.
constexpr unsigned kFirstLeadingDimension = 4;
constexpr llvm::StringLiteral kTensorMapAttr = "dgemm.tensor_map";

/// Names of the operands of a problem with this layout, in order.
SmallVector<StringRef> getOperandNames(Layout layout);
/// The operands of which a stage holds a tile, in order. A stage may do without the last, or the last two.
constexpr llvm::StringLiteral kStageOperands[] = {"a", "b", "scale_a", "scale_b"};
/// `value`, which `op` reads or writes, is the argument of its kernel for `operand`; else an error that calls it
/// `what`.
LogicalResult verifyIsOperand(Operation *op, StringRef what, Value value, StringRef operand);

/// Whether `op`, a load or a store, says that it moves its data by `kind`.
template <typename OpTy>
bool isBy(OpTy op, MovementKind kind) {
  return op.getMovement() && op.getMovement()->getKind() == kind;
}

/// Number of 128-column scale blocks that a tile of `columns` columns can meet when tiles start at multiples of
/// `columns`.
int64_t getScaleBlocksOfTile(int64_t columns);

} // namespace dgemm

#endif // DGEMM_IR_DGEMM_H
