//===- Compiler.cpp - Problem in, kernel out -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "Session.h"
#include "dgemm/Analysis/ConfigVariations.h"
#include "dgemm/Analysis/TunedTable.h"
#include "dgemm/Target/Disassembler.h"
#include "dgemm/Target/EmitPTX.h"
#include "dgemm/Target/LaunchFromIR.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace dgemm;
using dgemm::Level;

namespace {
constexpr int64_t kDynamic = GemmShape::kDynamic;

/// Spells the operands' types.
class ProblemTypes {
public:
  explicit ProblemTypes(const GemmShape &shape) : shape(shape) {}

  std::string a() { return matrix("A", "f8E4M3FN", isMasked(), shape.m, shape.k, shape.lda); }
  std::string b() { return matrix("B", "f8E4M3FN", isGrouped(), shape.n, shape.k, shape.ldb); }
  std::string d() { return matrix("D", "bf16", isMasked(), shape.m, shape.n, shape.ldd); }
  std::string scaleA() { return scales(isMasked(), blocks(shape.k), shape.m, shape.scaleAKInnermost); }
  std::string scaleB() { return scales(isGrouped(), blocks(shape.n), blocks(shape.k), shape.scaleBNInnermost); }
  std::string groups() { return llvm::formatv("memref<{0}xi32>", extent(isMasked() ? shape.groups : shape.m)).str(); }
  bool isGrouped() const { return shape.layout != GemmLayout::Dense; }
  /// Set by a type that cannot be spelled.
  std::string error;

private:
  bool isMasked() const { return shape.layout == GemmLayout::Masked; }
  /// "4096", or "?" for a dynamic size.
  static std::string extent(int64_t size) { return size == kDynamic ? "?" : std::to_string(size); }
  static int64_t blocks(int64_t size) { return size == kDynamic ? size : int64_t(llvm::divideCeil(size, 128)); }

  /// `strides` of rows and columns, kDynamic for `?`.
  std::string type(llvm::StringRef element, bool hasGroups, int64_t rows, int64_t columns,
                   std::optional<std::pair<int64_t, int64_t>> strides = {}) {
    std::string dims = hasGroups ? extent(shape.groups) + "x" : "";
    dims += extent(rows) + "x" + extent(columns) + "x" + element.str();
    if (!strides)
      return "memref<" + dims + ">";
    auto [row, column] = *strides;
    std::string outer;
    if (hasGroups) {
      bool isDynamic = llvm::is_contained({rows, columns, row, column}, kDynamic);
      outer = extent(isDynamic ? kDynamic : std::max(rows * row, columns * column)) + ", ";
    }
    return llvm::formatv("memref<{0}, strided<[{1}{2}, {3}]>>", dims, outer, extent(row), extent(column)).str();
  }
  std::string matrix(llvm::StringRef name, llvm::StringRef element, bool hasGroups, int64_t rows, int64_t columns,
                     int64_t pitch) {
    if (!pitch)
      return type(element, hasGroups, rows, columns);
    if (pitch != kDynamic && pitch < columns)
      error = llvm::formatv("expected the leading dimension of {0} to be at least its row, {1}, but got {2}", name,
                            columns, pitch);
    return type(element, hasGroups, rows, columns, std::pair<int64_t, int64_t>(pitch, 1));
  }
  /// Scales [rows, columns], the rows innermost where `isTransposed`.
  std::string scales(bool hasGroups, int64_t rows, int64_t columns, bool isTransposed) {
    if (!isTransposed)
      return type("f32", hasGroups, rows, columns);
    return type("f32", hasGroups, rows, columns, std::pair<int64_t, int64_t>(1, rows));
  }

  const GemmShape &shape;
};

struct SizeDivisor {
  llvm::StringRef name;
  int64_t size, divisor;
};
} // namespace

