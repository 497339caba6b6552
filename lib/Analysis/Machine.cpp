//===- Machine.cpp - The GPUs that configs are chosen for -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/Machine.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace dgemm;

namespace {
constexpr StringLiteral kH100 =
#include "Machines/h100.inc"
    ;
constexpr StringLiteral kH100PCIe =
#include "Machines/h100-pcie.inc"
    ;
constexpr StringLiteral kH200 =
#include "Machines/h200.inc"
    ;
constexpr StringLiteral kGH200 =
#include "Machines/gh200.inc"
    ;
constexpr StringLiteral kH20 =
#include "Machines/h20.inc"
    ;

constexpr std::pair<StringLiteral, double MachineCosts::*> kCosts[] = {
    {"launch", &MachineCosts::launch},
    {"tile", &MachineCosts::tile},
    {"tile_element", &MachineCosts::tileElement},
    {"wait", &MachineCosts::wait},
    {"wait_rotated", &MachineCosts::waitRotated},
    {"tensor_1", &MachineCosts::tensor1},
    {"tensor_2", &MachineCosts::tensor2},
    {"tensor_3", &MachineCosts::tensor3},
    {"second_mma", &MachineCosts::secondMma},
    {"plain_loop", &MachineCosts::plainLoop},
    {"two_scales", &MachineCosts::twoScales},
    {"odd_columns_1", &MachineCosts::oddColumns1},
    {"odd_columns", &MachineCosts::oddColumns},
    {"row", &MachineCosts::row},
    {"l2", &MachineCosts::l2},
    {"dram", &MachineCosts::dram},
    {"latency", &MachineCosts::latency},
    {"dsmem", &MachineCosts::dsmem},
    {"dsmem_all", &MachineCosts::dsmemAll},
    {"reread", &MachineCosts::reread},
    {"multicast", &MachineCosts::multicast},
    {"overlap", &MachineCosts::overlap},
    {"dram_overlap", &MachineCosts::dramOverlap},
};
} // namespace

// llvm::json finds this by its argument.
namespace dgemm {
static bool fromJSON(const llvm::json::Value &value, MachineCosts &costs, llvm::json::Path path) {
  llvm::json::ObjectMapper map(value, path);
  // With a `like`, any of them may be left out.
  return map && llvm::all_of(kCosts, [&](const auto &cost) { return map.mapOptional(cost.first, costs.*cost.second); });
}
} // namespace dgemm

llvm::Expected<Machine> Machine::read(StringRef json, const Machine *like) {
  llvm::Expected<llvm::json::Value> document = llvm::json::parse(json);
  if (!document)
    return document.takeError();
  Machine machine = like ? *like : Machine();
  llvm::json::Path::Root root("machine");
  llvm::json::ObjectMapper map(*document, root);
  if (!map || !map.map("name", machine.name) || !map.map("gpus", machine.gpus) || !map.map("tables", machine.tables) ||
      !map.map("multiprocessors", machine.multiprocessors) || !map.mapOptional("clusters", machine.clusters) ||
      !map.mapOptional("costs", machine.costs))
    return root.getError();
  const llvm::json::Object *costs = document->getAsObject()->getObject("costs");
  for (const auto &[name, member] : kCosts)
    if (!like && (!costs || !costs->get(name)))
      return llvm::createStringError("machine '" + machine.name + "' lacks the cost '" + name + "'");
  if (machine.clusters.size() != 8 || llvm::any_of(machine.clusters, [](int64_t count) { return count < 1; }))
    return llvm::createStringError("machine '" + machine.name + "' needs the number of clusters of 1 to 8 CTAs");
  return machine;
}

ArrayRef<Machine> Machine::getKnown() {
  // Files of the build, each after the machine that it is like; the unit tests read each.
  static const std::vector<Machine> machines = [] {
    std::vector<Machine> read = {llvm::cantFail(Machine::read(kH100, nullptr))};
    read.push_back(llvm::cantFail(Machine::read(kH100PCIe, &read[0])));
    read.push_back(llvm::cantFail(Machine::read(kH200, nullptr)));
    read.push_back(llvm::cantFail(Machine::read(kGH200, &read[2])));
    read.push_back(llvm::cantFail(Machine::read(kH20, &read[2])));
    return read;
  }();
  return machines;
}

const Machine &Machine::getDefault() { return getKnown().front(); }

const Machine *Machine::find(StringRef name) {
  const Machine *found = llvm::find_if(getKnown(), [&](const Machine &machine) { return machine.name == name; });
  return found == getKnown().end() ? nullptr : found;
}

const Machine *Machine::findGpu(StringRef gpu) {
  const Machine *best = nullptr;
  size_t length = 0;
  for (const Machine &machine : getKnown())
    for (StringRef prefix : machine.gpus)
      if (gpu.starts_with(prefix) && prefix.size() > length) {
        best = &machine;
        length = prefix.size();
      }
  return best;
}

llvm::Expected<Machine> Machine::get(MachineAttr attribute) {
  llvm::Expected<Machine> machine = parse(attribute.getName());
  if (machine)
    machine->multiprocessors = attribute.getMultiprocessors();
  return machine;
}

llvm::Expected<Machine> Machine::parse(StringRef name) {
  if (name.empty())
    return getDefault();
  if (const Machine *machine = find(name))
    return *machine;
  auto names = llvm::map_to_vector(getKnown(), [](const Machine &machine) { return StringRef(machine.name); });
  return llvm::createStringError("unknown machine '" + name + "'; known are " +
                                 llvm::join(ArrayRef(names).drop_back(), ", ") + " and " + names.back());
}

int64_t Machine::countClusters(int64_t ctas) const {
  return std::max<int64_t>(1, clusters[ctas - 1] * multiprocessors / clusters[0]);
}
