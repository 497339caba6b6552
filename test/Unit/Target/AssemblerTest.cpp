//===- AssemblerTest.cpp - Tests of finding and running ptxas -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/Assembler.h"
#include "ProgramSearch.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <optional>
#include <thread>

using namespace dgemm;
namespace fs = llvm::sys::fs;

namespace {

/// An environment variable, put back at the end of the scope.
class ScopedVariable {
public:
  ScopedVariable(const char *name, const std::optional<std::string> &value)
      : name(name), saved(llvm::sys::Process::GetEnv(name)) {
    assign(value);
  }
  ~ScopedVariable() { assign(saved); }

private:
  void assign(const std::optional<std::string> &value) {
    if (value)
      setenv(name, value->c_str(), 1);
    else
      unsetenv(name);
  }
  const char *name;
  std::optional<std::string> saved;
};

/// A directory of its own for each test. It also becomes the temporary directory, so that a test sees what is left in
/// it.
class AssemblerTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("dgemm-assembler-test", directory));
    ASSERT_FALSE(fs::create_directory(getPath("tmp")));
    temporary.emplace("TMPDIR", getPath("tmp"));
  }
  void TearDown() override {
    std::error_code code;
    EXPECT_EQ(fs::directory_iterator(getPath("tmp"), code), fs::directory_iterator()) << "a temporary file was left";
    temporary.reset();
    fs::remove_directories(directory);
  }

  std::string getPath(llvm::StringRef name) const { return (directory + "/" + name).str(); }

  /// Writes an executable shell script that stands in for ptxas: `version` is what --version prints, `body` what else
  /// it does. In `body`, $out is the file to write.
  std::string makeScript(llvm::StringRef name, llvm::StringRef release, llvm::StringRef body = "exit 1") const {
    std::string file = getPath(name);
    EXPECT_FALSE(fs::create_directories(llvm::sys::path::parent_path(file)));
    std::error_code code;
    llvm::raw_fd_ostream stream(file, code);
    EXPECT_FALSE(code);
    stream << "#!/bin/sh\n"
           << "if [ \"$1\" = --version ]; then\n"
           << "  echo 'ptxas: NVIDIA (R) Ptx optimizing assembler'\n"
           << "  echo 'Cuda compilation tools, release " << release << ", V" << release << ".1'\n"
           << "  exit 0\nfi\n"
           << "for out in \"$@\"; do :; done\n"
           << body << "\n";
    stream.close();
    EXPECT_FALSE(fs::setPermissions(file, fs::perms::all_all));
    return file;
  }

  llvm::SmallString<128> directory;
  std::optional<ScopedVariable> temporary;
};

/// As AssemblerTest, with the machine's ptxas; skipped where there is none.
class RealAssemblerTest : public AssemblerTest {
protected:
  void SetUp() override {
    AssemblerTest::SetUp();
    llvm::Expected<Assembler> found = findAssembler();
    if (!found)
      GTEST_SKIP() << llvm::toString(found.takeError());
    assembler = *found;
  }
  Assembler assembler;
};

} // namespace

/// The message of a failed result, empty for one that did not fail.
template <typename T>
static std::string getMessage(llvm::Expected<T> result) {
  return result ? "" : llvm::toString(result.takeError());
}

