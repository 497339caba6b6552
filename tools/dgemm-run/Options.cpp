//===- Options.cpp - Command line of dgemm-run ----------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "../common/ShapeOptions.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm::run {

StringRef getToolVersion() { return "dgemm-run " DGEMM_VERSION; }

namespace {
cl::extrahelp moreHelp(R"(
EXAMPLES:

  dgemm-run --m=4096 --n=7168 --k=16384                            compile, run, check and time
  dgemm-run --device=emulator --m=200 --n=136 --k=528 --seeds=20   under twenty schedules
  dgemm-run --device=emulator --m=256 --n=256 --k=1024 --trace=trace.json
  dgemm-run --kernel=k.cubin --launch=k.json --m=128 --json=report.json

EXIT CODES:

  0  every kernel ran and passed its check
  1  a wrong result, a hazard, a timeout or an error, which is on standard error
)");

/// The options live in a struct and not in globals: they are made when parseOptions runs.
struct CommandLine {
  cl::OptionCategory problemGroup{"1. The problem, or the kernel"};
  cl::OptionCategory deviceGroup{"2. The device"};
  cl::OptionCategory inputGroup{"3. Inputs and checks"};
  cl::OptionCategory timeGroup{"4. Times and reports"};

  ShapeOptions shape{problemGroup};
  cl::opt<std::string> config{"config", cl::desc("Given config fields for compiling, as for dgemm-gen"),
                              cl::value_desc("field = value, ..."), cl::cat(problemGroup)};
  cl::opt<std::string> ptxas{"ptxas", cl::desc("ptxas to use when compiling"), cl::value_desc("path"),
                             cl::cat(problemGroup)};
  cl::opt<std::string> kernel{"kernel", cl::desc("Run this cubin or PTX; sizes may come from its launch descriptor"),
                              cl::value_desc("file"), cl::cat(problemGroup)};
  cl::opt<std::string> launch{"launch", cl::desc("Launch descriptor of --kernel"), cl::value_desc("file.json"),
                              cl::cat(problemGroup)};
  cl::opt<std::string> cases{
      "cases", cl::desc("Run many kernels: each line of the file is `kernel launch.json m n k [seed] [lda=...]`"),
      cl::value_desc("file"), cl::cat(problemGroup)};

  cl::list<int64_t> groupRows{"group-rows", cl::desc("Rows of each group, k_grouped: columns of K (default: random)"),
                              cl::CommaSeparated, cl::value_desc("rows,..."), cl::cat(problemGroup)};

  cl::opt<DeviceKind> device{
      "device", cl::desc("What to run on"), cl::init(DeviceKind::Auto),
      cl::values(clEnumValN(DeviceKind::Auto, "auto", "a Hopper GPU if there is one, else the emulator (default)"),
                 clEnumValN(DeviceKind::Gpu, "gpu", "the first Hopper GPU"),
                 clEnumValN(DeviceKind::Emulator, "emulator", "the PTX emulator, which checks the kernel for hazards")),
      cl::cat(deviceGroup)};
  cl::opt<double> timeout{"timeout",
                          cl::desc("Time limit of a kernel in seconds (default: 20 on a GPU, none on the emulator)"),
                          cl::value_desc("seconds"), cl::cat(deviceGroup)};

  cl::opt<std::string> trace{"trace", cl::desc("Emulator: write a Chrome trace (chrome://tracing, Perfetto)"),
                             cl::value_desc("file.json"), cl::cat(deviceGroup)};
  cl::opt<bool> independentLanes{
      "independent-lanes",
      cl::desc(
          "Emulator: diverged lanes reconverge only at .sync instructions and barriers, not where their paths meet"),
      cl::cat(deviceGroup)};
  cl::opt<AccumulatorModel> accumulator{
      "accumulator", cl::desc("Emulator: how wgmma sums"), cl::init(AccumulatorModel::Hopper),
      cl::values(clEnumValN(AccumulatorModel::Exact, "exact", "in f32"),
                 clEnumValN(AccumulatorModel::Hopper, "hopper",
                            "with about 14 bits, as the tensor core of an H100 does (default)")),
      cl::cat(deviceGroup)};
  cl::opt<std::string> machine{"machine",
                               cl::desc("Emulator: GPU to emulate: h100 (default), h100-pcie, h200, gh200 or h20"),
                               cl::value_desc("name"), cl::cat(deviceGroup)};
  IntegerOption<1, 1024> multiprocessors{"multiprocessors",
                                         cl::desc("Emulator: number of multiprocessors (default: the machine's)"),
                                         cl::init(0), cl::value_desc("count"), cl::cat(deviceGroup)};