static std::array<SizeDivisor, 5> getDivisors(const GemmShape &shape) {
  return {{{"n", shape.n, shape.nDivisor},
           {"k", shape.k, shape.kDivisor},
           {"lda", shape.lda, shape.ldaDivisor},
           {"ldb", shape.ldb, shape.ldbDivisor},
           {"ldd", shape.ldd, shape.lddDivisor}}};
}

/// Rows of the smallest tile: what wgmma takes.
static constexpr int64_t kMinBlockM = 64;

static llvm::Error checkShape(const GemmShape &shape) {
  // 0 stands for no leading dimension.
  std::vector<std::tuple<const char *, int64_t, int64_t>> sizes = {{"M", shape.m, 1},
                                                                   {"N", shape.n, 1},
                                                                   {"K", shape.k, 1},
                                                                   {"the leading dimension of A", shape.lda, 0},
                                                                   {"the leading dimension of B", shape.ldb, 0},
                                                                   {"the leading dimension of D", shape.ldd, 0}};
  if (shape.layout != GemmLayout::Dense)
    sizes.emplace_back("the number of groups", shape.groups, 1);
  for (auto [name, size, least] : sizes)
    if (size != kDynamic && (size < least || size > INT32_MAX))
      return makeError(llvm::formatv("expected {0} to be 1 to 2147483647 or dynamic, but got {1}", name, size));
  if (shape.layout == GemmLayout::Contiguous &&
      (shape.rowAlignment < 1 || shape.rowAlignment > INT32_MAX || shape.rowAlignment % kMinBlockM))
    return makeError(llvm::formatv("expected the row alignment of groups to be a multiple of {0}, the rows of the "
                                   "smallest tile, but got {1}",
                                   kMinBlockM, shape.rowAlignment));
  if (shape.expectedM < 0 || shape.expectedM > INT32_MAX)
    return makeError(
        llvm::formatv("expected the expected M to be 1 to 2147483647, or 0 for none, but got {0}", shape.expectedM));
  for (const SizeDivisor &entry : getDivisors(shape))
    if (entry.divisor < 1 || (entry.size > 0 && entry.size % entry.divisor))
      return makeError(llvm::formatv("expected the divisor of {0} to be positive{1}, but got {2}", entry.name.upper(),
                                     entry.size > 0 ? " and to divide " + std::to_string(entry.size) : "",
                                     entry.divisor));
  return llvm::Error::success();
}

/// PTX ISA, "Identifiers": [a-zA-Z][a-zA-Z0-9_$]* or [_$%][a-zA-Z0-9_$]+; not %, with which registers start.
static llvm::Error checkEntry(llvm::StringRef entry) {
  auto isFollow = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; };
  if (entry.empty() || (isFollow(entry[0]) && !llvm::isDigit(entry[0]) && llvm::all_of(entry, isFollow) &&
                        (llvm::isAlpha(entry[0]) || entry.size() > 1)))
    return llvm::Error::success();
  return makeError("expected the entry to be a name of letters, digits, _ and $ that does not start with a digit, but "
                   "got '" +
                   entry + "'");
}

/// " divisible <n = 8, k = 16>": what is promised of dynamic sizes, empty for nothing.
static std::string spellDivisors(const GemmShape &shape) {
  std::string text;
  for (const SizeDivisor &entry : getDivisors(shape))
    if (entry.size == kDynamic && entry.divisor > 1)
      text += llvm::formatv("{0}{1} = {2}", text.empty() ? "" : ", ", entry.name, entry.divisor);
  return text.empty() ? text : " divisible <" + text + ">";
}

/// "dgemm_m4096_nx_k512", "dgemm_masked_g8_m..."; x for a dynamic size.
static std::string makeEntry(const GemmShape &shape) {
  auto nameOf = [](int64_t size) { return size == kDynamic ? "x" : std::to_string(size); };
  std::string group;
  if (shape.layout != GemmLayout::Dense)
    group = llvm::formatv("_{0}_g{1}", toString(shape.layout), nameOf(shape.groups));
  return llvm::formatv("dgemm{0}_m{1}_n{2}_k{3}", group, nameOf(shape.m), nameOf(shape.n), nameOf(shape.k));
}

