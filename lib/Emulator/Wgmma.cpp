//===- Wgmma.cpp - The tensor core of a warpgroup -------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Wgmma.h"
#include "Handlers.h"
#include "llvm/ADT/Twine.h"
#include <cstring>
#include <limits>

using namespace dgemm::emulator;
using llvm::Twine;

MatrixDescriptor MatrixDescriptor::decode(uint64_t bits) {
  static constexpr unsigned kSwizzles[] = {0, 128, 64, 32};
  MatrixDescriptor d;
  d.start = uint32_t(bits & 0x3fff) << 4;
  d.leadingBytes = uint32_t((bits >> 16) & 0x3fff) << 4;
  d.strideBytes = uint32_t((bits >> 32) & 0x3fff) << 4;
  d.baseOffset = (bits >> 49) & 7;
  d.swizzle = kSwizzles[bits >> 62];
  return d;
}

std::string MatrixDescriptor::check(uint64_t bits) const {
  constexpr uint64_t kReserved = 0x3ff1c000c000c000ull;
  if (bits & kReserved)
    return "reserved bits are set";
  if (baseOffset)
    return "base offset is " + std::to_string(baseOffset) + "; the emulator knows only patterns that start aligned (0)";
  if (!swizzle)
    return strideBytes % 128 || leadingBytes % 128 ? "strides without swizzle must be multiples of 128 bytes" : "";
  uint32_t pattern = swizzle * 8;
  if (start % pattern >= swizzle)
    return "start is " + std::to_string(start % pattern) + " bytes past a multiple of " + std::to_string(pattern) +
           ", but base offset 0 says that the pattern starts there";
  if (strideBytes == 0 || strideBytes % pattern)
    return "stride between groups of 8 rows is " + std::to_string(strideBytes) + " bytes, must be a multiple of " +
           std::to_string(pattern) + " with " + std::to_string(swizzle) + "-byte swizzle";
  return "";
}

uint32_t MatrixDescriptor::unit(unsigned row, unsigned k16) const {
  uint32_t group = start + row / 8 * strideBytes;
  if (!swizzle)
    return group + k16 * leadingBytes + row % 8 * 16;
  uint32_t address = group + row % 8 * swizzle + k16 * 16;
  unsigned mask = swizzle == 128 ? 7 : swizzle == 64 ? 3 : 1;
  return address ^ ((address >> 3) & (mask << 4));
}

namespace {

#if defined(__x86_64__) && defined(__ELF__)
#define DGEMM_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define DGEMM_CLONES
#endif

/// d[64][n] += a[64][32] * b[32][n]; the products of two 8-bit floats are exact in FP32.
DGEMM_CLONES void multiply(float *d, const float *a, const float *b, unsigned n) {
  for (unsigned m = 0; m < kWgmmaRows; ++m) {
    float *row = d + size_t(m) * n;
    for (unsigned k = 0; k < kWgmmaK; ++k) {
      float factor = a[m * kWgmmaK + k];
      const float *column = b + size_t(k) * n;
      for (unsigned j = 0; j < n; ++j)
        row[j] += factor * column[j];
    }
  }
}

void gatherA(const Cta &cta, const WgmmaOp &op, float *a) {
  const float *table = getFp8Table(op.instruction->mods[Field::TypeA]);
  float sign = float(op.scaleA);
  if (!op.aFromRegisters) {
    MatrixDescriptor descriptor = MatrixDescriptor::decode(op.descA);
    for (unsigned row = 0; row < kWgmmaRows; ++row)
      for (unsigned k = 0; k < kWgmmaK; ++k)
        a[row * kWgmmaK + k] = op.undefinedRows >> row & 1
                                   ? std::numeric_limits<float>::quiet_NaN()
                                   : sign * table[cta.shared.data()[descriptor.unit(row, k / 16) + k % 16]];
    return;
  }
  // facts.md section 1: register r of lane t is row 16w + t/4 + 8*(r&1), k 16*(r/2) + 4*(t%4) and on.
  for (unsigned row = 0; row < kWgmmaRows; ++row)
    for (unsigned k = 0; k < kWgmmaK; ++k) {
      unsigned reg = (row % 16) / 8 + 2 * (k / 16), lane = row % 8 * 4 + k % 16 / 4;
      uint32_t word = op.aRegisters[row / 16][reg * kLanes + lane];
      a[row * kWgmmaK + k] = sign * table[(word >> (8 * (k % 4))) & 0xff];
    }
}

void gatherB(const Cta &cta, const WgmmaOp &op, float *b, unsigned n) {
  const float *table = getFp8Table(op.instruction->mods[Field::TypeB]);
  MatrixDescriptor descriptor = MatrixDescriptor::decode(op.descB);
  float sign = float(op.scaleB);
  for (unsigned column = 0; column < n; ++column)
    for (unsigned half = 0; half < 2; ++half) {
      const uint8_t *bytes = cta.shared.data() + descriptor.unit(column, half);
      for (unsigned i = 0; i < 16; ++i)
        b[(half * 16 + i) * n + column] = sign * table[bytes[i]];
    }
}

/// Calls `visit(register, lane, element of d)` for the fragment of one warp (facts.md section 1).
template <typename F>
void forEachFragment(llvm::ArrayRef<Operand> registers, unsigned warp, unsigned n, F visit) {
  for (unsigned i = 0; i < n / 8; ++i)
    for (unsigned e = 0; e < 4; ++e)
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        unsigned row = warp * 16 + lane / 4 + (e / 2) * 8, column = i * 8 + lane % 4 * 2 + e % 2;
        visit(registers[i * 4 + e].slot, lane, row * n + column);
      }
}

