//===- OptionRules.h - Options that mean something here ---------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An option that has no effect, one that is given twice and a value outside of its range are errors that name both.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_COMMON_OPTIONRULES_H
#define DGEMM_TOOLS_COMMON_OPTIONRULES_H

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"
#include <vector>

namespace dgemm {

/// An integer of `Min` to `Max`, as the value of an option.
template <int64_t Min, int64_t Max>
struct BoundedInteger {
  BoundedInteger(int64_t value = Min) : value(value) {}
  operator int64_t() const { return value; }
  int64_t value;
};
template <int64_t Min, int64_t Max>
using IntegerOption = llvm::cl::opt<BoundedInteger<Min, Max>>;

/// If `applies`, `options` have no effect.
struct OptionRule {
  bool applies;
  /// "with an IR file", "with --emit=tiled": follows "has no effect".
  std::string why;
  /// A list needs std::addressof: its operator & is that of its values.
  std::vector<const llvm::cl::Option *> options;
};

/// Error: an option is given that has no effect by a rule, or an option with one value is given twice. The message
/// names the option and the conflict.
llvm::Error checkOptions(llvm::ArrayRef<OptionRule> rules);

} // namespace dgemm

/// Error: the value is out of range. The message names the option, the value and the range.
template <int64_t Min, int64_t Max>
class llvm::cl::parser<dgemm::BoundedInteger<Min, Max>>
    : public llvm::cl::basic_parser<dgemm::BoundedInteger<Min, Max>> {
public:
  using Value = dgemm::BoundedInteger<Min, Max>;
  using basic_parser<Value>::basic_parser;
  bool parse(Option &option, StringRef name, StringRef text, Value &out) {
    if (!text.getAsInteger(10, out.value) && out.value >= Min && out.value <= Max)
      return false;
    return option.error(formatv("expected an integer of {0} to {1}, but got '{2}'", Min, Max, text));
  }
  StringRef getValueName() const override { return "int"; }
  void printOptionDiff(const Option &option, const Value &, const OptionValue<Value> &, size_t width) const {
    this->printOptionNoValue(option, width);
  }
};

#endif // DGEMM_TOOLS_COMMON_OPTIONRULES_H
