//===- LLVM.h - Names of LLVM and MLIR in namespace dgemm -------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole project is in namespace dgemm, and nothing is in mlir::dgemm, so `dgemm::GemmOp` means the same with and
// without `using namespace mlir`. This header imports the names of MLIR that declarations use.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SUPPORT_LLVM_H
#define DGEMM_SUPPORT_LLVM_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Support/LLVM.h"

namespace dgemm {

using llvm::cast;
using llvm::dyn_cast;
using llvm::isa;
using llvm::StringLiteral;
using mlir::AffineExpr;
using mlir::AffineMap;
using mlir::ArrayRef;
using mlir::Attribute;
using mlir::Block;
using mlir::BlockArgument;
using mlir::Builder;
using mlir::DenseI64ArrayAttr;
using mlir::DictionaryAttr;
using mlir::FailureOr;
using mlir::Float8E4M3FNType;
using mlir::FloatType;
using mlir::function_ref;
using mlir::FunctionType;
using mlir::InFlightDiagnostic;
using mlir::IntegerAttr;
using mlir::Location;
using mlir::LogicalResult;
using mlir::MemRefType;
using mlir::MLIRContext;
using mlir::NamedAttribute;
using mlir::OpAsmParser;
using mlir::OpAsmPrinter;
using mlir::OpBuilder;
using mlir::Operation;
using mlir::OperationState;
using mlir::OpFoldResult;
using mlir::ParseResult;
using mlir::Region;
using mlir::ShapedType;
using mlir::SmallVector;
using mlir::SmallVectorImpl;
using mlir::StringAttr;
using mlir::StringRef;
using mlir::Twine;
using mlir::Type;
using mlir::TypedAttr;
using mlir::TypeRange;
using mlir::Value;
using mlir::ValueRange;
using mlir::VectorType;

} // namespace dgemm

#endif // DGEMM_SUPPORT_LLVM_H
