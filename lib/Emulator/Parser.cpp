//===- Parser.cpp - PTX to decoded form -----------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parser.h"
#include "Handlers.h"
#include "InstructionTable.h"
#include "Lexer.h"
#include "Machine.h"
#include "OperandParser.h"
#include "SymbolTable.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace dgemm::emulator;
using llvm::Error;
using llvm::StringRef;
using llvm::Twine;

namespace {

/// PTX ISA, "Kernel Function Parameters".
constexpr unsigned kMaxParameterBytes = 32764;

Type parseType(StringRef text) {
  return llvm::StringSwitch<Type>(text)
      .Case(".pred", Type::Pred)
      .Case(".b8", Type::B8)
      .Case(".u8", Type::U8)
      .Case(".s8", Type::S8)
      .Case(".b16", Type::B16)
      .Case(".u16", Type::U16)
      .Case(".s16", Type::S16)
      .Case(".f16", Type::F16)
      .Case(".b32", Type::B32)
      .Case(".u32", Type::U32)
      .Case(".s32", Type::S32)
      .Case(".f32", Type::F32)
      .Case(".b64", Type::B64)
      .Case(".u64", Type::U64)
      .Case(".s64", Type::S64)
      .Case(".f64", Type::F64)
      .Default(Type::None);
}

/// The threads that wait for each other at an instruction. PTX ISA 9.0, "barrier.cluster" and "barrier": these
/// instructions wait for the threads of their warp. An arrival at a named barrier with .aligned (also bar.arrive)
/// requires that these threads are there.
void markSync(Instruction &inst) {
  llvm::SmallVector<StringRef, 8> parts;
  StringRef(inst.row->pattern).split(parts, ' ');
  bool waitsAtCluster = inst.handler == execClusterArrive || inst.handler == execClusterWait;
  bool waitsToArrive = inst.handler == execBarArrive && parts[0] == "barrier" && !inst.mods[Field::Aligned];
  inst.isSync = llvm::is_contained(parts, "sync") || waitsAtCluster || waitsToArrive;
  const std::pair<Handler, int8_t> masks[] = {
      {execShfl, 5}, {execElect, 2}, {execVote, 2}, {execRedux, 2}, {execWarpSync, 0}};
  for (auto [handler, operand] : masks)
    if (inst.handler == handler)
      inst.memberOperand = operand;
}

class Parser {
public:
  Parser(StringRef ptx, StringRef entry, std::vector<Token> tokens)
      : entry(entry), tokens(std::move(tokens)), symbols(kernel) {
    llvm::SmallVector<StringRef, 0> lines;
    ptx.split(lines, '\n');
    for (StringRef line : lines)
      kernel.source.push_back(line.str());
  }

  llvm::Expected<Kernel> run() {
    while (peek().kind != Token::End)
      if (Error error = parseTopLevel())
        return std::move(error);
    if (!found)
      return llvm::createStringError("the PTX has no kernel '" + entry + "'");
    return std::move(kernel);
  }

private:
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(pos + ahead, tokens.size() - 1)]; }
  Token take() { return tokens[pos + 1 < tokens.size() ? pos++ : pos]; }
  bool accept(StringRef text) {
    if (peek().text != text || peek().kind == Token::End)
      return false;
    take();
    return true;
  }
  Error fail(const Twine &message) { return lineError(peek().line, message); }
  Error expect(StringRef text) {
    if (accept(text))
      return Error::success();
    return fail("expected '" + text + "' instead of '" + peek().text + "'");
  }
  llvm::Expected<uint64_t> number() {
    if (peek().kind != Token::Integer)
      return fail("expected a number instead of '" + peek().text + "'");
    return take().value;
  }

  Error parseTopLevel();
  Error parseVersion();
  Error parseShared(bool isExtern);
  Error parseEntry();
  Error parseParameter();
  Error parsePerformance();
  llvm::Expected<bool> parseDimensions(StringRef directive);
  Error parseBody();
  Error parseStatement();
  Error parseRegisters();
  Error parseInstruction();
  Error skipBody();
  Error resolveLabels();
  Error layOutShared();
  void findAccumulators();

  struct SharedVariable {
    std::string name;
    uint64_t bytes, align;
    bool isExtern;
  };
  StringRef entry;
  std::vector<Token> tokens;
  size_t pos = 0;
  Kernel kernel;
  SymbolTable symbols;
  bool found = false;
  std::vector<SharedVariable> shared;
  std::vector<OperandParser::LabelUse> labels;
};

