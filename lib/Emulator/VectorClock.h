//===- VectorClock.h - What happened before what ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each agent of a cluster (a warp, the tensor core of a warpgroup, the bulk groups of a thread, the copies of an
// mbarrier) counts its own epochs; a clock holds the last epoch of each agent that its owner is ordered after.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_VECTORCLOCK_H
#define DGEMM_LIB_EMULATOR_VECTORCLOCK_H

#include <algorithm>
#include <cstdint>
#include <vector>

namespace dgemm::emulator {

class VectorClock {
public:
  uint32_t get(uint32_t agent) const { return agent < epochs.size() ? epochs[agent] : 0; }
  void raise(uint32_t agent, uint32_t epoch) {
    if (agent >= epochs.size())
      epochs.resize(agent + 1);
    epochs[agent] = std::max(epochs[agent], epoch);
  }
  void join(const VectorClock &other) {
    if (other.epochs.size() > epochs.size())
      epochs.resize(other.epochs.size());
    for (size_t i = 0, e = other.epochs.size(); i < e; ++i)
      epochs[i] = std::max(epochs[i], other.epochs[i]);
  }
  void clear() { epochs.clear(); }

private:
  std::vector<uint32_t> epochs;
};

/// Order in the generic proxy, and which generic writes are visible to the async proxy (PTX ISA, "Proxies": a proxy
/// fence has to be on the path between the two).
struct Clocks {
  VectorClock order;
  VectorClock fenced;
  void join(const Clocks &other) {
    order.join(other.order);
    fenced.join(other.fenced);
  }
  void clear() {
    order.clear();
    fenced.clear();
  }
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_VECTORCLOCK_H
