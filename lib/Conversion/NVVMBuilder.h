//===- NVVMBuilder.h - Shorthand for the ops that lowering emits -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_NVVMBUILDER_H
#define DGEMM_LIB_CONVERSION_NVVMBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace dgemm {

using namespace mlir;

/// i32 arithmetic, shared-memory addresses and thread indices.
class NVVMBuilder : public ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Value i32(int64_t value);
  Value index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }
  /// Casts index to i32 and back. Sizes and offsets are below 2^31.
  Value toI32(Value index) { return arith::IndexCastOp::create(*this, getI32Type(), index); }
  Value toIndex(Value i32) { return arith::IndexCastOp::create(*this, getIndexType(), i32); }
  Value add(Value lhs, Value rhs) { return arith::AddIOp::create(*this, lhs, rhs); }
  Value add(Value lhs, int64_t rhs) { return rhs ? add(lhs, i32(rhs)) : lhs; }
  Value mul(Value lhs, int64_t rhs) { return arith::MulIOp::create(*this, lhs, i32(rhs)); }
  Value bitAnd(Value lhs, int64_t rhs) { return arith::AndIOp::create(*this, lhs, i32(rhs)); }
  Value bitXor(Value lhs, Value rhs) { return arith::XOrIOp::create(*this, lhs, rhs); }
  Value shiftRight(Value lhs, int64_t rhs) { return arith::ShRUIOp::create(*this, lhs, i32(rhs)); }
  Value shiftLeft(Value lhs, int64_t rhs) { return arith::ShLIOp::create(*this, lhs, i32(rhs)); }
  Value equal(Value lhs, int64_t rhs) { return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, lhs, i32(rhs)); }

  LLVM::LLVMPointerType sharedPointerType() {
    return LLVM::LLVMPointerType::get(getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
  }
  /// Pointer to the shared memory of any CTA of the cluster.
  LLVM::LLVMPointerType clusterPointerType() {
    return LLVM::LLVMPointerType::get(getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::SharedCluster));
  }
  /// `base` + `bytes` (i32).
  Value offsetPointer(Value base, Value bytes);
  /// The 32-bit shared-window address of `pointer`.
  Value addressOf(Value pointer);

  /// %tid.x.
  Value threadIndex() { return NVVM::ThreadIdXOp::create(*this, getI32Type()); }
  /// %tid.x, read at this place. What is computed from it is not hoisted out of the tile loop, where it would hold
  /// registers through the main loop.
  Value threadIndexHere();
  /// `value` (i32), which is equal in all lanes of a warp, in a form that ptxas sees as uniform.
  Value uniform(Value value);
  /// Rank of this CTA in its cluster, i32.
  Value clusterRank() { return NVVM::ClusterId::create(*this, getI32Type()); }
  /// Row and column (i32) of this CTA in a cluster with `columns` CTAs along N, a power of two. Ranks count along N
  /// first.
  std::pair<Value, Value> clusterPosition(int64_t columns) {
    Value rank = clusterRank();
    return {shiftRight(rank, llvm::Log2_64(columns)), bitAnd(rank, columns - 1)};
  }
  /// True in the first thread of each warpgroup.
  Value isFirstOfWarpgroup();
  /// Creates a branch that runs the ops of `body` where `condition` (i1) holds.
  void when(Value condition, function_ref<void()> body);
  /// Spins until the phase of parity `parity` (i32) of `barrier` has completed.
  void waitParity(Value barrier, Value parity);
  /// All threads of the cluster wait for each other. `aligned` says that all threads of a warp arrive together.
  void clusterBarrier(UnitAttr aligned);
  /// Named barrier 1 + `warpgroup` (i32) for the 128 threads of the warpgroup. Barrier 0 is that of the CTA.
  void warpgroupBarrier(Value warpgroup);

private:
  static constexpr int64_t kNamedBarrierBase = 1;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_NVVMBUILDER_H
