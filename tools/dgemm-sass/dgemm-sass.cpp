//===- dgemm-sass.cpp - Lists and rewrites machine code of kernels --------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/OptionRules.h"
#include "../common/OutOfMemory.h"
#include "dgemm/Sass/Interleave.h"
#include "dgemm/Sass/LoopStats.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"
#include <bitset>

using namespace llvm;
using namespace dgemm::sass;

static cl::OptionCategory category("dgemm-sass options");
static cl::extrahelp moreHelp(R"(
EXAMPLES:

  dgemm-gen --m=4096 --n=7168 --k=2048 --emit=cubin | dgemm-sass - --loop-stats
  dgemm-sass kernel.cubin --policy=never --dry-run

EXIT CODES:

  0  all that was asked for is printed or written
  1  an error, which is on standard error; no file is written
)");
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("<cubin, - for standard input>"), cl::init("-"),
                                      cl::cat(category));
static cl::opt<std::string> outputFile("o", cl::desc("Write the rewritten cubin to this file, - for standard output"),
                                       cl::value_desc("file"), cl::cat(category));
static cl::opt<InterleavePolicy>
    policy("policy", cl::desc("Which promotion FFMAs of a run yield to other warps"),
           cl::values(clEnumValN(InterleavePolicy::None, "none", "unchanged"),
                      clEnumValN(InterleavePolicy::Alternate, "alternate", "every second FFMA, from the first on"),
                      clEnumValN(InterleavePolicy::AlternateNineSixteenths, "alternate-9/16",
                                 "the same in the first 9/16 of each run"),
                      clEnumValN(InterleavePolicy::All, "all", "every one"),
                      clEnumValN(InterleavePolicy::Never, "never", "not one")),
           cl::cat(category));
static cl::opt<bool> list("list", cl::desc("List the runs of FFMAs with their control bits (default without -o)"),
                          cl::cat(category));
static cl::opt<bool> stats("loop-stats", cl::desc("Count the instructions of the main loops"), cl::cat(category));
static cl::opt<bool> dryRun("dry-run", cl::desc("Print what a rewrite would change, but write nothing"),
                            cl::cat(category));

static uint64_t getAddress(size_t index) { return index * Instruction::kBytes; }

static void printRun(raw_ostream &os, ArrayRef<Instruction> code, FFMARun run) {
  std::bitset<256> registers;
  unsigned yields = 0, reuses = 0;
  for (const Instruction &instruction : code.slice(run.begin, run.size())) {
    for (unsigned number : instruction.getFFMARegisters())
      registers.set(number);
    yields += instruction.getControl().yields;
    reuses += instruction.getControl().reuse != 0;
  }
  os << formatv("  run {0:x4} to {1:x4}: {2} FFMA, {3} registers, {4} yield, {5} reuse\n", getAddress(run.begin),
                getAddress(run.end), run.size(), registers.count(), yields, reuses);
  for (size_t i = run.begin; i < run.end; ++i) {
    os << formatv("    {0:x4}  ", getAddress(i)) << code[i].getControl() << "  ";
    code[i].print(os);
    os << '\n';
  }
}

static void printList(raw_ostream &os, const KernelCode &kernel) {
  ArrayRef<Instruction> code = kernel.instructions;
  std::vector<FFMARun> runs = findRuns(code);
  os << formatv("kernel {0}: {1} instructions, {2} QGMMA, {3} FFMA, {4} runs of {5} or more\n", kernel.name,
                code.size(), count_if(code, [](const Instruction &i) { return i.isQGMMA(); }),
                count_if(code, [](const Instruction &i) { return i.isFFMA(); }), runs.size(), FFMARun::kMinLength);
  for (FFMARun run : runs)
    printRun(os, code, run);
}

