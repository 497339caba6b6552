//===- Kernel.h - A kernel in decoded form ----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_KERNEL_H
#define DGEMM_LIB_EMULATOR_KERNEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dgemm::emulator {

constexpr unsigned kLanes = 32;
using LaneMask = uint32_t;
constexpr LaneMask kAllLanes = 0xffffffffu;

enum class Type : uint8_t {
  None,
  Pred,
  B8,
  U8,
  S8,
  B16,
  U16,
  S16,
  F16,
  BF16,
  B32,
  U32,
  S32,
  F32,
  F16x2,
  BF16x2,
  E4M3x2,
  E5M2x2,
  B64,
  U64,
  S64,
  F64,
  B128
};
unsigned getByteWidth(Type type);
bool isSigned(Type type);

enum class Space : uint8_t { Generic, Param, Global, Shared, SharedCluster, Local };
enum class Compare : uint8_t { None, Eq, Ne, Lt, Le, Gt, Ge, Lo, Ls, Hi, Hs, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum class Logic : uint8_t { None, And, Or, Xor };
enum class Round : uint8_t { None, Rn, Rz, Rm, Rp, Rni, Rzi, Rmi, Rpi };
/// Memory order, and scope; None: not given.
enum class Order : uint8_t { None, Weak, Volatile, Relaxed, Acquire, Release, AcqRel };
enum class Scope : uint8_t { None, Cta, Cluster, Gpu, Sys };
enum class AtomicOp : uint8_t { None, Add, Min, Max, And, Or, Xor, Inc, Dec, Exch, Cas };
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  ClusterCtaidX,
  ClusterCtaidY,
  ClusterCtaidZ,
  ClusterNctaidX,
  ClusterNctaidY,
  ClusterNctaidZ,
  ClusterCtaRank,
  ClusterNctaRank,
  ClusteridX,
  ClusteridY,
  ClusteridZ,
  NclusteridX,
  NclusteridY,
  NclusteridZ,
  SmId,
  NSmId,
  GridId,
  LanemaskLt,
  LanemaskLe,
  LanemaskEq,
  LanemaskGe,
  LanemaskGt,
  DynamicSmemSize,
  TotalSmemSize,
  Clock,
  Clock64,
  GlobalTimer
};

/// The modifiers of an opcode, one byte for each field. The instruction table fills them.
enum class Field : uint8_t {
  Type,
  Type2,
  Space,
  Space2,
  Compare,
  Logic,
  Round,
  Vector,
  Dim,
  Count,
  Trans,
  CacheHint,
  Multicast,
  Read,
  Atomic,
  Mode,
  Ftz,
  Sat,
  Nan,
  Parity,
  WgmmaN,
  TypeA,
  TypeB,
  Aligned,
  Order,
  Scope,
  Cache,
  NumFields
};
struct Modifiers {
  std::array<uint8_t, size_t(Field::NumFields)> values{};
  uint8_t &operator[](Field field) { return values[size_t(field)]; }
  uint8_t operator[](Field field) const { return values[size_t(field)]; }
  Type type() const { return Type((*this)[Field::Type]); }
  Type type2() const { return Type((*this)[Field::Type2]); }
  Space space() const { return Space((*this)[Field::Space]); }
};

/// Immediates, symbols and special registers are registers too (written once when a warp starts), so that every
/// source is a row of 32 lanes.
struct Operand {
  enum Kind : uint8_t { None, Reg32, Reg64, Pred, Label, Vector, Immediate };
  Kind kind = None;
  bool negated = false;
  /// A predicate that the instruction reads.
  bool isSource = false;
  /// The register cannot be written: it is a literal or a special register.
  bool constant = false;
  /// Register; first element in Kernel::operands (Vector); block target (Label).
  uint32_t slot = 0;
  /// Elements of a Vector.
  uint32_t count = 0;
  /// Value of an Immediate, or the byte offset of an address.
  int64_t imm = 0;
};

struct Instruction;
struct Context;
enum class Step : uint8_t {
  Next,    ///< done, on to the next one
  Jumped,  ///< the handler has set the program counter (or ended the thread)
  Blocked, ///< done or to be tried again, as the handler arranged; the split waits
  Retry,   ///< not done: the split waits, then runs the same instruction again
  Stop     ///< a hazard was raised
};
using Handler = Step (*)(Context &, const Instruction &);

struct InstructionRow;

struct Instruction {
  Handler handler = nullptr;
  const InstructionRow *row = nullptr;
  uint32_t firstOperand = 0;
  uint16_t numOperands = 0;
  /// Predicate register that guards it, or -1.
  int32_t guard = -1;
  bool guardNegated = false;
  /// Some operand is a register that a wgmma of this kernel reads or writes.
  bool touchesAccumulator = false;
  /// Some operand is a predicate that is read.
  bool readsPredicate = false;
  /// Its threads wait for each other (.sync, barrier.cluster): all of the warp, or the mask in this operand.
  bool isSync = false;
  int8_t memberOperand = -1;
  Modifiers mods;
  unsigned line = 0;
  /// The branch target, and where the two sides of a divergent branch reconverge.
  uint32_t target = 0;
  uint32_t reconverge = 0;
};

struct Parameter {
  std::string name;
  unsigned bytes = 0;
  unsigned align = 1;
  unsigned offset = 0;
  bool isPointer = false;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  unsigned parameterBytes = 0;
  std::vector<Instruction> instructions;
  std::vector<Operand> operands;
  /// Registers of each file, constants and special registers included.
  unsigned numReg32 = 0, numReg64 = 0, numPred = 0;
  std::vector<std::pair<uint32_t, uint32_t>> constants32;
  std::vector<std::pair<uint32_t, uint64_t>> constants64;
  std::vector<std::pair<uint32_t, Special>> specials32, specials64;
  /// The index of a wgmma register in wgmma's own tables, or -1; by 32-bit register.
  std::vector<int32_t> accumulatorIndex;
  unsigned numAccumulators = 0;
  /// Offset in the CTA's window where dynamic shared memory starts, and its alignment.
  unsigned staticSharedBytes = 0;
  unsigned dynamicSharedBase = 0;
  unsigned reqThreads = 0, maxThreads = 0, maxRegisters = 0;
  std::array<unsigned, 3> reqCluster = {0, 0, 0};
  unsigned maxClusterRank = 0;
  /// Lines of the PTX, for reports.
  std::vector<std::string> source;

  llvm::ArrayRef<Operand> getOperands(const Instruction &inst) const {
    return llvm::ArrayRef<Operand>(operands).slice(inst.firstOperand, inst.numOperands);
  }
  llvm::ArrayRef<Operand> getElements(const Operand &vector) const {
    return llvm::ArrayRef<Operand>(operands).slice(vector.slot, vector.count);
  }
  llvm::StringRef getLine(unsigned line) const {
    return line && line <= source.size() ? llvm::StringRef(source[line - 1]) : llvm::StringRef();
  }
};

/// Bytes at the start of a CTA's shared window that the system keeps on sm_90.
constexpr unsigned kReservedShared = 1024;
/// Largest static plus dynamic shared memory of a CTA on sm_90.
constexpr unsigned kMaxShared = 232448;

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_KERNEL_H
