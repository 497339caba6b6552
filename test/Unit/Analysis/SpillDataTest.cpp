//===- SpillDataTest.cpp - What ptxas was seen to spill -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Analysis/SpillData.h"
#include "dgemm/Analysis/CostModel.h"
#include "gtest/gtest.h"
#include <set>

using namespace mlir;
using namespace dgemm;

namespace {

std::string parseError(StringRef text) {
  llvm::Expected<SpillData> data = SpillData::parse(text);
  return data ? "" : llvm::toString(data.takeError());
}

TEST(SpillData, AnEntryCoversWhatItDoesNotName) {
  SpillData data = llvm::cantFail(SpillData::parse(R"({"version": 1, "ptxas": "13.0.88", "spills": [
      {"block_m": 128, "warpgroups": 2, "block_n": [192, 200], "sharing": ["tiles"], "rotate": true}]})"));
  EXPECT_EQ(data.getPtxas(), "13.0.88");
  SpillKey key(128, 192, 2, SpillKey::Sharing::Tiles);
  EXPECT_FALSE(data.spills(key));
  key.rotate = true;
  EXPECT_TRUE(data.spills(key));
  key.unroll = 4;
  key.earlyStore = true;
  key.rows = SpillKey::Rows::OneMaskedGroup;
  key.loadsByTMA = false;
  EXPECT_TRUE(data.spills(key));
  for (auto [blockM, blockN, warpgroups, sharing] :
       {std::tuple(64, 192, 2, SpillKey::Sharing::Tiles), std::tuple(128, 184, 2, SpillKey::Sharing::Tiles),
        std::tuple(128, 192, 1, SpillKey::Sharing::Tiles), std::tuple(128, 192, 2, SpillKey::Sharing::None)}) {
    SpillKey other(blockM, blockN, warpgroups, sharing);
    other.rotate = true;
    EXPECT_FALSE(data.spills(other)) << other.getIndex();
  }
}

TEST(SpillData, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(parseError(R"({"version": 2, "ptxas": "14.0.1", "spills": []})"),
            "spill data of version 2; only 1 is known");
  EXPECT_NE(parseError("{"), "");
  EXPECT_NE(parseError(R"({"version": 1, "ptxas": "13.0.88"})").find("spills"), std::string::npos);
  EXPECT_NE(parseError(R"({"version": 1, "ptxas": "13.0.88", "spills": [
      {"block_m": 64, "warpgroups": 1, "block_n": [8], "sharing": ["rows"]}]})")
                .find("none, tiles or split_k"),
            std::string::npos);
}

TEST(SpillData, EachKeyHasANumber) {
  std::set<uint32_t> seen;
  size_t keys = 0;
  for (int64_t blockM : {64, 128, 192, 256})
    for (int64_t blockN = 8; blockN <= 256; blockN += 8)
      for (int64_t warpgroups : {1, 2, 3})
        for (int sharing = 0; sharing < 3; ++sharing)
          for (int64_t unroll : {1, 2, 4})
            for (int bits = 0; bits < 8; ++bits)
              for (int rows = 0; rows < 3; ++rows, ++keys) {
                SpillKey key(blockM, blockN, warpgroups, SpillKey::Sharing(sharing));
                key.unroll = unroll;
                key.rotate = bits & 1;
                key.earlyStore = bits & 2;
                key.loadsByTMA = bits & 4;
                key.rows = SpillKey::Rows(rows);
                seen.insert(key.getIndex());
              }
  EXPECT_EQ(seen.size(), keys);
}

/// What ships parses, and says what was seen: 64x256 of one masked group, rotated and unrolled.
TEST(SpillData, Shipped) {
  const SpillData &data = SpillData::getShipped();
  EXPECT_EQ(data.getPtxas(), "13.0.88");
  SpillKey key(64, 256, 1, SpillKey::Sharing::None);
  key.rotate = true;
  key.unroll = 4;
  EXPECT_FALSE(data.spills(key));
  key.rows = SpillKey::Rows::OneMaskedGroup;
  EXPECT_TRUE(data.spills(key));
}

/// What is left out is not enumerated, and not chosen.
TEST(SpillData, LeavesConfigsOut) {
  MLIRContext context;
  context.loadDialect<DGemmDialect>();
  ProblemSize size = {4096, 7168, 2048};
  SmallVector<ConfigAttr> all = enumerateConfigs(&context, size, {});
  auto emitNothing = [&] { return emitError(UnknownLoc::get(&context)); };
  ConfigFields fields; // no table has it
  fields.order.groupM = 5;
  FailureOr<SelectedConfig> best = selectConfig(&context, size, fields, Machine::getDefault(), emitNothing);
  ASSERT_TRUE(succeeded(best));
  ChoiceData data;
  data.avoided = best->config;
  EXPECT_TRUE(data.leavesOut(size, best->config));
  FailureOr<SelectedConfig> next = selectConfig(&context, size, fields, Machine::getDefault(), emitNothing, data);
  ASSERT_TRUE(succeeded(next));
  EXPECT_NE(next->config, best->config);
  SpillData none = llvm::cantFail(SpillData::parse(R"({"version": 1, "ptxas": "none", "spills": []})"));
  ChoiceData open;
  open.spills = &none;
  EXPECT_GT(enumerateConfigs(&context, size, {}, open).size(), all.size());
}

} // namespace
