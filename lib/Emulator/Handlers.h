//===- Handlers.h - What instructions do ------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A handler for each kind of instruction, by family; the instruction table selects one when a kernel is decoded.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_HANDLERS_H
#define DGEMM_LIB_EMULATOR_HANDLERS_H

#include "Machine.h"

namespace dgemm::emulator {

// Arithmetic.cpp, FloatArithmetic.cpp: chosen by type. Null: not for this type.
Handler selectAdd(const Modifiers &), selectSub(const Modifiers &), selectMulLo(const Modifiers &);
Handler selectMulHi(const Modifiers &), selectMulWide(const Modifiers &), selectMadLo(const Modifiers &);
Handler selectMadHi(const Modifiers &), selectMadWide(const Modifiers &), selectDiv(const Modifiers &);
Handler selectRem(const Modifiers &), selectMin(const Modifiers &), selectMax(const Modifiers &);
Handler selectAnd(const Modifiers &), selectOr(const Modifiers &), selectXor(const Modifiers &);
Handler selectNot(const Modifiers &), selectShl(const Modifiers &), selectShr(const Modifiers &);
Handler selectNeg(const Modifiers &), selectAbs(const Modifiers &), selectPopc(const Modifiers &);
Handler selectClz(const Modifiers &), selectBrev(const Modifiers &), selectBfe(const Modifiers &);
Handler selectBfi(const Modifiers &), selectSetp(const Modifiers &), selectSelp(const Modifiers &);
Handler selectFma(const Modifiers &), selectCvt(const Modifiers &);
Handler selectFloatAdd(const Modifiers &), selectFloatSub(const Modifiers &), selectFloatMul(const Modifiers &);
Handler selectFloatMin(const Modifiers &), selectFloatMax(const Modifiers &), selectFloatNeg(const Modifiers &);
Handler selectFloatAbs(const Modifiers &), selectFloatDiv(const Modifiers &), selectFloatRcp(const Modifiers &);
Handler selectFloatSqrt(const Modifiers &), selectFloatRsqrt(const Modifiers &), selectFloatEx2(const Modifiers &);
Handler selectFloatLg2(const Modifiers &), selectFloatTanh(const Modifiers &), selectFloatCopysign(const Modifiers &);
Step execPredLogic(Context &, const Instruction &), execPredNot(Context &, const Instruction &);
Step execPrmt(Context &, const Instruction &);
Step execLop3(Context &, const Instruction &), execShf(Context &, const Instruction &);
Step execPackedCvt(Context &, const Instruction &);
Step execFp8Cvt(Context &, const Instruction &);
Step execHalfUnary(Context &, const Instruction &);

// DataMovement.cpp
Step execMov(Context &, const Instruction &), execMovPred(Context &, const Instruction &);
Step execClock(Context &, const Instruction &), execCvta(Context &, const Instruction &);
Step execLoad(Context &, const Instruction &), execStore(Context &, const Instruction &);
Step execLoadParam(Context &, const Instruction &), execAtomic(Context &, const Instruction &);
Step execReduction(Context &, const Instruction &), execVectorReduction(Context &, const Instruction &),
    execMapa(Context &, const Instruction &);
Step execPrefetch(Context &, const Instruction &), execPrefetchMap(Context &, const Instruction &);
Step execCreatePolicy(Context &, const Instruction &), execIgnore(Context &, const Instruction &);
Step execCpAsync(Context &, const Instruction &), execCpAsyncDone(Context &, const Instruction &);
Step execCpAsyncArrive(Context &, const Instruction &);

// Control.cpp
Step execBra(Context &, const Instruction &), execExit(Context &, const Instruction &);
Step execTrap(Context &, const Instruction &), execShfl(Context &, const Instruction &);
Step execElect(Context &, const Instruction &), execVote(Context &, const Instruction &);
Step execActivemask(Context &, const Instruction &), execRedux(Context &, const Instruction &);
Step execSetmaxnreg(Context &, const Instruction &), execNanosleep(Context &, const Instruction &);
Step execGridWait(Context &, const Instruction &);

// Barriers.cpp
Step execBarSync(Context &, const Instruction &), execBarArrive(Context &, const Instruction &);
Step execWarpSync(Context &, const Instruction &), execClusterArrive(Context &, const Instruction &);
Step execClusterWait(Context &, const Instruction &), execProxyFence(Context &, const Instruction &);
Step execFence(Context &, const Instruction &), execMBarrierInitFence(Context &, const Instruction &);

// MBarrier.cpp
Step execMBarrierInit(Context &, const Instruction &), execMBarrierInval(Context &, const Instruction &);
Step execMBarrierArrive(Context &, const Instruction &), execMBarrierExpectTx(Context &, const Instruction &);
Step execMBarrierWait(Context &, const Instruction &), execMBarrierCompleteTx(Context &, const Instruction &);

// BulkCopy.cpp, BulkStore.cpp
Step execTensorLoad(Context &, const Instruction &), execTensorStore(Context &, const Instruction &);
Step execTensorReduce(Context &, const Instruction &), execTensorPrefetch(Context &, const Instruction &);
Step execBulkLoad(Context &, const Instruction &), execStoreAsync(Context &, const Instruction &),
    execBulkStore(Context &, const Instruction &);
Step execBulkCommit(Context &, const Instruction &), execBulkWait(Context &, const Instruction &);

// Wgmma.cpp, Matrix.cpp
Step execWgmma(Context &, const Instruction &), execWgmmaFence(Context &, const Instruction &);
Step execWgmmaCommit(Context &, const Instruction &), execWgmmaWait(Context &, const Instruction &);
Step execStMatrix(Context &, const Instruction &), execLdMatrix(Context &, const Instruction &);

/// The mbarrier at an address, initialised and known to this warp; null after a hazard. True if bytes of global memory,
/// which are inside of an allocation, may be read now. False: a hazard was raised.
bool checkGlobalRead(Context &c, const Instruction &inst, const Allocation &allocation, uint64_t offset, uint64_t size);
bool checkGlobalRead(Context &c, const Instruction &inst, uint64_t address, uint64_t size);
MBarrier *findBarrier(Context &c, const Instruction &inst, const SharedAddress &address, bool asyncProxy);
/// Counts landed bytes on a barrier, and completes its phase if nothing else is pending.
void completeTransaction(Machine &machine, Cta &cta, MBarrier &barrier, uint64_t bytes, uint32_t issuePhase,
                         const Cta &from, const Warp *warp, unsigned line);
/// A 16-bit float as float and back, to nearest even.
/// PTX ISA, "Floating-Point Instructions": the NaN that operations give.
constexpr uint32_t kCanonicalNaN = 0x7fffffff;
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);
inline float bfloatToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, 4);
  return value;
}
uint16_t floatToBfloat(float value);
/// All 256 values of E4M3 (PTX: .e4m3, no infinity, NaN at 0x7f) or E5M2.
const float *getFp8Table(bool e5m2);
/// The nearest FP8 number, to even between two; the largest for what is beyond it (PTX ISA 9.0, cvt with .satfinite).
uint8_t floatToFp8(float value, bool e5m2);
/// One element of a reduction, as bits of `type`.
uint64_t reduceBits(AtomicOp op, Type type, uint64_t memory, uint64_t value);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_HANDLERS_H