void execute(Machine &machine, Cta &cta, unsigned group, WgmmaOp &op) {
  unsigned n = op.instruction->mods[Field::WgmmaN] * 8;
  std::vector<float> a(kWgmmaRows * kWgmmaK), b(size_t(kWgmmaK) * n), d(size_t(kWgmmaRows) * n, 0.0f);
  auto registers = machine.kernel.getElements(machine.kernel.getOperands(*op.instruction)[0]);
  auto row = [&](unsigned warp, uint32_t slot) {
    return reinterpret_cast<float *>(&cta.warps[group * 4 + warp].reg32[size_t(slot) * kLanes]);
  };
  if (op.scaleD)
    for (unsigned w = 0; w < 4; ++w)
      forEachFragment(registers, w, n,
                      [&](uint32_t slot, unsigned lane, unsigned element) { d[element] = row(w, slot)[lane]; });
  gatherA(cta, op, a.data());
  gatherB(cta, op, b.data(), n);
  const Modifiers &mods = op.instruction->mods;
  if (machine.options.accumulator == Accumulator::Hopper)
    multiplyAsHopper(d.data(), a.data(), b.data(), n, mods[Field::TypeA], mods[Field::TypeB]);
  else
    multiply(d.data(), a.data(), b.data(), n);
  for (unsigned w = 0; w < 4; ++w)
    forEachFragment(registers, w, n, [&](uint32_t slot, unsigned lane, unsigned element) {
      float value = d[element];
      row(w, slot)[lane] = value == value ? value : __builtin_bit_cast(float, kCanonicalNaN);
    });
  op.executed = true;
}

/// Checks a descriptor and the bytes that it covers; records the reads once for the warpgroup. Rows with bytes that
/// were not written are a hazard unless `undefinedRows` collects them.
bool touchMatrix(Context &c, const Instruction &inst, uint64_t bits, unsigned rows, const char *name,
                 const Access &access, bool record, uint64_t *undefinedRows = nullptr) {
  MatrixDescriptor descriptor = MatrixDescriptor::decode(bits);
  std::string problem = descriptor.check(bits);
  if (!problem.empty())
    return c.raise(HazardKind::IllegalDescriptor, inst,
                   "descriptor 0x" + Twine::utohexstr(bits) + " of matrix " + name + ": " + problem),
           false;
  for (unsigned row = 0; row < rows; ++row)
    for (unsigned half = 0; half < 2; ++half) {
      uint32_t at = descriptor.unit(row, half);
      if (!c.cta.shared.contains(at, 16))
        return c.raise(HazardKind::OutOfBounds, inst,
                       Twine("row ") + Twine(row) + " of matrix " + name + " lies at byte " +
                           Twine(int64_t(at) - int64_t(c.kernel().dynamicSharedBase)) +
                           " of dynamic shared memory, which has " + Twine(c.machine.launch.dynamicShared)),
               false;
      auto violation = c.cta.shared.touch(at, 16, access, c.warp.clocks, record);
      if (violation && violation->kind == HazardKind::ReadBeforeWritten && !violation->other && undefinedRows) {
        *undefinedRows |= uint64_t(1) << row;
        continue;
      }
      if (violation)
        return c.machine.raiseViolation(c.cta, &c.cta, &c.warp, inst.line, *violation,
                                        Twine("matrix ") + name + " of the wgmma"),
               false;
      const Access *write = c.cta.shared.findTensorWrite(at);
      if (write && write->layout != descriptor.swizzle)
        return c.raise(HazardKind::IllegalDescriptor, inst,
                       Twine("the descriptor of matrix ") + name + " says " + Twine(descriptor.swizzle) +
                           "-byte swizzle, but the tensor copy that wrote it used " + Twine(unsigned(write->layout)),
                       "  before: " + c.machine.describe(c.cta, *write)),
               false;
    }
  return true;
}

