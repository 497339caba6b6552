//===- NvdisasmTest.cpp - Our decoder and rewriter against nvdisasm ----- -===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "dgemm/Sass/LoopStats.h"
#include "dgemm/Target/Disassembler.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace dgemm::sass;

namespace {

/// An instruction as nvdisasm shows it.
struct Line {
  std::string text;
  Instruction instruction;
};

/// The instructions in the output of `nvdisasm -c -hex`: text and low quadword stand in one line, the high one in the
/// next.
std::vector<Line> parseLines(llvm::StringRef output) {
  static const llvm::Regex first(R"(^ +/\*[0-9a-f]+\*/ +(.*[^ ]) *; +/\* 0x([0-9a-f]{16}) \*/$)");
  static const llvm::Regex second(R"(^ +/\* 0x([0-9a-f]{16}) \*/$)");
  std::vector<Line> lines;
  std::string text;
  uint64_t low = 0, high = 0;
  for (llvm::StringRef line : llvm::split(output, '\n')) {
    llvm::SmallVector<llvm::StringRef, 3> match;
    if (first.match(line, &match)) {
      text = match[1].str();
      EXPECT_FALSE(match[2].getAsInteger(16, low));
    } else if (second.match(line, &match)) {
      EXPECT_FALSE(match[1].getAsInteger(16, high));
      lines.push_back({text, Instruction(low, high)});
    }
  }
  return lines;
}

std::string withoutReuse(llvm::StringRef text) { return llvm::join(llvm::split(text, ".reuse"), ""); }

/// "QGMMA" of "@P0 QGMMA.64x64x32 R24, ...".
llvm::StringRef getMnemonic(llvm::StringRef text) {
  if (text.starts_with("@"))
    text = text.split(' ').second;
  return text.take_while([](char c) { return llvm::isAlnum(c) || c == '_'; });
}

/// Kernels of 1, 2 and 3 math warpgroups, each compiled once, with the listing of nvdisasm.
class SassNvdisasmTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    llvm::Expected<std::string> found = findDisassembler();
    if (!found)
      GTEST_SKIP() << llvm::toString(found.takeError());
    if (llvm::Expected<Assembler> ptxas = findAssembler(); !ptxas)
      GTEST_SKIP() << llvm::toString(ptxas.takeError());
    nvdisasm = *found;
    CompileOptions options;
    options.config = GetParam();
    llvm::Expected<CompiledKernel> kernel = compileKernel({4096, 7168, 2048}, options);
    ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
    image = kernel->cubin;
    lines = list(image);
    ASSERT_FALSE(lines.empty());
  }

  std::vector<Line> list(llvm::StringRef cubin) {
    llvm::Expected<std::string> text = disassemble(nvdisasm, cubin);
    EXPECT_TRUE(bool(text)) << llvm::toString(text.takeError());
    return text ? parseLines(*text) : std::vector<Line>();
  }

  std::string nvdisasm, image;
  std::vector<Line> lines;
};

} // namespace

INSTANTIATE_TEST_SUITE_P(MathWarpgroups, SassNvdisasmTest,
                         testing::Values("block = 64x64x128, warpgroups = 1", "block = 128x128x128, warpgroups = 2",
                                         "block = 192x128x128, warpgroups = 3"),
                         [](const auto &info) { return std::to_string(info.index + 1); });

TEST_P(SassNvdisasmTest, DecodesAlike) {
  llvm::Expected<Cubin> cubin = Cubin::parse(image);
  ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
  ASSERT_EQ(cubin->getKernels().size(), 1u);
  llvm::ArrayRef<Instruction> code = cubin->getKernels()[0].instructions;
  ASSERT_EQ(code.size(), lines.size());
  unsigned ffmas = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    EXPECT_EQ(code[i], lines[i].instruction) << lines[i].text;
    EXPECT_EQ(code[i].getMnemonic(), getMnemonic(lines[i].text)) << lines[i].text;
    if (!code[i].isFFMA())
      continue;
    std::string text;
    llvm::raw_string_ostream os(text);
    code[i].print(os);
    EXPECT_EQ(text, lines[i].text);
    ++ffmas;
  }
  EXPECT_GE(ffmas, 32u);
}

TEST_P(SassNvdisasmTest, RewritesNothingButHints) {
  for (InterleavePolicy policy :
       {InterleavePolicy::None, InterleavePolicy::Alternate, InterleavePolicy::AlternateNineSixteenths,
        InterleavePolicy::All, InterleavePolicy::Never}) {
    SCOPED_TRACE(sass::toString(policy).str());
    CompileOptions options;
    options.config = GetParam();
    options.interleaveFFMA = policy;
    llvm::Expected<CompiledKernel> kernel = compileKernel({4096, 7168, 2048}, options);
    ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
    EXPECT_EQ(kernel->interleaved.has_value(), policy != InterleavePolicy::None);
    std::vector<Line> after = list(kernel->cubin);
    ASSERT_EQ(after.size(), lines.size());
    unsigned changed = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(withoutReuse(after[i].text), withoutReuse(lines[i].text));
      if (getMnemonic(lines[i].text) != "FFMA") {
        EXPECT_EQ(after[i].instruction, lines[i].instruction) << lines[i].text;
        continue;
      }
      EXPECT_EQ(after[i].instruction.withoutHints(), lines[i].instruction.withoutHints()) << lines[i].text;
      changed += after[i].instruction != lines[i].instruction;
    }
    EXPECT_EQ(changed > 0, kernel->interleaved && !kernel->interleaved->empty());
    if (policy == InterleavePolicy::All)
      EXPECT_GE(changed, 16u);
    // Outside of the code no byte differs.
    llvm::Expected<Cubin> cubin = Cubin::parse(image);
    ASSERT_TRUE(bool(cubin));
    size_t begin = cubin->getKernels()[0].offset, end = begin + lines.size() * Instruction::kBytes;
    ASSERT_EQ(kernel->cubin.size(), image.size());
    EXPECT_EQ(kernel->cubin.substr(0, begin), image.substr(0, begin));
    EXPECT_EQ(kernel->cubin.substr(end), image.substr(end));
  }
}

TEST_P(SassNvdisasmTest, FindsTheMainLoop) {
  std::vector<Instruction> code;
  for (const Line &line : lines)
    code.push_back(line.instruction);
  std::vector<LoopStats> loops = findMainLoops(code);
  ASSERT_FALSE(loops.empty());
  for (const LoopStats &loop : loops) {
    EXPECT_GT(loop.partials, 0u);
    // A K block is 128 deep, a QGMMA 32.
    EXPECT_EQ(loop.qgmmas, 4 * loop.partials);
    EXPECT_EQ(loop.localMemory, 0u);
    EXPECT_GT(loop.getCount("FFMA"), 0u);
  }
}
