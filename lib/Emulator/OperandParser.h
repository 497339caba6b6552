//===- OperandParser.h - Operands of an instruction -------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_OPERANDPARSER_H
#define DGEMM_LIB_EMULATOR_OPERANDPARSER_H

#include "InstructionTable.h"
#include "Lexer.h"
#include "SymbolTable.h"

namespace dgemm::emulator {

/// Reads the operands of one statement in the form of its row of the instruction table.
class OperandParser {
public:
  struct LabelUse {
    uint32_t operand;
    llvm::StringRef name;
    unsigned scope;
    unsigned line;
  };

  OperandParser(Kernel &kernel, SymbolTable &symbols, llvm::ArrayRef<Token> tokens, size_t &pos,
                std::vector<LabelUse> &labels)
      : kernel(kernel), symbols(symbols), tokens(tokens), pos(pos), labels(labels) {}

  /// Fills first and number of operands; stops before the ';'.
  llvm::Error parse(Instruction &inst, llvm::StringRef spec);

private:
  const Token &peek() const { return tokens[pos]; }
  bool accept(char c);
  bool expect(char c);
  bool fail(const llvm::Twine &message);
  bool atEnd() const { return peek().isPunct(';'); }
  bool comma();

  bool parseCode(Instruction &inst, llvm::StringRef code);
  bool parseSource(Type type, Operand &out, int forceWide = -1);
  bool parseDestination(Type type, Operand &out, int forceWide = -1);
  bool parsePredicate(bool isSource, Operand &out);
  bool parsePredicatePair(const Instruction &inst);
  bool parseDestinationAndPredicate(Type type);
  bool parseAddress(Operand &out);
  bool parseTensorAddress(const Instruction &inst);
  bool parseGroup(Type type, bool isSource, unsigned count, Operand &out);
  bool parseMovSide(Type type, bool isSource);
  bool parseMatrixA();
  bool parseArrive(const Instruction &inst);
  bool parseImmediate(Operand &out);
  bool parseNumber(uint64_t &value);

  void push(const Operand &operand) { pending.push_back(operand); }

  Kernel &kernel;
  SymbolTable &symbols;
  llvm::ArrayRef<Token> tokens;
  size_t &pos;
  std::vector<LabelUse> &labels;
  std::vector<Operand> pending;
  std::string problem;
  unsigned problemLine = 0;
};

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_OPERANDPARSER_H
