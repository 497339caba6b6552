//===- CopyFewRows.cpp - Scales of A for up to four rows -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One cp.async of 16 bytes copies the scales of A of a K block, and zeros for rows past the end.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "RingLowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

namespace {

constexpr int64_t kScaleBytes = 4;
constexpr int64_t kVectorBytes = 16;

} // namespace

Value dgemm::hasFewRows(RingLowering &lowering, NVVMBuilder &b) {
  if (!lowering.fewRows)
    return {};
  if (Value m = lowering.kernel.findSize("M"))
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ule, b.toI32(m), b.i32(lowering.fewRows));
  return arith::ConstantOp::create(b, b.getBoolAttr(lowering.kernel.getSizes()[0] <= lowering.fewRows));
}

void dgemm::copyScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value dest, Value barrier) {
  OperandAccess access(b, lowering.kernel, load.getSource());
  Value address = access.getAddress(access.getOffset(load.getOffsets()));
  Value rows = arith::TruncIOp::create(b, b.getI32Type(), access.getExtent(0));
  NVVM::CpAsyncOp::create(b, dest, address, kVectorBytes, NVVM::LoadCacheModifierKind::CA, b.mul(rows, kScaleBytes));
  NVVM::CpAsyncMBarrierArriveOp::create(b, barrier, /*noinc=*/true);
}

void dgemm::zeroScalesOfFewRows(RingLowering &lowering, NVVMBuilder &b, Value isFew) {
  int64_t bytes = lowering.getType().getDepth() * lowering.shared.getLayout().tileBytes[kScalesOfA];
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get(kVectorBytes / kScaleBytes, b.getF32Type())));
  Value first = lowering.shared.tileAddress(b, b.i32(0), kScalesOfA);
  int64_t threads = lowering.roles.getThreads();
  b.when(isFew, [&] {
    for (int64_t begin = 0; begin < bytes; begin += threads * kVectorBytes) {
      Value offset = b.add(b.mul(b.threadIndex(), kVectorBytes), begin);
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, b.i32(bytes));
      Value isCopied =
          b.equal(arith::RemUIOp::create(b, offset, b.i32(lowering.shared.getLayout().tileBytes[kScalesOfA])), 0);
      b.when(arith::AndIOp::create(
                 b, exists, arith::XOrIOp::create(b, isCopied, arith::ConstantOp::create(b, b.getBoolAttr(true)))),
             [&] { LLVM::StoreOp::create(b, zero, b.offsetPointer(first, offset), /*alignment=*/kVectorBytes); });
    }
  });
}