static void printStats(raw_ostream &os, const KernelCode &kernel) {
  ArrayRef<Instruction> code = kernel.instructions;
  std::vector<LoopStats> loops = findMainLoops(code);
  os << formatv("kernel {0}: {1} main loops\n", kernel.name, loops.size());
  for (const LoopStats &loop : loops) {
    os << formatv("  loop {0:x4} to {1:x4}: {2} instructions, {3} stall cycles, {4} QGMMA in {5} partial products\n",
                  getAddress(loop.begin), getAddress(loop.end), loop.end - loop.begin, loop.stallCycles, loop.qgmmas,
                  loop.partials);
    os << formatv("    {0,-14} {1,9} {2,11}\n", "", "iteration", "per partial");
    for (auto &[name, count] : loop.counts)
      if (loop.partials)
        os << formatv("    {0,-14} {1,9} {2,11:F1}\n", name, count, double(count) / loop.partials);
      else
        os << formatv("    {0,-14} {1,9}\n", name, count);
    if (loop.localMemory)
      WithColor::warning(os, "", /*DisableColors=*/true)
          << formatv("{0} loads or stores of local memory in the main loop\n", loop.localMemory);
  }
  if (size_t all = count_if(code, [](const Instruction &i) { return i.isLocalMemory(); }))
    WithColor::warning(os, "", /*DisableColors=*/true)
        << formatv("{0} loads or stores of local memory in the kernel\n", all);
}

/// Rewrites all kernels and prints the changes.
static Error rewrite(raw_ostream &os, Cubin &cubin) {
  for (KernelCode &kernel : cubin.getKernels()) {
    Expected<InterleaveChanges> changes = interleave(kernel.instructions, policy);
    if (!changes)
      return createStringError("kernel '" + kernel.name + "': " + toString(changes.takeError()));
    os << formatv("kernel {0}, policy {1}: {2} FFMAs in {3} runs; {4} yields set, {5} cleared, {6} reuses dropped\n",
                  kernel.name, toString(policy), changes->ffmas, changes->runs, changes->yieldsSet,
                  changes->yieldsCleared, changes->reusesDropped);
  }
  return Error::success();
}

static Error run() {
  bool rewrites = !outputFile.empty() || dryRun;
  if (Error error = dgemm::checkOptions({{!rewrites, "without -o FILE or --dry-run", {&policy}},
                                         {dryRun, "with --dry-run, which writes nothing", {&outputFile}}}))
    return error;
  if (rewrites && !policy.getNumOccurrences())
    return createStringError("a rewrite requires --policy; see --help");
  auto buffer = MemoryBuffer::getFileOrSTDIN(inputFile, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read '" + inputFile + "': " + buffer.getError().message());
  Expected<Cubin> cubin = Cubin::parse((*buffer)->getBuffer());
  if (!cubin)
    return createStringError("'" + inputFile + "': " + toString(cubin.takeError()));
  // Messages must not mix with a cubin on standard output.
  raw_ostream &os = outputFile == "-" ? errs() : outs();
  if (rewrites)
    if (Error error = rewrite(os, *cubin))
      return error;
  for (const KernelCode &kernel : cubin->getKernels()) {
    if (list || (!rewrites && !stats))
      printList(os, kernel);
    if (stats)
      printStats(os, kernel);
  }
  if (outputFile.empty())
    return Error::success();
  return dgemm::writeFile(outputFile, [&](raw_ostream &os) { os << cubin->write(); });
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  dgemm::exitWhereMemoryRunsOut("dgemm-sass");
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](raw_ostream &os) { os << "dgemm-sass " DGEMM_VERSION "\n"; });
  cl::ParseCommandLineOptions(
      argc, argv,
      "Lists and rewrites the scheduling hints of the promotion FFMAs in a cubin for sm_90a.\n\n"
      "  dgemm-sass kernel.cubin --loop-stats\n"
      "  dgemm-sass kernel.cubin --policy=alternate -o rewritten.cubin\n");
  if (Error error = run()) {
    WithColor::error(errs(), "dgemm-sass") << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
