//===- dgemm-tune.cpp - Finds the best configs on the GPU at hand ---------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/EmulatorDevice.h"
#include "../common/OptionRules.h"
#include "../common/OutOfMemory.h"
#include "../common/ShapeOptions.h"
#include "Tuner.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace llvm;
using namespace dgemm;
using namespace dgemm::tune;

static cl::OptionCategory searchGroup("1. What to try");
static RecipeOptions recipe(searchGroup);
static cl::OptionCategory deviceGroup("2. The device and programs");
static cl::OptionCategory outputGroup("3. What to write");
static cl::extrahelp moreHelp(R"(
EXAMPLES:

  dgemm-tune 4096x7168x2048 --config='rotate = true' --config='split_k = 4' --table=tuned.json
  dgemm-tune contiguous:4x8192x4096x7168 --list                    what would be tried first
  dgemm-tune 4096x7168x2048 --scale-a=row --scale-b=row --accuracy=fast    another recipe, of which the table has its own
  dgemm-gen --m=4096 --n=7168 --k=2048 --tuned-table=tuned.json    takes what was found

EXIT CODES:

  0  every problem is in the table, or what was asked for is printed
  1  an error, which is on standard error; the table holds the problems that are done
)");
static cl::list<std::string> problemTexts(cl::Positional, cl::OneOrMore,
                                          cl::desc("MxNxK | contiguous:GxMxNxK | masked:GxMxNxK ..."),
                                          cl::cat(searchGroup));
enum class DeviceKind { Gpu, Emulator };
static cl::opt<DeviceKind> deviceKind(
    "device", cl::desc("What to run on"), cl::init(DeviceKind::Gpu),
    cl::values(clEnumValN(DeviceKind::Gpu, "gpu", "the first Hopper GPU (default)"),
               clEnumValN(DeviceKind::Emulator, "emulator",
                          "the PTX emulator, to try dgemm-tune: its ticks do not predict the time on a GPU")),
    cl::cat(deviceGroup));
static cl::opt<std::string> tablePath("table", cl::desc("Table to write, or to continue (default tuned.json)"),
                                      cl::value_desc("file"), cl::init("tuned.json"), cl::cat(outputGroup));
static IntegerOption<1, 1000000>
    best("best", cl::desc("Configs to try for each --config, the best by the cost model (default 40)"), cl::init(40),
         cl::value_desc("count"), cl::cat(searchGroup));
static IntegerOption<0, 1000> neighbourRounds("neighbour-rounds",
                                              cl::desc("Rounds of neighbours of the best three (default 1)"),
                                              cl::init(1), cl::value_desc("count"), cl::cat(searchGroup));
static IntegerOption<1, 1000000> finalists("finalists", cl::desc("Configs to measure again at the end (default 5)"),
                                           cl::init(5), cl::value_desc("count"), cl::cat(searchGroup));
static cl::list<std::string> fields("config",
                                    cl::desc("Try the best configs with these fields; may be given several times "
                                             "(default: no fields)"),
                                    cl::value_desc("fields"), cl::cat(searchGroup));
static cl::opt<std::string> ptxas("ptxas", cl::desc("ptxas to use"), cl::value_desc("path"), cl::cat(deviceGroup));
static IntegerOption<1, 4096> jobs("jobs", cl::desc("Parallel compilations (default: one on each core)"), cl::init(0),
                                   cl::value_desc("count"), cl::cat(deviceGroup));
static cl::opt<uint64_t> seed("seed", cl::desc("Seed of the random inputs (default 0)"), cl::init(0),
                              cl::cat(searchGroup));
static cl::opt<std::string> machineName("machine",
                                        cl::desc("GPU of --list, --dry-run and the emulator: h100 "
                                                 "(default), h100-pcie, h200, gh200 or h20"),
                                        cl::value_desc("name"), cl::cat(deviceGroup));
static IntegerOption<1, 1024> multiprocessors("multiprocessors",
                                              cl::desc("Its number of multiprocessors (default: the machine's)"),
                                              cl::init(0), cl::value_desc("count"), cl::cat(deviceGroup));
static cl::opt<bool> listOnly("list", cl::desc("Print the first configs that would be tried; needs no GPU"),
                              cl::cat(outputGroup));
static cl::opt<bool> dryRun("dry-run", cl::desc("Compile them, but measure nothing; needs no GPU"),
                            cl::cat(outputGroup));

