//===- NpyTest.cpp - NumPy files ------------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Npy.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <numeric>

using namespace dgemm;
using namespace llvm;

namespace {

/// A temporary file, removed at the end of the test.
class TemporaryFile {
public:
  explicit TemporaryFile(StringRef content = "") {
    int descriptor;
    std::error_code code = sys::fs::createTemporaryFile("dgemm", "npy", descriptor, path);
    EXPECT_FALSE(code);
    raw_fd_ostream(descriptor, /*shouldClose=*/true) << content;
  }
  ~TemporaryFile() { sys::fs::remove(path); }
  StringRef getPath() const { return path; }
  std::string getContent() const { return (*MemoryBuffer::getFile(path))->getBuffer().str(); }

private:
  SmallString<128> path;
};

std::string makeNpy(StringRef dict, StringRef data, StringRef version = StringRef("\1\0", 2)) {
  std::string text = ("\x93NUMPY" + version).str();
  size_t lengthBytes = version[0] == 1 ? 2 : 4;
  for (size_t i = 0; i < lengthBytes; ++i)
    text += char(dict.size() >> (8 * i) & 255);
  return text + dict.str() + data.str();
}

std::string readError(StringRef content, ElementType type, ArrayRef<int64_t> shape) {
  TemporaryFile file(content);
  Expected<HostTensor> tensor = readNpy(file.getPath(), "a", type, shape);
  if (tensor)
    return "";
  std::string message = toString(tensor.takeError());
  size_t at = message.find(file.getPath().str());
  return at == std::string::npos ? message : message.replace(at, file.getPath().size(), "FILE");
}

TEST(Npy, RoundTripsEveryType) {
  for (ElementType type : kElementTypes) {
    HostTensor tensor = cantFail(HostTensor::create("t", type, {3, 5}));
    std::iota(tensor.data.begin(), tensor.data.end(), uint8_t(1));
    TemporaryFile file;
    ASSERT_FALSE(errorToBool(writeNpy(file.getPath(), tensor)));
    Expected<HostTensor> read = readNpy(file.getPath(), "t", type, {3, 5});
    ASSERT_TRUE(bool(read)) << toString(read.takeError());
    EXPECT_EQ(read->data, tensor.data);
    EXPECT_EQ(read->name, "t");
  }
}

TEST(Npy, WritesWhatNumPyReads) {
  HostTensor tensor = cantFail(HostTensor::create("d", ElementType::BF16, {2, 1}));
  TemporaryFile file;
  ASSERT_FALSE(errorToBool(writeNpy(file.getPath(), tensor)));
  std::string text = file.getContent();
  EXPECT_EQ(text.size(), 128u + 4u);
  EXPECT_EQ(text.substr(0, 8), std::string("\x93NUMPY\1\0", 8));
  EXPECT_NE(text.find("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 1), }"), std::string::npos);
  EXPECT_EQ(text[127], '\n');
}

TEST(Npy, ReadsFortranOrderAndVersion2) {
  TemporaryFile file(
      makeNpy("{'descr': '|V1', 'fortran_order': True, 'shape': (2, 3), }\n", "\1\2\3\4\5\6", StringRef("\2\0", 2)));
  Expected<HostTensor> tensor = readNpy(file.getPath(), "a", ElementType::F8E4M3FN, {2, 3});
  ASSERT_TRUE(bool(tensor)) << toString(tensor.takeError());
  EXPECT_EQ(tensor->data, (std::vector<uint8_t>{1, 3, 5, 2, 4, 6}));
}

TEST(Npy, ReadsOneDimension) {
  TemporaryFile file(makeNpy("{'shape': (4,), 'fortran_order': False, 'descr': '|u1'}\n", "abcd"));
  Expected<HostTensor> tensor = readNpy(file.getPath(), "a", ElementType::F8E4M3FN, {4});
  ASSERT_TRUE(bool(tensor)) << toString(tensor.takeError());
  EXPECT_EQ(tensor->data[3], 'd');
}

TEST(Npy, SaysWhatIsWrong) {
  auto f8 = ElementType::F8E4M3FN;
  EXPECT_EQ(readError("PK", f8, {4}), "'FILE' is not a .npy file: it does not start with \\x93NUMPY and a version");
  EXPECT_EQ(readError(makeNpy("{}", "", StringRef("\4\0", 2)), f8, {4}),
            "'FILE' is not a .npy file: format version 4 is unknown");
  EXPECT_EQ(readError(makeNpy("{'descr': '|u1'}", ""), f8, {4}),
            "'FILE' is not a .npy file: its header cannot be read");
  std::string good = makeNpy("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", "abcd");
  EXPECT_EQ(readError(good, f8, {4}), "");
  EXPECT_EQ(readError(good, f8, {2, 2}), "'FILE' has the shape (4) but a needs (2, 2)");
  EXPECT_EQ(readError(good, ElementType::F32, {1}),
            "'FILE' has elements of type '|u1' but a needs f32, in NumPy '<f4'");
  EXPECT_EQ(readError(StringRef(good).drop_back(), f8, {4}), "'FILE' has 3 bytes of data; its header promises 4");
  EXPECT_EQ(
      readError(makeNpy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "abcd"), ElementType::F32, {1}),
      "'FILE' has elements of type '>f4' but a needs f32, in NumPy '<f4'");
  Expected<HostTensor> missing = readNpy("/nonexistent/a.npy", "a", f8, {4});
  ASSERT_FALSE(bool(missing));
  EXPECT_EQ(toString(missing.takeError()), "cannot read '/nonexistent/a.npy': No such file or directory");
  EXPECT_NE(toString(writeNpy("/nonexistent/a.npy", cantFail(HostTensor::create("a", f8, {4})))).find("cannot write"),
            std::string::npos);
}

} // namespace
