//===- BufferizeGemm.cpp - dgemm.gemm in one-shot bufferization -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Transforms/BufferizeGemm.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace dgemm;

/// The memref type with which the gemm takes the buffer of `operand`. For scales, a memref without strides means rows
/// that are padded to 16 bytes. The rows of a tensor are not padded, so the type then states their strides. An unknown
/// innermost stride is taken to be 1; the launch checks strides against those of the kernel.
static MemRefType getTypeToTake(GemmOp gemm, Operand operand, MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)))
    return type;
  bool isIdentity = type.getLayout().isIdentity();
  if (isIdentity && OperandGeometry::get(gemm.getProblem(), operand).isPacked())
    return type;
  bool isUnknown = ShapedType::isDynamic(strides.back()) &&
                   (!isScale(operand) || llvm::all_of(ArrayRef(strides).take_back(2), ShapedType::isDynamic));
  if (!isIdentity && !isUnknown)
    return type;
  if (isUnknown)
    strides.back() = 1;
  auto layout = StridedLayoutAttr::get(type.getContext(), offset, strides);
  return MemRefType::get(type.getShape(), type.getElementType(), layout, type.getMemorySpace());
}

/// The distance of the rows of a memref; 0 if it has none.
static int64_t getPitch(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(type.getStridesAndOffset(strides, offset)) && strides.size() > 1 ? strides.end()[-2] : 0;
}

/// The type of an operand of the epilogue, which is packed or, along mn, has rows like those of D. Rows whose distance
/// is not known, although it must be, are assumed to be packed. The launch checks that, too.
static MemRefType getTypeInEpilogue(EpilogueOperandAttr role, MemRefType type, MemRefType out) {
  bool isLikeD = role.getAlong() == EpilogueAxisKind::MN && ShapedType::isDynamic(getPitch(out));
  if (isLikeD || !ShapedType::isDynamic(getPitch(type)) ||
      llvm::any_of(type.getShape().drop_front(), ShapedType::isDynamic))
    return type;
  SmallVector<int64_t> shape(type.getShape());
  shape.front() = 1; // not part of a stride
  auto layout = StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, computeStrides(shape));
  return MemRefType::get(type.getShape(), type.getElementType(), layout, type.getMemorySpace());
}

namespace {
struct BufferizeGemm : bufferization::DstBufferizableOpInterfaceExternalModel<BufferizeGemm, GemmOp> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const bufferization::AnalysisState &state) const {
    auto gemm = cast<GemmOp>(op);
    return !gemm.isDpsInit(&operand) || gemm.keepsElementsOfOut();
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter, const bufferization::BufferizationOptions &options,
                          bufferization::BufferizationState &state) const {
    auto gemm = cast<GemmOp>(op);
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(gemm);
    SmallVector<Value> buffers;
    for (auto [operand, tensor] : gemm.getRoles()) {
      FailureOr<Value> buffer = bufferization::getBuffer(rewriter, tensor, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    Value out = buffers[gemm.getOutMutable().getOperandNumber()];
    for (auto [role, buffer] : llvm::zip_equal(gemm.getRoles(), buffers)) {
      auto type = dyn_cast<MemRefType>(buffer.getType());
      if (!type)
        return gemm.emitOpError() << "expected the buffer of an operand to be ranked, but got " << buffer.getType();
      MemRefType taken = getTypeToTake(gemm, role.first, type);
      if (std::optional<unsigned> index = getEpilogueIndex(role.first); index && isa<MemRefType>(out.getType()))
        taken = getTypeInEpilogue(cast<EpilogueOperandAttr>((*gemm.getEpilogueRoles())[*index]), taken,
                                  cast<MemRefType>(out.getType()));
      if (taken != type)
        buffer = memref::CastOp::create(rewriter, gemm.getLoc(), taken, buffer);
    }
    // mlir::clone fails on a region without blocks.
    OperationState built(gemm.getLoc(), gemm->getName(), buffers, TypeRange(), gemm->getAttrs());
    built.addRegion()->takeBody(gemm.getEpilogue());
    rewriter.create(built);
    bufferization::replaceOpWithBufferizedValues(rewriter, gemm, out);
    return success();
  }
};
} // namespace

void dgemm::registerBufferizableGemm(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, DGemmDialect *) { GemmOp::attachInterface<BufferizeGemm>(*context); });
}
