//===- OperandParser.cpp - Operands of an instruction ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OperandParser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include <cstring>

using namespace dgemm::emulator;
using llvm::StringRef;
using llvm::Twine;

bool OperandParser::fail(const Twine &message) {
  if (problem.empty()) {
    problem = message.str();
    problemLine = peek().line;
  }
  return false;
}

bool OperandParser::accept(char c) {
  if (!peek().isPunct(c))
    return false;
  ++pos;
  return true;
}

bool OperandParser::expect(char c) {
  return accept(c) || fail(Twine("expected '") + Twine(c) + "' instead of '" + peek().text + "'");
}

bool OperandParser::comma() { return pending.empty() || expect(','); }

static Type typeFromName(StringRef name) {
  return llvm::StringSwitch<Type>(name)
      .Case("u16", Type::U16)
      .Case("b16", Type::B16)
      .Case("u32", Type::U32)
      .Case("b32", Type::B32)
      .Case("f32", Type::F32)
      .Case("b64", Type::B64)
      .Default(Type::None);
}

llvm::Error OperandParser::parse(Instruction &inst, StringRef spec) {
  pending.clear();
  llvm::SmallVector<StringRef, 8> codes;
  spec.split(codes, ' ', -1, false);
  for (StringRef code : codes)
    if (!parseCode(inst, code))
      break;
  if (problem.empty() && !atEnd())
    fail("unexpected operand '" + peek().text + "'");
  if (!problem.empty())
    return lineError(problemLine, problem);
  inst.firstOperand = kernel.operands.size();
  inst.numOperands = pending.size();
  inst.readsPredicate = llvm::any_of(pending, [](const Operand &operand) { return operand.isSource; });
  for (LabelUse &use : labels)
    if (use.operand == ~0u)
      use.operand = inst.firstOperand;
  kernel.operands.insert(kernel.operands.end(), pending.begin(), pending.end());
  return llvm::Error::success();
}

bool OperandParser::parseCode(Instruction &inst, StringRef code) {
  if (code == "hint")
    return !inst.mods[Field::CacheHint] || parseCode(inst, "sb64");
  if (code == "mask")
    return !inst.mods[Field::Multicast] || parseCode(inst, "sb16");
  if (code.consume_back("?") && atEnd())
    return true;
  if (code == "A")
    return parseArrive(inst);
  if (code == "S")
    return parseCode(inst, inst.mods[Field::Parity] ? "su32" : "sb64");
  if (!comma())
    return false;
  Type type = inst.mods.type();
  Operand operand;
  if (code == "pq")
    return parsePredicatePair(inst);
  if (code == "dp")
    return parseDestinationAndPredicate(Type::B32);
  if (code == "iq") {
    bool isLiteral = peek().kind == Token::Integer || peek().text == "-";
    return (isLiteral ? parseImmediate(operand) : parsePredicate(/*isSource=*/true, operand)) && (push(operand), true);
  }
  if (code == "dq" || code == "sq")
    return parsePredicate(code == "sq", operand) && (push(operand), true);
  if (code == "md" || code == "ms")
    return parseMovSide(type, code == "ms");
  if (code == "t")
    return parseTensorAddress(inst);
  if (code == "W")
    return parseMatrixA();
  if (code == "a")
    return parseAddress(operand) && (push(operand), true);
  if (code == "i")
    return parseImmediate(operand) && (push(operand), true);
  if (code == "rd" || code == "rs")
    return parseGroup(Type::B32, code == "rs", 0, operand) && (push(operand), true);
  if (code == "vd" || code == "vs") {
    bool isSource = code == "vs";
    // A load extends to a wider register (PTX ISA 9.0, "Operand Size Exceeding Instruction-Type Size").
    int wide = !isSource && symbols.findRegister(peek().text).kind == Operand::Reg64 ? 1 : -1;
    bool ok = inst.mods[Field::Vector] ? parseGroup(type, isSource, inst.mods[Field::Vector], operand)
              : isSource               ? parseSource(type, operand)
                                       : parseDestination(type, operand, wide);
    return ok && (push(operand), true);
  }
  if (code == "L") {
    operand.kind = Operand::Label;
    labels.push_back({~0u, peek().text, symbols.currentScope(), peek().line});
    if (peek().kind != Token::Word)
      return fail("expected a label");
    ++pos;
    push(operand);
    return true;
  }
  bool isSource = code.front() == 's';
  StringRef rest = code.drop_front();
  int wide = -1;
  if (rest == "2")
    type = inst.mods.type2();
  else if (rest == "w")
    wide = getByteWidth(type) == 4;
  else if (!rest.empty())
    type = typeFromName(rest);
  return (isSource ? parseSource(type, operand, wide) : parseDestination(type, operand, wide)) && (push(operand), true);
}

