//===- SymbolTable.cpp - Names in a kernel --------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SymbolTable.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace dgemm::emulator;

void SymbolTable::enterScope() {
  scopes.push_back({});
  scopes.back().parent = stack.back();
  stack.push_back(scopes.size() - 1);
}

void SymbolTable::leaveScope() { stack.pop_back(); }

static bool isRegisterType(Type type) {
  unsigned bytes = getByteWidth(type);
  return type == Type::Pred || bytes == 8 || (bytes > 0 && bytes <= 4);
}

Operand SymbolTable::makeRegister(Type type) {
  Operand reg;
  reg.kind = type == Type::Pred ? Operand::Pred : getByteWidth(type) == 8 ? Operand::Reg64 : Operand::Reg32;
  reg.slot = type == Type::Pred ? kernel.numPred++ : reg.kind == Operand::Reg64 ? kernel.numReg64++ : kernel.numReg32++;
  return reg;
}

std::string SymbolTable::declare(llvm::StringRef name, Type type) {
  if (!isRegisterType(type))
    return "the emulator has no registers of this type";
  Scope &scope = scopes[stack.back()];
  if (findRange(scope, name) || !scope.registers.try_emplace(name, makeRegister(type)).second)
    return "register '" + name.str() + "' is declared twice";
  return "";
}

/// "%r12" belongs to a range "%r" of 13 or more registers, "%r012" to none.
static bool isOfRange(llvm::StringRef name, llvm::StringRef prefix, uint64_t count) {
  uint64_t index = 0;
  return name.consume_front(prefix) && !name.empty() && llvm::all_of(name, llvm::isDigit) &&
         (name.size() == 1 || name.front() != '0') && !name.getAsInteger(10, index) && index < count;
}

std::string SymbolTable::declareRange(llvm::StringRef name, Type type, uint64_t count) {
  if (!isRegisterType(type))
    return "the emulator has no registers of this type";
  Scope &scope = scopes[stack.back()];
  bool isNew =
      llvm::none_of(scope.registers, [&](const auto &known) { return isOfRange(known.first(), name, count); }) &&
      scope.ranges.try_emplace(name, Range{type, count}).second;
  return isNew ? "" : "a register of '" + name.str() + "<" + std::to_string(count) + ">' is declared twice";
}

const SymbolTable::Range *SymbolTable::findRange(const Scope &scope, llvm::StringRef name) {
  // "%r1" may be a range as "%r" is.
  for (llvm::StringRef prefix = name; !prefix.empty() && llvm::isDigit(prefix.back());) {
    prefix = prefix.drop_back();
    auto it = scope.ranges.find(prefix);
    if (it != scope.ranges.end() && isOfRange(name, prefix, it->second.count))
      return &it->second;
  }
  return nullptr;
}

Operand SymbolTable::findRegister(llvm::StringRef name) {
  for (unsigned index = stack.back();; index = scopes[index].parent) {
    Scope &scope = scopes[index];
    auto it = scope.registers.find(name);
    if (it != scope.registers.end())
      return it->second;
    if (const Range *range = findRange(scope, name))
      return scope.registers[name] = makeRegister(range->type);
    if (index == 0)
      return Operand();
  }
}

Operand SymbolTable::constant(uint64_t value, bool wide) {
  if (!wide)
    value = uint32_t(value);
  auto [it, isNew] = constants.try_emplace({value, wide}, 0);
  if (isNew) {
    it->second = wide ? kernel.numReg64++ : kernel.numReg32++;
    if (wide)
      kernel.constants64.push_back({it->second, value});
    else
      kernel.constants32.push_back({it->second, uint32_t(value)});
  }
  Operand operand;
  operand.kind = wide ? Operand::Reg64 : Operand::Reg32;
  operand.constant = true;
  operand.slot = it->second;
  return operand;
}

