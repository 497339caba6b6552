//===- Matrix.cpp - stmatrix and ldmatrix ---------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "llvm/ADT/Twine.h"
#include <cstring>

using namespace dgemm::emulator;
using llvm::Twine;

/// Addresses of the rows: lanes 8j to 8j+7 give those of matrix j (PTX ISA, "stmatrix").
static bool resolveRows(Context &c, const Instruction &inst, const Operand &address, AccessKind kind, uint8_t **rows) {
  for (unsigned lane = 0; lane < inst.mods[Field::Count] * 8u; ++lane) {
    SharedAddress place;
    if (!resolveShared(c, inst, c.address(address, lane), Space::Shared, 16, 16, place))
      return false;
    Access access{kind, 0, c.warp.agent, c.warp.epoch(), int32_t(c.warp.index), inst.line};
    if (auto violation = place.cta->shared.touch(place.offset, 16, access, c.warp.clocks)) {
      c.machine.raiseViolation(*place.cta, &c.cta, &c.warp, inst.line, *violation, "the matrix access");
      return false;
    }
    rows[lane] = place.cta->shared.data() + place.offset;
  }
  return true;
}

/// The position of half `h` of lane `lane` in its matrix.
static uint8_t *element(uint8_t **rows, unsigned lane, unsigned h, bool transposed) {
  unsigned major = lane / 4, minor = lane % 4 * 2 + h;
  return transposed ? rows[minor] + major * 2 : rows[major] + minor * 2;
}

static Step matrix(Context &c, const Instruction &inst, const Operand &registers, const Operand &address, bool store) {
  if (!c.converged() || c.mask != kAllLanes)
    return c.raise(HazardKind::DivergentWarp, inst, "a matrix access by a part of the warp");
  unsigned count = inst.mods[Field::Count];
  if (registers.count != count)
    return c.raise(HazardKind::IllegalInstruction, inst,
                   Twine(registers.count) + " registers for " + Twine(count) + " matrices");
  uint8_t *rows[kLanes];
  if (!resolveRows(c, inst, address, store ? AccessKind::GenericWrite : AccessKind::GenericRead, rows))
    return Step::Stop;
  auto elements = c.kernel().getElements(registers);
  for (unsigned j = 0; j < count; ++j)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint32_t &word = c.r32(elements[j])[lane];
      for (unsigned h = 0; h < 2; ++h) {
        uint8_t *at = element(rows + 8 * j, lane, h, inst.mods[Field::Trans]);
        uint16_t half = uint16_t(word >> (16 * h));
        if (store) {
          std::memcpy(at, &half, 2);
        } else {
          std::memcpy(&half, at, 2);
          word = h ? (word & 0xffffu) | uint32_t(half) << 16 : (word & 0xffff0000u) | half;
        }
      }
    }
  return Step::Next;
}

Step dgemm::emulator::execStMatrix(Context &c, const Instruction &inst) {
  return matrix(c, inst, c.op(inst, 1), c.op(inst, 0), true);
}
Step dgemm::emulator::execLdMatrix(Context &c, const Instruction &inst) {
  return matrix(c, inst, c.op(inst, 0), c.op(inst, 1), false);
}
