//===- Explain.cpp - What bounds a problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "dgemm/Analysis/CostModel.h"
#include "llvm/Support/FormatVariadic.h"

using namespace dgemm;
using dgemm::Level;
using llvm::formatv;

/// The name of the longest part of those that overlap.
static llvm::StringRef findBound(const Estimate &e) {
  if (e.launch > std::max(e.compute, e.dram))
    return "the launch";
  if (e.dram > e.compute)
    return "DRAM";
  std::pair<double, llvm::StringRef> parts[] = {{e.math, "tensor and CUDA cores"},
                                                {e.fill, "filling shared memory"},
                                                {e.l2, "the L2"},
                                                {e.latency, "the latency of loads"}};
  return llvm::max_element(parts)->second;
}

static std::string describe(ConfigAttr config, llvm::StringRef chosenBy, const Estimate &e, const Machine &machine) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "config " << toText(config) << ' ' << chosenBy << '\n'
     << formatv("{0:F2} us expected on {1} with {2} multiprocessors, bound by {3}\n", e.total, machine.name,
                machine.multiprocessors, findBound(e))
     << formatv("  launch    {0,8:F2} us\n", e.launch)
     << formatv("  DRAM      {0,8:F2} us  {1:F1} MB\n", e.dram, e.dram * machine.costs.dram * 1e-6)
     << formatv("  compute   {0,8:F2} us  {1:F0} tiles, {2} at a time; each in {3} K blocks of {4:F3} us\n", e.compute,
                e.tiles, e.atATime, e.kBlocks, e.kBlock)
     << formatv(
            "  K block   {0,8:F3} us  tensor and CUDA cores {1:F3}, filling shared memory {2:F3}, L2 {3:F3}, latency "
            "of loads {4:F3}\n",
            e.kBlock, e.math, e.fill, e.l2, e.latency)
     << formatv("  last end  {0,8:F2} us\n", e.end) << "DRAM and compute overlap, and so do the parts of a K block.\n";
  return text;
}

llvm::Expected<std::string> dgemm::explainConfig(const GemmShape &shape, const CompileOptions &options) {
  Session session(options);
  if (llvm::Error error = session.build(shape))
    return std::move(error);
  if (llvm::Error error = session.lower(Level::Configured))
    return std::move(error);
  GemmOp gemm;
  session.getModule().walk([&](GemmOp op) { gemm = op; });
  llvm::Expected<Machine> machine = Machine::get(session.getModule()->getAttrOfType<MachineAttr>(kMachineAttr));
  if (!machine)
    return machine.takeError();
  ConfigAttr config = *gemm.getConfig();
  auto source = gemm->getAttrOfType<mlir::StringAttr>(kConfigSourceAttr);
  llvm::StringRef chosenBy = !source                 ? "as given"
                             : source == kTunedTable ? "from the tuned table"
                                                     : "from the cost model";
  ProblemSize size = ProblemSize::get(gemm);
  std::string text = describe(config, chosenBy, estimate(size, config, *machine), *machine);
  // The model's next choice.
  ConfigAttr second;
  double time = 0;
  for (ConfigAttr other : enumerateConfigs(session.getContext(), size, {})) {
    double total = other == config ? 0 : estimate(size, other, *machine).total;
    if (other != config && (!second || total < time)) {
      second = other;
      time = total;
    }
  }
  if (second)
    text += formatv("{0:F2} us expected of {1}, the best other by the cost model\n", time, toText(second));
  return text;
}
