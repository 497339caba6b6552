//===- ConfigText.cpp - Configs as text, whatever their fields ------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConfigText.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Regex.h"
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

using namespace llvm;

namespace dgemm::tune {

/// The value of each field: "128x96x128" is {128, 96, 128}.
static std::map<StringRef, SmallVector<StringRef>> splitFields(StringRef config) {
  std::map<StringRef, SmallVector<StringRef>> fields;
  SmallVector<StringRef> items;
  config.trim("<> ").split(items, ',');
  for (StringRef item : items) {
    auto [name, value] = item.split('=');
    SmallVector<StringRef> parts;
    if (value.trim().find_first_not_of("0123456789x") == StringRef::npos)
      value.trim().split(parts, 'x');
    else
      parts.push_back(value.trim());
    fields[name.trim()] = parts;
  }
  return fields;
}

namespace {
/// A step from one config to another.
struct Step {
  StringRef field;
  /// Place of the number within the field, and its values before and after; none for a step that has no direction.
  std::optional<size_t> place;
  int64_t from = 0, to = 0;
};
} // namespace

static std::optional<Step> findStep(StringRef config, StringRef other) {
  auto before = splitFields(config), after = splitFields(other);
  std::set<StringRef> names;
  for (auto *fields : {&before, &after})
    for (auto &[name, parts] : *fields)
      if (name != "stages" && before[name] != after[name])
        names.insert(name);
  if (names.size() != 1)
    return std::nullopt;
  Step step;
  step.field = *names.begin();
  auto &from = before[step.field], &to = after[step.field];
  if (from.size() != to.size())
    return step;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] == to[i])
      continue;
    if (step.place)
      return std::nullopt; // two numbers differ
    if (from[i].getAsInteger(10, step.from) || to[i].getAsInteger(10, step.to))
      return step;
    step.place = i;
  }
  return step;
}

std::vector<std::string> findNeighbours(StringRef config, ArrayRef<std::string> legal) {
  std::vector<std::string> neighbours;
  std::map<std::tuple<StringRef, size_t, bool>, std::pair<int64_t, const std::string *>> nearest;
  for (const std::string &other : legal) {
    std::optional<Step> step = findStep(config, other);
    if (!step)
      continue;
    if (!step->place) {
      neighbours.push_back(other);
      continue;
    }
    int64_t distance = std::abs(step->to - step->from);
    auto [entry, isNew] =
        nearest.try_emplace({step->field, *step->place, step->to > step->from}, std::pair(distance, &other));
    if (!isNew && distance < entry->second.first)
      entry->second = {distance, &other};
  }
  for (auto &[key, value] : nearest)
    neighbours.push_back(*value.second);
  return neighbours;
}

std::vector<std::string> varyTileOrder(StringRef config) {
  std::vector<std::string> varied;
  Regex groupM("group_m = [0-9]+");
  for (const char *other : {"group_m = 1", "group_m = 2", "group_m = 4", "group_m = 8", "group_m = 16", "group_m = 32"})
    if (std::string text = groupM.sub(other, config); text != config)
      varied.push_back(text);
  auto turn = [&](StringRef flag, StringRef printedNext) {
    std::string text = config.str();
    if (size_t at = text.find(flag); at != std::string::npos)
      text.erase(at, flag.size());
    else
      text.insert(std::min({text.find(printedNext), text.find('>'), text.size()}), flag);
    varied.push_back(text);
  };
  turn(", even_waves = true", config.contains("early_store") ? ", early_store" : ", serpentine_k");
  turn(", serpentine_k = true", ">");
  return varied;
}

} // namespace dgemm::tune