  cl::opt<uint64_t> seed{"seed", cl::desc("Seed of the random inputs, and of the emulator's schedule (default 0)"),
                         cl::init(0), cl::cat(inputGroup)};
  IntegerOption<1, 1000000> seeds{"seeds", cl::desc("Number of seeds to run with, counting up from --seed (default 1)"),
                                  cl::init(1), cl::value_desc("count"), cl::cat(inputGroup)};
  cl::opt<Distribution> distribution{
      "distribution", cl::desc("Distribution of the random values of A and B before quantisation"),
      cl::init(Distribution::Normal),
      cl::values(clEnumValN(Distribution::Normal, "normal", "normally (default)"),
                 clEnumValN(Distribution::HeavyTailed, "heavy-tailed", "Student's t with two degrees of freedom"),
                 clEnumValN(Distribution::SameSign, "same-sign", "magnitudes of normal values: no sum cancels")),
      cl::cat(inputGroup)};
  cl::opt<std::string> inputA{"input-a", cl::desc("A from a .npy file: uint8 [M, K], the bytes of FP8"),
                              cl::value_desc("file.npy"), cl::cat(inputGroup)};
  cl::opt<std::string> inputScaleA{"input-scale-a",
                                   cl::desc("Scales of A: float32 [M, ceil(K/128)], one for each row and 128 columns"),
                                   cl::value_desc("file.npy"), cl::cat(inputGroup)};
  cl::opt<std::string> inputB{"input-b", cl::desc("B: uint8 [N, K]"), cl::value_desc("file.npy"), cl::cat(inputGroup)};
  cl::opt<std::string> inputScaleB{
      "input-scale-b", cl::desc("Scales of B: float32 [ceil(N/128), ceil(K/128)], one for each 128x128 block"),
      cl::value_desc("file.npy"), cl::cat(inputGroup)};
  cl::list<std::string> inputEpilogue{"input-epilogue",
                                      cl::desc("Operands of the epilogue by name, in their types (bf16: uint16)"),
                                      cl::CommaSeparated, cl::value_desc("name=file.npy,..."), cl::cat(inputGroup)};
  cl::opt<std::string> saveD{"save-d",
                             cl::desc("Write D as .npy: [M, N], float32, float16, or uint16 and uint8, the bits of "
                                      "bf16 and FP8"),
                             cl::value_desc("file.npy"), cl::cat(inputGroup)};
  cl::opt<std::string> saveScaleD{"save-scale-d",
                                  cl::desc("Write the scales of a quantised D as .npy: float32 [ceil(N/128), M]"),
                                  cl::value_desc("file.npy"), cl::cat(inputGroup)};

  cl::opt<CheckMode> check{
      "check", cl::desc("Part of D to check against double precision"), cl::init(CheckMode::Auto),
      cl::values(clEnumValN(CheckMode::Auto, "auto", "full for small problems, else sample (default)"),
                 clEnumValN(CheckMode::Full, "full", "every element"),
                 clEnumValN(CheckMode::Sample, "sample", "64 rows, a checksum of every row, no element unwritten"),
                 clEnumValN(CheckMode::None, "none", "nothing")),
      cl::cat(inputGroup)};
  cl::opt<bool> time{"time", cl::desc("Time the kernel (default, except for --cases)"), cl::cat(timeGroup)};
  cl::opt<bool> noTime{"no-time", cl::desc("Do not time the kernel"), cl::cat(timeGroup)};
  IntegerOption<1, 1000000> repeat{"repeat", cl::desc("Timed launches (default 20)"), cl::init(20),
                                   cl::value_desc("count"), cl::cat(timeGroup)};
  IntegerOption<1, 1 << 20> flush{"flush-mib",
                                  cl::desc("MiB written before each timed launch to empty L2 (default 4 x L2, at "
                                           "least 256)"),
                                  cl::init(0), cl::value_desc("MiB"), cl::cat(timeGroup)};
  cl::opt<std::string> json{"json", cl::desc("Write a report"), cl::value_desc("file.json"), cl::cat(timeGroup)};

