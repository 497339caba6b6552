//===- ConfigVariations.cpp - Configs near a config -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/ConfigVariations.h"
#include "mlir/IR/Diagnostics.h"
#include <map>
#include <tuple>

using namespace mlir;
using namespace dgemm;

namespace {
/// The index of the number that differs between two values of a field, and the difference; none for values without an
/// order.
struct Step {
  StringRef field;
  size_t place = 0;
  int64_t distance = 0;
};
} // namespace

/// Appends what differs.
static void compare(StringRef field, int64_t from, int64_t to, SmallVectorImpl<Step> &steps) {
  if (from != to)
    steps.push_back({field, 0, to - from});
}

template <size_t rank>
static void compare(StringRef field, const Extents<rank> &from, const Extents<rank> &to, SmallVectorImpl<Step> &steps) {
  for (size_t i = 0; i < rank; ++i)
    if (from[i] != to[i])
      steps.push_back({field, i, to[i] - from[i]});
}

template <typename T>
static void compare(StringRef field, T from, T to, SmallVectorImpl<Step> &steps) {
  if (from != to)
    steps.push_back({field});
}

static SmallVector<Step> compare(ConfigAttr config, ConfigAttr other) {
  SmallVector<Step> steps;
  ConfigFields from(config), to(other);
  ConfigFields::forEach(
      [&](const ConfigField &field, auto &before, auto &after) {
        if (field.name != "stages")
          compare(field.name, *before, *after, steps);
      },
      from, to);
  return steps;
}

SmallVector<ConfigAttr> dgemm::findNeighbours(ConfigAttr config, ArrayRef<ConfigAttr> legal) {
  SmallVector<ConfigAttr> neighbours;
  // By number and direction.
  std::map<std::tuple<StringRef, size_t, bool>, std::pair<int64_t, ConfigAttr>> nearest;
  for (ConfigAttr other : legal) {
    SmallVector<Step> steps = compare(config, other);
    if (steps.size() != 1)
      continue;
    auto [field, place, distance] = steps.front();
    if (!distance) {
      neighbours.push_back(other);
      continue;
    }
    auto &entry = nearest[{field, place, distance > 0}];
    if (!entry.second || std::abs(distance) < entry.first)
      entry = {std::abs(distance), other};
  }
  for (auto &[step, found] : nearest)
    neighbours.push_back(found.second);
  return neighbours;
}

SmallVector<ConfigAttr> dgemm::varyOrder(ConfigAttr config) {
  MLIRContext *context = config.getContext();
  OrderAttr order = config.getOrder();
  SmallVector<OrderAttr> orders;
  for (int64_t groupM : {1, 2, 4, 8, 16, 32})
    orders.push_back(OrderAttr::get(context, groupM, order.getSerpentine(), order.getEvenWaves()));
  orders.push_back(OrderAttr::get(context, order.getGroupM(), !order.getSerpentine(), order.getEvenWaves()));
  orders.push_back(OrderAttr::get(context, order.getGroupM(), order.getSerpentine(), !order.getEvenWaves()));
  // Illegal configs, and the verifier's diagnostics of them, are dropped.
  Location nowhere = NameLoc::get(StringAttr::get(context, "varied config"));
  ScopedDiagnosticHandler silence(context,
                                  [&](Diagnostic &diagnostic) { return success(diagnostic.getLocation() == nowhere); });
  SmallVector<ConfigAttr> varied;
  for (OrderAttr other : orders)
    if (ConfigAttr legal = ConfigAttr::getChecked([&] { return emitError(nowhere); }, context, config.getTile(), other,
                                                  config.getSchedule(), config.getLoads());
        legal && legal != config)
      varied.push_back(legal);
  return varied;
}
