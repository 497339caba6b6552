//===- SymbolTable.h - Names in a kernel ------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_SYMBOLTABLE_H
#define DGEMM_LIB_EMULATOR_SYMBOLTABLE_H

#include "Kernel.h"
#include "llvm/ADT/StringMap.h"
#include <map>

namespace dgemm::emulator {

/// Registers by scope (inline PTX declares its own in braces), constants, symbols and labels.
class SymbolTable {
public:
  explicit SymbolTable(Kernel &kernel) : kernel(kernel) { scopes.push_back({}); }

  void enterScope();
  void leaveScope();
  /// Error text, or empty.
  std::string declare(llvm::StringRef name, Type type);
  /// Declares name0 to name<count - 1>.
  std::string declareRange(llvm::StringRef name, Type type, uint64_t count);
  /// Kind None if there is no such register. A register is allocated in the kernel at its first use.
  Operand findRegister(llvm::StringRef name);

  Operand constant(uint64_t value, bool wide);
  /// kind None if there is no such special register. `mov` handles the clocks itself.
  Operand special(llvm::StringRef name, bool wide);

  void addAddress(llvm::StringRef name, uint64_t address) { addresses[name] = address; }
  /// Address of a shared variable or a parameter.
  const uint64_t *findAddress(llvm::StringRef name) const;

  /// False: the label is already defined.
  bool defineLabel(llvm::StringRef name, uint32_t pc);
  unsigned currentScope() const { return stack.back(); }
  /// Looks in `scope` and those around it.
  const uint32_t *findLabel(llvm::StringRef name, unsigned scope) const;

private:
  struct Range {
    Type type;
    uint64_t count;
  };
  struct Scope {
    unsigned parent = 0;
    /// Single registers by name, and used registers of ranges.
    llvm::StringMap<Operand> registers;
    llvm::StringMap<Range> ranges;
    llvm::StringMap<uint32_t> labels;
  };
  /// The range of a scope that has a register of this name, or null.
  static const Range *findRange(const Scope &scope, llvm::StringRef name);
  Operand makeRegister(Type type);

  Kernel &kernel;
  std::vector<Scope> scopes;
  std::vector<unsigned> stack = {0};
  std::map<std::pair<uint64_t, bool>, uint32_t> constants;
  std::map<std::pair<Special, bool>, uint32_t> specials;
  llvm::StringMap<uint64_t> addresses;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_SYMBOLTABLE_H
