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
#include "dgemm/IR/SharedMemoryLayout.h"
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
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dgemm/IR/DGemmDialect.h.inc"

namespace dgemm {

/// The allowed place of an op (DGemmDialect.td), and its check.
enum class Place { Kernel, AnywhereInKernel, Producer, Consumer };
LogicalResult verifyPlace(Operation *op, Place place);

/// Verified after the op itself and its regions.
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

namespace dgemm {
/// True if each group has an A and a D of its own, of M rows.
inline bool hasOwnRows(Layout layout) { return layout == Layout::Masked || layout == Layout::Batched; }

/// The number of blocks of `block` elements that a tile of `extent` can overlap when tiles start at multiples of
/// `extent`.
int64_t getScaleBlocksOfTile(int64_t extent, int64_t block = kScaleBlock);
} // namespace dgemm

namespace dgemm {
/// Parses and prints the block of a scale: "[1, 128]" or "[1, full]".
mlir::ParseResult parseGranularity(mlir::AsmParser &parser, int64_t &rows, int64_t &k);
void printGranularity(mlir::AsmPrinter &printer, int64_t rows, int64_t k);
/// Parses and prints the scales of an op: "scaled %rows, %columns at %n", "scaled rows %rows",
/// "scaled columns %columns at %n" or nothing. Their types follow, each after a comma.
using OptionalOperand = std::optional<mlir::OpAsmParser::UnresolvedOperand>;
mlir::ParseResult parseScales(mlir::OpAsmParser &parser, OptionalOperand &rows, OptionalOperand &columns,
                              OptionalOperand &n);
void printScales(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Value rows, mlir::Value columns,
                 mlir::Value n);
mlir::ParseResult parseScaleTypes(mlir::OpAsmParser &parser, const OptionalOperand &rows,
                                  const OptionalOperand &columns, mlir::Type &rowsType, mlir::Type &columnsType);
void printScaleTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Value rows, mlir::Value columns,
                     mlir::Type rowsType, mlir::Type columnsType);
/// The type of the scales of one operand, after a comma, or nothing.
mlir::ParseResult parseScaleType(mlir::OpAsmParser &parser, const OptionalOperand &scale, mlir::Type &type);
void printScaleType(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Value scale, mlir::Type type);
mlir::ParseResult parseGranularity(mlir::OpAsmParser &parser, mlir::DenseI64ArrayAttr &block);
void printGranularity(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::DenseI64ArrayAttr block);
/// Parses and prints "epilogue gated(%bias : memref<4096xf32> along n named "bias") {...}", or nothing.
mlir::ParseResult parseEpilogue(mlir::OpAsmParser &parser,
                                llvm::SmallVectorImpl<mlir::OpAsmParser::UnresolvedOperand> &operands,
                                llvm::SmallVectorImpl<mlir::Type> &types, mlir::ArrayAttr &roles, mlir::UnitAttr &gated,
                                mlir::Region &region);
void printEpilogue(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::OperandRange operands, mlir::TypeRange types,
                   mlir::ArrayAttr roles, mlir::UnitAttr gated, mlir::Region &region);
} // namespace dgemm

#define GET_ATTRDEF_CLASSES
#include "dgemm/IR/DGemmAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dgemm/IR/DGemmTypes.h.inc"

#define GET_OP_CLASSES
#include "dgemm/IR/DGemmOps.h.inc"

namespace dgemm {

/// Attributes that tie kernel arguments to the problem: kOperandAttr names the operand ("a", "scale_a", "b", "scale_b",
/// "d", "m_indices", "masked_m", "epilogue0" ..., "scale_d"), kSizeAttr names the dynamic size (one of kSizeNames), and
/// kTensorMapAttr has the tensor map of a TMA operand.
constexpr llvm::StringLiteral kOperandAttr = "dgemm.operand";
constexpr llvm::StringLiteral kSizeAttr = "dgemm.size";
/// The sizes of a problem in the order of the `sizes` of a kernel; a dense problem has no G. The leading dimensions of
/// A, B and D follow; they are sizes if they are given at launch.
constexpr llvm::StringLiteral kSizeNames[] = {"M", "N", "K", "G", "LDA", "LDB", "LDD"};
/// The index of LDA in kSizeNames.
constexpr unsigned kFirstLeadingDimension = 4;
constexpr llvm::StringLiteral kTensorMapAttr = "dgemm.tensor_map";
/// On the function of a lowered kernel: its #dgemm.launch.
constexpr llvm::StringLiteral kLaunchAttr = "dgemm.launch";
/// On a function that contains only its dgemm.gemm: the function becomes a kernel. Any other function stays, and each
/// gemm in it becomes a kernel.
constexpr llvm::StringLiteral kKernelAttr = "dgemm.kernel";
/// On the declaration of a function whose call replaces a dgemm.gemm: the kernel that it launches, as a symbol of the
/// module that dgemm-outline-kernels ran on.
constexpr llvm::StringLiteral kLaunchesAttr = "dgemm.launches";
/// The #dgemm.machine of a module.
constexpr llvm::StringLiteral kMachineAttr = "dgemm.machine";

/// On a dgemm.gemm whose config dgemm-select-config chose: the source of the config, kTunedTable or kCostModel.
constexpr llvm::StringLiteral kConfigSourceAttr = "dgemm.config_source";
constexpr llvm::StringLiteral kTunedTable = "tuned_table";
constexpr llvm::StringLiteral kCostModel = "cost_model";

/// True if `name` may name a kernel: it is a PTX identifier (PTX ISA 9.0, "Identifiers") without characters that LLVM
/// would replace.
bool isKernelName(StringRef name);

/// The list of operands for a message, for example "a, scale_a".
std::string joinNames(ArrayRef<Operand> operands);
inline bool isScale(Operand operand) {
  return operand == Operand::ScaleA || operand == Operand::ScaleB || operand == Operand::ScaleD;
}
/// True for the types of a quantised D.
inline bool isFP8(Type type) { return isa<mlir::Float8E4M3FNType, mlir::Float8E5M2Type>(type); }
/// The operands whose tiles a stage holds, in order. A stage may lack the last one or two.
constexpr Operand kStageOperands[] = {Operand::A, Operand::B, Operand::ScaleA, Operand::ScaleB};
/// Emits an error at `op`, which reads or writes `value`, unless `value` is the kernel argument of `operand`. The error
/// calls it `what`.
LogicalResult verifyIsOperand(Operation *op, StringRef what, Value value, Operand operand);

/// Emits an error unless the operands of `gemm` are memrefs. The error names the pass that makes them memrefs.
LogicalResult verifyIsBufferized(GemmOp gemm);

/// True if `op`, a load or a store, moves its data by `kind`.
template <typename OpTy>
bool isBy(OpTy op, MovementKind kind) {
  return op.getMovement() && op.getMovement()->getKind() == kind;
}

} // namespace dgemm

#endif // DGEMM_IR_DGEMM_H
