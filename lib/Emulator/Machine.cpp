//===- Machine.cpp - The emulated GPU -------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace dgemm;
using namespace dgemm::emulator;
using llvm::Twine;

bool Cta::done() const {
  return llvm::all_of(warps, [](const Warp &warp) { return warp.done(); });
}

Machine::Machine(const Kernel &kernel, const Launch &launch, GlobalMemory &memory, const Options &options, Trace &trace)
    : kernel(kernel), launch(launch), memory(memory), options(options), trace(trace), rng(options.seed) {
  unsigned threads = launch.block[0] * launch.block[1] * launch.block[2];
  // facts.md section 3: the registers that ptxas can give each thread if the CTA has the multiprocessor for itself.
  entryRegs = std::min(255u, 65536u / std::max(threads, 1u)) / 8 * 8;
  if (kernel.maxRegisters)
    entryRegs = std::min(entryRegs, kernel.maxRegisters);
  numClusters = 1;
  for (unsigned i = 0; i < 3; ++i)
    numClusters *= launch.grid[i] / launch.cluster[i];
}

void Machine::schedule(Cluster &cluster, uint64_t delay, std::function<void()> action) {
  ++cluster.pending;
  events.push(Event{now + delay, nextOrder++, &cluster, std::move(action)});
}

Step Machine::raise(HazardKind kind, const Cta *cta, const Warp *warp, unsigned line, const Twine &message,
                    const Twine &context) {
  if (report.hazard)
    return Step::Stop;
  Hazard hazard;
  hazard.kind = kind;
  hazard.cta = cta ? int64_t(cta->index) : -1;
  hazard.warp = warp ? int64_t(warp->index) : -1;
  hazard.line = line;
  hazard.source = kernel.getLine(line).trim().str();
  hazard.message = message.str();
  hazard.context = context.str();
  report.hazard = std::move(hazard);
  return Step::Stop;
}

static const char *describeKind(AccessKind kind) {
  switch (kind) {
  case AccessKind::GenericRead:
    return "read";
  case AccessKind::GenericWrite:
    return "written";
  case AccessKind::GenericAtomic:
    return "changed by an atomic";
  case AccessKind::WgmmaRead:
    return "read by a wgmma";
  case AccessKind::BulkRead:
    return "read by a bulk store";
  case AccessKind::BulkWrite:
    return "written by a bulk copy";
  }
  return "";
}

std::string Machine::describe(const Cta &cta, const Access &access) const {
  const AgentInfo &agent = cta.cluster->agents[access.agent];
  std::string text = describeKind(access.kind);
  unsigned rank = agent.cta;
  text += " (issued by CTA " + std::to_string(cta.cluster->ctas[rank]->index);
  if (access.warp >= 0)
    text += " warp " + std::to_string(access.warp);
  text += ", PTX line " + std::to_string(access.line) + ": " + kernel.getLine(access.line).trim().substr(0, 100).str();
  return text + ")";
}

Step Machine::raiseViolation(Cta &owner, const Cta *cta, const Warp *warp, unsigned line, const Violation &violation,
                             const Twine &what) {
  std::string place = "shared memory byte " + std::to_string(violation.offset - kernel.dynamicSharedBase) + " of CTA " +
                      std::to_string(owner.index);
  if (violation.kind == HazardKind::BarrierMisuse)
    return raise(violation.kind, cta, warp, line, what + " touches the mbarrier at " + place);
  if (!violation.other)
    return raise(violation.kind, cta, warp, line, what + " reads " + place + ", which was not written");
  const char *reason = ", without waiting for its end";
  if (violation.kind == HazardKind::MissingProxyFence)
    reason = ", without a fence.proxy.async by the writer between";
  bool writes = violation.kind == HazardKind::OverwriteInUse;
  return raise(violation.kind, cta, warp, line, what + (writes ? " overwrites " : " reaches ") + place + reason,
               "  before: " + describe(owner, *violation.other));
}

bool Machine::checkAlive(const Cta &target, const Cta &from, const Warp *warp, unsigned line, llvm::StringRef what) {
  if (&target == &from || !target.done())
    return true;
  raise(HazardKind::PeerExited, &from, warp, line,
        what + " uses shared memory of CTA " + Twine(target.index) + ", which has exited");
  return false;
}

unsigned Machine::elect(LaneMask members) const {
  uint64_t hash = (options.seed + 1) * 0x9e3779b97f4a7c15ull ^ (uint64_t(members) * 0xd6e8feb86659fd93ull);
  unsigned skip = (hash >> 32) % __builtin_popcount(members);
  while (skip--)
    members &= members - 1;
  return __builtin_ctz(members);
}

