//===- TMAFewRows.cpp - Scales of A for up to four rows -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With so few rows the scales of A of one K block are 16 bytes, and those of all K a few lines of 128, which every CTA
// reads again for each of its tiles. By TMA the one or two slices of the L2 that have these lines answer every one of
// these reads; by cp.async the L1 does.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "TMALowering.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

namespace {

constexpr int64_t kFewRows = 4;
constexpr int64_t kScaleBytes = 4;
constexpr int64_t kVectorBytes = 16;

} // namespace

Value dgemm::hasFewRows(TMALowering &lowering, NVVMBuilder &b) {
  KernelOp kernel = lowering.kernel;
  ConfigAttr config = kernel.getConfig();
  if (!lowering.bringsScalesOfB || kernel.getLayout() != Layout::Dense || config.isMulticast() ||
      config.getBlockM() != hopper::kWgmmaM || kernel.getSizes()[0] > kFewRows)
    return {};
  if (Value m = kernel.findArgument(kSizeAttr, "M"))
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ule, b.toI32(m), b.i32(kFewRows));
  return arith::ConstantOp::create(b, b.getBoolAttr(true));
}

void dgemm::copyScalesOfFewRows(TMALowering &lowering, NVVMBuilder &b, LoadAsyncOp load, Value dest, Value barrier) {
  OperandAccess access(b, lowering.kernel, load.getSource());
  Value address = access.getAddress(access.getOffset(load.getOffsets()));
  Value rows = arith::TruncIOp::create(b, b.getI32Type(), access.getExtent(0));
  NVVM::CpAsyncOp::create(b, dest, address, kVectorBytes, NVVM::LoadCacheModifierKind::CA, b.mul(rows, kScaleBytes));
  NVVM::CpAsyncMBarrierArriveOp::create(b, barrier, /*noinc=*/true);
}

void dgemm::zeroScalesOfFewRows(TMALowering &lowering, NVVMBuilder &b, Value isFew) {
  int64_t bytes = lowering.kernel.getConfig().getStages() * lowering.layout.tileBytes[kScalesOfA];
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get(kVectorBytes / kScaleBytes, b.getF32Type())));
  Value first = lowering.tileAddress(b, b.i32(0), kScalesOfA);
  int64_t threads = (lowering.kernel.getConfig().getMathWarpgroups() + 1) * hopper::kWarpgroupThreads;
  b.when(isFew, [&] {
    for (int64_t begin = 0; begin < bytes; begin += threads * kVectorBytes) {
      Value offset = b.add(b.mul(b.threadIndex(), kVectorBytes), begin);
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, b.i32(bytes));
      Value isCopied = b.equal(arith::RemUIOp::create(b, offset, b.i32(lowering.layout.tileBytes[kScalesOfA])), 0);
      b.when(arith::AndIOp::create(
                 b, exists, arith::XOrIOp::create(b, isCopied, arith::ConstantOp::create(b, b.getBoolAttr(true)))),
             [&] { LLVM::StoreOp::create(b, zero, b.offsetPointer(first, offset), /*alignment=*/kVectorBytes); });
    }
  });
}