llvm::Expected<std::string> dgemm::makeProblem(const GemmShape &shape, const CompileOptions &options) {
  if (llvm::Error error = checkShape(shape))
    return std::move(error);
  if (llvm::Error error = checkEntry(options.entry))
    return std::move(error);
  ProblemTypes types(shape);
  std::string a = types.a(), sa = types.scaleA(), b = types.b(), sb = types.scaleB(), d = types.d();
  if (!types.error.empty())
    return makeError(types.error);
  std::string layout = toString(shape.layout).str(), argument, type;
  if (types.isGrouped()) {
    std::string name = shape.layout == GemmLayout::Masked ? "%masked_m" : "%m_indices";
    layout += "(" + name + ")";
    type = ", " + types.groups();
    argument = ", " + name + ": " + types.groups();
  }
  if (shape.layout == GemmLayout::Contiguous)
    layout += " aligned " + std::to_string(shape.rowAlignment);
  if (shape.expectedM && (shape.layout == GemmLayout::Masked || shape.m == kDynamic))
    layout += " expected " + std::to_string(shape.expectedM);
  layout += spellDivisors(shape);
  if (shape.pdl)
    layout += " pdl";
  return llvm::formatv(R"(func.func @{0}(%a: {1}, %scale_a: {2}, %b: {3}, %scale_b: {4}, %d: {5}{6}) {{
  dgemm.gemm {7} lhs(%a scaled %scale_a by [1, 128]) rhs(%b scaled %scale_b by [128, 128]) out(%d)
      : ({1}, {2}, {3}, {4}, {5}{8})
  return
}
)",
                       options.entry.empty() ? makeEntry(shape) : options.entry, a, sa, b, sb, d, argument, layout,
                       type)
      .str();
}

/// Fails early for a chip that has no wgmma.
static llvm::Error checkOptions(const CompileOptions &options) {
  if (options.chip != "sm_90a")
    return makeError("target '" + options.chip + "' is not supported; the only one is sm_90a (H100, H200, GH200)");
  if (options.multiprocessors < 1)
    return makeError(llvm::formatv("expected at least 1 multiprocessor, but got {0}", options.multiprocessors));
  return llvm::Error::success();
}

/// "<tile = <...>, ...>".
static std::string toText(ConfigAttr config) {
  std::string text;
  llvm::raw_string_ostream(text) << config;
  return text.substr(text.find('<'));
}

static std::vector<std::string> toTexts(llvm::ArrayRef<ConfigAttr> configs) {
  std::vector<std::string> texts(configs.size());
  llvm::transform(configs, texts.begin(), toText);
  return texts;
}