bool OperandParser::parseNumber(uint64_t &value) {
  bool negative = accept('-');
  if (peek().kind != Token::Integer && (negative || peek().kind != Token::Float))
    return fail("expected a number instead of '" + peek().text + "'");
  value = negative ? 0 - peek().value : peek().value;
  ++pos;
  return true;
}

bool OperandParser::parseImmediate(Operand &out) {
  uint64_t value;
  if (!parseNumber(value))
    return false;
  out.kind = Operand::Immediate;
  out.imm = int64_t(value);
  return true;
}

/// `forceWide` 0 or 1 sets the register width against that of the type (mul.wide).
bool OperandParser::parseSource(Type type, Operand &out, int forceWide) {
  bool wide = forceWide >= 0 ? forceWide : getByteWidth(type) == 8;
  if (peek().kind != Token::Word) {
    uint64_t value;
    if (!parseNumber(value))
      return false;
    if (!wide && getByteWidth(type) < 4 && forceWide < 0)
      value &= (uint64_t(1) << (8 * getByteWidth(type))) - 1;
    out = symbols.constant(value, wide);
    return true;
  }
  StringRef name = peek().text;
  out = symbols.findRegister(name);
  if (out.kind == Operand::None)
    out = symbols.special(name, wide);
  if (out.kind == Operand::None) {
    const uint64_t *address = symbols.findAddress(name);
    if (!address)
      return fail("unknown register or symbol '" + name + "'");
    ++pos;
    uint64_t offset = 0;
    if (accept('+') && !parseNumber(offset))
      return false;
    out = symbols.constant(*address + offset, wide);
    return true;
  }
  if (out.kind != (wide ? Operand::Reg64 : Operand::Reg32))
    return fail("register '" + name + "' does not have the width of the instruction");
  ++pos;
  return true;
}

bool OperandParser::parseDestination(Type type, Operand &out, int forceWide) {
  if (peek().isWord("_"))
    return fail("'_' is not allowed here");
  if (!parseSource(type, out, forceWide))
    return false;
  return !out.constant || fail("the destination is not a register");
}

bool OperandParser::parsePredicate(bool isSource, Operand &out) {
  bool negated = isSource && accept('!');
  if (peek().kind != Token::Word)
    return fail("expected a predicate register instead of '" + peek().text + "'");
  out = symbols.findRegister(peek().text);
  if (out.kind != Operand::Pred)
    return fail("'" + peek().text + "' is not a predicate register");
  out.negated = negated;
  out.isSource = isSource;
  ++pos;
  return true;
}

bool OperandParser::parsePredicatePair(const Instruction &inst) {
  Operand first, second;
  if (!parsePredicate(false, first))
    return false;
  bool isHalf = inst.mods.type() == Type::F16 || inst.mods.type() == Type::BF16;
  if (isHalf && peek().isPunct('|'))
    return fail("a comparison of halves has one predicate");
  if (accept('|') && !parsePredicate(false, second))
    return false;
  push(first);
  push(second);
  return true;
}

bool OperandParser::parseDestinationAndPredicate(Type type) {
  Operand destination, predicate;
  if (peek().isWord("_"))
    ++pos;
  else if (!parseDestination(type, destination))
    return false;
  if (accept('|') && !parsePredicate(false, predicate))
    return false;
  push(destination);
  push(predicate);
  return true;
}

bool OperandParser::parseAddress(Operand &out) {
  if (!expect('['))
    return false;
  if (peek().kind != Token::Word) {
    uint64_t value;
    if (!parseNumber(value))
      return false;
    out = symbols.constant(value, true);
    return expect(']');
  }
  StringRef name = peek().text;
  out = symbols.findRegister(name);
  if (out.kind == Operand::None) {
    const uint64_t *address = symbols.findAddress(name);
    if (!address)
      return fail("unknown register or symbol '" + name + "'");
    out = symbols.constant(*address, true);
  }
  if (out.kind == Operand::Pred)
    return fail("an address cannot be a predicate");
  ++pos;
  uint64_t offset = 0;
  if (peek().isPunct('+') || peek().isPunct('-')) {
    accept('+');
    if (!parseNumber(offset))
      return false;
  }
  out.imm = int64_t(offset);
  return peek().isPunct(',') || expect(']');
}

