//===- TunedTable.cpp - Configurations that were measured best ------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/TunedTable.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <tuple>

using namespace mlir;
using namespace dgemm;

namespace {
/// Version 1 had configs of one part, with other names.
constexpr int64_t kVersion = 2;

constexpr llvm::StringLiteral kTableH100 =
#include "TunedTables/h100.inc"
    ;
constexpr llvm::StringLiteral kTableH200 =
#include "TunedTables/h200.inc"
    ;
} // namespace

// llvm::json finds these by their arguments.
namespace dgemm {
static bool fromJSON(const llvm::json::Value &value, Layout &layout, llvm::json::Path path) {
  std::optional<StringRef> name = value.getAsString();
  std::optional<Layout> known = name ? symbolizeLayout(*name) : std::nullopt;
  if (!known || *known > Layout::Masked) { // the others take those of these
    path.report("expected a layout: dense, contiguous or masked");
    return false;
  }
  layout = *known;
  return true;
}

static bool fromJSON(const llvm::json::Value &value, TunedEntry &entry, llvm::json::Path path) {
  llvm::json::ObjectMapper map(value, path);
  return map && map.map("layout", entry.layout) && map.map("groups", entry.groups) && map.map("m", entry.m) &&
         map.map("n", entry.n) && map.map("k", entry.k) && map.map("config", entry.config) &&
         map.mapOptional("microseconds", entry.microseconds) && map.mapOptional("recipe", entry.recipe);
}
} // namespace dgemm

llvm::Expected<TunedTable> TunedTable::parse(StringRef json) {
  llvm::Expected<llvm::json::Value> document = llvm::json::parse(json);
  if (!document)
    return document.takeError();
  llvm::json::Path::Root root("tuned table");
  llvm::json::ObjectMapper map(*document, root);
  int64_t version = 0;
  TunedTable table;
  if (!map || !map.map("version", version))
    return root.getError();
  if (version != kVersion)
    return llvm::createStringError("tuned table of version " + Twine(version) + "; only " + Twine(kVersion) +
                                   " is known" +
                                   (version == 1 ? ": the fields of configs have new names, so tune again" : ""));
  if (!map.map("machine", table.machine) || !map.map("multiprocessors", table.multiprocessors) ||
      !map.mapOptional("gpu", table.gpu) || !map.map("entries", table.entries))
    return root.getError();
  return table;
}

llvm::Expected<TunedTable> TunedTable::read(StringRef path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError("cannot read '" + path + "': " + buffer.getError().message());
  llvm::Expected<TunedTable> table = parse((*buffer)->getBuffer());
  if (!table)
    return llvm::createStringError("'" + path + "': " + llvm::toString(table.takeError()));
  return table;
}

/// True if both entries are for the same problem.
static bool isSameProblem(const TunedEntry &a, const TunedEntry &b) {
  return std::tie(a.recipe, a.layout, a.groups, a.m, a.n, a.k) == std::tie(b.recipe, b.layout, b.groups, b.m, b.n, b.k);
}

void TunedTable::insert(TunedEntry entry) {
  auto place = llvm::find_if(entries, [&](const TunedEntry &old) { return isSameProblem(old, entry); });
  if (place != entries.end())
    *place = std::move(entry);
  else
    entries.push_back(std::move(entry));
}

std::string TunedTable::toJSON() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::formatv(
      "{{\n  \"version\": {0},\n  \"machine\": {1},\n  \"gpu\": {2},\n  \"multiprocessors\": {3},\n  \"entries\": [",
      kVersion, llvm::json::Value(machine), llvm::json::Value(gpu), multiprocessors);
  for (const auto &[index, entry] : llvm::enumerate(entries))
    os << (index ? "," : "")
       << llvm::formatv(
              "\n    {{{0}\"layout\": {1}, \"groups\": {2}, \"m\": {3}, \"n\": {4}, \"k\": {5}, \"config\": {6}, "
              "\"microseconds\": {7:F2}}",
              entry.recipe.empty() ? "" : llvm::formatv("\"recipe\": {0}, ", llvm::json::Value(entry.recipe)).str(),
              llvm::json::Value(stringifyLayout(entry.layout)), entry.groups, entry.m, entry.n, entry.k,
              llvm::json::Value(entry.config), entry.microseconds);
  os << (entries.empty() ? "]\n}\n" : "\n  ]\n}\n");
  return text;
}

ArrayRef<TunedTable> TunedTable::getShipped() {
  // A table that does not parse would be a defect of the build; the unit tests check that.
  static const std::vector<TunedTable> tables = [] {
    std::vector<TunedTable> parsed;
    for (llvm::StringRef text : {kTableH100, kTableH200}) {
      llvm::Expected<TunedTable> table = parse(text);
      if (table)
        parsed.push_back(std::move(*table));
      else
        llvm::consumeError(table.takeError());
    }
    return parsed;
  }();
  return tables;
}

