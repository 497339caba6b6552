//===- Options.cpp - Command line of dgemm-run ----------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm::run {

StringRef getToolVersion() { return "dgemm-run " DGEMM_VERSION; }

namespace {
/// The options live in a struct and not in globals: they are made when parseOptions runs.
struct CommandLine {
  cl::OptionCategory category{"dgemm-run options"};

  cl::opt<int64_t> m{"m", cl::desc("Rows of A and D"), cl::init(-1), cl::cat(category)};
  cl::opt<int64_t> n{"n", cl::desc("Rows of B, columns of D"), cl::init(-1), cl::cat(category)};
  cl::opt<int64_t> k{"k", cl::desc("Columns of A and B"), cl::init(-1), cl::cat(category)};
  cl::opt<std::string> config{"config", cl::desc("Fields of #dgemm.config to override when compiling"),
                              cl::value_desc("field = value, ..."), cl::cat(category)};
  cl::opt<std::string> dynamic{"dynamic", cl::desc("Sizes to leave dynamic when compiling, for example m"),
                               cl::value_desc("letters"), cl::cat(category)};
  cl::opt<std::string> ptxas{"ptxas", cl::desc("ptxas to use when compiling"), cl::value_desc("path"),
                             cl::cat(category)};
  cl::opt<std::string> kernel{"kernel", cl::desc("Run this cubin or PTX; sizes may come from its launch descriptor"),
                              cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> launch{"launch", cl::desc("Launch descriptor of --kernel"), cl::value_desc("file.json"),
                              cl::cat(category)};
  cl::opt<std::string> cases{"cases",
                             cl::desc("Run many kernels: each line of the file is `kernel launch.json m n k [seed]`"),
                             cl::value_desc("file"), cl::cat(category)};

  cl::opt<GemmLayout> layout{
      "layout", cl::desc("How rows are grouped"), cl::init(GemmLayout::Dense),
      cl::values(clEnumValN(GemmLayout::Dense, "dense", "one matrix (default)"),
                 clEnumValN(GemmLayout::Contiguous, "contiguous", "groups one after the other, m_indices[M]"),
                 clEnumValN(GemmLayout::Masked, "masked", "M rows for each group, masked_m[G] of them used")),
      cl::cat(category)};
  cl::opt<int64_t> groups{"groups", cl::desc("Number of groups"), cl::init(-1), cl::value_desc("size"),
                          cl::cat(category)};
  cl::list<int64_t> groupRows{"group-rows", cl::desc("Rows of each group (default: random)"), cl::CommaSeparated,
                              cl::value_desc("rows,..."), cl::cat(category)};
  cl::opt<int64_t> rowAlignment{"row-alignment", cl::desc("Contiguous: groups start at multiples of it (default 128)"),
                                cl::init(128), cl::value_desc("rows"), cl::cat(category)};
  cl::opt<int64_t> expectedM{"expected-m", cl::desc("Masked: rows of a group to choose the config for"), cl::init(0),
                             cl::value_desc("rows"), cl::cat(category)};
  cl::opt<int64_t> lda{"lda", cl::desc("Elements from one row of A to the next (default K)"), cl::init(0),
                       cl::value_desc("elements"), cl::cat(category)};
  cl::opt<int64_t> ldb{"ldb", cl::desc("The same of B"), cl::init(0), cl::value_desc("elements"), cl::cat(category)};
  cl::opt<int64_t> ldd{"ldd", cl::desc("The same of D (default N)"), cl::init(0), cl::value_desc("elements"),
                       cl::cat(category)};
  cl::opt<bool> scaleAK{"scale-a-k-innermost", cl::desc("Scales of A lie as [M, K/128], row-major"), cl::cat(category)};
  cl::opt<bool> scaleBN{"scale-b-n-innermost", cl::desc("Scales of B lie as [K/128, N/128], row-major"),
                        cl::cat(category)};

  cl::opt<DeviceKind> device{
      "device", cl::desc("What to run on"), cl::init(DeviceKind::Auto),
      cl::values(clEnumValN(DeviceKind::Auto, "auto", "a Hopper GPU if there is one, else the emulator (default)"),
                 clEnumValN(DeviceKind::Gpu, "gpu", "the first Hopper GPU"),
                 clEnumValN(DeviceKind::Emulator, "emulator", "the PTX emulator, which checks the kernel for hazards")),
      cl::cat(category)};
  cl::opt<double> timeout{"timeout", cl::desc("Seconds after which a kernel is given up (default 20)"), cl::init(20),
                          cl::value_desc("seconds"), cl::cat(category)};

  cl::opt<std::string> trace{"trace", cl::desc("Emulator: write a Chrome trace (chrome://tracing, Perfetto)"),
                             cl::value_desc("file.json"), cl::cat(category)};
  cl::opt<int64_t> multiprocessors{"multiprocessors", cl::desc("Emulator: multiprocessors to have (default 132)"),
                                   cl::init(132), cl::value_desc("count"), cl::cat(category)};

  cl::opt<uint64_t> seed{"seed", cl::desc("Seed of the random inputs, and of the emulator's schedule (default 0)"),
                         cl::init(0), cl::cat(category)};
  cl::opt<unsigned> seeds{"seeds", cl::desc("Run with so many seeds, counting up from --seed (default 1)"), cl::init(1),
                          cl::value_desc("count"), cl::cat(category)};
  cl::opt<std::string> inputA{"input-a", cl::desc("A from a .npy file: uint8 [M, K]"), cl::value_desc("file.npy"),
                              cl::cat(category)};
  cl::opt<std::string> inputScaleA{"input-scale-a", cl::desc("Scales of A: float32 [M, ceil(K/128)]"),
                                   cl::value_desc("file.npy"), cl::cat(category)};
  cl::opt<std::string> inputB{"input-b", cl::desc("B: uint8 [N, K]"), cl::value_desc("file.npy"), cl::cat(category)};
  cl::opt<std::string> inputScaleB{"input-scale-b", cl::desc("Scales of B: float32 [ceil(N/128), ceil(K/128)]"),
                                   cl::value_desc("file.npy"), cl::cat(category)};
  cl::opt<std::string> saveD{"save-d", cl::desc("Write D as .npy: uint16 [M, N], the bits of bf16"),
                             cl::value_desc("file.npy"), cl::cat(category)};

  cl::opt<CheckMode> check{
      "check", cl::desc("How much of D to check against double precision"), cl::init(CheckMode::Auto),
      cl::values(clEnumValN(CheckMode::Auto, "auto", "full for small problems, else sample (default)"),
                 clEnumValN(CheckMode::Full, "full", "every element"),
                 clEnumValN(CheckMode::Sample, "sample", "64 rows, a checksum of every row, no element unwritten"),
                 clEnumValN(CheckMode::None, "none", "nothing")),
      cl::cat(category)};
  cl::opt<bool> time{"time", cl::desc("Time the kernel (default, but for --cases)"), cl::cat(category)};
  cl::opt<bool> noTime{"no-time", cl::desc("Do not time the kernel"), cl::cat(category)};
  cl::opt<unsigned> repeat{"repeat", cl::desc("Timed launches (default 20)"), cl::init(20), cl::value_desc("count"),
                           cl::cat(category)};
  cl::opt<uint64_t> flush{"flush-mib",
                          cl::desc("MiB written before each timed launch to empty L2 (default 4 x L2, at "
                                   "least 256)"),
                          cl::init(0), cl::value_desc("MiB"), cl::cat(category)};
  cl::opt<std::string> json{"json", cl::desc("Write a report"), cl::value_desc("file.json"), cl::cat(category)};

  Options collect() const {
    Options options;
    options.kernel = kernel;
    options.launch = launch;
    options.cases = cases;
    options.sizes = {m, n, k, layout, kernel.empty() && layout == GemmLayout::Dense ? 1 : groups};
    options.groupRows.assign(groupRows.begin(), groupRows.end());
    options.shape.layout = layout;
    options.shape.rowAlignment = rowAlignment;
    options.shape.expectedM = expectedM;
    options.shape.lda = lda;
    options.shape.ldb = ldb;
    options.shape.ldd = ldd;
    options.shape.scaleAKInnermost = scaleAK;
    options.shape.scaleBNInnermost = scaleBN;
    options.config = config;
    options.dynamic = StringRef(dynamic).lower();
    options.ptxas = ptxas;
    options.device = device;
    options.multiprocessors = multiprocessors;
    options.run.tracePath = trace;
    options.seed = seed;
    options.seeds = seeds;
    options.inputs = {inputA, inputScaleA, inputB, inputScaleB};
    options.saveD = saveD;
    options.run.timeoutSeconds = timeout;
    options.run.repeat = noTime || (!cases.empty() && !time) ? 0 : repeat;
    options.run.flushBytes = flush << 20;
    options.check = check;
    options.json = json;
    return options;
  }
};
} // namespace

static Error checkSource(const Options &options) {
  bool precompiled = !options.kernel.empty() || !options.launch.empty(),
       sized = options.sizes.m >= 0 || options.sizes.n >= 0 || options.sizes.k >= 0;
  bool compileFlags = !options.config.empty() || !options.dynamic.empty() || !options.ptxas.empty();
  if (!options.cases.empty()) {
    if (precompiled || sized || compileFlags)
      return createStringError("--cases names kernels and sizes itself; give no --kernel, --launch, --m, --n, --k, "
                               "--config, --dynamic or --ptxas with it");
    if (options.hasInputFiles() || !options.saveD.empty())
      return createStringError("--cases runs many problems; --input-* and --save-d go with one");
    return Error::success();
  }
  if (precompiled && (options.kernel.empty() || options.launch.empty()))
    return createStringError("--kernel and --launch go together");
  if (precompiled && compileFlags)
    return createStringError("--config, --dynamic and --ptxas have no effect on a compiled kernel");
  if (!precompiled && options.sizes.layout != GemmLayout::Dense && options.sizes.groups < 1)
    return createStringError("a grouped layout wants --groups of at least 1");
  if (!precompiled && (options.sizes.m < 0 || options.sizes.n < 0 || options.sizes.k < 0))
    return createStringError("give --m, --n and --k, or --kernel and --launch, or --cases");
  return Error::success();
}

static Error checkOptions(const Options &options) {
  if (Error error = checkSource(options))
    return error;
  for (auto [name, size] : {std::pair("m", options.sizes.m), {"n", options.sizes.n}, {"k", options.sizes.k}})
    if (size < -1 || size == 0)
      return createStringError(formatv("--{0}={1}: a size is at least 1", name, size));
  if (StringRef(options.dynamic).find_first_not_of("mnkg") != StringRef::npos)
    return createStringError(formatv("--dynamic={0}: only the letters m, n, k and g are sizes", options.dynamic));
  if (options.multiprocessors < 1)
    return createStringError("--multiprocessors must be at least 1");
  if (!options.run.tracePath.empty() &&
      (options.device == DeviceKind::Gpu || options.seeds > 1 || !options.cases.empty()))
    return createStringError("--trace shows one run on the emulator; give no --device=gpu, --seeds or --cases with it");
  if (options.seeds == 0)
    return createStringError("--seeds=0: nothing to run");
  if (options.seeds > 1 && (options.hasInputFiles() || !options.saveD.empty()))
    return createStringError("--seeds runs many inputs; --input-* and --save-d go with one");
  if (!(options.run.timeoutSeconds > 0))
    return createStringError("--timeout must be above 0");
  return Error::success();
}

Expected<Options> parseOptions(int argc, char **argv) {
  CommandLine line;
  cl::HideUnrelatedOptions(line.category);
  cl::SetVersionPrinter([](raw_ostream &os) { os << getToolVersion() << '\n'; });
  cl::ParseCommandLineOptions(
      argc, argv,
      "runs a scaled FP8 GEMM on a Hopper GPU or the emulator, checks it against double precision and times it\n\n"
      "  dgemm-run --m=4096 --n=7168 --k=16384\n"
      "  dgemm-run --kernel=k.cubin --launch=k.json --m=128\n");
  Options options = line.collect();
  if (Error error = checkOptions(options))
    return error;
  return options;
}

} // namespace dgemm::run
