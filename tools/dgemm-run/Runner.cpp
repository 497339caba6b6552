//===- Runner.cpp - Runs, checks and reports cases ------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runner.h"
#include "../common/EmulatorDevice.h"
#include "dgemm/Analysis/Machine.h"
#include "dgemm/Driver/Compiler.h"
#include "dgemm/Runtime/Npy.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm::run {

/// Prints why the emulator is used if no device was named. Error: the options need a GPU, and there is none.
static Expected<std::unique_ptr<Device>> openDevice(const Options &options) {
  if (options.device == DeviceKind::Gpu)
    return openGpu();
  if (options.device == DeviceKind::Auto) {
    Expected<std::unique_ptr<Device>> gpu = openGpu();
    if (gpu)
      return gpu;
    std::string why = toString(gpu.takeError());
    if (!options.gpuOption.empty())
      return createStringError(options.gpuOption + " has no effect on the emulator, and there is no GPU: " + why);
    outs() << "on the emulator, as there is no Hopper GPU: " << why << '\n';
  }
  Expected<Machine> machine = Machine::parse(options.machine);
  if (!machine)
    return machine.takeError();
  return makeEmulator(options.multiprocessors ? options.multiprocessors : machine->multiprocessors);
}

Expected<std::unique_ptr<Runner>> Runner::create(const Options &options) {
  Expected<std::unique_ptr<Device>> device = openDevice(options);
  if (!device)
    return device.takeError();
  return std::unique_ptr<Runner>(new Runner(options, std::move(*device)));
}

//===----------------------------------------------------------------------===//
// One case
//===----------------------------------------------------------------------===//

/// `last` is PTX for the emulator: it needs no ptxas.
static Expected<KernelImage> compile(const Options &options, const DeviceInfo &device, Stage last) {
  CompileOptions compileOptions;
  compileOptions.machine = options.machine;
  // The GPU knows better.
  if (const Machine *machine = Machine::findGpu(device.name))
    compileOptions.machine = machine->name;
  compileOptions.config = options.config;
  compileOptions.ptxas = options.ptxas;
  Expected<CompiledKernel> kernel = compileKernel(options.shape, compileOptions, last);
  if (!kernel)
    return kernel.takeError();
  return KernelImage{std::move(kernel->ptx), std::move(kernel->cubin), std::move(kernel->launch)};
}

/// Static sizes of a kernel need not be given. `bound` is set to all sizes by name.
static Error completeSizes(GemmSizes &sizes, const LaunchDescriptor &launch, Sizes &bound) {
  Sizes given;
  sizes.layout = launch.layout;
  std::vector<std::pair<const char *, int64_t *>> fields = {{"M", &sizes.m}, {"N", &sizes.n}, {"K", &sizes.k}};
  if (sizes.layout == GemmLayout::Dense)
    sizes.groups = 1;
  else
    fields.emplace_back("G", &sizes.groups);
  for (auto [name, size] : fields)
    if (*size >= 0)
      given[name] = *size;
  for (auto [name, size] : {std::pair("LDA", sizes.lda), {"LDB", sizes.ldb}, {"LDD", sizes.ldd}})
    if (size)
      given[name] = size;
  if (Error error = launch.bindSizes(given).moveInto(bound))
    return error;
  for (auto [name, size] : fields) {
    if (!bound.contains(name))
      return createStringError(formatv("the launch descriptor of '{0}' has no size {1}", launch.entry, name));
    *size = bound.lookup(name);
  }
  return Error::success();
}

/// dgemm-gen --output-dir writes both.
static Error makeCubinError(StringRef cubin) {
  SmallString<256> ptx(cubin);
  sys::path::replace_extension(ptx, ".ptx");
  return createStringError(formatv("'{0}' is a cubin, but the emulator runs PTX; give {1}", cubin,
                                   sys::fs::exists(ptx) ? "'" + ptx.str().str() + "'" : "its PTX"));
}

Error Runner::loadKernel(const Case &entry) {
  if (image && entry.kernel == imageCase.kernel && entry.launch == imageCase.launch &&
      isSameProblem(entry.sizes, imageCase.sizes))
    return Error::success();
  image.reset();
  imageCase = entry;
  Stage last = device->getInfo().isEmulator ? Stage::PTX : Stage::Cubin;
  Expected<KernelImage> loaded =
      entry.kernel.empty() ? compile(options, device->getInfo(), last) : KernelImage::read(entry.kernel, entry.launch);
  if (!loaded)
    return loaded.takeError();
  if (device->getInfo().isEmulator && loaded->ptx.empty())
    return makeCubinError(entry.kernel);
  image = std::move(*loaded);
  return Error::success();
}

