//===- dgemm-gen.cpp - Shape in, artifact out -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/OutOfMemory.h"
#include "../common/ShapeOptions.h"
#include "dgemm/Analysis/ConfigFields.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"
#include <ctime>
#include <deque>
#include <variant>

using namespace llvm;
using namespace dgemm;

static cl::OptionCategory problemGroup("1. The problem");
static cl::OptionCategory outputGroup("2. What to write");
static cl::OptionCategory configGroup("3. Choice of the config");
static cl::OptionCategory targetGroup("4. Target and programs");
static cl::extrahelp moreHelp(R"(
EXAMPLES:

  dgemm-gen --m=? --n=7168 --k=2048 -o kernel.ptx                  any number of rows
  dgemm-gen --m=512 --n=4096 --k=7168 --layout=masked --groups=32 --output-dir=out
  dgemm-gen --m=? --n=7168 --k=2048 --emit=specialized             the IR half-way
  dgemm-gen --m=64 --n=7168 --k=2048 --list-configs                the configs that there are
  dgemm-gen kernel.mlir --emit=cubin -o kernel.cubin               IR of any level, from a file

EXIT CODES:

  0  all that was asked for is written
  1  an error, which is on standard error; no file is written
)");
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("[IR file, - for standard input]"),
                                      cl::cat(problemGroup));
static ShapeOptions shapeOptions(problemGroup);
static cl::opt<std::string>
    emit("emit",
         cl::desc("What to write: problem, configured, tiled, promoted, specialized, tma, wgmma, nvvm, llvm, "
                  "ptx, cubin, sass (the cubin as nvdisasm prints it), or launch (the launch descriptor); default ptx"),
         cl::value_desc("stage"), cl::init("ptx"), cl::cat(outputGroup));
static cl::opt<std::string> outputFile("o", cl::desc("Output file; default standard output"), cl::value_desc("file"),
                                       cl::init("-"), cl::cat(outputGroup));
static cl::opt<std::string>
    outputDir("output-dir",
              cl::desc("Write kernel.ptx, kernel.cubin and kernel.json into this folder; with several "
                       "kernels in an IR file, files with their names"),
              cl::value_desc("folder"), cl::cat(outputGroup));
static cl::opt<std::string> config(
    "config",
    cl::desc("Given config fields, such as 'block = 128x192x128, stages = 4'; the tuned table, or "
             "else the cost model, chooses the others. Between < and >: a complete config. help: list the fields"),
    cl::value_desc("fields"), cl::cat(configGroup));
static cl::opt<std::string> chip("chip", cl::desc("Target; only sm_90a"), cl::init("sm_90a"), cl::cat(targetGroup));
static cl::opt<std::string> entry("entry", cl::desc("Kernel symbol; for an IR file: the kernel to compile"),
                                  cl::cat(targetGroup));
static cl::opt<std::string> ptxas("ptxas", cl::desc("ptxas to use"), cl::value_desc("path"), cl::cat(targetGroup));
static cl::opt<std::string> nvdisasm("nvdisasm", cl::desc("nvdisasm to use for --emit=sass"), cl::value_desc("path"),
                                     cl::cat(targetGroup));
static cl::opt<sass::InterleavePolicy> interleaveFFMA(
    "interleave-ffma", cl::desc("Which promotion FFMAs of a run yield to other warps"),
    cl::init(sass::InterleavePolicy::None), cl::cat(targetGroup),
    cl::values(clEnumValN(sass::InterleavePolicy::None, "none", "unchanged, as ptxas chose (default)"),
               clEnumValN(sass::InterleavePolicy::Alternate, "alternate", "every second FFMA, from the first on"),
               clEnumValN(sass::InterleavePolicy::AlternateNineSixteenths, "alternate-9/16",
                          "the same in the first 9/16 of each run"),
               clEnumValN(sass::InterleavePolicy::All, "all", "every one"),
               clEnumValN(sass::InterleavePolicy::Never, "never", "not one")));
static cl::opt<std::string>
    machine("machine", cl::desc("GPU to choose the config for: h100 (default), h100-pcie, h200, gh200 or h20"),
            cl::value_desc("name"), cl::cat(configGroup));
static IntegerOption<1, 1024> multiprocessors("multiprocessors",
                                              cl::desc("Multiprocessors to use; default: those of the machine"),
                                              cl::init(0), cl::value_desc("count"), cl::cat(configGroup));