/// In the order of the cost model.
static llvm::Expected<llvm::SmallVector<ConfigAttr>> rankConfigs(Session &session, const GemmShape &shape,
                                                                 const CompileOptions &options) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  llvm::Expected<std::string> problem = makeProblem(shape, options);
  if (!problem)
    return problem.takeError();
  llvm::Expected<ConfigFields> fields = ConfigFields::parse(options.config);
  if (!fields)
    return fields.takeError();
  std::optional<SpillData> spills;
  ChoiceData data;
  if (!options.spillData.empty()) {
    if (llvm::Error error = SpillData::read(options.spillData).moveInto(spills.emplace()))
      return std::move(error);
    data.spills = &*spills;
  }
  if (llvm::Error error = session.parse(*problem))
    return std::move(error);
  ProblemSize size;
  session.getModule().walk([&](GemmOp gemm) { size = ProblemSize::get(gemm); });
  // Equal ones stay in the order in which the model takes them.
  llvm::SmallVector<std::tuple<double, size_t, ConfigAttr>> ranked;
  for (ConfigAttr config : enumerateConfigs(session.getModule().getContext(), size, *fields, data))
    ranked.emplace_back(estimateClocks(size, config, options.multiprocessors), ranked.size(), config);
  llvm::sort(ranked, [](const auto &a, const auto &b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  return llvm::map_to_vector(ranked, [](const auto &entry) { return std::get<2>(entry); });
}

/// A whole config that a caller gives.
static llvm::Expected<ConfigAttr> parseConfig(Session &session, llvm::StringRef text) {
  session.getContext()->loadDialect<DGemmDialect>(); // no IR may have been parsed
  auto location = mlir::UnknownLoc::get(session.getContext());
  if (ConfigAttr config = parseWholeConfig([&] { return mlir::emitError(location); }, session.getContext(), text))
    return config;
  return session.takeDiagnostics("no config");
}

llvm::Expected<std::vector<std::string>> dgemm::listConfigs(const GemmShape &shape, const CompileOptions &options) {
  Session session(options);
  llvm::Expected<llvm::SmallVector<ConfigAttr>> configs = rankConfigs(session, shape, options);
  return configs ? toTexts(*configs) : llvm::Expected<std::vector<std::string>>(configs.takeError());
}

llvm::Expected<std::vector<std::string>> dgemm::listNeighbours(const GemmShape &shape, llvm::StringRef config,
                                                               const CompileOptions &options) {
  Session session(options);
  llvm::Expected<llvm::SmallVector<ConfigAttr>> legal = rankConfigs(session, shape, options);
  if (!legal)
    return legal.takeError();
  llvm::Expected<ConfigAttr> parsed = parseConfig(session, config);
  return parsed ? toTexts(findNeighbours(*parsed, *legal))
                : llvm::Expected<std::vector<std::string>>(parsed.takeError());
}

llvm::Expected<std::vector<std::string>> dgemm::listOrders(llvm::StringRef config) {
  CompileOptions options;
  Session session(options);
  llvm::Expected<ConfigAttr> parsed = parseConfig(session, config);
  return parsed ? toTexts(varyOrder(*parsed)) : llvm::Expected<std::vector<std::string>>(parsed.takeError());
}

llvm::Expected<int64_t> dgemm::getMAlignmentForContiguousLayout(const GemmShape &shape, const CompileOptions &options) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  if (shape.layout != GemmLayout::Contiguous)
    return makeError("expected a contiguous layout, but got a " + toString(shape.layout) + " one");
  llvm::Expected<std::string> problem = makeProblem(shape, options);
  if (!problem)
    return problem.takeError();
  Session session(options);
  if (llvm::Error error = session.parse(*problem))
    return std::move(error);
  if (llvm::Error error = session.lower(Level::Configured))
    return std::move(error);
  int64_t rows = 0;
  session.getModule().walk([&](dgemm::GemmOp gemm) { rows = gemm.getConfig()->getBlockM(); });
  return rows;
}

llvm::Expected<std::string> dgemm::chooseConfig(const GemmShape &shape, const CompileOptions &options) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  llvm::Expected<std::string> problem = makeProblem(shape, options);
  if (!problem)
    return problem.takeError();
  Session session(options);
  if (llvm::Error error = session.parse(*problem))
    return std::move(error);
  if (llvm::Error error = session.lower(Level::Configured))
    return std::move(error);
  std::string text;
  llvm::raw_string_ostream os(text);
  session.getModule().walk([&](dgemm::GemmOp gemm) { os << *gemm.getConfig(); });
  return text.substr(text.find('<'));
}

/// The level of the module for a stage that is printed as MLIR.
static Level levelOf(Stage stage) {
  return stage >= Stage::NVVM ? Level::NVVM : static_cast<Level>(static_cast<int>(stage));
}