static std::string getScaleName(ScaledAttr scaled) {
  if (!scaled.hasScales())
    return "none";
  if (scaled.variesAlongK())
    return llvm::formatv("{0}x{1}", scaled.getRows(), scaled.getK());
  return scaled.isForEachRow() ? "row" : "tensor";
}

std::string dgemm::getRecipeName(StringRef lhs, StringRef rhs, StringRef accuracy, bool isF32) {
  if (lhs == "1x128" && rhs == "128x128" && !isF32)
    return "";
  bool isExact = accuracy == "exact";
  return (lhs + " x " + rhs + (isExact ? "" : " ") + (isExact ? "" : accuracy) + (isF32 ? " f32" : "")).str();
}

std::string dgemm::getRecipeName(ProblemAttr problem) {
  return getRecipeName(getScaleName(problem.getLhs()), getScaleName(problem.getRhs()),
                       stringifyAccuracyKind(problem.getAccuracy()), problem.getOut().isF32());
}

int64_t dgemm::getRowBucket(int64_t m) {
  int64_t above = int64_t(llvm::PowerOf2Ceil(uint64_t(m)));
  // The number of row tiles counts while there are few of them, so few rows are rounded up.
  return m > 512 && 2 * m * m < above * above ? above / 2 : above;
}

static Layout getLayout(const ProblemSize &size) {
  return size.isBatched      ? Layout::Batched
         : size.isMasked     ? Layout::Masked
         : size.rowAlignment ? Layout::Contiguous
                             : Layout::Dense;
}

const TunedEntry *TunedTable::find(const ProblemSize &size) const {
  if (!size.loadsByTMA || size.readsColumnScales)
    return nullptr;
  const TunedEntry *best = nullptr;
  for (const TunedEntry &entry : entries) {
    // A dynamic size equals none of the entries'.
    if (entry.recipe != size.recipe || entry.layout != getLayout(size) || entry.groups != size.groups ||
        entry.n != size.n || entry.k != size.k)
      continue;
    if (ShapedType::isDynamic(size.m)) {
      if (!best || entry.m > best->m)
        best = &entry;
      continue;
    }
    if (getRowBucket(entry.m) == getRowBucket(size.m) &&
        (!best || std::abs(entry.m - size.m) < std::abs(best->m - size.m)))
      best = &entry;
  }
  return best;
}

/// Whether groups of `size` are one row tile of `config` each if those of `entry` are. If some of them have two, B is
/// read again for these, which was not measured.
static bool keepsOneTile(const TunedEntry &entry, const ProblemSize &size, ConfigAttr config) {
  if (!size.isMasked || ShapedType::isDynamic(size.m))
    return true;
  double rows = double(config.getBlockM() * config.getClusterM());
  return kMostRowsOfGroup * double(entry.m) > rows || kMostRowsOfGroup * double(size.m) <= rows;
}

/// `config`, and after it the same tile without rotation and with another unrolling. With an epilogue, ptxas may spill
/// one of these schedules and not the next, which is faster than another tile.
static SmallVector<ConfigAttr> withOtherSchedules(ConfigAttr config) {
  SmallVector<ConfigAttr> configs = {config};
  ConfigFields fields(config);
  MLIRContext *context = config.getContext();
  auto add = [&] { configs.push_back(fields.get([&] { return emitError(UnknownLoc::get(context)); }, context)); };
  if (*fields.schedule.rotate) {
    fields.schedule.rotate = false;
    add();
  }
  fields.schedule.unroll = *fields.schedule.unroll > 1 ? 1 : 4;
  add();
  return configs;
}

/// The config that one table has for `size`. A different number of multiprocessors than it was measured with is another
/// machine.
static std::optional<ConfigAttr> findIn(const TunedTable &table, MLIRContext *context, const ProblemSize &size,
                                        const ConfigFields &fields, const Machine &machine, const ChoiceData &data) {
  const TunedEntry *entry = table.getMultiprocessors() == machine.multiprocessors ? table.find(size) : nullptr;
  if (!entry)
    return std::nullopt;
  ConfigAttr config = parseWholeConfig([&] { return emitError(UnknownLoc::get(context)); }, context, entry->config);
  // The alignment of a contiguous problem may exclude a config that was measured with another.
  if (!config || !size.allows(config) || !fields.match(config) || !keepsOneTile(*entry, size, config))
    return std::nullopt;
  for (ConfigAttr similar : withOtherSchedules(config))
    if (fields.match(similar) && !data.leavesOut(size, similar))
      return similar;
  return std::nullopt;
}

std::optional<ConfigAttr> dgemm::findTunedConfig(MLIRContext *context, const ProblemSize &size,
                                                 const ConfigFields &fields, const Machine &machine,
                                                 const ChoiceData &data) {
  if (data.own && data.own->getMachine() == machine.name)
    if (std::optional<ConfigAttr> config = findIn(*data.own, context, size, fields, machine, data))
      return config;
  for (StringRef name : machine.tables)
    for (const TunedTable &table : TunedTable::getShipped())
      if (table.getMachine() == name)
        if (std::optional<ConfigAttr> config = findIn(table, context, size, fields, machine, data))
          return config;
  return std::nullopt;
}