static int findSpecial(llvm::StringRef name) {
  return llvm::StringSwitch<int>(name)
      .Case("%tid.x", int(Special::TidX))
      .Case("%tid.y", int(Special::TidY))
      .Case("%tid.z", int(Special::TidZ))
      .Case("%ntid.x", int(Special::NtidX))
      .Case("%ntid.y", int(Special::NtidY))
      .Case("%ntid.z", int(Special::NtidZ))
      .Case("%ctaid.x", int(Special::CtaidX))
      .Case("%ctaid.y", int(Special::CtaidY))
      .Case("%ctaid.z", int(Special::CtaidZ))
      .Case("%nctaid.x", int(Special::NctaidX))
      .Case("%nctaid.y", int(Special::NctaidY))
      .Case("%nctaid.z", int(Special::NctaidZ))
      .Case("%laneid", int(Special::LaneId))
      .Case("%warpid", int(Special::WarpId))
      .Case("%nwarpid", int(Special::NWarpId))
      .Case("%cluster_ctaid.x", int(Special::ClusterCtaidX))
      .Case("%cluster_ctaid.y", int(Special::ClusterCtaidY))
      .Case("%cluster_ctaid.z", int(Special::ClusterCtaidZ))
      .Case("%cluster_nctaid.x", int(Special::ClusterNctaidX))
      .Case("%cluster_nctaid.y", int(Special::ClusterNctaidY))
      .Case("%cluster_nctaid.z", int(Special::ClusterNctaidZ))
      .Case("%cluster_ctarank", int(Special::ClusterCtaRank))
      .Case("%cluster_nctarank", int(Special::ClusterNctaRank))
      .Case("%clusterid.x", int(Special::ClusteridX))
      .Case("%clusterid.y", int(Special::ClusteridY))
      .Case("%clusterid.z", int(Special::ClusteridZ))
      .Case("%nclusterid.x", int(Special::NclusteridX))
      .Case("%nclusterid.y", int(Special::NclusteridY))
      .Case("%nclusterid.z", int(Special::NclusteridZ))
      .Case("%smid", int(Special::SmId))
      .Case("%nsmid", int(Special::NSmId))
      .Case("%gridid", int(Special::GridId))
      .Case("%lanemask_eq", int(Special::LanemaskEq))
      .Case("%lanemask_le", int(Special::LanemaskLe))
      .Case("%lanemask_lt", int(Special::LanemaskLt))
      .Case("%lanemask_ge", int(Special::LanemaskGe))
      .Case("%lanemask_gt", int(Special::LanemaskGt))
      .Case("%dynamic_smem_size", int(Special::DynamicSmemSize))
      .Case("%total_smem_size", int(Special::TotalSmemSize))
      .Default(-1);
}

Operand SymbolTable::special(llvm::StringRef name, bool wide) {
  int found = findSpecial(name);
  if (found < 0)
    return Operand();
  auto [it, isNew] = specials.try_emplace({Special(found), wide}, 0);
  if (isNew) {
    it->second = wide ? kernel.numReg64++ : kernel.numReg32++;
    (wide ? kernel.specials64 : kernel.specials32).push_back({it->second, Special(found)});
  }
  Operand operand;
  operand.kind = wide ? Operand::Reg64 : Operand::Reg32;
  operand.constant = true;
  operand.slot = it->second;
  return operand;
}

const uint64_t *SymbolTable::findAddress(llvm::StringRef name) const {
  auto it = addresses.find(name);
  return it == addresses.end() ? nullptr : &it->second;
}

bool SymbolTable::defineLabel(llvm::StringRef name, uint32_t pc) {
  return scopes[stack.back()].labels.try_emplace(name, pc).second;
}

const uint32_t *SymbolTable::findLabel(llvm::StringRef name, unsigned scope) const {
  for (;; scope = scopes[scope].parent) {
    auto it = scopes[scope].labels.find(name);
    if (it != scopes[scope].labels.end())
      return &it->second;
    if (scope == 0)
      return nullptr;
  }
}
