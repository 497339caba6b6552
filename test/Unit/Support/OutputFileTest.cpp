//===- OutputFileTest.cpp - Files that are written whole ------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace dgemm;
using namespace llvm;

namespace {

class OutputFile : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_FALSE(sys::fs::createUniqueDirectory("dgemm-output", folder)); }
  void TearDown() override { sys::fs::remove_directories(folder); }

  std::string at(StringRef name) const { return (folder + "/" + name).str(); }
  static std::string write(const std::string &path, StringRef content = "new") {
    return toString(writeFile(path, [&](raw_ostream &os) { os << content; }));
  }
  static std::string read(const std::string &path) {
    ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "cannot read";
  }
  /// Files in the folder: a temporary one that stayed behind counts.
  unsigned countFiles() const {
    unsigned count = 0;
    std::error_code error;
    for (sys::fs::directory_iterator it(folder, error), end; it != end && !error; it.increment(error))
      ++count;
    return count;
  }

  SmallString<128> folder;
};

TEST_F(OutputFile, WritesANewFile) {
  EXPECT_EQ(write(at("file")), "");
  EXPECT_EQ(read(at("file")), "new");
  EXPECT_EQ(countFiles(), 1u);
}

TEST_F(OutputFile, AnOldFileKeepsItsPermissions) {
  ASSERT_EQ(write(at("file"), "old"), "");
  ASSERT_EQ(chmod(at("file").c_str(), 0640), 0);
  EXPECT_EQ(write(at("file")), "");
  EXPECT_EQ(read(at("file")), "new");
  struct stat status;
  ASSERT_EQ(stat(at("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(OutputFile, FollowsASymbolicLink) {
  ASSERT_EQ(write(at("file"), "old"), "");
  ASSERT_FALSE(sys::fs::create_link("file", at("link")));
  EXPECT_EQ(write(at("link")), "");
  EXPECT_TRUE(sys::fs::is_symlink_file(at("link")));
  EXPECT_EQ(read(at("file")), "new");
}

TEST_F(OutputFile, CreatesWhatADanglingLinkPointsAt) {
  ASSERT_FALSE(sys::fs::create_link("file", at("link")));
  EXPECT_EQ(write(at("link")), "");
  EXPECT_TRUE(sys::fs::is_symlink_file(at("link")));
  EXPECT_EQ(read(at("file")), "new");
}

TEST_F(OutputFile, WritesIntoAFifo) {
  ASSERT_EQ(mkfifo(at("fifo").c_str(), 0600), 0);
  std::string said;
  std::thread writer([&] { said = write(at("fifo"), "through the pipe"); });
  char buffer[64] = {};
  int fd = open(at("fifo").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  size_t got = 0;
  for (ssize_t count; (count = ::read(fd, buffer + got, sizeof(buffer) - got)) > 0;)
    got += size_t(count);
  writer.join();
  ::close(fd);
  EXPECT_EQ(said, "");
  EXPECT_EQ(StringRef(buffer, got), "through the pipe");
  struct stat status;
  ASSERT_EQ(stat(at("fifo").c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

TEST_F(OutputFile, LeavesDevicesWhereTheyAre) {
  EXPECT_EQ(write("/dev/null"), "");
  EXPECT_EQ(write("/dev/full"), "cannot write '/dev/full': No space left on device");
  EXPECT_EQ(write("/dev/full", std::string(1 << 20, 'x')), "cannot write '/dev/full': No space left on device");
  for (const char *device : {"/dev/null", "/dev/full"}) {
    struct stat status;
    ASSERT_EQ(stat(device, &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode)) << device;
  }
}

TEST_F(OutputFile, NamesTheReason) {
  EXPECT_EQ(write(at("none/file")), "cannot write '" + at("none/file") + "': No such file or directory");
  EXPECT_EQ(write(folder.str().str()), "cannot write '" + folder.str().str() + "': Is a directory");
  EXPECT_EQ(write(""), "cannot write '': No such file or directory");
  EXPECT_EQ(countFiles(), 0u);
}

TEST_F(OutputFile, WritesAllFilesOrNone) {
  ASSERT_EQ(write(at("a"), "old"), "");
  EXPECT_EQ(toString(writeFiles({{at("a"), "new"}, {at("none/b"), "new"}})),
            "cannot write '" + at("none/b") + "': No such file or directory");
  EXPECT_EQ(read(at("a")), "old");
  EXPECT_EQ(countFiles(), 1u);
  EXPECT_EQ(toString(writeFiles({{at("a"), "new"}, {at("b"), "too"}})), "");
  EXPECT_EQ(read(at("a")), "new");
  EXPECT_EQ(read(at("b")), "too");
  EXPECT_EQ(countFiles(), 2u);
}

} // namespace