Error Parser::parseTopLevel() {
  StringRef word = peek().text;
  if (word == ".version" || word == ".target" || word == ".address_size")
    return parseVersion();
  bool isExtern = false;
  while (peek().isWord(".visible") || peek().isWord(".extern") || peek().isWord(".weak"))
    isExtern |= take().text == ".extern";
  if (peek().isWord(".shared"))
    return parseShared(isExtern);
  if (peek().isWord(".entry"))
    return parseEntry();
  return fail("unknown directive '" + peek().text + "'");
}

Error Parser::parseVersion() {
  Token directive = take();
  if (directive.text == ".target") {
    if (peek().text != "sm_90a" && peek().text != "sm_90")
      return fail("target is '" + peek().text + "', but the emulator is an sm_90a");
    take();
    while (accept(","))
      take();
    return Error::success();
  }
  llvm::Expected<uint64_t> value = number();
  if (!value)
    return value.takeError();
  if (directive.text == ".address_size")
    return *value == 64 ? Error::success() : fail("address size must be 64");
  // "8.6": the lexer makes an integer and the word ".6" of it.
  if (peek().kind == Token::Word && peek().line == directive.line)
    take();
  return Error::success();
}

/// .shared [.align n] .type name[size]
Error Parser::parseShared(bool isExtern) {
  take();
  uint64_t align = 1, count = 1;
  if (accept(".align")) {
    llvm::Expected<uint64_t> value = number();
    if (!value)
      return value.takeError();
    align = *value;
  }
  Type type = parseType(peek().text);
  if (getByteWidth(type) == 0)
    return fail("unknown type '" + peek().text + "'");
  take();
  std::string name = take().text.str();
  if (accept("[")) {
    count = 0;
    if (peek().kind == Token::Integer)
      count = take().value;
    if (Error error = expect("]"))
      return error;
  }
  if (count > kMaxShared)
    return fail("the variable is larger than shared memory");
  if (!llvm::isPowerOf2_64(align) || align > 4096)
    return fail("alignment must be a power of two up to 4096");
  align = std::max<uint64_t>(align, getByteWidth(type));
  shared.push_back({name, count * getByteWidth(type), align, isExtern});
  return expect(";");
}

/// Static variables first, then the dynamic part, which all external arrays share.
Error Parser::layOutShared() {
  uint64_t at = kReservedShared, dynamicAlign = 16;
  for (const SharedVariable &variable : shared) {
    if (variable.isExtern) {
      dynamicAlign = std::max(dynamicAlign, variable.align);
      continue;
    }
    at = llvm::alignTo(at, variable.align);
    symbols.addAddress(variable.name, at);
    at += variable.bytes;
  }
  if (at > kReservedShared + kMaxShared)
    return fail("the kernel has " + Twine(at - kReservedShared) + " bytes of static shared memory; a CTA can have " +
                Twine(kMaxShared));
  kernel.staticSharedBytes = at - kReservedShared;
  kernel.dynamicSharedBase = llvm::alignTo(at, dynamicAlign);
  for (const SharedVariable &variable : shared)
    if (variable.isExtern)
      symbols.addAddress(variable.name, kernel.dynamicSharedBase);
  return Error::success();
}

Error Parser::parseEntry() {
  take();
  StringRef name = take().text;
  bool wanted = name == entry;
  if (!wanted) {
    while (peek().kind != Token::End && !peek().isPunct('{'))
      take();
    return skipBody();
  }
  if (found)
    return fail("kernel '" + name + "' is defined twice");
  found = true;
  kernel.name = name.str();
  if (Error error = layOutShared())
    return error;
  if (accept("(")) {
    while (!peek().isPunct(')')) {
      if (Error error = parseParameter())
        return error;
      if (!accept(","))
        break;
    }
    if (Error error = expect(")"))
      return error;
  }
  while (!peek().isPunct('{'))
    if (Error error = parsePerformance())
      return error;
  return parseBody();
}