static cl::opt<std::string> tunedTable("tuned-table",
                                       cl::desc("Table of dgemm-tune, which precedes those of the library"),
                                       cl::value_desc("file"), cl::cat(configGroup));
static cl::opt<std::string> spillData("spill-data",
                                      cl::desc("File with the configs that ptxas spills, in place of the library's"),
                                      cl::value_desc("file"), cl::cat(configGroup));
static cl::opt<bool> printConfig("print-config", cl::desc("Print the chosen config and its source on standard error"),
                                 cl::cat(outputGroup));
static cl::opt<bool> listAll("list-configs", cl::desc("Print every legal config, the best by the cost model first"),
                             cl::cat(outputGroup));
static cl::opt<std::string> neighboursOf("list-neighbours",
                                         cl::desc("Print the legal configs that are one step away from this one"),
                                         cl::value_desc("config"), cl::cat(outputGroup));
static cl::opt<std::string>
    ordersOf("list-orders", cl::desc("Print the variants of this config that differ only in the order of tiles"),
             cl::value_desc("config"), cl::cat(outputGroup));
static cl::opt<bool> printAlignment("print-row-alignment", cl::desc("Print the row alignment of contiguous groups"),
                                    cl::cat(outputGroup));
static cl::opt<bool> explain("explain",
                             cl::desc("Print the predicted time of the config on the machine, and what bounds it"),
                             cl::cat(outputGroup));
static cl::opt<bool> printTimes("time", cl::desc("Print the time of each stage on standard error"),
                                cl::cat(outputGroup));

/// CPU time that the process had used when main began: loading and static initialisation.
static double startUp;

static double processMilliseconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}

static Expected<GemmShape> getShape() {
  if (StringRef missing = shapeOptions.getMissingSize(); !missing.empty())
    return createStringError("expected --" + missing + "=SIZE (or an IR file)");
  Expected<GemmShape> shape = shapeOptions.getShape();
  if (!shape)
    return shape.takeError();
  return shapeOptions.leaveDynamic(*shape);
}

