//===- ConfigFields.cpp - Partial configs -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/ConfigFields.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Each reads one value; the failure is the expected form.
static std::optional<std::string> parseValue(StringRef text, int64_t &value) {
  if (text.getAsInteger(10, value))
    return "an integer";
  return std::nullopt;
}

static std::optional<std::string> parseValue(StringRef text, bool &value) {
  if (text != "true" && text != "false")
    return "true or false";
  value = text == "true";
  return std::nullopt;
}

/// K of M x N x K is optional; its default is the depth of a scale block.
template <size_t rank>
static std::optional<std::string> parseValue(StringRef text, Extents<rank> &value) {
  SmallVector<StringRef> parts;
  text.split(parts, 'x');
  bool isValid = parts.size() == rank || (rank == 3 && parts.size() == 2);
  if (rank == 3)
    value[rank - 1] = kScaleBlock;
  for (size_t i = 0; isValid && i < parts.size(); ++i)
    isValid = !parts[i].trim().getAsInteger(10, value[i]);
  if (!isValid)
    return rank == 3 ? "MxNxK" : "MxN";
  return std::nullopt;
}

template <typename Enum>
static std::optional<std::string> parseValue(StringRef text, Enum &value) {
  std::optional<Enum> known = symbolizeEnum<Enum>(text);
  if (known) {
    value = *known;
    return std::nullopt;
  }
  SmallVector<StringRef> names;
  for (uint32_t i = 0; !stringifyEnum(static_cast<Enum>(i)).empty(); ++i)
    names.push_back(stringifyEnum(static_cast<Enum>(i)));
  return llvm::join(names, " or ");
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// Splits at the commas outside of < >, and drops empty items.
static SmallVector<StringRef> splitItems(StringRef text) {
  SmallVector<StringRef> items;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && (text[i] != ',' || depth)) {
      depth += text[i] == '<' ? 1 : text[i] == '>' ? -1 : 0;
      continue;
    }
    if (StringRef item = text.slice(start, i).trim(); !item.empty())
      items.push_back(item);
    start = i + 1;
  }
  return items;
}

/// The fields of `part`, or all; "a, b and c".
static std::string listFields(StringRef part) {
  SmallVector<StringRef> names;
  ConfigFields fields;
  ConfigFields::forEach(
      [&](const ConfigField &field, auto &) {
        if (part.empty() || field.part == part)
          names.push_back(field.name);
      },
      fields);
  if (names.size() == 1)
    return names.front().str();
  return llvm::join(ArrayRef(names).drop_back(), ", ") + " and " + names.back().str();
}

/// Sets the field `name` of `part`, or of any.
static llvm::Error setField(ConfigFields &fields, StringRef part, StringRef name, StringRef text) {
  bool isKnown = false;
  std::string error;
  ConfigFields::forEach(
      [&](const ConfigField &field, auto &value) {
        if (field.name != name || (!part.empty() && field.part != part))
          return;
        isKnown = true;
        if (value)
          error = llvm::formatv("config field '{0}' is given twice", name);
        else if (std::optional<std::string> expected = parseValue(text, value.emplace()))
          error = llvm::formatv("expected {0} for config field '{1}', but got '{2}'", *expected, name, text);
      },
      fields);
  if (!isKnown)
    error = llvm::formatv("unknown config field '{0}'{1}; known are {2}", name,
                          part.empty() ? "" : " of '" + part.str() + "'", listFields(part));
  return error.empty() ? llvm::Error::success() : llvm::createStringError(error);
}

static bool isPart(StringRef name) {
  bool isKnown = false;
  ConfigFields fields;
  ConfigFields::forEach([&](const ConfigField &field, auto &) { isKnown |= field.part == name; }, fields);
  return isKnown;
}

/// Fields of `part`, or of any, and parts.
static llvm::Error setFields(ConfigFields &fields, StringRef part, StringRef text) {
  for (StringRef item : splitItems(text)) {
    auto [name, value] = item.split('=');
    name = name.trim();
    value = value.trim();
    bool isWholePart = part.empty() && isPart(name);
    if (isWholePart && (!value.consume_front("<") || !value.consume_back(">")))
      return llvm::createStringError("expected fields between < and > for '" + name + "' of a config, but got '" +
                                     value + "'");
    if (llvm::Error error = isWholePart ? setFields(fields, name, value) : setField(fields, part, name, value))
      return error;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// ConfigFields
//===----------------------------------------------------------------------===//

ConfigFields::ConfigFields(ConfigAttr config)
    : tile(config.getTile().getFields()), order(config.getOrder().getFields()),
      schedule(config.getSchedule().getFields()), loads(config.getLoads().getFields()) {}

llvm::Expected<ConfigFields> ConfigFields::parse(StringRef text) {
  ConfigFields fields;
  text = text.trim();
  text.consume_front("#dgemm.config");
  if (text.consume_front("<") && !text.consume_back(">"))
    return llvm::createStringError("expected > at the end of the config '<" + text + "'");
  if (llvm::Error error = setFields(fields, /*part=*/"", text))
    return std::move(error);
  return fields;
}

bool ConfigFields::match(ConfigAttr config) const {
  bool matches = true;
  ConfigFields own(config);
  forEach([&](const ConfigField &, auto &given, auto &value) { matches &= !given || *given == *value; }, *this, own);
  return matches;
}

ConfigAttr ConfigFields::get(function_ref<InFlightDiagnostic()> emitError, MLIRContext *context) const {
  for (StringRef missing : {tile.findMissing(), order.findMissing(), schedule.findMissing(), loads.findMissing()})
    if (!missing.empty()) {
      emitError() << "expected a complete config to have '" << missing << "'";
      return {};
    }
  return ConfigAttr::getChecked(emitError, context, TileAttr::get(context, tile), OrderAttr::get(context, order),
                                ScheduleAttr::get(context, schedule), LoadsAttr::get(context, loads));
}

std::string dgemm::describeConfigFields() {
  std::string text;
  llvm::raw_string_ostream os(text);
  ConfigFields fields;
  StringRef part;
  ConfigFields::forEach(
      [&](const ConfigField &field, auto &) {
        if (field.part != part)
          os << (part = field.part) << '\n';
        os << llvm::formatv("  {0,-12} {1}\n", field.name, field.help);
      },
      fields);
  return text;
}

bool dgemm::isWholeConfig(StringRef text) {
  text = text.trim();
  return text.starts_with("<") || text.starts_with("#dgemm.config<");
}

ConfigAttr dgemm::parseWholeConfig(function_ref<InFlightDiagnostic()> emitError, MLIRContext *context, StringRef text) {
  llvm::Expected<ConfigFields> fields = ConfigFields::parse(text);
  if (fields)
    return fields->get(emitError, context);
  emitError() << llvm::toString(fields.takeError());
  return {};
}
