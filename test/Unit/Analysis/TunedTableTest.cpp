//===- TunedTableTest.cpp - Configurations that were measured best --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/TunedTable.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace dgemm;

namespace {

constexpr int64_t kDynamic = ShapedType::kDynamic;

TunedTable makeTable(std::initializer_list<TunedEntry> entries) {
  TunedTable table("h100", 132, "a GPU");
  for (const TunedEntry &entry : entries)
    table.insert(entry);
  return table;
}

std::string parseError(StringRef text) {
  llvm::Expected<TunedTable> table = TunedTable::parse(text);
  return table ? "" : llvm::toString(table.takeError());
}

/// The config of the entry that serves the problem; "none" for none.
std::string find(const TunedTable &table, const ProblemSize &size) {
  const TunedEntry *entry = table.find(size);
  return entry ? entry->config : "none";
}

TEST(TunedTable, RoundTrip) {
  TunedTable table = makeTable({{Layout::Dense, 1, 64, 576, 7168, "stages = 5", 8.125},
                                {Layout::Masked, 32, 192, 6144, 7168, "stages = \"x\"", 0}});
  llvm::Expected<TunedTable> read = TunedTable::parse(table.toJSON());
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_EQ(read->getMachine(), "h100");
  EXPECT_EQ(read->getMultiprocessors(), 132);
  ASSERT_EQ(read->getEntries().size(), 2u);
  EXPECT_EQ(read->getEntries()[1].layout, Layout::Masked);
  EXPECT_EQ(read->getEntries()[1].config, "stages = \"x\"");
  EXPECT_EQ(read->toJSON(), table.toJSON());
  EXPECT_EQ(llvm::cantFail(TunedTable::parse(TunedTable("h20", 8).toJSON())).getEntries().size(), 0u);
}

TEST(TunedTable, InsertReplaces) {
  TunedTable table = makeTable({{Layout::Dense, 1, 64, 576, 7168, "old"}, {Layout::Dense, 1, 64, 576, 7168, "new"}});
  ASSERT_EQ(table.getEntries().size(), 1u);
  EXPECT_EQ(table.getEntries()[0].config, "new");
}

TEST(TunedTable, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(parseError("{"), "");
  EXPECT_EQ(parseError(R"({"version": 3, "multiprocessors": 132, "entries": []})"),
            "tuned table of version 3; only 2 is known");
  EXPECT_EQ(parseError(R"({"version": 1, "multiprocessors": 132, "entries": []})"),
            "tuned table of version 1; only 2 is known: the fields of configs have new names, so tune again");
  EXPECT_NE(parseError(R"({"version": 2, "machine": "h100", "multiprocessors": 132})").find("entries"),
            std::string::npos);
  const char *entry = R"({"version": 2, "machine": "h100", "multiprocessors": 132, "entries": [
      {"layout": "sparse", "groups": 1, "m": 1, "n": 1, "k": 1, "config": ""}]})";
  EXPECT_NE(parseError(entry).find("dense, contiguous or masked"), std::string::npos) << parseError(entry);
}

TEST(TunedTable, Buckets) {
  for (auto [m, bucket] : {std::pair(1, 1),
                           {2, 2},
                           {3, 4},
                           {64, 64},
                           {65, 128},
                           {129, 256},
                           {512, 512},
                           {600, 512},
                           {724, 512},
                           {725, 1024},
                           {4096, 4096},
                           {5792, 4096},
                           {5793, 8192},
                           {33408, 32768}})
    EXPECT_EQ(getRowBucket(m), bucket) << m;
}

TEST(TunedTable, FindsTheNearestOfTheBucket) {
  TunedTable table = makeTable({{Layout::Dense, 1, 64, 576, 7168, "64"},
                                {Layout::Dense, 1, 3000, 576, 7168, "3000"},
                                {Layout::Dense, 1, 4096, 576, 7168, "4096"}});
  EXPECT_EQ(find(table, {64, 576, 7168}), "64");
  EXPECT_EQ(find(table, {33, 576, 7168}), "64");
  EXPECT_EQ(find(table, {32, 576, 7168}), "none");
  EXPECT_EQ(find(table, {3100, 576, 7168}), "3000");
  EXPECT_EQ(find(table, {5000, 576, 7168}), "4096");
  EXPECT_EQ(find(table, {64, 576, 7167}), "none");
  EXPECT_EQ(find(table, {64, 2112, 7168}), "none");
}

