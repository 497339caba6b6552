//===- ExtractSymbols.cpp - Some symbols as a module -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/ExtractSymbols.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

/// Clones `op` to the start of `to`, and the symbols that it refers to before it.
static llvm::Error cloneSymbol(Operation *op, ModuleOp to) {
  OpBuilder::atBlockBegin(to.getBody()).clone(*op);
  std::optional<SymbolTable::UseRange> uses = SymbolTable::getSymbolUses(op);
  if (!uses)
    return llvm::createStringError("'" + SymbolTable::getSymbolName(op).getValue() +
                                   "' has ops that are not registered");
  for (SymbolTable::SymbolUse use : *uses) {
    Operation *used = SymbolTable::lookupNearestSymbolFrom(op, use.getSymbolRef());
    if (!used || used == op)
      continue;
    StringAttr name = SymbolTable::getSymbolName(used);
    Operation *known = SymbolTable::lookupSymbolIn(to, name);
    if (known && !OperationEquivalence::isEquivalentTo(known, used, OperationEquivalence::IgnoreLocations))
      return llvm::createStringError("'" + name.getValue() + "' is the name of two symbols that kernels use");
    if (!known)
      if (llvm::Error error = cloneSymbol(used, to))
        return error;
  }
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> dgemm::extractSymbols(ArrayRef<Operation *> symbols, Location location) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(location);
  for (Operation *symbol : llvm::reverse(symbols)) {
    StringAttr name = SymbolTable::getSymbolName(symbol);
    if (module->lookupSymbol(name))
      return llvm::createStringError("two kernels have the name '" + name.getValue() + "'");
    if (llvm::Error error = cloneSymbol(symbol, *module))
      return std::move(error);
  }
  return module;
}
