//===- Machine.cpp - The GPUs that configs are chosen for -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/Machine.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;

// 46 problems were measured on both, with an entry of the one and what a sweep of the other found.
static constexpr llvm::StringRef kTablesH100[] = {"h100", "h200"};
static constexpr llvm::StringRef kTablesH200[] = {"h200", "h100"};

/// NVIDIA's data sheets of H100, H200, GH200 and H20. The more specific of two names comes first. H800 is an H100 with
/// slower NVLink.
static constexpr Machine kMachines[] = {{"h100", "NVIDIA H100 80GB HBM3", 132, kTablesH100},
                                        {"h100-pcie", "NVIDIA H100 PCIe", 114, {}},
                                        {"h200", "NVIDIA H200", 132, kTablesH200},
                                        {"gh200", "NVIDIA GH200", 132, kTablesH200},
                                        {"h20", "NVIDIA H20", 78, {}}};

llvm::ArrayRef<Machine> Machine::getKnown() { return kMachines; }

const Machine &Machine::getDefault() { return kMachines[0]; }

const Machine *Machine::find(llvm::StringRef name) {
  const Machine *found = llvm::find_if(kMachines, [&](const Machine &machine) { return machine.name == name; });
  return found == std::end(kMachines) ? nullptr : found;
}

const Machine *Machine::findGpu(llvm::StringRef gpu) {
  const Machine *found = llvm::find_if(kMachines, [&](const Machine &machine) { return gpu.starts_with(machine.gpu); });
  return found == std::end(kMachines) ? nullptr : found;
}

llvm::Expected<Machine> Machine::get(MachineAttr attribute) {
  llvm::Expected<Machine> machine = parse(attribute.getName());
  if (machine)
    machine->multiprocessors = attribute.getMultiprocessors();
  return machine;
}

llvm::Expected<Machine> Machine::parse(llvm::StringRef name) {
  if (name.empty())
    return getDefault();
  if (const Machine *machine = find(name))
    return *machine;
  llvm::SmallVector<llvm::StringRef> names;
  for (const Machine &machine : kMachines)
    names.push_back(machine.name);
  return llvm::createStringError("unknown machine '" + name + "'; known are " +
                                 llvm::join(llvm::ArrayRef(names).drop_back(), ", ") + " and " + names.back());
}
