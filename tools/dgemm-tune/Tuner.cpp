//===- Tuner.cpp - Measures the configs of a problem ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tuner.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include <limits>

using namespace llvm;

namespace dgemm::tune {

/// Configs whose neighbours and tile orders are tried.
static constexpr size_t kLeaders = 3;

Expected<std::vector<std::string>> listBest(const Problem &problem, const Options &options, size_t limit) {
  std::vector<std::string> best;
  for (const std::string &fields : options.fields) {
    CompileOptions compile = options.compile;
    compile.config = fields;
    Expected<std::vector<std::string>> listed = listConfigs(problem.getShape(), compile);
    if (!listed)
      return listed.takeError();
    append_range(best, ArrayRef(*listed).take_front(limit));
  }
  return best;
}

/// Appends the legal configs, of each set of fields, that are one step away from `config`.
static Error addNeighbours(const Problem &problem, const Options &options, StringRef config,
                           std::vector<std::string> &configs) {
  for (const std::string &fields : options.fields) {
    CompileOptions compile = options.compile;
    compile.config = fields;
    Expected<std::vector<std::string>> near = listNeighbours(problem.getShape(), config, compile);
    if (!near)
      return near.takeError();
    append_range(configs, *near);
  }
  return Error::success();
}

/// Appends the variants of `config` in the order of its tiles.
static Error addOrders(StringRef config, std::vector<std::string> &configs) {
  Expected<std::vector<std::string>> orders = listOrders(config);
  if (!orders)
    return orders.takeError();
  append_range(configs, *orders);
  return Error::success();
}

std::vector<Expected<CompiledKernel>> compileAll(const Problem &problem, ArrayRef<std::string> configs,
                                                 const Options &options, Stage last) {
  std::vector<std::optional<Expected<CompiledKernel>>> results(configs.size());
  {
    DefaultThreadPool pool(hardware_concurrency(options.jobs));
    for (size_t i = 0; i < configs.size(); ++i)
      pool.async([&, i] {
        CompileOptions compile = options.compile;
        compile.config = configs[i];
        results[i].emplace(compileKernel(problem.getShape(), compile, last));
      });
    pool.wait();
  }
  std::vector<Expected<CompiledKernel>> kernels;
  for (std::optional<Expected<CompiledKernel>> &result : results)
    kernels.push_back(std::move(*result));
  return kernels;
}

Error Tuner::prepare(const Problem &problem) {
  inputs.reset(); // frees memory before more is taken
  Expected<GemmInputs> made = problem.makeInputs(options.seed);
  if (!made)
    return made.takeError();
  inputs = std::move(*made);
  reference = Reference::compute(*inputs, CheckMode::Auto, options.seed);
  return Error::success();
}

Expected<double> Tuner::measure(CompiledKernel kernel, unsigned repeat) {
  KernelImage image{std::move(kernel.ptx), std::move(kernel.cubin), std::move(kernel.launch)};
  RunOptions run;
  run.repeat = repeat;
  Expected<RunResult> result = device.run(image, *inputs, run);
  if (!result)
    return result.takeError();
  CheckResult check = reference.compare(result->d, result->scaleD);
  if (!check.passed())
    return createStringError("wrong result: " + check.describe());
  if (!result->timing) // the emulator's
    return double(result->ticks);
  return result->timing->getQuantile(0.5) - result->timing->emptyMicroseconds;
}

Error Tuner::tryKernel(const Problem &problem, StringRef config, Expected<CompiledKernel> kernel, unsigned repeat) {
  Trial trial;
  if (Error error = journal.add(problem.getKey(), config, trial)) {
    consumeError(kernel.takeError());
    return error;
  }
  Error lost = Error::success();
  Expected<double> time = kernel ? measure(std::move(*kernel), repeat) : kernel.takeError();
  if (time) {
    trial.state = Trial::State::Timed;
    trial.microseconds = *time;
  } else {
    trial.state = Trial::State::Failed;
    handleAllErrors(time.takeError(), [&](std::unique_ptr<ErrorInfoBase> info) {
      trial.error = info->message();
      if (info->isA<DeviceLostError>())
        lost = joinErrors(std::move(lost), Error(std::move(info)));
    });
  }
  StringRef unit = getTimeUnit(device.getInfo());
  errs() << formatv("  {0,10} {1}\n",
                    trial.error.empty() ? formatv("{0:F2} {1}", trial.microseconds, unit).str() : "failed", config);
  if (!trial.error.empty())
    errs() << "             " << StringRef(trial.error).split('\n').first << '\n';
  return joinErrors(journal.add(problem.getKey(), config, trial), std::move(lost));
}

Error Tuner::screen(const Problem &problem, ArrayRef<std::string> configs) {
  constexpr size_t kBatch = 32; // compiled ahead, in memory
  std::vector<std::string> fresh;
  for (const std::string &config : configs)
    if (!journal.find(problem.getKey(), config) && !is_contained(fresh, config))
      fresh.push_back(config);
  for (size_t start = 0; start < fresh.size(); start += kBatch) {
    ArrayRef<std::string> batch = ArrayRef(fresh).slice(start).take_front(kBatch);
    std::vector<Expected<CompiledKernel>> kernels = compileAll(problem, batch, options, getLastStage());
    errs() << formatv("{0}: configs {1} to {2} of {3}\n", problem.text, start + 1, start + batch.size(), fresh.size());
    Error error = Error::success();
    for (auto [config, kernel] : zip_equal(batch, kernels)) {
      if (error)
        consumeError(kernel.takeError());
      else
        error = tryKernel(problem, config, std::move(kernel), options.screenRepeat);
    }
    if (error)
      return error;
  }
  return Error::success();
}

std::vector<std::string> Tuner::rank(const Problem &problem, size_t limit) const {
  std::vector<std::pair<double, std::string>> timed;
  for (const std::string &config : legal)
    if (const Trial *trial = journal.find(problem.getKey(), config); trial && trial->state == Trial::State::Timed)
      timed.emplace_back(trial->microseconds, config);
  llvm::sort(timed);
  timed.resize(std::min(limit, timed.size()));
  std::vector<std::string> configs;
  for (auto &[time, config] : timed)
    configs.push_back(std::move(config));
  return configs;
}

Expected<dgemm::TunedEntry> Tuner::tune(const Problem &problem) {
  std::vector<std::string> candidates;
  if (Error error = listBest(problem, options, options.best).moveInto(candidates))
    return std::move(error);
  if (Error error = listBest(problem, options, std::numeric_limits<size_t>::max()).moveInto(legal))
    return std::move(error);
  if (Error error = prepare(problem))
    return std::move(error);
  if (Error error = screen(problem, candidates))
    return std::move(error);
  for (unsigned round = 0; round < options.neighbourRounds; ++round) {
    std::vector<std::string> near;
    for (const std::string &config : rank(problem, kLeaders))
      if (Error error = addNeighbours(problem, options, config, near))
        return std::move(error);
    if (Error error = screen(problem, near))
      return std::move(error);
  }
  std::vector<std::string> orders;
  for (const std::string &config : rank(problem, kLeaders))
    if (Error error = addOrders(config, orders))
      return std::move(error);
  if (Error error = screen(problem, orders))
    return std::move(error);
  for (const std::string &config : orders)
    if (!is_contained(legal, config)) // rank counts each once
      legal.push_back(config);
  std::vector<std::string> finalists = rank(problem, options.finalists);
  if (finalists.empty())
    return createStringError(problem.text + ": no config ran and was correct");
  return choose(problem, finalists);
}

Expected<dgemm::TunedEntry> Tuner::choose(const Problem &problem, ArrayRef<std::string> finalists) {
  errs() << formatv("{0}: the best {1} again\n", problem.text, finalists.size());
  std::vector<Expected<CompiledKernel>> kernels = compileAll(problem, finalists, options, getLastStage());
  dgemm::TunedEntry entry = problem.getEntry();
  Error error = Error::success();
  for (auto [config, kernel] : zip_equal(finalists, kernels)) {
    if (error) {
      consumeError(kernel.takeError());
      continue;
    }
    error = tryKernel(problem, config, std::move(kernel), options.finalRepeat);
    const Trial *trial = journal.find(problem.getKey(), config);
    if (trial->state == Trial::State::Timed && (entry.config.empty() || trial->microseconds < entry.microseconds)) {
      entry.config = config;
      entry.microseconds = trial->microseconds;
    }
  }
  if (error)
    return std::move(error);
  if (entry.config.empty())
    return createStringError(problem.text + ": none of the best configs was correct again");
  return entry;
}

} // namespace dgemm::tune