  Expected<Options> collect() {
    Options options;
    if (Error error = collectShape(options))
      return error;
    options.kernel = kernel;
    options.launch = launch;
    options.cases = cases;
    options.groupRows.assign(groupRows.begin(), groupRows.end());
    options.config = config;
    options.ptxas = ptxas;
    options.device = device;
    for (const cl::Option *option : getGpuOptions())
      if (option->getNumOccurrences() && options.gpuOption.empty())
        options.gpuOption = ("--" + option->ArgStr).str();
    // Options that only the emulator has select the emulator.
    for (const cl::Option *option : getEmulatorOptions())
      if (option->getNumOccurrences() && device == DeviceKind::Auto)
        options.device = DeviceKind::Emulator;
    options.machine = machine;
    options.multiprocessors = multiprocessors;
    options.run.tracePath = trace;
    options.run.independentLanes = independentLanes;
    options.run.accumulator = accumulator;
    options.seed = seed;
    options.seeds = seeds;
    options.distribution = distribution;
    options.inputs = {inputA, inputScaleA, inputB, inputScaleB};
    if (Error error = collectEpilogueInputs(options))
      return error;
    options.saveD = saveD;
    options.saveScaleD = saveScaleD;
    if (timeout.getNumOccurrences())
      options.run.timeoutSeconds = timeout;
    options.run.repeat = noTime || (!cases.empty() && !time) ? 0 : repeat;
    options.run.flushBytes = uint64_t(flush) << 20;
    options.check = check;
    options.json = json;
    return options;
  }

  /// Error: an option that has no effect on the run.
  Error checkUse() {
    bool hasKernel = kernel.getNumOccurrences(), hasCases = cases.getNumOccurrences();
    std::vector<const cl::Option *> inputFiles = {&inputA, &inputScaleA, &inputB, &inputScaleB,
                                                  std::addressof(inputEpilogue)};
    std::vector<OptionRule> rules = {
        {hasCases, "with --cases, which names kernels and sizes itself", {&kernel, &launch, &config, &ptxas}},
        {hasCases, "with --cases, which names kernels and sizes itself", shape.getSizeOptions()},
        {hasCases, "with --cases, which names kernels and sizes itself", shape.getKernelOptions()},
        {hasCases, "with --cases, which runs many problems", inputFiles},
        {hasCases, "with --cases, which runs many problems", {&saveD, &saveScaleD, &trace, std::addressof(groupRows)}},
        {seeds > 1, "with --seeds, which runs many inputs", inputFiles},
        {seeds > 1, "with --seeds, which runs many inputs", {&saveD, &saveScaleD, &trace}},
        {hasKernel, "with --kernel, which is compiled", {&config, &ptxas}},
        {hasKernel, "with --kernel, which is compiled", shape.getKernelOptions()},
        {noTime, "with --no-time", getGpuOptions()},
        {hasCases && !time, "with --cases and no --time", {&repeat, &flush}},
        {device == DeviceKind::Gpu, "with --device=gpu", getEmulatorOptions()},
        {device == DeviceKind::Emulator, "with --device=emulator", getGpuOptions()},
        {device == DeviceKind::Emulator, "with --device=emulator, which takes PTX", {&ptxas}}};
    if (!hasKernel && !hasCases) {
      append_range(rules, shape.getRules());
      rules.push_back({!readsGroups(shape.getLayout()),
                       ("with --layout=" + toString(shape.getLayout())).str(),
                       {std::addressof(groupRows)}});
    }
    return checkOptions(rules);
  }

private:
  std::vector<const cl::Option *> getGpuOptions() { return {&time, &repeat, &flush}; }
  std::vector<const cl::Option *> getEmulatorOptions() {
    return {&machine, &multiprocessors, &trace, &independentLanes, &accumulator};
  }

