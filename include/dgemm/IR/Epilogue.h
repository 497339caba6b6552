//===- Epilogue.h - Regions on the elements of D ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An epilogue is a region of scalar arithmetic in dgemm.gemm and dgemm.map. #dgemm.epilogue holds the same as data.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_EPILOGUE_H
#define DGEMM_IR_EPILOGUE_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Converts between the number of an operand of an epilogue and its Operand. An Operand that is not one of an epilogue
/// has no number.
Operand getEpilogueOperand(unsigned index);
std::optional<unsigned> getEpilogueIndex(Operand operand);

/// True if an epilogue may have an op of this name.
bool isEpilogueOp(llvm::StringRef name);

/// Checks that `region` of `op` has one block with `numArguments` f32 arguments and ops on scalars that take only
/// earlier values, and yields one f32. Otherwise emits an error at the op that is at fault.
LogicalResult verifyScalarRegion(Operation *op, mlir::Region &region, unsigned numArguments);
/// Like verifyScalarRegion, and also checks that the ops are those of an epilogue, on f32 and i1.
LogicalResult verifyEpilogue(Operation *op, mlir::Region &region, unsigned numArguments);
/// Emits an error unless a problem may have an epilogue: the layout is dense, contiguous, masked or batched, and the
/// product is not added to D.
LogicalResult verifyHasEpilogue(llvm::function_ref<mlir::InFlightDiagnostic()> emitError, Layout layout,
                                bool accumulate);

/// The computation of `region` as data. The region must have been verified.
EpilogueAttr getEpilogue(mlir::Region &region, ArrayRef<EpilogueOperandAttr> operands, bool isGated);
/// Fills `region`, which must be empty, with the ops of `epilogue`.
void buildEpilogue(mlir::OpBuilder &builder, mlir::Location location, EpilogueAttr epilogue, mlir::Region &region);

} // namespace dgemm

#endif // DGEMM_IR_EPILOGUE_H