static std::string readInput(llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile(DGEMM_TEST_DIR "/Unit/Target/Inputs/" + name);
  EXPECT_TRUE(buffer) << name.str();
  return buffer ? (*buffer)->getBuffer().str() : "";
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

TEST_F(AssemblerTest, ExplicitPathIsFinal) {
  std::string file = makeScript("my-ptxas", "12.4");
  ScopedVariable variable("DGEMM_PTXAS", getPath("other"));
  llvm::Expected<Assembler> found = findAssembler(file);
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_EQ(found->path, file);
  EXPECT_EQ(found->major, 12u);
  EXPECT_EQ(found->minor, 4u);

  std::string message = getMessage(findAssembler(getPath("absent")));
  EXPECT_CONTAINS(message, "no ptxas at '" + getPath("absent") + "', which --ptxas names");
}

TEST_F(AssemblerTest, VariableIsFinal) {
  ScopedVariable variable("DGEMM_PTXAS", getPath("absent"));
  std::string message = getMessage(findAssembler());
  EXPECT_CONTAINS(message, "no ptxas at '" + getPath("absent") + "', which DGEMM_PTXAS names");
  EXPECT_CONTAINS(message, "correct it, or leave it out");
}

TEST_F(AssemblerTest, PathComesBeforeVirtualEnvironment) {
  ScopedVariable variable("DGEMM_PTXAS", std::nullopt);
  std::string inPath = makeScript("bin/ptxas", "13.0");
  makeScript("venv/lib/python3.11/site-packages/nvidia/cu13/bin/ptxas", "13.1");
  ScopedVariable venv("VIRTUAL_ENV", getPath("venv"));
  ScopedVariable path("PATH", getPath("bin"));
  llvm::Expected<Assembler> found = findAssembler();
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_EQ(found->path, inPath);
}

TEST_F(AssemblerTest, WheelsOfBothLayouts) {
  ScopedVariable variable("DGEMM_PTXAS", "");
  ScopedVariable path("PATH", getPath("bin"));
  ScopedVariable venv("VIRTUAL_ENV", getPath("venv"));
  std::string old = makeScript("venv/lib/python3.11/site-packages/nvidia/cuda_nvcc/bin/ptxas", "12.9");
  llvm::Expected<Assembler> found = findAssembler();
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_EQ(found->path, old);
  EXPECT_EQ(found->major, 12u);

  // Other packages of the same family live beside it, and none of them holds ptxas.
  ASSERT_FALSE(fs::create_directories(getPath("venv/lib/python3.11/site-packages/nvidia/cudnn/lib")));
  fs::remove(old);
  std::string fresh = makeScript("venv/lib/python3.11/site-packages/nvidia/cu13/bin/ptxas", "13.0");
  found = findAssembler();
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_EQ(found->path, fresh);
}

TEST_F(AssemblerTest, BuildTreeKnowsItsCheckout) {
  auto find = [&](llvm::StringRef cache) {
    std::error_code code;
    llvm::raw_fd_ostream(getPath("CMakeCache.txt"), code) << cache;
    return findVirtualEnvironmentOfBuildTree(getPath("bin/dgemm-gen"));
  };
  EXPECT_EQ(findVirtualEnvironmentOfBuildTree(getPath("bin/dgemm-gen")), "") << "an installed program";
  EXPECT_EQ(find("// of CMake\nCMAKE_HOME_DIRECTORY:INTERNAL=/checkout\nCMAKE_PROJECT_NAME:STATIC=DGemm\n"),
            "/checkout/.venv");
  EXPECT_EQ(find("CMAKE_HOME_DIRECTORY:INTERNAL=/checkout\nCMAKE_PROJECT_NAME:STATIC=Another\n"), "");
  EXPECT_EQ(find("CMAKE_PROJECT_NAME:STATIC=DGemm\n"), "");
  EXPECT_EQ(findVirtualEnvironmentOfBuildTree(""), "");
}

TEST_F(AssemblerTest, NamedFileIsNotPtxas) {
  std::string file = getPath("plain");
  std::error_code code;
  llvm::raw_fd_ostream(file, code) << "#!/bin/sh\necho hello\n";
  EXPECT_CONTAINS(getMessage(findAssembler(file)), "is not an executable file");
  ASSERT_FALSE(fs::setPermissions(file, fs::perms::all_all));
  EXPECT_CONTAINS(getMessage(findAssembler(file)), "is not ptxas: --version prints no release");
  EXPECT_CONTAINS(getMessage(findAssembler("/bin/false")), "cannot be run as ptxas: exit code 1");
  EXPECT_CONTAINS(getMessage(findAssembler("/bin/false")), "pip install 'nvidia-cuda-nvcc==13.0.*'");
}

//===----------------------------------------------------------------------===//
// Failures that need no real ptxas
//===----------------------------------------------------------------------===//

TEST_F(AssemblerTest, TooOldForThePTX) {
  std::string file = makeScript("ptxas", "12.4");
  llvm::Expected<Assembler> old = findAssembler(file);
  ASSERT_TRUE(bool(old)) << llvm::toString(old.takeError());
  std::string message = getMessage(assemble(*old, ".version 8.6\n.target sm_90a\n", "k"));
  EXPECT_CONTAINS(message, "ptxas 12.4 at '" + file + "' is too old for PTX 8.6, which requires ptxas 12.7 or newer");
  EXPECT_CONTAINS(message, "--ptxas or DGEMM_PTXAS");
}

TEST_F(AssemblerTest, QuotesPtxasWithoutTemporaryNames) {
  Assembler assembler{makeScript("ptxas", "13.0", "echo \"ptxas $4, line 3; fatal   : no\" >&2; exit 255"), 13, 0};
  std::string message = getMessage(assemble(assembler, ".version 8.0\n", "kernel"));
  EXPECT_EQ(message, "ptxas refuses kernel 'kernel' (exit code 255)\n"
                     "  ptxas kernel.ptx, line 3; fatal   : no\n"
                     "  command: " +
                         assembler.path + " -v -O3 --gpu-name=sm_90a kernel.ptx -o kernel.cubin");
}

TEST_F(AssemblerTest, PtxasDies) {
  Assembler assembler{makeScript("ptxas", "13.0", "kill -9 $$"), 13, 0};
  EXPECT_CONTAINS(getMessage(assemble(assembler, ".version 8.0\n", "k")), "ptxas refuses kernel 'k' (Killed)");
  assembler.path = getPath("gone");
  EXPECT_CONTAINS(getMessage(assemble(assembler, ".version 8.0\n", "k")), "No such file or directory");
}

TEST_F(AssemblerTest, SaysYesButWritesNothing) {
  Assembler assembler{makeScript("ptxas", "13.0", "echo \"info : Compiling entry function 'k' for 'sm_90a'\""), 13, 0};
  EXPECT_CONTAINS(getMessage(assemble(assembler, ".version 8.0\n", "k")), "wrote no cubin");
}

TEST_F(AssemblerTest, TemporaryDirectoryIsNotWritable) {
  Assembler assembler{makeScript("ptxas", "13.0"), 13, 0};
  ScopedVariable absent("TMPDIR", getPath("absent"));
  std::string message = getMessage(assemble(assembler, ".version 8.0\n", "k"));
  EXPECT_CONTAINS(message, "cannot create a temporary file in '" + getPath("absent"));
}

//===----------------------------------------------------------------------===//
// The real ptxas
//===----------------------------------------------------------------------===//

TEST_F(RealAssemblerTest, Good) {
  llvm::Expected<AssembledKernel> kernel = assemble(assembler, readInput("good.ptx"), "good");
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  EXPECT_EQ(kernel->image.substr(0, 4), "\177ELF");
  EXPECT_GT(kernel->resources.registers, 8u);
  EXPECT_EQ(kernel->resources.barriers, 1u);
  EXPECT_EQ(kernel->resources.staticSharedBytes, 64u);
  EXPECT_EQ(kernel->resources.stackBytes, 0u);
  EXPECT_CONTAINS(kernel->log, "Compiling entry function 'good' for 'sm_90a'");
}

TEST_F(RealAssemblerTest, SlowKernelsFail) {
  const struct {
    const char *file, *entry, *words, *remedy;
  } cases[] = {
      {"serialised.ptx", "serialised", "wgmma.mma_async instructions are serialized", "to do: "},
      {"injected.ptx", "injected", "warpgroup.wait is injected", "to do: put wgmma.wait_group"},
      {"setmaxnreg.ptx", "setmaxnreg_ignored", "'setmaxnreg' ignored", "to do: state .reqntid"},
      {"spilling.ptx", "spilling", "bytes spill stores", "to do: registers spill"},
      {"local.ptx", "uses_local", "64 bytes stack frame", "to do: local memory is in use"},
  };
  for (const auto &test : cases) {
    std::string message = getMessage(assemble(assembler, readInput(test.file), test.entry));
    EXPECT_CONTAINS(message, "kernel '" + std::string(test.entry) + "' does not assemble as written");
    EXPECT_CONTAINS(message, test.words);
    EXPECT_CONTAINS(message, test.remedy);
    EXPECT_CONTAINS(message, "command: " + assembler.path);
  }
}

TEST_F(RealAssemblerTest, BadInput) {
  std::string good = readInput("good.ptx");
  EXPECT_CONTAINS(getMessage(assemble(assembler, good, "absent")), "ptxas does not report a kernel 'absent'");
  EXPECT_CONTAINS(getMessage(assemble(assembler, good, "good", "sm_1")), "ptxas refuses kernel 'good'");
  std::string message = getMessage(assemble(assembler, ".version 8.0\n.target sm_90a\nnonsense\n", "k"));
  EXPECT_CONTAINS(message, "ptxas k.ptx, line 3");
  // A version that no table of ours knows is left to ptxas.
  EXPECT_CONTAINS(getMessage(assemble(assembler, ".version 99.0\n.target sm_90a\n", "k")), "ptxas refuses kernel 'k'");
}

TEST_F(RealAssemblerTest, ManyThreads) {
  std::string ptx = readInput("good.ptx");
  std::vector<std::string> messages(4), images(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < messages.size(); ++i)
    threads.emplace_back([&, i] {
      llvm::Expected<AssembledKernel> kernel = assemble(assembler, ptx, "good");
      if (kernel)
        images[i] = kernel->image;
      else
        messages[i] = llvm::toString(kernel.takeError());
    });
  for (std::thread &thread : threads)
    thread.join();
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i], "");
    EXPECT_EQ(images[i], images[0]) << "the image must not depend on the name of a temporary file";
  }
}
