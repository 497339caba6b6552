//===- Lexer.h - Tokens of PTX ----------------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_EMULATOR_LEXER_H
#define DGEMM_LIB_EMULATOR_LEXER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace dgemm::emulator {

struct Token {
  enum Kind : uint8_t {
    Word,    ///< identifier, directive, register or opcode with all its modifiers
    Integer, ///< `value`
    Float,   ///< 0f3F800000 or 0d...: bits in `value`
    String,
    Punct, ///< one character, or "::" never (it is part of a word)
    End
  };
  Kind kind = End;
  unsigned line = 0;
  llvm::StringRef text;
  uint64_t value = 0;

  bool isPunct(char c) const { return kind == Punct && text[0] == c; }
  bool isWord(llvm::StringRef word) const { return kind == Word && text == word; }
};

/// Error: a character that PTX does not have, or a comment or string without an end.
llvm::Expected<std::vector<Token>> lex(llvm::StringRef ptx);

/// An error that names its line: "PTX line 12: ...".
llvm::Error lineError(unsigned line, const llvm::Twine &message);

} // namespace dgemm::emulator

#endif // DGEMM_LIB_EMULATOR_LEXER_H
