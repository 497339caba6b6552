//===- JournalTest.cpp - What a tuner has measured so far -----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Journal.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace dgemm::tune;
using namespace llvm;

namespace {

class JournalTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("dgemm-journal", folder));
    path = (folder + "/tuned.json.journal").str();
  }
  void TearDown() override { sys::fs::remove_directories(folder); }

  Journal open() {
    Expected<Journal> journal = Journal::open(path);
    EXPECT_TRUE(bool(journal));
    return std::move(*journal);
  }
  static void add(Journal &journal, StringRef config, const Trial &trial) {
    Error error = journal.add("64x64x64", config, trial);
    EXPECT_FALSE(bool(error)) << toString(std::move(error));
  }

  SmallString<64> folder;
  std::string path;
};

TEST_F(JournalTest, RemembersAcrossProcesses) {
  Journal journal = open();
  EXPECT_EQ(journal.find("64x64x64", "a"), nullptr);
  add(journal, "a", Trial());
  add(journal, "a", {Trial::State::Timed, 12.5, ""});
  add(journal, "b", {Trial::State::Failed, 0, "wrong \"result\""});
  Journal next = open();
  ASSERT_NE(next.find("64x64x64", "a"), nullptr);
  EXPECT_EQ(next.find("64x64x64", "a")->state, Trial::State::Timed);
  EXPECT_EQ(next.find("64x64x64", "a")->microseconds, 12.5);
  EXPECT_EQ(next.find("64x64x64", "b")->error, "wrong \"result\"");
  EXPECT_EQ(next.find("64x64x128", "a"), nullptr);
}

TEST_F(JournalTest, WhatEndedItsProcessHasFailed) {
  Journal journal = open();
  add(journal, "a", Trial());
  {
    std::error_code error;
    raw_fd_ostream os(path, error, sys::fs::CD_OpenExisting, sys::fs::FA_Write, sys::fs::OF_Append);
    os << "{\"problem\": \"64x6"; // the process died here
  }
  Journal next = open();
  EXPECT_EQ(next.find("64x64x64", "a")->state, Trial::State::Failed);
  add(next, "b", {Trial::State::Timed, 1, ""});
  EXPECT_EQ(open().find("64x64x64", "b")->state, Trial::State::Timed);
}

TEST_F(JournalTest, ReportsAFolderThatIsMissing) {
  path = (folder + "/no/such/folder").str();
  Journal journal = open();
  Error error = journal.add("64x64x64", "a", Trial());
  EXPECT_NE(toString(std::move(error)).find("cannot write"), std::string::npos);
}

} // namespace