/// wgmmas of one shape access accumulators in order; any other access needs wgmma.fence or a wait (PTX ISA,
/// "wgmma.fence").
bool checkRegisters(Context &c, const Instruction &inst) {
  if (!c.warp.lastWgmmaFence)
    return c.raise(HazardKind::MissingWgmmaFence, inst, "no wgmma.fence before the first wgmma"), false;
  auto check = [&](llvm::ArrayRef<Operand> registers, bool accumulator) {
    for (const Operand &reg : registers) {
      int32_t index = c.kernel().accumulatorIndex[reg.slot];
      if (index < 0)
        continue;
      if (c.warp.lastTouch[index] > c.warp.lastWgmmaFence)
        return c.raise(HazardKind::MissingWgmmaFence, inst,
                       "PTX line " + Twine(c.warp.touchLine[index]) +
                           " accessed a register of this wgmma, without a wgmma.fence since"),
               false;
      bool sameShape = accumulator && c.warp.inFlightShape[index] == inst.mods[Field::WgmmaN];
      if (c.warp.inFlight[index] && !sameShape)
        return c.raise(HazardKind::AccumulatorInFlight, inst,
                       "a register is still in use by a wgmma of another shape or role"),
               false;
    }
    return true;
  };
  const Operand &a = c.op(inst, 1);
  return check(c.kernel().getElements(c.op(inst, 0)), true) &&
         (a.kind != Operand::Vector || check(c.kernel().getElements(a), false));
}

void forEachRegister(const Kernel &kernel, const Instruction &inst, llvm::function_ref<void(uint32_t)> visit) {
  for (unsigned i = 0; i < 2; ++i) {
    const Operand &operand = kernel.getOperands(inst)[i];
    if (operand.kind == Operand::Vector)
      for (const Operand &reg : kernel.getElements(operand))
        if (kernel.accumulatorIndex[reg.slot] >= 0)
          visit(uint32_t(kernel.accumulatorIndex[reg.slot]));
  }
}

bool isUniform(Context &c, const Operand &operand) {
  for (unsigned lane = 1; lane < kLanes; ++lane)
    if (c.get(operand, lane) != c.get(operand, 0))
      return false;
  return true;
}

/// Reads the warp's operation. False: a hazard was raised.
bool describeOp(Context &c, const Instruction &inst, WgmmaOp &op) {
  const Operand &a = c.op(inst, 1), &b = c.op(inst, 2), &d = c.op(inst, 0);
  if (d.count != inst.mods[Field::WgmmaN] * 4u)
    return c.raise(HazardKind::IllegalInstruction, inst,
                   Twine(d.count) + " accumulator registers, the shape has " + Twine(inst.mods[Field::WgmmaN] * 4)),
           false;
  op.instruction = &inst;
  op.aFromRegisters = a.kind == Operand::Vector;
  bool uniform = isUniform(c, b) && (op.aFromRegisters || isUniform(c, a));
  LaneMask scale = c.predSource(c.op(inst, 3)) & c.mask;
  if (!uniform || (scale && scale != c.mask))
    return c.raise(HazardKind::DivergentWarp, inst, "descriptors or scale-d differ between the lanes"), false;
  op.descA = op.aFromRegisters ? 0 : c.get(a, 0);
  op.descB = c.get(b, 0);
  op.scaleD = scale != 0;
  op.scaleA = int(c.op(inst, 4).imm);
  op.scaleB = int(c.op(inst, 5).imm);
  op.group = c.warp.wgmmaOpen;
  if ((op.scaleA != 1 && op.scaleA != -1) || (op.scaleB != 1 && op.scaleB != -1))
    return c.raise(HazardKind::IllegalInstruction, inst, "imm-scale must be 1 or -1"), false;
  return true;
}

void captureA(Context &c, const Instruction &inst, WgmmaOp &op) {
  if (!op.aFromRegisters)
    return;
  std::vector<uint32_t> &words = op.aRegisters[c.warp.index % 4];
  for (const Operand &reg : c.kernel().getElements(c.op(inst, 1)))
    words.insert(words.end(), c.r32(reg), c.r32(reg) + kLanes);
}

