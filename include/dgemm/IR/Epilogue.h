//===- Epilogue.h - Regions on the elements of D ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An epilogue is a region of scalar arithmetic on dgemm.gemm and dgemm.map, and the same as data in #dgemm.epilogue.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_EPILOGUE_H
#define DGEMM_IR_EPILOGUE_H

#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// Operand number `index` of an epilogue, and the number that such an operand has.
Operand getEpilogueOperand(unsigned index);
std::optional<unsigned> getEpilogueIndex(Operand operand);

/// Whether an op of this name may stand in an epilogue.
bool isEpilogueOp(llvm::StringRef name);

/// `region`, of `op`, has a block of so many f32 arguments, ops on scalars that each take values in front of them, and
/// yields one f32; else an error at the op that is at fault.
LogicalResult verifyScalarRegion(Operation *op, mlir::Region &region, unsigned numArguments);
/// As well its ops are those of an epilogue, on f32 and i1.
LogicalResult verifyEpilogue(Operation *op, mlir::Region &region, unsigned numArguments);
/// A problem that has an epilogue is of a dense, contiguous or masked layout, and its D is not added to.
LogicalResult verifyHasEpilogue(llvm::function_ref<mlir::InFlightDiagnostic()> emitError, Layout layout,
                                bool accumulate);

/// What `region`, which has been verified, computes.
EpilogueAttr getEpilogue(mlir::Region &region, ArrayRef<EpilogueOperandAttr> operands, bool isGated);
/// Fills `region`, which is empty, with what `epilogue` computes.
void buildEpilogue(mlir::OpBuilder &builder, mlir::Location location, EpilogueAttr epilogue, mlir::Region &region);

} // namespace dgemm

#endif // DGEMM_IR_EPILOGUE_H
