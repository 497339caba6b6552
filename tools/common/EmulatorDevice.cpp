//===- EmulatorDevice.cpp - Runs a kernel with no GPU ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmulatorDevice.h"
#include "dgemm/Emulator/Emulator.h"
#include "dgemm/Runtime/Reference.h"
#include "dgemm/Support/HostMemory.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace llvm;

namespace dgemm {

namespace {

/// Padding of inputs is NaN in every type, so that reading it is noticed.
constexpr uint8_t kPaddingByte = 0xff;

/// A line on stderr every two seconds; rewritten in place on a terminal.
class ProgressLine {
public:
  bool operator()(const emulator::Progress &progress) {
    auto now = std::chrono::steady_clock::now();
    if (now - last < std::chrono::seconds(2))
      return true;
    last = now;
    errs() << formatv("{0}emulator: {1} of {2} CTAs, {3:f1}M warp instructions, {4:f0} s{5}", terminal ? "\r" : "",
                      progress.ctasDone, progress.ctasTotal, double(progress.warpInstructions) / 1e6,
                      std::chrono::duration<double>(now - begin).count(), terminal ? "" : "\n");
    shown = true;
    return true;
  }
  void end() {
    if (shown && terminal)
      errs() << '\n';
  }

private:
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now(), last = begin;
  bool terminal = sys::Process::StandardErrIsDisplayed();
  bool shown = false;
};

class EmulatorDevice : public Device {
public:
  explicit EmulatorDevice(int64_t multiprocessors) {
    info.name = "emulator";
    info.architecture = "sm_90";
    info.driver = "none";
    info.isEmulator = true;
    info.multiprocessors = multiprocessors;
  }
  const DeviceInfo &getInfo() const override { return info; }
  Expected<RunResult> run(const KernelImage &kernel, const GemmInputs &inputs, const RunOptions &options) override;

private:
  DeviceInfo info;
};

/// Operands as the launch descriptor lays them out, the output poisoned.
struct Operands {
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<emulator::HostBuffer> buffers;
  /// Layouts of the outputs, and the indices of their bytes.
  std::vector<std::pair<OperandLayout, size_t>> outputs;

  Error add(const OperandInfo &operand, const Sizes &sizes, const GemmInputs &inputs) {
    Expected<OperandLayout> layout = OperandLayout::evaluate(operand, sizes);
    if (!layout)
      return layout.takeError();
    const HostTensor *tensor = inputs.find(operand.name);
    if (operand.isOutput) {
      if (tensor) {
        if (Error error = pack(*tensor, *layout, kPoison).moveInto(bytes.emplace_back()))
          return error;
      } else if (Error error = allocateBytes(layout->getNumBytes(), kPoison, "operand '" + Twine(operand.name) + "'")
                                   .moveInto(bytes.emplace_back()))
        return error;
      outputs.emplace_back(std::move(*layout), bytes.size() - 1);
      return Error::success();
    }
    if (!tensor)
      return createStringError(formatv("the launch descriptor has an unknown input '{0}'", operand.name));
    return pack(*tensor, *layout, kPaddingByte).moveInto(bytes.emplace_back());
  }

  /// Takes D, and its scales if it has any.
  Error take(RunResult &result) const {
    for (const auto &[layout, index] : outputs) {
      HostTensor &tensor = layout.name == "scale_d" ? result.scaleD : result.d;
      if (Error error = unpackOutput(bytes[index], layout, kPoison).moveInto(tensor))
        return error;
    }
    return Error::success();
  }
};

std::string describe(const emulator::Report &report) {
  return formatv("{0} warp instructions, {1} wgmma, {2} bulk copies, {3:f1} MB copied, {4:f1} s, {5:f1}M thread "
                 "instructions/s",
                 report.warpInstructions, report.wgmmas, report.bulkCopies, double(report.bulkBytes) / 1e6,
                 report.seconds, double(report.threadInstructions) / std::max(report.seconds, 1e-9) / 1e6);
}

} // namespace

Expected<RunResult> EmulatorDevice::run(const KernelImage &kernel, const GemmInputs &inputs,
                                        const RunOptions &options) {
  if (kernel.ptx.empty())
    return createStringError("the emulator runs PTX; this kernel is a cubin");
  Expected<Sizes> sizes = kernel.launch.bindSizes(inputs.sizes.toSizes());
  if (!sizes)
    return sizes.takeError();
  Operands operands;
  for (const OperandInfo &operand : kernel.launch.operands)
    if (Error error = operands.add(operand, *sizes, inputs))
      return error;
  if (none_of(operands.outputs, [](const auto &output) { return output.first.name == "d"; }))
    return createStringError("the launch descriptor has no output operand named 'd'");
  for (auto [operand, bytes] : zip_equal(kernel.launch.operands, operands.bytes))
    operands.buffers.push_back({operand.name, bytes.data(), bytes.size(), 0});

  ProgressLine progress;
  emulator::Options emulation;
  emulation.seed = options.seed;
  emulation.multiprocessors = info.multiprocessors;
  emulation.tracePath = options.tracePath;
  if (options.independentLanes)
    emulation.reconvergence = emulator::Reconvergence::Sync;
  if (options.accumulator == AccumulatorModel::Exact)
    emulation.accumulator = emulator::Accumulator::Exact;
  emulation.timeoutSeconds = options.timeoutSeconds.value_or(0);
  emulation.progress = [&](const emulator::Progress &state) { return progress(state); };
  Expected<emulator::Report> report = emulator::run(kernel.ptx, kernel.launch, *sizes, operands.buffers, emulation);
  progress.end();
  if (!report)
    return report.takeError();
  if (report->hazard)
    return createStringError(report->hazard->str());
  RunResult result;
  result.grid = int64_t(report->ctas);
  result.note = describe(*report);
  result.ticks = report->ticks;
  if (Error error = operands.take(result))
    return std::move(error);
  return result;
}

std::unique_ptr<Device> makeEmulator(int64_t multiprocessors) {
  return std::make_unique<EmulatorDevice>(multiprocessors);
}

} // namespace dgemm