llvm::Expected<std::string> dgemm::lowerToText(llvm::StringRef ir, Stage stage, const CompileOptions &options,
                                               StageTimes *times) {
  if (stage > Stage::LLVM)
    return makeError("stage '" + toString(stage) + "' is not a level of IR");
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.parse(ir, options.irName))
    return std::move(error);
  if (llvm::Error error = session.lower(levelOf(stage)))
    return std::move(error);
  std::string text;
  llvm::raw_string_ostream os(text);
  if (stage != Stage::LLVM) {
    session.getModule().print(os);
    os << '\n';
  } else {
    llvm::LLVMContext context;
    auto module = session.translate(context);
    if (!module)
      return module.takeError();
    (*module)->print(os, nullptr);
  }
  if (times)
    *times = std::move(session.times);
  return text;
}

/// Where dgemm-select-config will take, or has taken, the config of the module from. What is wrong with an option, the
/// pass reports.
static ConfigSource findConfigSource(mlir::ModuleOp module, const CompileOptions &options) {
  if (isWholeConfig(options.config))
    return ConfigSource::Input;
  std::optional<ConfigFields> fields = llvm::expectedToOptional(ConfigFields::parse(options.config));
  std::optional<TunedTable> own;
  std::optional<SpillData> spills;
  llvm::SmallVector<ConfigAttr> avoided;
  ChoiceData data;
  if (!options.tunedTable.empty() && (own = llvm::expectedToOptional(TunedTable::read(options.tunedTable))))
    data.own = &*own;
  if (!options.spillData.empty() && (spills = llvm::expectedToOptional(SpillData::read(options.spillData))))
    data.spills = &*spills;
  auto location = mlir::UnknownLoc::get(module.getContext());
  for (const std::string &text : options.avoidedConfigs)
    avoided.push_back(parseWholeConfig([&] { return mlir::emitError(location); }, module.getContext(), text));
  data.avoided = avoided;
  ConfigSource source = ConfigSource::Input;
  module.walk([&](GemmOp gemm) {
    if (gemm.getConfig() || !fields)
      return;
    bool isTuned = findTunedConfig(module.getContext(), ProblemSize::get(gemm), *fields, options.multiprocessors, data)
                       .has_value();
    source = isTuned ? ConfigSource::TunedTable : ConfigSource::CostModel;
  });
  return source;
}

/// PTX and launch descriptor.
static llvm::Expected<CompiledKernel> compileToPTX(llvm::StringRef ir, const CompileOptions &options) {
  Session session(options);
  if (llvm::Error error = session.parse(ir, options.irName))
    return std::move(error);
  CompiledKernel kernel;
  kernel.configSource = findConfigSource(session.getModule(), options);
  if (llvm::Error error = session.lower(Level::NVVM))
    return std::move(error);
  auto launch = dgemm::getLaunchDescriptor(session.getModule(), options.chip);
  if (!launch)
    return launch.takeError();
  kernel.launch = std::move(*launch);
  llvm::LLVMContext context;
  auto module = session.translate(context);
  if (!module)
    return module.takeError();
  {
    StageTimer timer(session.times, "codegen");
    auto ptx = dgemm::emitPTX(**module, options.chip);
    if (!ptx)
      return ptx.takeError();
    kernel.ptx = std::move(*ptx);
  }
  kernel.times = std::move(session.times);
  return kernel;
}

/// Adds the cubin and what ptxas reports of it.
static llvm::Error assembleKernel(CompiledKernel &kernel, const CompileOptions &options) {
  StageTimer timer(kernel.times, "ptxas");
  llvm::Expected<Assembler> assembler = findAssembler(options.ptxas);
  if (!assembler)
    return assembler.takeError();
  llvm::Expected<AssembledKernel> assembled = assemble(*assembler, kernel.ptx, kernel.launch.entry, options.chip);
  if (!assembled)
    return assembled.takeError();
  kernel.cubin = std::move(assembled->image);
  kernel.resources = assembled->resources;
  return llvm::Error::success();
}