static Options getOptions() {
  Options options;
  if (!fields.empty())
    options.fields.assign(fields.begin(), fields.end());
  options.compile.ptxas = ptxas;
  options.compile.machine = machineName;
  options.compile.multiprocessors = multiprocessors;
  options.best = best;
  options.neighbourRounds = neighbourRounds;
  options.finalists = finalists;
  options.jobs = jobs;
  options.seed = seed;
  return options;
}

static Expected<std::vector<Problem>> parseProblems() {
  std::vector<Problem> problems;
  for (const std::string &text : problemTexts) {
    Expected<Problem> problem = Problem::parse(text);
    if (!problem)
      return problem.takeError();
    recipe.setRecipe(problem->recipe);
    problems.push_back(std::move(*problem));
  }
  return problems;
}

static Error list(const Problem &problem, const Options &options) {
  Expected<std::vector<std::string>> configs = listBest(problem, options, options.best);
  if (!configs)
    return configs.takeError();
  outs() << problem.text << '\n';
  for (const std::string &config : *configs)
    outs() << "  " << config << '\n';
  return Error::success();
}

/// Error: a config does not compile.
static Error compileOnly(const Problem &problem, const Options &options) {
  Expected<std::vector<std::string>> configs = listBest(problem, options, options.best);
  if (!configs)
    return configs.takeError();
  Error all = Error::success();
  size_t failed = 0;
  std::vector<Expected<CompiledKernel>> kernels = compileAll(problem, *configs, options);
  for (auto [config, kernel] : zip_equal(*configs, kernels)) {
    if (kernel)
      continue;
    ++failed;
    all = joinErrors(std::move(all),
                     createStringError(problem.text + ": " + config + ": " + toString(kernel.takeError())));
  }
  outs() << formatv("{0}: {1} of {2} configs compile\n", problem.text, configs->size() - failed, configs->size());
  return all;
}

/// The results of an earlier run, or an empty table for `device`. Error: a table of another GPU, or one that does not
/// parse.
static Expected<dgemm::TunedTable> openTable(const DeviceInfo &device, const Machine &machine) {
  if (!sys::fs::exists(tablePath))
    return dgemm::TunedTable(machine.name, device.multiprocessors, device.name);
  if (!sys::fs::is_regular_file(tablePath))
    return createStringError("'" + tablePath + "' is not a regular file, as --table must be");
  Expected<dgemm::TunedTable> table = dgemm::TunedTable::read(tablePath);
  if (!table)
    return table;
  if (table->getMultiprocessors() != device.multiprocessors ||
      (!table->getGPU().empty() && table->getGPU() != device.name))
    return createStringError(formatv("'{0}' is for a GPU '{1}' with {2} multiprocessors; this one is '{3}' with {4}",
                                     tablePath.getValue(), table->getGPU(), table->getMultiprocessors(), device.name,
                                     device.multiprocessors));
  return table;
}

/// Adds `entry` to the current table: another tuner, also one in Python, may have written it since. A lock on another
/// file serialises them.
static Error addToTable(const DeviceInfo &device, const Machine &machine, dgemm::TunedEntry entry) {
  std::string lockPath = tablePath + ".lock";
  int descriptor = -1;
  std::error_code error = sys::fs::openFileForReadWrite(lockPath, descriptor, sys::fs::CD_OpenAlways, sys::fs::OF_None);
  if (error)
    return createStringError("cannot lock '" + lockPath + "': " + error.message());
  llvm::scope_exit close([&] { sys::Process::SafelyCloseFileDescriptor(descriptor); }); // and unlocks
  if ((error = sys::fs::lockFile(descriptor)))
    return createStringError("cannot lock '" + lockPath + "': " + error.message());
  Expected<dgemm::TunedTable> table = openTable(device, machine);
  if (!table)
    return table.takeError();
  table->insert(std::move(entry));
  return writeFile(tablePath, [&](raw_ostream &os) { os << table->toJSON(); });
}

static Expected<std::unique_ptr<Device>> openDevice(const Machine &machine) {
  if (deviceKind == DeviceKind::Emulator)
    return makeEmulator(multiprocessors ? int64_t(multiprocessors) : machine.multiprocessors);
  return openGpu();
}