/// [map, {c0, c1}]
bool OperandParser::parseTensorAddress(const Instruction &inst) {
  Operand map, coordinates;
  if (!parseAddress(map) || !expect(',') || !parseGroup(Type::B32, true, inst.mods[Field::Dim], coordinates))
    return false;
  push(map);
  push(coordinates);
  return expect(']');
}

/// A braced list; `count` 0 for any number.
bool OperandParser::parseGroup(Type type, bool isSource, unsigned count, Operand &out) {
  if (!expect('{'))
    return false;
  std::vector<Operand> elements;
  do {
    Operand element;
    if (!(isSource ? parseSource(type, element) : parseDestination(type, element)))
      return false;
    elements.push_back(element);
  } while (accept(','));
  if (count && elements.size() != count)
    return fail("expected " + Twine(count) + " elements, there are " + Twine(elements.size()));
  out.kind = Operand::Vector;
  out.slot = kernel.operands.size();
  out.count = elements.size();
  kernel.operands.insert(kernel.operands.end(), elements.begin(), elements.end());
  return expect('}');
}

static Type halfOf(Type type, unsigned count) {
  unsigned bytes = getByteWidth(type) / count;
  return bytes == 4 ? Type::B32 : bytes == 2 ? Type::B16 : bytes == 1 ? Type::B8 : Type::None;
}

bool OperandParser::parseMovSide(Type type, bool isSource) {
  Operand operand;
  if (!peek().isPunct('{')) {
    if (isSource && (peek().isWord("%clock") || peek().isWord("%clock64") || peek().isWord("%globaltimer"))) {
      operand.kind = Operand::Immediate; // execMov reads the time
      ++pos;
      push(operand);
      return true;
    }
    return (isSource ? parseSource(type, operand) : parseDestination(type, operand)) && (push(operand), true);
  }
  // The pieces of a split may be '_'.
  ++pos;
  unsigned count = 1;
  for (size_t i = pos; i < tokens.size() && !tokens[i].isPunct('}') && !tokens[i].isPunct(';'); ++i)
    count += tokens[i].isPunct(',');
  Type piece = halfOf(type, count);
  if (piece == Type::None || getByteWidth(piece) * count != getByteWidth(type))
    return fail("cannot make " + Twine(count) + " pieces of this type");
  std::vector<Operand> elements;
  do {
    Operand element;
    if (!isSource && peek().isWord("_"))
      ++pos;
    else if (!(isSource ? parseSource(piece, element) : parseDestination(piece, element)))
      return false;
    elements.push_back(element);
  } while (accept(','));
  operand.kind = Operand::Vector;
  operand.slot = kernel.operands.size();
  operand.count = count;
  operand.imm = getByteWidth(piece);
  kernel.operands.insert(kernel.operands.end(), elements.begin(), elements.end());
  push(operand);
  return expect('}');
}

bool OperandParser::parseMatrixA() {
  Operand operand;
  bool ok = peek().isPunct('{') ? parseGroup(Type::B32, true, 4, operand) : parseSource(Type::B64, operand);
  if (ok)
    push(operand);
  return ok;
}

/// [state,] [address] [, count]: the state may be '_', and a remote arrive has none. Operands: state or None, address,
/// count or bytes.
bool OperandParser::parseArrive(const Instruction &inst) {
  Operand state, address, count;
  if (!peek().isPunct('[')) {
    if (peek().isWord("_"))
      ++pos;
    else if (!parseDestination(Type::B64, state))
      return false;
    if (!expect(','))
      return false;
  }
  if (!parseAddress(address))
    return false;
  bool expectTx = inst.mods[Field::Count];
  if (expectTx && !peek().isPunct(','))
    return fail("expect_tx needs a number of bytes");
  if (accept(',') && !parseSource(Type::U32, count))
    return false;
  push(state);
  push(address);
  push(count);
  return true;
}