/// Rewrites the scheduling hints of the promotion in the cubin.
static llvm::Error interleaveKernel(CompiledKernel &kernel, sass::InterleavePolicy policy) {
  if (policy == sass::InterleavePolicy::None)
    return llvm::Error::success();
  StageTimer timer(kernel.times, "interleave");
  llvm::Expected<sass::Cubin> cubin = sass::Cubin::parse(kernel.cubin);
  if (!cubin)
    return cubin.takeError();
  kernel.interleaved.emplace();
  for (sass::KernelCode &code : cubin->getKernels()) {
    llvm::Expected<sass::InterleaveChanges> changes = sass::interleave(code.instructions, policy);
    if (!changes)
      return changes.takeError();
    *kernel.interleaved += *changes;
  }
  kernel.cubin = cubin->write();
  return llvm::Error::success();
}

/// Adds the disassembly of the cubin.
static llvm::Error disassembleKernel(CompiledKernel &kernel, llvm::StringRef nvdisasm) {
  StageTimer timer(kernel.times, "nvdisasm");
  llvm::Expected<std::string> program = findDisassembler(nvdisasm);
  if (!program)
    return program.takeError();
  return disassemble(*program, kernel.cubin).moveInto(kernel.sass);
}

/// The remark about a config that was chosen and does not assemble as `error` says.
static std::string describeSlowConfig(llvm::StringRef config, llvm::StringRef error) {
  // Behind the first line stand ptxas' words.
  llvm::StringRef words = error.split('\n').second.split("\n  to do").first;
  return llvm::formatv(
             "ptxas does not assemble {0} as written ({1}); the next best config is taken", config,
             llvm::join(llvm::map_range(llvm::split(words, '\n'), [](llvm::StringRef line) { return line.trim(); }),
                        " "))
      .str();
}

/// PTX, launch descriptor and cubin, of the next best config where the first one that was chosen is slow.
static llvm::Expected<CompiledKernel> compileToCubin(llvm::StringRef ir, const CompileOptions &options) {
  constexpr size_t kMostTries = 8;
  CompileOptions next = options;
  std::vector<std::string> remarks;
  std::string first; // why the first one is slow
  while (true) {
    llvm::Expected<CompiledKernel> kernel = compileToPTX(ir, next);
    if (!kernel && first.empty())
      return kernel;
    if (!kernel) { // no other config is left
      llvm::consumeError(kernel.takeError());
      return llvm::make_error<SlowKernelError>(first);
    }
    llvm::Error error = assembleKernel(*kernel, next);
    if (!error) {
      kernel->remarks = std::move(remarks);
      return kernel;
    }
    if (!error.isA<SlowKernelError>())
      return std::move(error);
    std::string message = llvm::toString(std::move(error));
    if (first.empty())
      first = message;
    if (kernel->configSource == ConfigSource::Input || remarks.size() == kMostTries)
      return llvm::make_error<SlowKernelError>(first);
    remarks.push_back(describeSlowConfig(kernel->launch.config, message));
    next.avoidedConfigs.push_back(kernel->launch.config);
  }
}

llvm::Expected<CompiledKernel> dgemm::compileModule(llvm::StringRef ir, const CompileOptions &options, Stage last) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  if (last == Stage::PTX || last == Stage::Launch)
    return compileToPTX(ir, options);
  llvm::Expected<CompiledKernel> kernel = compileToCubin(ir, options);
  if (!kernel)
    return kernel;
  if (llvm::Error error = interleaveKernel(*kernel, options.interleaveFFMA))
    return std::move(error);
  if (last == Stage::SASS)
    if (llvm::Error error = disassembleKernel(*kernel, options.nvdisasm))
      return std::move(error);
  return kernel;
}

llvm::Expected<CompiledKernel> dgemm::compileKernel(const GemmShape &shape, const CompileOptions &options, Stage last) {
  llvm::Expected<std::string> problem = makeProblem(shape, options);
  if (!problem)
    return problem.takeError();
  CompileOptions made = options;
  made.irName.clear();
  return compileModule(*problem, made, last);
}
