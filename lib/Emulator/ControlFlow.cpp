//===- ControlFlow.cpp - Where divergent threads meet ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads that diverge at a branch reconverge at its immediate post-dominator, as with ptxas' BSSY/BSYNC pairs.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Parser.h"
#include <algorithm>

using namespace dgemm::emulator;

namespace {

/// Blocks in reverse post-order of the reversed graph, and the usual iteration (Cooper, Harvey, Kennedy).
class PostDominators {
public:
  explicit PostDominators(const Kernel &kernel) : kernel(kernel) {
    buildBlocks();
    buildEdges();
    number();
    iterate();
  }

  /// First instruction of the immediate post-dominator of the block that ends with `pc`; the kernel's end if there is
  /// none.
  uint32_t of(uint32_t pc) const {
    uint32_t dominator = idom[blockOf[pc]];
    return dominator == exitBlock || dominator == kNone ? uint32_t(kernel.instructions.size()) : begins[dominator];
  }

private:
  static constexpr uint32_t kNone = ~0u;
  static bool isBranch(const Instruction &inst) { return inst.handler == execBra; }
  static bool isExit(const Instruction &inst) { return inst.handler == execExit || inst.handler == execTrap; }

  void buildBlocks() {
    size_t size = kernel.instructions.size();
    std::vector<bool> leader(size + 1, false);
    leader[0] = true;
    for (size_t i = 0; i < size; ++i) {
      const Instruction &inst = kernel.instructions[i];
      if (isBranch(inst))
        leader[inst.target] = true;
      if (isBranch(inst) || isExit(inst))
        leader[i + 1] = true;
    }
    blockOf.resize(size);
    for (size_t i = 0; i < size; ++i) {
      if (leader[i])
        begins.push_back(i);
      blockOf[i] = begins.size() - 1;
    }
    exitBlock = begins.size();
  }

  void buildEdges() {
    successors.resize(exitBlock + 1);
    predecessors.resize(exitBlock + 1);
    auto edge = [&](uint32_t from, uint32_t to) {
      successors[from].push_back(to);
      predecessors[to].push_back(from);
    };
    for (uint32_t b = 0; b < exitBlock; ++b) {
      uint32_t last = (b + 1 < exitBlock ? begins[b + 1] : kernel.instructions.size()) - 1;
      const Instruction &inst = kernel.instructions[last];
      bool falls = inst.guard >= 0 || !(isBranch(inst) || isExit(inst));
      if (isBranch(inst))
        edge(b, blockOf[inst.target]);
      if (isExit(inst))
        edge(b, exitBlock);
      if (falls)
        edge(b, b + 1);
    }
  }

  void number() {
    order.assign(exitBlock + 1, kNone);
    std::vector<std::pair<uint32_t, size_t>> stack = {{exitBlock, 0}};
    std::vector<bool> seen(exitBlock + 1, false);
    seen[exitBlock] = true;
    while (!stack.empty()) {
      auto &[block, next] = stack.back();
      if (next == predecessors[block].size()) {
        order[block] = postOrder.size();
        postOrder.push_back(block);
        stack.pop_back();
        continue;
      }
      uint32_t pred = predecessors[block][next++];
      if (!seen[pred]) {
        seen[pred] = true;
        stack.push_back({pred, 0});
      }
    }
  }

  void iterate() {
    idom.assign(exitBlock + 1, kNone);
    idom[exitBlock] = exitBlock;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = postOrder.size() - 1; i-- > 0;) {
        uint32_t block = postOrder[i], found = kNone;
        for (uint32_t next : successors[block])
          if (idom[next] != kNone)
            found = found == kNone ? next : intersect(found, next);
        if (found != idom[block]) {
          idom[block] = found;
          changed = true;
        }
      }
    }
  }

  uint32_t intersect(uint32_t a, uint32_t b) const {
    while (a != b) {
      while (order[a] < order[b])
        a = idom[a];
      while (order[b] < order[a])
        b = idom[b];
    }
    return a;
  }

  const Kernel &kernel;
  uint32_t exitBlock = 0;
  std::vector<uint32_t> begins, blockOf, order, postOrder, idom;
  std::vector<std::vector<uint32_t>> successors, predecessors;
};

} // namespace

void dgemm::emulator::computeReconvergence(Kernel &kernel) {
  PostDominators postDominators(kernel);
  for (size_t pc = 0; pc < kernel.instructions.size(); ++pc)
    kernel.instructions[pc].reconverge = postDominators.of(pc);
}