static Error tuneAll(ArrayRef<Problem> problems, Options options) {
  Expected<Machine> machine = Machine::parse(machineName);
  if (!machine)
    return machine.takeError();
  Expected<std::unique_ptr<Device>> device = openDevice(*machine);
  if (!device)
    return device.takeError();
  const DeviceInfo &info = (*device)->getInfo();
  if (const Machine *known = Machine::findGpu(info.name))
    *machine = *known;
  options.compile.machine = machine->name;
  options.compile.multiprocessors = info.multiprocessors;
  // Reports a table that cannot be continued before hours of measuring.
  if (Error error = openTable(info, *machine).takeError())
    return error;
  Expected<Journal> journal = Journal::open(tablePath + ".journal");
  if (!journal)
    return journal.takeError();
  errs() << formatv("{0}, {1} multiprocessors, driver {2}\n", info.name, info.multiprocessors, info.driver);
  Tuner tuner(**device, *journal, options);
  Error failures = Error::success();
  for (const auto &[index, problem] : enumerate(problems)) {
    errs() << formatv("[{0}/{1}] {2}\n", index + 1, problems.size(), problem.text);
    Expected<dgemm::TunedEntry> entry = tuner.tune(problem);
    if (!entry) {
      Error error = entry.takeError();
      bool isLost = error.isA<DeviceLostError>();
      failures = joinErrors(std::move(failures), std::move(error));
      if (isLost)
        return failures;
      continue;
    }
    outs() << formatv("{0}: {1:F2} {2} with {3}\n", problem.text, entry->microseconds, getTimeUnit(info),
                      entry->config);
    outs().flush();
    // Written after each problem, so that an interrupted run loses none.
    if (Error error = addToTable(info, *machine, std::move(*entry)))
      return joinErrors(std::move(failures), std::move(error));
  }
  return failures;
}

/// Error: an option that has no effect.
static Error checkCommandLine() {
  bool measures = !listOnly && !dryRun;
  std::string what = listOnly ? "with --list" : "with --dry-run";
  return checkOptions(
      {{listOnly, what, {&dryRun, &ptxas, &jobs}},
       {!measures, what, {&tablePath, &neighbourRounds, &finalists, &seed, &deviceKind}},
       {measures && deviceKind == DeviceKind::Gpu, "on a GPU, which has its own", {&machineName, &multiprocessors}},
       {deviceKind == DeviceKind::Emulator, "with --device=emulator, which takes PTX", {&ptxas}}});
}

static Error run() {
  if (Error error = checkCommandLine())
    return error;
  Expected<std::vector<Problem>> problems = parseProblems();
  if (!problems)
    return problems.takeError();
  Options options = getOptions();
  if (!listOnly && !dryRun)
    return tuneAll(*problems, options);
  Error all = Error::success();
  for (const Problem &problem : *problems)
    all = joinErrors(std::move(all), listOnly ? list(problem, options) : compileOnly(problem, options));
  return all;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  exitWhereMemoryRunsOut("dgemm-tune");
  cl::HideUnrelatedOptions({&searchGroup, &deviceGroup, &outputGroup});
  cl::SetVersionPrinter([](raw_ostream &os) { os << "dgemm-tune " DGEMM_VERSION "\n"; });
  cl::ParseCommandLineOptions(
      argc, argv,
      "Measures the legal configs of scaled FP8 GEMMs on the local Hopper GPU, and writes the best to a table.\n\n"
      "  dgemm-tune 4096x7168x2048 masked:32x192x6144x7168 --table=tuned.json\n"
      "  dgemm-tune 64x64x256 --device=emulator --best=3 --table=rehearsal.json\n\n"
      "With groups, M is the rows of each group. An interrupted run continues where it stopped: the table and its "
      ".journal\n"
      "have the results so far. A kernel that hangs or faults ends the run; the next run skips it.\n");
  Error error = run();
  outs().flush();
  if (!error)
    return 0;
  bool hangs = false;
  handleAllErrors(std::move(error), [&](const ErrorInfoBase &info) {
    if (info.isA<DeviceLostError>())
      hangs |= static_cast<const DeviceLostError &>(info).isHanging();
    errs() << "dgemm-tune: error: " << info.message() << '\n';
  });
  // The driver's exit handlers would wait for a kernel that never ends.
  if (hangs)
    std::_Exit(1);
  return 1;
}