/// .param [.align n] .type [.ptr [.space] [.align n]] name[size]
Error Parser::parseParameter() {
  Parameter parameter;
  if (Error error = expect(".param"))
    return error;
  uint64_t align = 1;
  if (accept(".align")) {
    llvm::Expected<uint64_t> value = number();
    if (!value)
      return value.takeError();
    align = *value;
    if (!llvm::isPowerOf2_64(align) || align > 128)
      return fail("alignment of a parameter must be a power of two up to 128");
  }
  Type type = parseType(peek().text);
  parameter.bytes = getByteWidth(type);
  if (!parameter.bytes)
    return fail("unknown parameter type '" + peek().text + "'");
  take();
  if (accept(".ptr")) {
    parameter.isPointer = true;
    if (peek().isWord(".global") || peek().isWord(".shared") || peek().isWord(".const") || peek().isWord(".local"))
      take();
    if (accept(".align"))
      take();
  }
  parameter.name = take().text.str();
  parameter.align = std::max(unsigned(align), parameter.bytes);
  if (accept("[")) {
    llvm::Expected<uint64_t> count = number();
    if (!count)
      return count.takeError();
    parameter.bytes *= unsigned(std::min<uint64_t>(*count, kMaxParameterBytes + 1));
    if (Error error = expect("]"))
      return error;
  }
  parameter.offset = llvm::alignTo(kernel.parameterBytes, parameter.align);
  kernel.parameterBytes = parameter.offset + parameter.bytes;
  if (kernel.parameterBytes > kMaxParameterBytes)
    return fail("parameters have " + Twine(kMaxParameterBytes) + " bytes at most");
  symbols.addAddress(parameter.name, parameter.offset);
  kernel.parameters.push_back(parameter);
  return Error::success();
}

Error Parser::parsePerformance() {
  Token directive = take();
  if (directive.text == ".pragma") {
    take();
    return expect(";");
  }
  if (directive.text == ".explicitcluster")
    return Error::success();
  // The limit of threads and of CTAs in a cluster, so that a product fits into 32 bits.
  constexpr unsigned kLargest = 1024;
  std::array<unsigned, 3> values = {1, 1, 1};
  unsigned count = 0;
  do {
    llvm::Expected<uint64_t> value = number();
    if (!value)
      return value.takeError();
    if (*value > kLargest || count == 3)
      return fail("'" + directive.text + "' takes up to three numbers, each up to " + Twine(kLargest));
    values[count++] = unsigned(*value);
  } while (accept(","));
  if (directive.text == ".reqntid")
    kernel.reqThreads = values[0] * values[1] * values[2];
  else if (directive.text == ".maxntid")
    kernel.maxThreads = values[0] * values[1] * values[2];
  else if (directive.text == ".maxnreg")
    kernel.maxRegisters = values[0];
  else if (directive.text == ".reqnctapercluster")
    kernel.reqCluster = values;
  else if (directive.text == ".maxclusterrank")
    kernel.maxClusterRank = values[0];
  else if (directive.text != ".minnctapersm")
    return lineError(directive.line, "unknown directive '" + directive.text + "'");
  return Error::success();
}

Error Parser::skipBody() {
  unsigned depth = 0;
  do {
    if (peek().kind == Token::End)
      return fail("a kernel body has no end");
    Token token = take();
    depth += token.isPunct('{');
    depth -= token.isPunct('}');
  } while (depth);
  return Error::success();
}

Error Parser::parseBody() {
  unsigned depth = 0;
  do {
    if (peek().kind == Token::End)
      return fail("the kernel body has no end");
    if (accept("{")) {
      if (depth++)
        symbols.enterScope();
    } else if (accept("}")) {
      if (--depth)
        symbols.leaveScope();
    } else if (Error error = parseStatement()) {
      return error;
    }
  } while (depth);
  // Reaching the end ends the thread; there may be a label.
  Instruction last;
  Match match = matchOpcode("ret");
  last.row = match.row;
  last.handler = match.handler;
  last.line = peek().line;
  kernel.instructions.push_back(last);
  if (Error error = resolveLabels())
    return error;
  findAccumulators();
  computeReconvergence(kernel);
  return Error::success();
}