bool Machine::checkEnd(Cta &cta, const Warp &warp, unsigned line) {
  for (const auto &[offset, barrier] : cta.barriers) {
    uint32_t known = 0;
    for (const Warp &other : cta.warps)
      for (const Clocks *clocks : {&other.clocks, &other.observed, &other.observedInCta})
        known = std::max(known, clocks->order.get(barrier.agent));
    if (known >= barrier.copyPhases)
      continue;
    raise(HazardKind::ExitInFlight, &cta, &warp, line,
          "the CTA ends, but none of its threads has waited for the copy of PTX line " + Twine(barrier.copyLine) +
              " into its shared memory, phase " + Twine(barrier.copyPhases - 1) + " of the mbarrier at byte " +
              Twine(offset - kernel.dynamicSharedBase));
    return false;
  }
  return true;
}

void Machine::initCta(Cta &cta) {
  uint32_t size = kernel.dynamicSharedBase + launch.dynamicShared;
  cta.shared.resize(size, kReservedShared);
  unsigned threads = launch.block[0] * launch.block[1] * launch.block[2];
  unsigned numWarps = (threads + kLanes - 1) / kLanes;
  cta.warps.resize(numWarps);
  cta.warpgroups.resize((numWarps + 3) / 4);
  for (unsigned w = 0; w < numWarps; ++w) {
    Warp &warp = cta.warps[w];
    warp.index = w;
    warp.cta = cta.rank;
    warp.agent = cta.cluster->makeAgent({AgentInfo::Warp, cta.rank, w});
    warp.clocks.order.raise(warp.agent, 1);
    unsigned lanes = std::min(threads - w * kLanes, kLanes);
    warp.start(kernel, lanes == kLanes ? kAllLanes : (1u << lanes) - 1);
    warp.registers = entryRegs;
    warp.meetsAtSync = options.reconvergence == Reconvergence::Sync;
    warp.slowness = 1u << random(0, 3);
    setSpecials(cta, warp);
  }
  for (unsigned g = 0; g < cta.warpgroups.size(); ++g)
    for (unsigned i = 0; i < 4; ++i) {
      uint32_t agent = cta.cluster->makeAgent({AgentInfo::TensorCore, cta.rank, g});
      if (i == 0)
        cta.warpgroups[g].agent = agent;
    }
}

static void unpack(uint64_t linear, const std::array<uint32_t, 3> &extent, std::array<uint32_t, 3> &out) {
  out[0] = linear % extent[0];
  out[1] = linear / extent[0] % extent[1];
  out[2] = linear / extent[0] / extent[1];
}

/// Starts clusters while there is room for one, or if all running ones wait.
void Machine::admit() {
  unsigned perCluster = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  auto cluster = std::make_unique<Cluster>();
  std::array<uint32_t, 3> clusters;
  for (unsigned i = 0; i < 3; ++i)
    clusters[i] = launch.grid[i] / launch.cluster[i];
  unpack(nextCluster++, clusters, cluster->id);
  cluster->gridAgent = cluster->makeAgent({AgentInfo::Grid, 0, 0});
  for (unsigned rank = 0; rank < perCluster; ++rank) {
    auto cta = std::make_unique<Cta>();
    cta->rank = rank;
    cta->cluster = cluster.get();
    std::array<uint32_t, 3> inner;
    unpack(rank, launch.cluster, inner);
    for (unsigned i = 0; i < 3; ++i)
      cta->id[i] = cluster->id[i] * launch.cluster[i] + inner[i];
    cta->index = cta->id[0] + uint64_t(launch.grid[0]) * (cta->id[1] + uint64_t(launch.grid[1]) * cta->id[2]);
    cluster->ctas.push_back(std::move(cta));
    initCta(*cluster->ctas.back());
    ++report.ctas;
  }
  running.push_back(std::move(cluster));
}

/// Drops clusters that have ended. True if there was one.
bool Machine::retire() {
  size_t before = running.size();
  for (auto it = running.begin(); it != running.end();) {
    Cluster &cluster = **it;
    bool over = cluster.pending == 0 && llvm::all_of(cluster.ctas, [](auto &cta) { return cta->done(); });
    if (over)
      ctasDone += cluster.ctas.size();
    it = over ? running.erase(it) : std::next(it);
  }
  return running.size() != before;
}