  Error collectEpilogueInputs(Options &options) {
    for (StringRef text : inputEpilogue) {
      auto [name, file] = text.split('=');
      if (name.empty() || file.empty())
        return createStringError(
            formatv("--input-epilogue={0}: expected the name of an operand of the epilogue, '=' and "
                    "a file",
                    text));
      options.inputs.epilogue.emplace_back(name, file);
    }
    return Error::success();
  }

  /// The sizes to run, and the shape to compile for them.
  Error collectShape(Options &options) {
    Expected<GemmShape> given = shape.getShape();
    if (!given)
      return given.takeError();
    bool isDense = given->layout == GemmLayout::Dense;
    options.sizes = {given->m, given->n, given->k, given->layout, kernel.empty() && isDense ? 1 : given->groups};
    options.shape = shape.leaveDynamic(*given);
    // No kernel is compiled for 0 rows, but a kernel with dynamic M takes them.
    if (given->m == 0)
      options.shape.m = GemmShape::kDynamic;
    using Leading = std::tuple<StringRef, int64_t, int64_t, int64_t *>;
    for (auto [name, value, compiled, size] : {Leading{"lda", given->lda, options.shape.lda, &options.sizes.lda},
                                               {"ldb", given->ldb, options.shape.ldb, &options.sizes.ldb},
                                               {"ldd", given->ldd, options.shape.ldd, &options.sizes.ldd}}) {
      if (value == GemmShape::kDynamic || (compiled == GemmShape::kDynamic && !value))
        return createStringError(formatv("give --{0} a value to run with; --dynamic={0} leaves it dynamic", name));
      *size = compiled == GemmShape::kDynamic || !kernel.empty() ? value : 0;
    }
    return Error::success();
  }
};
} // namespace

/// Checks that the rules for single options do not cover.
static Error checkOptions(const Options &options) {
  bool precompiled = !options.kernel.empty() || !options.launch.empty();
  if (precompiled && (options.kernel.empty() || options.launch.empty()))
    return createStringError("--kernel and --launch go together");
  bool compiles = options.cases.empty() && !precompiled;
  if (compiles && options.sizes.layout != GemmLayout::Dense && options.sizes.groups < 1)
    return createStringError("a grouped layout requires --groups of at least 1");
  if (compiles && (options.sizes.m < 0 || options.sizes.n < 0 || options.sizes.k < 0))
    return createStringError("give --m, --n and --k, or --kernel and --launch, or --cases");
  for (auto [name, size] : {std::pair("n", options.sizes.n), {"k", options.sizes.k}})
    if (size == 0)
      return createStringError(formatv("--{0}=0: a size is at least 1 (M may be 0)", name));
  if (options.run.timeoutSeconds && !(*options.run.timeoutSeconds > 0))
    return createStringError("--timeout must be above 0");
  return Error::success();
}

Expected<Options> parseOptions(int argc, char **argv) {
  CommandLine line;
  cl::HideUnrelatedOptions({&line.problemGroup, &line.deviceGroup, &line.inputGroup, &line.timeGroup});
  cl::SetVersionPrinter([](raw_ostream &os) { os << getToolVersion() << '\n'; });
  cl::ParseCommandLineOptions(
      argc, argv,
      "Runs a scaled FP8 GEMM on a Hopper GPU or the emulator, checks it against double precision and times it.\n\n"
      "  dgemm-run --m=4096 --n=7168 --k=16384\n"
      "  dgemm-run --kernel=k.cubin --launch=k.json --m=128\n");
  if (Error error = line.checkUse())
    return error;
  Expected<Options> options = line.collect();
  if (!options)
    return options;
  if (Error error = checkOptions(*options))
    return error;
  return options;
}

} // namespace dgemm::run
