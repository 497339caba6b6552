//===- CorpusTest.cpp - First inputs of the fuzz targets are up to date ----===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An input that its reader refuses at once, such as a launch descriptor of an old version, tests nothing behind the
// reader. scripts/fuzz.sh runs the inputs under sanitizers.
//
//===----------------------------------------------------------------------===//

#include "dgemm/Emulator/Emulator.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

using namespace dgemm;

/// Calls `check` with the name and the text of each input of a target.
template <typename Check>
static void forEachInput(llvm::StringRef target, Check check) {
  std::error_code error;
  unsigned count = 0;
  llvm::sys::fs::directory_iterator file(llvm::Twine(DGEMM_FUZZ_CORPUS "/") + target, error), end;
  for (; file != end && !error; file.increment(error), ++count) {
    auto text = llvm::MemoryBuffer::getFile(file->path());
    ASSERT_TRUE(bool(text)) << file->path();
    check(llvm::sys::path::filename(file->path()), (*text)->getBuffer());
  }
  EXPECT_FALSE(error) << error.message();
  EXPECT_GT(count, 0u);
}

TEST(FuzzCorpus, LaunchDescriptorsAreRead) {
  forEachInput("launch", [](llvm::StringRef name, llvm::StringRef text) {
    llvm::Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(text);
    std::string error = launch ? "" : llvm::toString(launch.takeError());
    if (name == "cluster-overflow.json")
      EXPECT_NE(error.find("whose product is at most 16"), std::string::npos) << error;
    else
      EXPECT_EQ(error, "") << name.str();
  });
}

TEST(FuzzCorpus, KernelsReachTheEmulator) {
  forEachInput("emulate", [](llvm::StringRef name, llvm::StringRef text) {
    auto [json, ptx] = text.split("\n---\n");
    llvm::Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(json);
    ASSERT_TRUE(bool(launch)) << name.str() << ": " << llvm::toString(launch.takeError());
    llvm::Expected<emulator::Program> program = emulator::Program::parse(ptx, launch->entry);
    EXPECT_TRUE(bool(program)) << name.str() << ": " << llvm::toString(program.takeError());
  });
}
