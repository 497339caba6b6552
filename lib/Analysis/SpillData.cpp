//===- SpillData.cpp - What ptxas was seen to spill -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/SpillData.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace dgemm;

namespace {
constexpr llvm::StringLiteral kPtxas13_0_88 =
#include "Spills/ptxas-13.0.88.inc"
    ;
} // namespace

// llvm::json finds fromJSON by its arguments, so these are in this namespace.
namespace dgemm {
/// An entry of the document: all keys that have one of the listed values of each field.
struct SpillEntry {
  int64_t blockM, warpgroups;
  std::vector<int64_t> blockN;
  std::vector<SpillKey::Sharing> sharing = {SpillKey::Sharing::None, SpillKey::Sharing::Tiles,
                                            SpillKey::Sharing::SplitK};
  std::vector<int64_t> unroll = {1, 2, 4};
  std::vector<SpillKey::Rows> rows = {SpillKey::Rows::All, SpillKey::Rows::Masked, SpillKey::Rows::OneMaskedGroup};
  std::optional<bool> rotate, earlyStore, loadsByTMA;
  bool pingpong = false;

  void addTo(llvm::DenseSet<uint32_t> &indices) const {
    auto valuesOf = [](std::optional<bool> value) {
      return value ? SmallVector<bool>{*value} : SmallVector<bool>{false, true};
    };
    SpillKey key;
    key.blockM = blockM;
    key.warpgroups = warpgroups;
    key.pingpong = pingpong;
    for (int64_t columns : blockN) {
      key.blockN = columns;
      for (SpillKey::Sharing value : sharing) {
        key.sharing = value;
        for (int64_t factor : unroll) {
          key.unroll = factor;
          for (bool isRotated : valuesOf(rotate)) {
            key.rotate = isRotated;
            for (bool isEarly : valuesOf(earlyStore)) {
              key.earlyStore = isEarly;
              for (SpillKey::Rows kind : rows) {
                key.rows = kind;
                for (bool byTMA : valuesOf(loadsByTMA)) {
                  key.loadsByTMA = byTMA;
                  indices.insert(key.getIndex());
                }
              }
            }
          }
        }
      }
    }
  }
};
} // namespace dgemm

SpillKey::SpillKey(ConfigAttr config)
    : SpillKey(config.getBlockM(), config.getBlockN(), config.getWarpgroups(),
               config.getSplitK() > 1 ? Sharing::SplitK
               : config.isMulticast() ? Sharing::Tiles
                                      : Sharing::None) {
  unroll = config.getSchedule().getUnroll();
  rotate = config.getSchedule().getRotate();
  earlyStore = config.getSchedule().getEarlyStore();
  pingpong = config.getSchedule().getPingpong();
}

uint32_t SpillKey::getIndex() const {
  // Each field has as many bits as its values need.
  uint32_t index = blockM / 64;          // 1 to 4
  index = index * 64 + blockN / 8;       // 1 to 32
  index = index * 4 + warpgroups;        // 1 to 3
  index = index * 4 + uint32_t(sharing); // 0 to 2
  index = index * 8 + unroll;            // 1, 2 or 4
  index = index * 4 + rotate * 2 + earlyStore;
  return ((index * 4 + uint32_t(rows)) * 2 + loadsByTMA) * 2 + pingpong;
}

namespace dgemm {
static bool fromJSON(const llvm::json::Value &value, SpillKey::Sharing &sharing, llvm::json::Path path) {
  std::optional<StringRef> name = value.getAsString();
  for (auto [known, meaning] :
       {std::pair(StringRef("none"), SpillKey::Sharing::None), std::pair(StringRef("tiles"), SpillKey::Sharing::Tiles),
        std::pair(StringRef("split_k"), SpillKey::Sharing::SplitK)})
    if (name == known) {
      sharing = meaning;
      return true;
    }
  path.report("expected none, tiles or split_k");
  return false;
}

static bool fromJSON(const llvm::json::Value &value, SpillKey::Rows &rows, llvm::json::Path path) {
  std::optional<StringRef> name = value.getAsString();
  for (auto [known, meaning] :
       {std::pair(StringRef("all"), SpillKey::Rows::All), std::pair(StringRef("masked"), SpillKey::Rows::Masked),
        std::pair(StringRef("one_masked_group"), SpillKey::Rows::OneMaskedGroup)})
    if (name == known) {
      rows = meaning;
      return true;
    }
  path.report("expected all, masked or one_masked_group");
  return false;
}

static bool fromJSON(const llvm::json::Value &value, SpillEntry &entry, llvm::json::Path path) {
  llvm::json::ObjectMapper map(value, path);
  return map && map.map("block_m", entry.blockM) && map.map("warpgroups", entry.warpgroups) &&
         map.map("block_n", entry.blockN) && map.mapOptional("sharing", entry.sharing) &&
         map.mapOptional("unroll", entry.unroll) && map.mapOptional("rotate", entry.rotate) &&
         map.mapOptional("early_store", entry.earlyStore) && map.mapOptional("rows", entry.rows) &&
         map.mapOptional("loads_by_tma", entry.loadsByTMA) && map.mapOptional("pingpong", entry.pingpong);
}
} // namespace dgemm

llvm::Expected<SpillData> SpillData::parse(StringRef json) {
  llvm::Expected<llvm::json::Value> document = llvm::json::parse(json);
  if (!document)
    return document.takeError();
  llvm::json::Path::Root root("spill data");
  llvm::json::ObjectMapper map(*document, root);
  int64_t version = 0;
  SpillData data;
  std::vector<SpillEntry> entries;
  if (!map || !map.map("version", version) || !map.map("ptxas", data.ptxas) || !map.map("spills", entries))
    return root.getError();
  if (version != 1)
    return llvm::createStringError("spill data of version " + Twine(version) + "; only 1 is known");
  for (const SpillEntry &entry : entries)
    entry.addTo(data.indices);
  return data;
}

llvm::Expected<SpillData> SpillData::read(StringRef path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError("cannot read '" + path + "': " + buffer.getError().message());
  llvm::Expected<SpillData> data = parse((*buffer)->getBuffer());
  if (!data)
    return llvm::createStringError("'" + path + "': " + llvm::toString(data.takeError()));
  return data;
}

const SpillData &SpillData::getShipped() {
  static const SpillData data = [] {
    llvm::Expected<SpillData> parsed = parse(kPtxas13_0_88);
    if (parsed)
      return std::move(*parsed);
    // Data that do not parse would be a defect of the build; the unit tests check that.
    llvm::consumeError(parsed.takeError());
    return SpillData();
  }();
  return data;
}