Error Parser::parseStatement() {
  if (accept(";"))
    return Error::success();
  if (peek().isWord(".reg"))
    return parseRegisters();
  if (peek().isWord(".pragma")) {
    take();
    take();
    return expect(";");
  }
  if (peek().kind == Token::Word && peek(1).isPunct(':')) {
    StringRef name = take().text;
    if (!symbols.defineLabel(name, kernel.instructions.size()))
      return fail("label '" + name + "' is defined twice");
    take();
    return Error::success();
  }
  if (peek().kind == Token::Word && peek().text.starts_with("."))
    return fail("unknown directive '" + peek().text + "'");
  return parseInstruction();
}

/// .reg .type name [, name] or .reg .type prefix<count>;
Error Parser::parseRegisters() {
  take();
  Type type = parseType(peek().text);
  if (type == Type::None)
    return fail("unknown register type '" + peek().text + "'");
  take();
  do {
    if (peek().kind != Token::Word)
      return fail("expected a register name instead of '" + peek().text + "'");
    StringRef name = take().text;
    uint64_t count = 0;
    bool range = accept("<");
    if (range) {
      llvm::Expected<uint64_t> value = number();
      if (!value)
        return value.takeError();
      count = *value;
      if (Error error = expect(">"))
        return error;
    }
    std::string problem = range ? symbols.declareRange(name, type, count) : symbols.declare(name, type);
    if (!problem.empty())
      return fail(problem);
  } while (accept(","));
  return expect(";");
}

Error Parser::parseInstruction() {
  Instruction inst;
  if (accept("@")) {
    inst.guardNegated = accept("!");
    Operand guard = symbols.findRegister(peek().text);
    if (guard.kind != Operand::Pred)
      return fail("'" + peek().text + "' is not a predicate register");
    inst.guard = int32_t(guard.slot);
    take();
  }
  if (peek().kind != Token::Word)
    return fail("expected an instruction instead of '" + peek().text + "'");
  Token opcode = take();
  inst.line = opcode.line;
  Match match = matchOpcode(opcode.text);
  if (!match.row)
    return lineError(opcode.line, match.reason);
  inst.row = match.row;
  inst.handler = match.handler;
  inst.mods = match.mods;
  markSync(inst);
  OperandParser operands(kernel, symbols, tokens, pos, labels);
  if (Error error = operands.parse(inst, match.row->operands))
    return error;
  if (Error error = expect(";"))
    return error;
  kernel.instructions.push_back(inst);
  return Error::success();
}

Error Parser::resolveLabels() {
  for (const OperandParser::LabelUse &use : labels) {
    const uint32_t *target = symbols.findLabel(use.name, use.scope);
    if (!target)
      return lineError(use.line, "there is no label '" + use.name + "'");
    kernel.operands[use.operand].slot = *target;
  }
  for (Instruction &inst : kernel.instructions)
    if (inst.numOperands && kernel.operands[inst.firstOperand].kind == Operand::Label)
      inst.target = kernel.operands[inst.firstOperand].slot;
  return Error::success();
}

/// Numbers the registers that wgmma uses, and marks the instructions that access one.
void Parser::findAccumulators() {
  kernel.accumulatorIndex.assign(kernel.numReg32, -1);
  auto isWgmma = [](const Instruction &inst) { return inst.mods[Field::WgmmaN] != 0; };
  auto forEachReg = [&](const Instruction &inst, auto visit) {
    for (const Operand &operand : kernel.getOperands(inst)) {
      if (operand.kind == Operand::Reg32 && !operand.constant)
        visit(operand.slot);
      if (operand.kind == Operand::Vector)
        for (const Operand &element : kernel.getElements(operand))
          if (element.kind == Operand::Reg32 && !element.constant)
            visit(element.slot);
    }
  };
  for (const Instruction &inst : kernel.instructions)
    if (isWgmma(inst))
      forEachReg(inst, [&](uint32_t slot) {
        if (kernel.accumulatorIndex[slot] < 0)
          kernel.accumulatorIndex[slot] = int32_t(kernel.numAccumulators++);
      });
  for (Instruction &inst : kernel.instructions)
    if (!isWgmma(inst))
      forEachReg(inst, [&](uint32_t slot) { inst.touchesAccumulator |= kernel.accumulatorIndex[slot] >= 0; });
}

} // namespace

llvm::Expected<Kernel> dgemm::emulator::parseKernel(StringRef ptx, StringRef entry) {
  llvm::Expected<std::vector<Token>> tokens = lex(ptx);
  if (!tokens)
    return tokens.takeError();
  return Parser(ptx, entry, std::move(*tokens)).run();
}
