//===- NVVMBuilder.cpp - Shorthand for the ops that lowering emits -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NVVMBuilder.h"
#include "dgemm/IR/HopperLimits.h"

using namespace mlir;
using namespace dgemm;

Value NVVMBuilder::i32(int64_t value) { return arith::ConstantOp::create(*this, getI32IntegerAttr(value)); }

Value NVVMBuilder::offsetPointer(Value base, Value bytes) {
  return LLVM::GEPOp::create(*this, sharedPointerType(), getI8Type(), base, ArrayRef<LLVM::GEPArg>{bytes});
}

Value NVVMBuilder::addressOf(Value pointer) { return LLVM::PtrToIntOp::create(*this, getI32Type(), pointer); }

Value NVVMBuilder::threadIndexHere() {
  return LLVM::InlineAsmOp::create(*this, getI32Type(), ValueRange{}, "mov.u32 $0, %tid.x;", "=r",
                                   /*has_side_effects=*/true, /*is_align_stack=*/false,
                                   LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr{}, ArrayAttr{})
      .getResult(0);
}

Value NVVMBuilder::uniform(Value value) {
  return NVVM::ShflOp::create(*this, getI32Type(), i32(-1), value, i32(0), i32(31), NVVM::ShflKind::idx, UnitAttr{});
}

Value NVVMBuilder::isFirstOfWarpgroup() { return equal(bitAnd(threadIndex(), hopper::kWarpgroupThreads - 1), 0); }

void NVVMBuilder::when(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

void NVVMBuilder::waitParity(Value barrier, Value parity) {
  auto loop = scf::WhileOp::create(*this, TypeRange{}, ValueRange{});
  OpBuilder::InsertionGuard guard(*this);
  createBlock(&loop.getBefore());
  Value done = NVVM::MBarrierTryWaitOp::create(*this, getI1Type(), barrier, parity, Value{});
  Value again = arith::XOrIOp::create(*this, done, arith::ConstantOp::create(*this, getBoolAttr(true)));
  scf::ConditionOp::create(*this, again, ValueRange{});
  createBlock(&loop.getAfter());
  scf::YieldOp::create(*this);
}

void NVVMBuilder::clusterBarrier(UnitAttr aligned) {
  NVVM::ClusterArriveOp::create(*this, aligned);
  NVVM::ClusterWaitOp::create(*this, aligned);
}

void NVVMBuilder::warpgroupBarrier(Value warpgroup) {
  NVVM::BarrierOp::create(*this, Type{}, add(warpgroup, kNamedBarrierBase), i32(hopper::kWarpgroupThreads),
                          NVVM::BarrierReductionAttr{}, Value{});
}
