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

using namespace dgemm;
using dgemm::Level;

/// Fails early for a chip without wgmma.
static llvm::Error checkOptions(const CompileOptions &options) {
  if (options.chip != "sm_90a")
    return makeError("target '" + options.chip + "' is not supported; the only one is sm_90a (H100, H200, GH200)");
  if (options.multiprocessors < 0)
    return makeError(llvm::formatv("expected at least 1 multiprocessor, but got {0}", options.multiprocessors));
  return Machine::parse(options.machine).takeError();
}

/// The machine of valid options.
static Machine getMachine(const CompileOptions &options) {
  Machine machine = llvm::cantFail(Machine::parse(options.machine));
  if (options.multiprocessors)
    machine.multiprocessors = options.multiprocessors;
  return machine;
}

std::string dgemm::toText(ConfigAttr config) {
  std::string text;
  llvm::raw_string_ostream(text) << config;
  return text.substr(text.find('<'));
}

static std::vector<std::string> toTexts(llvm::ArrayRef<ConfigAttr> configs) {
  std::vector<std::string> texts(configs.size());
  llvm::transform(configs, texts.begin(), toText);
  return texts;
}

/// Ordered by the cost model.
static llvm::Expected<llvm::SmallVector<ConfigAttr>> rankConfigs(Session &session, const GemmShape &shape,
                                                                 const CompileOptions &options) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  if (llvm::Error error = session.build(shape))
    return std::move(error);
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
  ProblemSize size;
  session.getModule().walk([&](GemmOp gemm) { size = ProblemSize::get(gemm); });
  Machine machine = getMachine(options);
  // Equal configs keep the order of the model.
  llvm::SmallVector<std::tuple<double, size_t, ConfigAttr>> ranked;
  for (ConfigAttr config : enumerateConfigs(session.getModule().getContext(), size, *fields, data))
    ranked.emplace_back(estimate(size, config, machine).total, ranked.size(), config);
  llvm::sort(ranked, [](const auto &a, const auto &b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  return llvm::map_to_vector(ranked, [](const auto &entry) { return std::get<2>(entry); });
}

/// A complete config of a caller.
static llvm::Expected<ConfigAttr> parseConfig(Session &session, llvm::StringRef text) {
  session.getContext()->loadDialect<DGemmDialect>(); // there may be no parsed IR
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
  Session session(options);
  if (llvm::Error error = session.build(shape))
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
  Session session(options);
  if (llvm::Error error = session.build(shape))
    return std::move(error);
  if (llvm::Error error = session.lower(Level::Configured))
    return std::move(error);
  std::string text;
  llvm::raw_string_ostream os(text);
  session.getModule().walk([&](dgemm::GemmOp gemm) { os << *gemm.getConfig(); });
  return text.substr(text.find('<'));
}

/// The level of the module at a stage that is printed as MLIR.
static Level levelOf(Stage stage) {
  return stage >= Stage::NVVM ? Level::NVVM : static_cast<Level>(static_cast<int>(stage));
}

/// The text of the session's module, lowered to `stage`.
static llvm::Expected<std::string> print(Session &session, Stage stage, StageTimes *times) {
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

/// Fails early for a stage that is not IR.
static llvm::Error checkIRStage(Stage stage, const CompileOptions &options) {
  if (stage > Stage::LLVM)
    return makeError("stage '" + toString(stage) + "' is not a level of IR");
  return checkOptions(options);
}

llvm::Expected<std::string> dgemm::lowerToText(llvm::StringRef ir, Stage stage, const CompileOptions &options,
                                               StageTimes *times) {
  if (llvm::Error error = checkIRStage(stage, options))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.parse(ir, options.irName))
    return std::move(error);
  return print(session, stage, times);
}

llvm::Expected<std::string> dgemm::lowerToText(const GemmShape &shape, Stage stage, const CompileOptions &options,
                                               StageTimes *times) {
  if (llvm::Error error = checkIRStage(stage, options))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.build(shape))
    return std::move(error);
  return print(session, stage, times);
}

/// The source of a problem's config, as dgemm-select-config states it.
static ConfigSource getConfigSource(mlir::ModuleOp module) {
  ConfigSource source = ConfigSource::Input;
  module.walk([&](GemmOp gemm) {
    if (auto chosenBy = gemm->getAttrOfType<mlir::StringAttr>(kConfigSourceAttr))
      source = chosenBy == kTunedTable ? ConfigSource::TunedTable : ConfigSource::CostModel;
  });
  return source;
}