TEST(TunedTable, DynamicSizes) {
  TunedTable table = makeTable({{Layout::Dense, 1, 64, 576, 7168, "64"}, {Layout::Dense, 1, 128, 576, 7168, "128"}});
  EXPECT_EQ(find(table, {kDynamic, 576, 7168}), "128");
  EXPECT_EQ(find(table, {64, kDynamic, 7168}), "none");
  EXPECT_EQ(find(table, {64, 576, kDynamic}), "none");
}

TEST(TunedTable, KeepsLayoutsApart) {
  TunedTable table = makeTable({{Layout::Dense, 1, 256, 576, 7168, "dense"},
                                {Layout::Contiguous, 4, 256, 576, 7168, "contiguous"},
                                {Layout::Masked, 4, 256, 576, 7168, "masked"}});
  ProblemSize contiguous = {256, 576, 7168, 4};
  contiguous.rowAlignment = 128;
  ProblemSize masked = {256, 576, 7168, 4};
  masked.isMasked = true;
  EXPECT_EQ(find(table, {256, 576, 7168}), "dense");
  EXPECT_EQ(find(table, contiguous), "contiguous");
  EXPECT_EQ(find(table, masked), "masked");
  masked.groups = kDynamic;
  EXPECT_EQ(find(table, masked), "none");
  ProblemSize withoutTMA = {256, 576, 7168};
  withoutTMA.loadsByTMA = false;
  EXPECT_EQ(find(table, withoutTMA), "none");
}

TEST(TunedTable, KeepsRecipesApart) {
  TunedEntry plain = {Layout::Dense, 1, 64, 576, 7168, "plain"}, row = plain;
  row.config = "row";
  row.recipe = getRecipeName("row", "row", /*accuracy=*/"fast", /*isF32=*/false);
  EXPECT_EQ(row.recipe, "row x row fast");
  EXPECT_EQ(getRecipeName("1x128", "128x128", /*accuracy=*/"exact", /*isF32=*/false), "");
  EXPECT_EQ(getRecipeName("1x128", "128x128", /*accuracy=*/"exact", /*isF32=*/true), "1x128 x 128x128 f32");
  TunedTable table = llvm::cantFail(TunedTable::parse(makeTable({plain, row}).toJSON()));
  ProblemSize size = {64, 576, 7168};
  EXPECT_EQ(find(table, size), "plain");
  size.recipe = "row x row fast";
  EXPECT_EQ(find(table, size), "row");
  size.recipe = "row x row";
  EXPECT_EQ(find(table, size), "none");
  // Scales that threads read from the operand were not measured.
  size.recipe = "";
  size.readsColumnScales = true;
  EXPECT_EQ(find(table, size), "none");
}

/// What ships parses, and each entry is a legal config that the lookup finds.
TEST(TunedTable, ShippedTablesAreLegal) {
  MLIRContext context;
  context.loadDialect<DGemmDialect>();
  EXPECT_EQ(TunedTable::getShipped().size(), 2u);
  for (const TunedTable &table : TunedTable::getShipped()) {
    const Machine *machine = Machine::find(table.getMachine());
    ASSERT_TRUE(machine && machine->multiprocessors == table.getMultiprocessors());
    for (const TunedEntry &entry : table.getEntries()) {
      std::string name = llvm::formatv("{0} {1}x{2}x{3}x{4}: {5}", stringifyLayout(entry.layout), entry.groups, entry.m,
                                       entry.n, entry.k, entry.config);
      ProblemSize size = {entry.m, entry.n, entry.k, entry.groups};
      size.isMasked = entry.layout == Layout::Masked;
      size.rowAlignment = entry.layout == Layout::Contiguous ? 128 : 0;
      size.recipe = entry.recipe;
      size.scales.ofB = llvm::StringRef(entry.recipe).contains(" x 1x128");
      ConfigAttr config =
          parseWholeConfig([&] { return emitError(UnknownLoc::get(&context)); }, &context, entry.config);
      ASSERT_TRUE(bool(config)) << name;
      EXPECT_TRUE(size.allows(config)) << name;
      ASSERT_EQ(machine->tables.front(), table.getMachine());
      std::optional<ConfigAttr> found = findTunedConfig(&context, size, {}, *machine);
      EXPECT_TRUE(found && *found == config) << name;
    }
  }
}