Error Runner::makeProblem(const GemmSizes &sizes, const Sizes &bound, const Recipe &recipe, uint64_t seed) {
  int64_t alignment = image->launch.rowAlignment;
  bool hasEpilogue = bool(image->launch.epilogue);
  if (inputs && !inputs->epilogue && !hasEpilogue && isSameProblem(inputs->sizes, sizes) && inputs->recipe == recipe &&
      inputSeed == seed && inputAlignment == alignment)
    return Error::success();
  inputs.reset(); // frees memory before more is taken
  reference = Reference();
  Expected<GemmInputs> made = makeRandomInputs(sizes, seed, options.groupRows, alignment, recipe, options.distribution);
  if (!made)
    return made.takeError();
  if (hasEpilogue) {
    shrinkSums(*made);
    if (Error error = Epilogue::makeRandom(image->launch, bound, seed).moveInto(made->epilogue))
      return error;
  }
  if (Error error = readInputs(options.inputs, *made))
    return error;
  reference = Reference::compute(*made, options.check, seed);
  inputs = std::move(*made);
  inputAlignment = alignment;
  inputSeed = seed;
  return Error::success();
}

Error Runner::runInto(const Case &entry, RunReport &report) {
  if (Error error = loadKernel(entry))
    return error;
  report.config = image->launch.config;
  if (entry.kernel.empty())
    report.kernel = image->launch.entry;
  Sizes bound;
  if (Error error = completeSizes(report.sizes, image->launch, bound))
    return error;
  if (Error error = Recipe::get(image->launch, bound).moveInto(report.recipe))
    return error;
  if (Error error = makeProblem(report.sizes, bound, report.recipe, entry.seed))
    return error;
  report.sizes = inputs->sizes;
  RunOptions runOptions = options.run;
  runOptions.seed = entry.seed;
  Expected<RunResult> result = device->run(*image, *inputs, runOptions);
  if (!result)
    return result.takeError();
  report.grid = result->grid;
  report.timing = std::move(result->timing);
  report.note = std::move(result->note);
  report.check = reference.compare(result->d, result->scaleD);
  if (!options.saveD.empty())
    if (Error error = writeNpy(options.saveD, result->d))
      return error;
  if (options.saveScaleD.empty())
    return Error::success();
  if (result->scaleD.name.empty())
    return createStringError("--save-scale-d is given, but D has no scales");
  return writeNpy(options.saveScaleD, result->scaleD);
}

RunReport Runner::run(const Case &entry) {
  RunReport report;
  report.kernel = sys::path::filename(entry.kernel).str();
  report.sizes = entry.sizes;
  report.seed = entry.seed;
  Error error = runInto(entry, report);
  if (error.isA<DeviceLostError>())
    handleAllErrors(std::move(error), [&](std::unique_ptr<DeviceLostError> lost) {
      report.error = lost->message();
      deviceLost = std::move(lost);
    });
  else if (error)
    report.error = toString(std::move(error));
  return report;
}

//===----------------------------------------------------------------------===//
// All cases
//===----------------------------------------------------------------------===//

static Error writeReport(StringRef path, const json::Object &report) {
  return writeFile(path, [&](raw_ostream &os) { os << formatv("{0:2}", json::Value(json::Object(report))) << '\n'; });
}

/// Names the failure of a single case; counts failures of many cases, which were printed.
static Error summarize(ArrayRef<RunReport> reports, size_t numCases, const DeviceLostError *lost) {
  size_t failed = count_if(reports, [](const RunReport &report) { return !report.passed(); });
  std::string notRun;
  if (reports.size() < numCases)
    notRun = formatv("; the next {0} were not run, as the GPU is lost", numCases - reports.size());
  if (numCases > 1)
    outs() << formatv("{0} of {1} runs passed\n", reports.size() - failed, numCases);
  if (lost)
    return make_error<DeviceLostError>(lost->message() + notRun, lost->isHanging());
  if (failed == 0)
    return Error::success();
  if (numCases > 1)
    return createStringError(formatv("{0} of {1} runs failed", failed, numCases));
  return createStringError(reports[0].error.empty() ? "wrong result: " + reports[0].check.describe()
                                                    : reports[0].error);
}

Error runAll(const Options &options) {
  Expected<std::vector<Case>> cases = makeCases(options);
  if (!cases)
    return cases.takeError();
  Expected<std::unique_ptr<Runner>> runner = Runner::create(options);
  if (!runner)
    return runner.takeError();
  const DeviceInfo &info = (*runner)->getDeviceInfo();
  outs() << formatv("{0}, {1} multiprocessors, driver {2}\n", info.name, info.multiprocessors, info.driver);
  outs().flush();

  std::vector<RunReport> reports;
  for (const Case &entry : *cases) {
    reports.push_back((*runner)->run(entry));
    // The error of a single run goes to stderr, once.
    if (cases->size() > 1 || reports.back().error.empty())
      outs() << reports.back().getLine() << '\n';
    outs().flush();
    if ((*runner)->getDeviceLost())
      break;
  }
  if (!options.json.empty())
    if (Error error = writeReport(options.json, makeReport(getToolVersion(), info, reports)))
      return error;
  return summarize(reports, cases->size(), (*runner)->getDeviceLost());
}

} // namespace dgemm::run