void Machine::setSpecials(Cta &cta, Warp &warp) {
  std::array<uint32_t, 3> clusters;
  for (unsigned i = 0; i < 3; ++i)
    clusters[i] = launch.grid[i] / launch.cluster[i];
  uint32_t perCluster = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  auto value = [&](Special special, unsigned lane) -> uint64_t {
    uint64_t thread = warp.index * kLanes + lane;
    std::array<uint32_t, 3> tid;
    unpack(thread, launch.block, tid);
    unsigned s = unsigned(special);
    auto within = [&](Special first) { return s >= unsigned(first) && s < unsigned(first) + 3; };
    auto axis = [&](Special first) { return s - unsigned(first); };
    if (within(Special::TidX))
      return tid[axis(Special::TidX)];
    if (within(Special::NtidX))
      return launch.block[axis(Special::NtidX)];
    if (within(Special::CtaidX))
      return cta.id[axis(Special::CtaidX)];
    if (within(Special::NctaidX))
      return launch.grid[axis(Special::NctaidX)];
    if (within(Special::ClusterCtaidX))
      return cta.id[axis(Special::ClusterCtaidX)] % launch.cluster[axis(Special::ClusterCtaidX)];
    if (within(Special::ClusterNctaidX))
      return launch.cluster[axis(Special::ClusterNctaidX)];
    if (within(Special::ClusteridX))
      return cta.cluster->id[axis(Special::ClusteridX)];
    if (within(Special::NclusteridX))
      return clusters[axis(Special::NclusteridX)];
    switch (special) {
    case Special::LaneId:
      return lane;
    case Special::WarpId:
      return warp.index;
    case Special::NWarpId:
      return cta.warps.size();
    case Special::ClusterCtaRank:
      return cta.rank;
    case Special::ClusterNctaRank:
      return perCluster;
    case Special::SmId:
      return cta.index % std::max<int64_t>(options.multiprocessors, 1);
    case Special::NSmId:
      return options.multiprocessors;
    case Special::LanemaskEq:
      return 1u << lane;
    case Special::LanemaskLt:
      return (1u << lane) - 1;
    case Special::LanemaskLe:
      return lane == 31 ? kAllLanes : (2u << lane) - 1;
    case Special::LanemaskGt:
      return lane == 31 ? 0 : kAllLanes << (lane + 1);
    case Special::LanemaskGe:
      return kAllLanes << lane;
    case Special::DynamicSmemSize:
      return launch.dynamicShared;
    case Special::TotalSmemSize:
      return launch.dynamicShared + kernel.staticSharedBytes;
    default:
      return 0;
    }
  };
  for (auto [slot, special] : kernel.specials32)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      warp.reg32[size_t(slot) * kLanes + lane] = value(special, lane);
  for (auto [slot, special] : kernel.specials64)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      warp.reg64[size_t(slot) * kLanes + lane] = value(special, lane);
}

bool Context::noFrames() const {
  return llvm::none_of(warp.frames, [](const Frame &frame) { return frame.live; });
}

bool Context::mayTouchGlobal(const Instruction &inst) const {
  if (!machine.launch.overlapsPrevious || warp.clocks.order.get(cta.cluster->gridAgent))
    return true;
  raise(HazardKind::MissingGridWait, inst,
        "global memory is accessed before griddepcontrol.wait, while the previous kernel in the stream may still run");
  return false;
}

bool Context::reaches(const Instruction &inst, const Cta &other) const {
  if (Scope(inst.mods[Field::Scope]) != Scope::Cta || &other == &cta)
    return true;
  raise(HazardKind::InsufficientScope, inst,
        "scope .cta does not reach CTA " + llvm::Twine(other.index) + ", whose shared memory this is");
  return false;
}

Step Context::block(Wait wait) const {
  wait.since = machine.now;
  split().wait = wait;
  return Step::Retry;
}

bool dgemm::emulator::resolveShared(Context &c, const Instruction &inst, uint64_t address, Space space, uint64_t size,
                                    uint64_t align, SharedAddress &result) {
  if (address >= kSharedWindow && address < kSharedWindow + (uint64_t(1) << 32))
    address -= kSharedWindow;
  uint32_t rank = uint32_t(address >> 24);
  result.cta = &c.cta;
  result.offset = uint32_t(address & 0xffffff);
  Cluster &cluster = *c.cta.cluster;
  if (address >> 32 || rank > cluster.ctas.size() || (rank && space == Space::Shared && rank - 1 != c.cta.rank)) {
    c.raise(HazardKind::OutOfBounds, inst,
            "0x" + Twine::utohexstr(address) + " is not an address of shared memory of this " +
                (space == Space::Shared ? "CTA" : "cluster"));
    return false;
  }
  if (rank)
    result.cta = cluster.ctas[rank - 1].get();
  if (!result.cta->shared.contains(result.offset, size)) {
    int64_t relative = int64_t(result.offset) - int64_t(c.kernel().dynamicSharedBase);
    c.raise(HazardKind::OutOfBounds, inst,
            Twine(size) + " bytes at byte " + Twine(relative) + " of dynamic shared memory, which has " +
                Twine(c.machine.launch.dynamicShared));
    return false;
  }
  if (result.offset % align) {
    c.raise(HazardKind::Misaligned, inst,
            "shared address is " + Twine(result.offset % align) + " bytes past a multiple of " + Twine(align));
    return false;
  }
  return c.machine.checkAlive(*result.cta, c.cta, &c.warp, inst.line, "the access");
}