/// Groups of 36 rows spread to 47, and have one tile of 64 rows; of 64 rows some have two, which B is read for again.
TEST(TunedTable, IsNotOfGroupsThatHaveAnotherTile) {
  MLIRContext context;
  context.loadDialect<DGemmDialect>();
  const Machine &machine = *Machine::find("h200");
  auto isTuned = [&](int64_t m) {
    ProblemSize size = {m, 4096, 7168, 64};
    size.isMasked = true;
    return findTunedConfig(&context, size, {}, machine).has_value();
  };
  EXPECT_TRUE(isTuned(36)); // 64x112
  EXPECT_TRUE(isTuned(49));
  EXPECT_FALSE(isTuned(50));
  EXPECT_FALSE(isTuned(64));
  EXPECT_TRUE(isTuned(234)); // 128x192, of which groups have two or three anyway
  EXPECT_TRUE(isTuned(256));
  EXPECT_TRUE(isTuned(kDynamic));
}

/// A tuned config that spills gives way to other schedules of the same tile, and then to none.
TEST(TunedTable, KeepsTheTileOfWhatSpills) {
  MLIRContext context;
  context.loadDialect<DGemmDialect>();
  const Machine &machine = *Machine::find("h200");
  ProblemSize size = {256, 4096, 7168, 4};
  size.isMasked = true;
  std::vector<ConfigAttr> avoided;
  std::vector<std::pair<bool, int64_t>> found; // rotate, unroll
  ChoiceData data;
  while (std::optional<ConfigAttr> config = findTunedConfig(&context, size, {}, machine, data)) {
    found.emplace_back(config->getSchedule().getRotate(), config->getSchedule().getUnroll());
    avoided.push_back(*config);
    EXPECT_EQ(config->getTile(), avoided.front().getTile());
    data.avoided = avoided;
  }
  EXPECT_EQ(found, (std::vector<std::pair<bool, int64_t>>{{false, 1}, {false, 4}}));
}

/// A table serves the machine of its name, with all of its multiprocessors.
TEST(TunedTable, IsOfAMachine) {
  MLIRContext context;
  context.loadDialect<DGemmDialect>();
  const TunedTable &table = TunedTable::getShipped().front();
  const TunedEntry &entry = table.getEntries().front();
  ProblemSize size = {entry.m, entry.n, entry.k, entry.groups};
  Machine machine = *Machine::find(table.getMachine());
  EXPECT_TRUE(findTunedConfig(&context, size, {}, machine).has_value());
  machine.multiprocessors /= 2;
  EXPECT_FALSE(findTunedConfig(&context, size, {}, machine).has_value());
  machine = *Machine::find(table.getMachine());
  machine.tables = {};
  EXPECT_FALSE(findTunedConfig(&context, size, {}, machine).has_value());
}

TEST(Machine, Names) {
  EXPECT_EQ(Machine::find("h20")->multiprocessors, 78);
  EXPECT_EQ(Machine::find("b200"), nullptr);
  EXPECT_EQ(Machine::findGpu("NVIDIA H100 80GB HBM3")->name, "h100");
  EXPECT_EQ(Machine::findGpu("NVIDIA H800")->name, "h100");
  EXPECT_EQ(Machine::findGpu("NVIDIA H100 PCIe")->name, "h100-pcie");
  EXPECT_EQ(Machine::findGpu("NVIDIA H200")->name, "h200");
  EXPECT_EQ(Machine::findGpu("NVIDIA H20")->name, "h20");
  EXPECT_EQ(Machine::findGpu("NVIDIA GH200 480GB")->name, "gh200");
  EXPECT_EQ(Machine::findGpu("NVIDIA A100-SXM4-80GB"), nullptr);
  EXPECT_EQ(llvm::cantFail(Machine::parse("")).name, "h100");
  EXPECT_EQ(llvm::toString(Machine::parse("b200").takeError()),
            "unknown machine 'b200'; known are h100, h100-pcie, h200, gh200 and h20");
}

} // namespace
