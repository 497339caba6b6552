//===- OptionRules.cpp - Options that mean something here -----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OptionRules.h"

using namespace llvm;

namespace dgemm {

static std::string getName(const cl::Option &option) {
  if (option.ArgStr.empty())
    return "an input file";
  return ((option.ArgStr == "o" ? "-" : "--") + option.ArgStr).str();
}

/// LLVM takes the last value, but the user may have meant the first.
static Error checkGivenOnce() {
  for (auto &entry : cl::getRegisteredOptions()) {
    const cl::Option &option = *entry.second;
    bool takesOne = option.getNumOccurrencesFlag() == cl::Optional || option.getNumOccurrencesFlag() == cl::Required;
    if (takesOne && option.getNumOccurrences() > 1)
      return createStringError(
          formatv("{0} is given {1} times; it takes one value", getName(option), option.getNumOccurrences()));
  }
  return Error::success();
}

Error checkOptions(ArrayRef<OptionRule> rules) {
  if (Error error = checkGivenOnce())
    return error;
  for (const OptionRule &rule : rules)
    for (const cl::Option *option : rule.options)
      if (rule.applies && option->getNumOccurrences())
        return createStringError(formatv("{0} has no effect {1}", getName(*option), rule.why));
  return Error::success();
}

} // namespace dgemm