/// PTX and launch descriptor of the session's only kernel.
static llvm::Expected<CompiledKernel> compileToPTX(Session &session, const CompileOptions &options) {
  CompiledKernel kernel;
  if (session.getLevel() == Level::Problem)
    if (llvm::Error error = session.lower(Level::Configured))
      return std::move(error);
  kernel.configSource = getConfigSource(session.getModule());
  if (llvm::Error error = session.lower(Level::NVVM))
    return std::move(error);
  if (llvm::Error error = getLaunchDescriptor(session.getModule(), options.chip).moveInto(kernel.launch))
    return std::move(error);
  llvm::LLVMContext context;
  auto module = session.translate(context);
  if (!module)
    return module.takeError();
  {
    StageTimer timer(session.times, "codegen");
    if (llvm::Error error = emitPTX(**module, options.chip).moveInto(kernel.ptx))
      return std::move(error);
  }
  kernel.times = std::exchange(session.times, {});
  return kernel;
}

/// Adds the cubin and the report of ptxas.
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

/// The remark about a chosen config that does not assemble, by `error`.
static std::string describeSlowConfig(llvm::StringRef config, llvm::StringRef error) {
  // ptxas' own message follows the first line.
  llvm::StringRef words = error.split('\n').second.split("\n  to do").first;
  return llvm::formatv(
             "ptxas does not assemble {0} as written ({1}); the next best config is taken", config,
             llvm::join(llvm::map_range(llvm::split(words, '\n'), [](llvm::StringRef line) { return line.trim(); }),
                        " "))
      .str();
}

/// PTX, launch descriptor and cubin; those of the next best config if the first chosen one is slow.
static llvm::Expected<CompiledKernel> compileToCubin(Session &session, mlir::Operation *problem,
                                                     const CompileOptions &options) {
  constexpr size_t kMostTries = 8;
  std::vector<std::string> remarks, tried;
  std::string first; // why the first one is slow
  while (true) {
    if (llvm::Error error = session.select(problem, tried))
      return std::move(error);
    llvm::Expected<CompiledKernel> kernel = compileToPTX(session, options);
    if (!kernel && first.empty())
      return kernel;
    if (!kernel) { // no other config is left
      llvm::consumeError(kernel.takeError());
      return llvm::make_error<SlowKernelError>(first);
    }
    llvm::Error error = assembleKernel(*kernel, options);
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
    tried.push_back(kernel->launch.config);
  }
}

/// Compiles `problem`, one of findKernels, to `last`.
static llvm::Expected<CompiledKernel> compile(Session &session, mlir::Operation *problem, const CompileOptions &options,
                                              Stage last) {
  if (last == Stage::PTX || last == Stage::Launch) {
    if (llvm::Error error = session.select(problem, {}))
      return std::move(error);
    return compileToPTX(session, options);
  }
  llvm::Expected<CompiledKernel> kernel = compileToCubin(session, problem, options);
  if (!kernel)
    return kernel;
  if (llvm::Error error = interleaveKernel(*kernel, options.interleaveFFMA))
    return std::move(error);
  if (last == Stage::SASS)
    if (llvm::Error error = disassembleKernel(*kernel, options.nvdisasm))
      return std::move(error);
  return kernel;
}

/// All kernels of the session.
static llvm::Expected<std::vector<CompiledKernel>> compileAll(Session &session, const CompileOptions &options,
                                                              Stage last) {
  llvm::Expected<llvm::SmallVector<mlir::Operation *>> problems = session.findKernels();
  if (!problems)
    return problems.takeError();
  std::vector<CompiledKernel> kernels;
  for (mlir::Operation *problem : *problems)
    if (llvm::Error error = compile(session, problem, options, last).moveInto(kernels.emplace_back()))
      return std::move(error);
  return kernels;
}

llvm::Expected<std::vector<CompiledKernel>> dgemm::compileModule(llvm::StringRef ir, const CompileOptions &options,
                                                                 Stage last) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.parse(ir, options.irName))
    return std::move(error);
  return compileAll(session, options, last);
}

llvm::Expected<std::vector<CompiledKernel>> dgemm::compileModule(mlir::ModuleOp module, const CompileOptions &options,
                                                                 Stage last) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  Session session(options, module);
  return compileAll(session, options, last);
}

llvm::Expected<CompiledKernel> dgemm::compileKernel(const GemmShape &shape, const CompileOptions &options, Stage last) {
  if (llvm::Error error = checkOptions(options))
    return std::move(error);
  Session session(options);
  if (llvm::Error error = session.build(shape))
    return std::move(error);
  llvm::Expected<std::vector<CompiledKernel>> kernels = compileAll(session, options, last);
  return kernels ? std::move(kernels->front()) : llvm::Expected<CompiledKernel>(kernels.takeError());
}