/// The IR of the input file, or the shape of --m, --n and --k.
using Problem = std::variant<std::string, GemmShape>;
static Expected<Problem> getProblem(CompileOptions &options) {
  if (!inputFile.getNumOccurrences()) {
    Expected<GemmShape> shape = getShape();
    return shape ? Expected<Problem>(*shape) : shape.takeError();
  }
  options.irName = inputFile == "-" ? "<stdin>" : inputFile.getValue();
  auto buffer = MemoryBuffer::getFileOrSTDIN(inputFile);
  if (!buffer)
    return createStringError("cannot read '" + inputFile + "': " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

static Error writeLines(Expected<std::vector<std::string>> lines) {
  if (!lines)
    return lines.takeError();
  std::string text = join(*lines, "\n") + (lines->empty() ? "" : "\n");
  return writeFiles({{outputFile, text}});
}

static void report(const CompiledKernel &kernel, const CompileOptions &options) {
  if (printConfig)
    errs() << "config " << kernel.launch.config << " from " << toString(kernel.configSource) << ", "
           << kernel.launch.threads << " threads, " << kernel.launch.sharedMemory << " bytes of shared memory\n";
  if (printConfig && kernel.resources)
    errs() << kernel.resources->registers << " registers at entry, " << kernel.resources->barriers << " barriers, "
           << kernel.resources->spillStoreBytes + kernel.resources->spillLoadBytes << " bytes spilled\n";
  if (printConfig && kernel.interleaved)
    errs() << "interleave " << toString(options.interleaveFFMA) << ": " << kernel.interleaved->ffmas << " FFMAs in "
           << kernel.interleaved->runs << " runs, " << kernel.interleaved->yieldsSet << " yields set, "
           << kernel.interleaved->yieldsCleared << " cleared, " << kernel.interleaved->reusesDropped
           << " reuses dropped\n";
}

static void reportTimes(const StageTimes &times) {
  double total = startUp;
  errs() << formatv("{0,-10} {1,8:F1} ms (CPU time before main)\n", "start", startUp);
  for (auto &[name, milliseconds] : times) {
    errs() << formatv("{0,-10} {1,8:F1} ms\n", name, milliseconds);
    total += milliseconds;
  }
  errs() << formatv("{0,-10} {1,8:F1} ms\n", "total", total);
}

/// The requested kernels of `kernels`: one, or all for --output-dir.
static Expected<std::vector<CompiledKernel>> choose(std::vector<CompiledKernel> kernels) {
  std::string names = join(map_range(kernels, [](const CompiledKernel &kernel) { return kernel.launch.entry; }), ", ");
  if (entry.getNumOccurrences()) {
    erase_if(kernels, [](const CompiledKernel &kernel) { return kernel.launch.entry != entry; });
    if (kernels.empty())
      return createStringError("expected --entry to be one of the kernels (" + names + "), but got '" + entry + "'");
  }
  if (kernels.size() > 1 && !outputDir.getNumOccurrences())
    return createStringError("the input holds " + Twine(kernels.size()) + " kernels (" + names +
                             "); choose one with --entry=NAME, or write all with --output-dir=FOLDER");
  return kernels;
}

/// The kernels of `problem`; a shape has one.
static Expected<std::vector<CompiledKernel>> compile(const Problem &problem, const CompileOptions &options,
                                                     Stage last) {
  if (const auto *ir = std::get_if<std::string>(&problem)) {
    Expected<std::vector<CompiledKernel>> kernels = compileModule(*ir, options, last);
    return kernels ? choose(std::move(*kernels)) : std::move(kernels);
  }
  std::vector<CompiledKernel> kernels(1);
  if (Error error = compileKernel(std::get<GemmShape>(problem), options, last).moveInto(kernels.front()))
    return std::move(error);
  return kernels;
}

static Error writeAll(ArrayRef<CompiledKernel> kernels) {
  if (std::error_code error = sys::fs::create_directories(outputDir))
    return createStringError("cannot create '" + outputDir + "': " + error.message());
  std::deque<std::string> launches;
  std::vector<std::pair<std::string, StringRef>> files;
  for (const CompiledKernel &kernel : kernels) {
    std::string base = outputDir + "/" + (kernels.size() == 1 ? "kernel" : kernel.launch.entry);
    launches.push_back(kernel.launch.toJSON());
    files.push_back({base + ".ptx", kernel.ptx});
    files.push_back({base + ".cubin", kernel.cubin});
    files.push_back({base + ".json", launches.back()});
  }
  return writeFiles(files);
}

/// Error: an option that has no effect.
static Error checkCommandLine(Stage stage) {
  bool lists = listAll || !neighboursOf.empty() || !ordersOf.empty();
  bool hasFile = inputFile.getNumOccurrences(), writesAll = outputDir.getNumOccurrences(),
       onlyPrints = lists || printAlignment || explain;
  std::string what = listAll                 ? "--list-configs"
                     : !neighboursOf.empty() ? "--list-neighbours"
                     : !ordersOf.empty()     ? "--list-orders"
                     : printAlignment        ? "--print-row-alignment"
                     : explain               ? "--explain"
                                             : "--output-dir";
  if (!onlyPrints && !writesAll)
    what = "--emit=" + emit;
  what = "with " + what;
  bool isText = !writesAll && stage <= Stage::LLVM,
       hasCubin = writesAll || stage == Stage::Cubin || stage == Stage::SASS;
  bool isWhole = isWholeConfig(config);
  std::vector<OptionRule> rules = {
      {onlyPrints, what, {&inputFile, &emit, &outputDir, &entry, &ptxas, &nvdisasm, &interleaveFFMA, &printConfig}},
      {onlyPrints, what, {&printTimes}},
      {lists, what, {&printAlignment, &explain, &tunedTable}},
      {printAlignment, what, {&explain}},
      {!ordersOf.empty(), what, {&config, &machine, &multiprocessors}},
      {hasFile && isText, what + " of an IR file", {&entry}},
      {hasFile, "with an IR file", shapeOptions.getSizeOptions()},
      {hasFile, "with an IR file", shapeOptions.getKernelOptions()},
      {writesAll, what, {&emit, &outputFile}},
      {isText, what, {&printConfig}},
      {!writesAll && stage == Stage::Problem, what, {&config, &machine, &multiprocessors, &tunedTable}},
      {!hasCubin, what, {&ptxas, &interleaveFFMA}},
      {writesAll || stage != Stage::SASS, what, {&nvdisasm}},
      {isWhole && !explain, "with a complete --config", {&multiprocessors}},
      {isWhole, "with a complete --config", {&tunedTable}}};
  if (!hasFile)
    append_range(rules, shapeOptions.getRules());
  if (Error error = checkOptions(rules))
    return error;
  return hasFile ? Error::success() : shapeOptions.check();
}

static Error run() {
  std::optional<Stage> stage = parseStage(emit);
  if (!stage)
    return createStringError("unknown stage '" + emit + "' for --emit; see --help");
  if (Error error = checkCommandLine(*stage))
    return error;
  CompileOptions options;
  options.config = config;
  options.entry = entry;
  options.chip = chip;
  options.machine = machine;
  options.multiprocessors = multiprocessors;
  options.tunedTable = tunedTable;
  options.spillData = spillData;
  options.ptxas = ptxas;
  options.nvdisasm = nvdisasm;
  options.interleaveFFMA = interleaveFFMA;
  if (config == "help")
    return writeFiles({{outputFile, describeConfigFields()}});
  if (!ordersOf.empty())
    return writeLines(listOrders(ordersOf));
  if (listAll || !neighboursOf.empty()) {
    Expected<GemmShape> shape = getShape();
    if (!shape)
      return shape.takeError();
    return writeLines(listAll ? listConfigs(*shape, options) : listNeighbours(*shape, neighboursOf, options));
  }
  if (explain) {
    Expected<GemmShape> shape = getShape();
    if (!shape)
      return shape.takeError();
    Expected<std::string> text = explainConfig(*shape, options);
    return text ? writeFiles({{outputFile, *text}}) : text.takeError();
  }
  if (printAlignment) {
    Expected<GemmShape> shape = getShape();
    if (!shape)
      return shape.takeError();
    Expected<int64_t> alignment = getMAlignmentForContiguousLayout(*shape, options);
    if (!alignment)
      return alignment.takeError();
    std::string text = std::to_string(*alignment) + "\n";
    return writeFiles({{outputFile, text}});
  }
  Expected<Problem> problem = getProblem(options);
  if (!problem)
    return problem.takeError();
  if (!outputDir.getNumOccurrences() && *stage <= Stage::LLVM) {
    StageTimes times;
    Expected<std::string> text =
        std::visit([&](const auto &given) { return lowerToText(given, *stage, options, &times); }, *problem);
    if (!text)
      return text.takeError();
    if (printTimes)
      reportTimes(times);
    return writeFiles({{outputFile, *text}});
  }
  Stage last = outputDir.getNumOccurrences() ? Stage::Cubin : *stage;
  Expected<std::vector<CompiledKernel>> kernels = compile(*problem, options, last);
  if (!kernels)
    return kernels.takeError();
  for (const CompiledKernel &kernel : *kernels) {
    if (kernels->size() > 1 && (printConfig || printTimes || !kernel.remarks.empty()))
      errs() << kernel.launch.entry << ":\n";
    for (const std::string &remark : kernel.remarks)
      WithColor::remark(errs(), "dgemm-gen") << remark << '\n';
    report(kernel, options);
    if (printTimes)
      reportTimes(kernel.times);
  }
  if (outputDir.getNumOccurrences())
    return writeAll(*kernels);
  const CompiledKernel &kernel = kernels->front();
  std::string launch = kernel.launch.toJSON();
  return writeFiles({{outputFile, *stage == Stage::PTX     ? kernel.ptx
                                  : *stage == Stage::Cubin ? kernel.cubin
                                  : *stage == Stage::SASS  ? kernel.sass
                                                           : launch}});
}

int main(int argc, char **argv) {
  startUp = processMilliseconds();
  InitLLVM init(argc, argv);
  exitWhereMemoryRunsOut("dgemm-gen");
  cl::HideUnrelatedOptions({&problemGroup, &outputGroup, &configGroup, &targetGroup});
  cl::SetVersionPrinter([](raw_ostream &os) { os << "dgemm-gen " DGEMM_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv,
                              "Compiles a scaled FP8 GEMM for Hopper: D[M,N] = A[M,K] x B[N,K]^T.\n\n"
                              "  dgemm-gen --m=4096 --n=7168 --k=16384 --emit=ptx -o kernel.ptx\n");
  if (Error error = run()) {
    WithColor::error(errs(), "dgemm-gen") << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
