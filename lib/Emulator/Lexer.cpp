//===- Lexer.cpp - Tokens of PTX ------------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace dgemm::emulator;
using llvm::StringRef;

llvm::Error dgemm::emulator::lineError(unsigned line, const llvm::Twine &message) {
  return llvm::createStringError("PTX line " + llvm::Twine(line) + ": " + message);
}

namespace {

bool startsWord(char c) { return llvm::isAlpha(c) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool continuesWord(char c) { return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.' || c == '%'; }

class Lexer {
public:
  explicit Lexer(StringRef text) : text(text) {}

  llvm::Expected<std::vector<Token>> run() {
    for (;;) {
      if (llvm::Error error = skipBlanks())
        return std::move(error);
      if (pos == text.size())
        break;
      if (llvm::Error error = next())
        return std::move(error);
    }
    tokens.push_back({Token::End, line, StringRef(), 0});
    return std::move(tokens);
  }

private:
  char peek(size_t ahead = 0) const { return pos + ahead < text.size() ? text[pos + ahead] : '\0'; }

  llvm::Error skipBlanks() {
    while (pos < text.size()) {
      char c = peek();
      if (c == '\n') {
        ++line;
        ++pos;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\0') {
        ++pos; // ptxas and cuModuleLoadData accept a final NUL
      } else if (c == '/' && peek(1) == '/') {
        pos = std::min(text.find('\n', pos), text.size());
      } else if (c == '/' && peek(1) == '*') {
        size_t end = text.find("*/", pos + 2);
        if (end == StringRef::npos)
          return lineError(line, "comment has no end");
        line += text.slice(pos, end).count('\n');
        pos = end + 2;
      } else {
        break;
      }
    }
    return llvm::Error::success();
  }

  llvm::Error next() {
    char c = peek();
    if (startsWord(c))
      word();
    else if (llvm::isDigit(c))
      return number();
    else if (c == '"')
      return string();
    else if (StringRef("{}[]()<>,;:|@!+-=").contains(c))
      add(Token::Punct, 1);
    else
      return lineError(line, llvm::Twine("unexpected character '") + llvm::Twine(c) + "'");
    return llvm::Error::success();
  }

  void add(Token::Kind kind, size_t length, uint64_t value = 0) {
    tokens.push_back({kind, line, text.substr(pos, length), value});
    pos += length;
  }

  /// A word may contain "::" (shared::cta), but not the single ':' that ends a label.
  void word() {
    size_t end = pos + 1;
    while (end < text.size()) {
      if (continuesWord(text[end]))
        ++end;
      else if (text.substr(end).starts_with("::") && end + 2 < text.size() && continuesWord(text[end + 2]))
        end += 2;
      else
        break;
    }
    add(Token::Word, end - pos);
  }

  llvm::Error number() {
    size_t end = pos;
    while (end < text.size() && llvm::isAlnum(text[end]))
      ++end;
    StringRef digits = text.slice(pos, end);
    uint64_t value = 0;
    size_t length = digits.size();
    char second = digits.size() > 1 ? llvm::toLower(digits[1]) : '\0';
    if (second == 'f' || second == 'd') {
      if (digits.substr(2).getAsInteger(16, value) || length != (second == 'f' ? 10u : 18u))
        return lineError(line, "malformed floating-point literal '" + digits + "'");
      add(Token::Float, length, value);
      return llvm::Error::success();
    }
    digits.consume_back("U");
    if (digits.getAsInteger(0, value))
      return lineError(line, "malformed integer literal '" + digits + "'");
    add(Token::Integer, length, value);
    return llvm::Error::success();
  }

  llvm::Error string() {
    size_t end = text.find('"', pos + 1);
    if (end == StringRef::npos)
      return lineError(line, "string has no end");
    add(Token::String, end + 1 - pos);
    return llvm::Error::success();
  }

  StringRef text;
  size_t pos = 0;
  unsigned line = 1;
  std::vector<Token> tokens;
};

} // namespace

llvm::Expected<std::vector<Token>> dgemm::emulator::lex(StringRef ptx) { return Lexer(ptx).run(); }