void startOp(Context &c, Warpgroup &group, WgmmaOp &op) {
  Machine &machine = c.machine;
  unsigned ideal = op.instruction->mods[Field::WgmmaN] * 4;
  uint64_t begin = std::max(machine.now, group.busyUntil);
  group.busyUntil = begin + machine.random(ideal / 2, ideal * 3);
  ++machine.report.wgmmas;
  unsigned index = c.warp.index / 4;
  machine.schedule(*c.cta.cluster, group.busyUntil - machine.now, [&machine, cta = &c.cta, index, &op, begin] {
    execute(machine, *cta, index, op);
    machine.trace.add(cta->index, Trace::TensorCore + index, "wgmma", begin, machine.now, op.instruction->line);
  });
}

} // namespace

Step dgemm::emulator::execWgmma(Context &c, const Instruction &inst) {
  if (!c.converged() || c.mask != kAllLanes || c.cta.warps.size() < (c.warp.index / 4 + 1) * 4)
    return c.raise(HazardKind::DivergentWarp, inst, "wgmma needs all threads of four warps");
  WgmmaOp mine;
  if (!describeOp(c, inst, mine) || !checkRegisters(c, inst))
    return Step::Stop;
  Warpgroup &group = c.cta.warpgroups[c.warp.index / 4];
  size_t index = c.warp.wgmmaIssued - group.firstOp;
  bool first = index >= group.ops.size();
  if (first)
    group.ops.push_back(mine);
  WgmmaOp &op = group.ops[index];
  if (op.instruction != &inst || op.descA != mine.descA || op.descB != mine.descB || op.scaleD != mine.scaleD ||
      op.group != mine.group)
    return c.raise(HazardKind::DivergentWarp, inst,
                   "the warps of the warpgroup disagree on their wgmma (instruction, descriptors, scale-d or group); "
                   "another one is at PTX line " +
                       Twine(op.instruction->line));
  Access access{AccessKind::WgmmaRead, 0, group.agent, op.group, int32_t(c.warp.index), inst.line};
  // A kernel need not fill rows of A past the end of the operand: they affect only rows of D past the end.
  if ((!op.aFromRegisters && !touchMatrix(c, inst, op.descA, kWgmmaRows, "A", access, first, &op.undefinedRows)) ||
      !touchMatrix(c, inst, op.descB, inst.mods[Field::WgmmaN] * 8, "B", access, first))
    return Step::Stop;
  captureA(c, inst, op);
  forEachRegister(c.kernel(), inst, [&](uint32_t reg) {
    ++c.warp.inFlight[reg];
    c.warp.inFlightShape[reg] = inst.mods[Field::WgmmaN];
  });
  ++c.warp.wgmmaIssued;
  op.issued |= 1u << (c.warp.index % 4);
  if (op.issued == 0xf)
    startOp(c, group, op);
  return Step::Next;
}

Step dgemm::emulator::execWgmmaFence(Context &c, const Instruction &inst) {
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "wgmma.fence by a part of the warp");
  c.warp.lastWgmmaFence = c.warp.count;
  return Step::Next;
}

Step dgemm::emulator::execWgmmaCommit(Context &c, const Instruction &inst) {
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "wgmma.commit_group by a part of the warp");
  ++c.warp.wgmmaOpen;
  return Step::Next;
}

Step dgemm::emulator::execWgmmaWait(Context &c, const Instruction &inst) {
  if (!c.converged())
    return c.raise(HazardKind::DivergentWarp, inst, "wgmma.wait_group by a part of the warp");
  int64_t allowed = c.op(inst, 0).imm;
  if (allowed < 0 || allowed > 7)
    return c.raise(HazardKind::IllegalInstruction, inst, Twine(allowed) + " wgmma groups; must be 0 to 7");
  int64_t last = int64_t(c.warp.wgmmaOpen) - 1 - allowed;
  if (last < 1)
    return Step::Next;
  Warpgroup &group = c.cta.warpgroups[c.warp.index / 4];
  unsigned bit = 1u << (c.warp.index % 4);
  for (WgmmaOp &op : group.ops)
    if (op.group <= last && !op.executed) {
      Wait wait;
      wait.kind = Wait::Wgmma;
      wait.value = uint32_t(last);
      return c.block(wait);
    }
  for (WgmmaOp &op : group.ops) {
    if (op.group > last || (op.retired & bit))
      continue;
    op.retired |= bit;
    forEachRegister(c.kernel(), *op.instruction, [&](uint32_t reg) { --c.warp.inFlight[reg]; });
  }
  while (!group.ops.empty() && group.ops.front().retired == 0xf) {
    group.ops.pop_front();
    ++group.firstOp;
  }
  c.warp.clocks.order.raise(group.agent + c.warp.index % 4, uint32_t(last));
  return Step::Next;
}
