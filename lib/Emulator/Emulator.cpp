//===- Emulator.cpp - Run and check a kernel with no GPU ------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Emulator/Emulator.h"
#include "Machine.h"
#include "Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/CheckedArithmetic.h"
#include <chrono>
#include <cstring>

using namespace dgemm;
using namespace dgemm::emulator;
using llvm::Error;
using llvm::Expected;
using llvm::Twine;

struct Program::Impl {
  Kernel kernel;
};

Program::Program(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Program::Program(Program &&) = default;
Program &Program::operator=(Program &&) = default;
Program::~Program() = default;

Expected<Program> Program::parse(llvm::StringRef ptx, llvm::StringRef entry) {
  Expected<Kernel> kernel = parseKernel(ptx, entry);
  if (!kernel)
    return kernel.takeError();
  auto impl = std::make_unique<Impl>();
  impl->kernel = std::move(*kernel);
  return Program(std::move(impl));
}

namespace {

/// Turns descriptor, sizes and buffers into a Launch. A hazard that makes the launch impossible goes to `report`.
class LaunchBuilder {
public:
  LaunchBuilder(const Kernel &kernel, const LaunchDescriptor &descriptor, const Options &options, Report &report)
      : kernel(kernel), descriptor(descriptor), options(options), report(report) {}

  Error run(const Sizes &given, llvm::ArrayRef<HostBuffer> buffers) {
    Expected<Sizes> bound = descriptor.bindSizes(given);
    if (!bound)
      return bound.takeError();
    sizes = std::move(*bound);
    if (Error error = addOperands(buffers))
      return error;
    checkLimits();
    if (report.hazard)
      return Error::success();
    if (Error error = setGrid())
      return error;
    if (report.hazard || empty)
      return Error::success();
    return setParameters();
  }

  Launch launch;
  GlobalMemory memory;
  bool empty = false;

private:
  void raise(HazardKind kind, const Twine &message) {
    if (report.hazard)
      return;
    report.hazard = Hazard();
    report.hazard->kind = kind;
    report.hazard->message = message.str();
  }

  Error addOperands(llvm::ArrayRef<HostBuffer> buffers);
  Error setGrid();
  void checkLimits();
  Error setParameters();
  Error setParameter(const ParameterInfo &info, const Parameter &parameter);

  const Kernel &kernel;
  const LaunchDescriptor &descriptor;
  const Options &options;
  Report &report;
  Sizes sizes;
};

/// Bytes from the first element of an operand to the last. Error: an extent or a stride is negative, the bytes do not
/// fit into 63 bits, or elements of an output overlap.
static Expected<uint64_t> countBytes(const Allocation &operand) {
  if (llvm::is_contained(operand.shape, 0))
    return 0;
  std::optional<int64_t> last = 0, elements = 1;
  for (auto [extent, stride] : llvm::zip_equal(operand.shape, operand.strides)) {
    if (extent < 0 || stride < 0)
      return llvm::createStringError("operand '" + operand.name + "' has extent " + Twine(extent) + " with stride " +
                                     Twine(stride) + "; both must be at least 0");
    last = last ? llvm::checkedMulAdd(extent - 1, stride, *last) : last;
    elements = elements ? llvm::checkedMul(*elements, extent) : elements;
  }
  std::optional<int64_t> bytes = last ? llvm::checkedMul<int64_t>(*last, operand.elementBytes) : last;
  bytes = bytes ? llvm::checkedAdd<int64_t>(*bytes, operand.elementBytes) : bytes;
  if (!bytes)
    return llvm::createStringError("operand '" + operand.name + "' has more bytes than fit into 63 bits");
  if (operand.isOutput && (!elements || *elements > *last + 1))
    return llvm::createStringError("elements of output operand '" + operand.name + "' overlap");
  return uint64_t(*bytes);
}

Error LaunchBuilder::addOperands(llvm::ArrayRef<HostBuffer> buffers) {
  for (const HostBuffer &buffer : buffers) {
    const OperandInfo *info = descriptor.findOperand(buffer.operand);
    if (!info)
      return llvm::createStringError("the launch descriptor has no operand '" + buffer.operand + "'");
    Allocation allocation;
    allocation.name = buffer.operand;
    allocation.data = static_cast<uint8_t *>(buffer.data);
    allocation.bytes = buffer.bytes;
    allocation.isOutput = info->isOutput;
    allocation.elementBytes = getByteWidth(info->type);
    for (size_t i = 0; i < info->shape.size(); ++i) {
      Expected<int64_t> extent = info->shape[i].evaluate(sizes);
      if (!extent)
        return extent.takeError();
      Expected<int64_t> stride = info->strides[i].evaluate(sizes);
      if (!stride)
        return stride.takeError();
      allocation.shape.push_back(*extent);
      allocation.strides.push_back(*stride);
    }
    Expected<uint64_t> needed = countBytes(allocation);
    if (!needed)
      return needed.takeError();
    if (buffer.bytes < *needed)
      return llvm::createStringError("the buffer of operand '" + buffer.operand + "' has " + Twine(buffer.bytes) +
                                     " bytes; it needs " + Twine(*needed));
    // Allocations are 2^kShift bytes apart.
    if (buffer.bytes >= uint64_t(1) << (GlobalMemory::kShift - 1))
      return llvm::createStringError("the buffer of operand '" + buffer.operand + "' has " + Twine(buffer.bytes) +
                                     " bytes; the emulator takes less than 2^" + Twine(GlobalMemory::kShift - 1));
    memory.add(std::move(allocation), buffer.addressOffset);
  }
  for (const OperandInfo &info : descriptor.operands)
    if (!memory.find(llvm::StringRef(info.name)))
      return llvm::createStringError("operand '" + info.name + "' has no buffer");
  return Error::success();
}

/// The grid rule of LaunchDescriptor::tiles.
Error LaunchBuilder::setGrid() {
  Expected<int64_t> tiles = descriptor.tiles.evaluate(sizes);
  if (!tiles)
    return tiles.takeError();
  int64_t grid = descriptor.countCTAs(*tiles, options.multiprocessors);
  empty = grid == 0;
  if (grid < 0 || grid > INT32_MAX)
    raise(HazardKind::IllegalLaunch, "a grid of " + Twine(grid) + " CTAs; 1 to 2^31-1 are allowed");
  launch.grid = {uint32_t(grid), 1, 1};
  launch.block = {uint32_t(descriptor.threads), 1, 1};
  launch.dynamicShared = uint32_t(descriptor.sharedMemory);
  launch.overlapsPrevious = descriptor.programmaticStreamSerialization;
  return Error::success();
}

void LaunchBuilder::checkLimits() {
  int64_t threads = descriptor.threads;
  if (threads < 1 || threads > 1024)
    raise(HazardKind::IllegalLaunch, "a CTA of " + Twine(threads) + " threads; 1 to 1024 are allowed");
  if (kernel.reqThreads && kernel.reqThreads != threads)
    raise(HazardKind::IllegalLaunch,
          "the descriptor says " + Twine(threads) + " threads, .reqntid says " + Twine(kernel.reqThreads));
  if (kernel.maxThreads && kernel.maxThreads < threads)
    raise(HazardKind::IllegalLaunch,
          "the descriptor says " + Twine(threads) + " threads, .maxntid allows " + Twine(kernel.maxThreads));
  auto [x, y, z] = descriptor.cluster;
  if (x < 1 || x > 8 || y != 1 || z != 1)
    raise(HazardKind::IllegalLaunch, "a cluster of " + Twine(x) + "x" + Twine(y) + "x" + Twine(z) +
                                         "; the grid is one-dimensional and 8 CTAs are the portable limit");
  else
    launch.cluster = {uint32_t(x), 1, 1};
  if (kernel.reqCluster[0] && kernel.reqCluster != launch.cluster)
    raise(HazardKind::IllegalLaunch, "the cluster of the descriptor is not that of .reqnctapercluster");
  int64_t fixed = int64_t(kernel.dynamicSharedBase) - kReservedShared;
  if (descriptor.sharedMemory < 0 || descriptor.sharedMemory > int64_t(kMaxShared) - fixed)
    raise(HazardKind::SharedMemoryLimit, Twine(descriptor.sharedMemory) + " bytes of dynamic shared memory beside " +
                                             Twine(fixed) + " static; a CTA can have " + Twine(kMaxShared) + " in all");
}

Error LaunchBuilder::setParameters() {
  if (descriptor.parameters.size() != kernel.parameters.size())
    return llvm::createStringError("the launch descriptor has " + Twine(descriptor.parameters.size()) +
                                   " parameters, the kernel has " + Twine(kernel.parameters.size()));
  launch.parameters.assign(kernel.parameterBytes, 0);
  for (size_t i = 0; i < kernel.parameters.size(); ++i)
    if (Error error = setParameter(descriptor.parameters[i], kernel.parameters[i]))
      return error;
  return Error::success();
}

Error LaunchBuilder::setParameter(const ParameterInfo &info, const Parameter &parameter) {
  unsigned expected = info.kind == ParameterInfo::Kind::TensorMap ? 128
                      : info.kind == ParameterInfo::Kind::Pointer ? 8
                                                                  : 4;
  if (parameter.bytes != expected)
    return llvm::createStringError("parameter '" + info.name + "' has " + Twine(expected) +
                                   " bytes, that of the kernel has " + Twine(parameter.bytes));
  if (info.kind == ParameterInfo::Kind::TensorMap) {
    if (parameter.offset % 64) {
      raise(HazardKind::IllegalTensorMap, "parameter '" + info.name + "' is not aligned to 64 bytes");
      return Error::success();
    }
    Expected<TensorMap> map = makeTensorMap(info, sizes, memory);
    if (!map) {
      raise(HazardKind::IllegalTensorMap, llvm::toString(map.takeError()));
      return Error::success();
    }
    launch.maps[parameter.offset] = std::move(*map);
    return Error::success();
  }
  uint64_t value = 0;
  if (info.kind == ParameterInfo::Kind::Pointer) {
    Allocation *allocation = memory.find(llvm::StringRef(info.operand));
    if (!allocation)
      return llvm::createStringError("parameter '" + info.name + "' names operand '" + info.operand +
                                     "', which has no buffer");
    value = allocation->address;
  } else {
    Expected<int64_t> size = info.value.evaluate(sizes);
    if (!size)
      return size.takeError();
    if (*size != int32_t(*size))
      return llvm::createStringError("parameter '" + info.name + "' does not fit into 32 bits: " + Twine(*size));
    value = uint64_t(*size);
  }
  std::memcpy(&launch.parameters[parameter.offset], &value, expected);
  return Error::success();
}

/// Says which rows of D, and of its scales, the kernel has to write: not the padding between groups, nor rows behind
/// those of a masked group.
class ExpectedRows {
public:
  ExpectedRows(GlobalMemory &memory, const LaunchDescriptor &launch) : layout(launch.layout) {
    for (const char *name : {"masked_m", "m_indices", "offsets"})
      if (Allocation *groups = memory.find(llvm::StringRef(name))) {
        values.resize(groups->bytes / sizeof(int32_t));
        if (!values.empty())
          std::memcpy(values.data(), groups->data, values.size() * sizeof(int32_t));
      }
    if (layout == GemmLayout::Offsets)
      labelRows(launch.rowAlignment);
    if (layout == GemmLayout::KGrouped)
      labelGroups(launch);
  }
  bool operator()(llvm::ArrayRef<int64_t> index) const {
    size_t rank = layout == GemmLayout::Masked ? 2 : 1;
    if (!readsGroups(layout) || index.size() < rank)
      return true;
    if (uint64_t(index[0]) >= values.size())
      return behindLast >= 0;
    if (layout == GemmLayout::KGrouped)
      return values[index[0]] != 0;
    return layout == GemmLayout::Masked ? index[1] < values[index[0]] : values[index[0]] >= 0;
  }

private:
  /// Makes of the ends of groups what m_indices would say of each row up to the last end.
  void labelRows(int64_t alignment) {
    std::vector<int32_t> ends = std::exchange(values, {});
    int64_t last = 0;
    for (int32_t end : ends)
      last = std::max<int64_t>(last, end);
    // Rows behind the last of D are asked for by nobody.
    constexpr int64_t kMostRows = 1 << 26;
    values.assign(size_t(std::min(last, kMostRows)) + 1, -1);
    int64_t before = 0;
    for (const auto &[group, end] : llvm::enumerate(ends)) {
      for (auto row = int64_t(llvm::alignTo(uint64_t(before), uint64_t(alignment)));
           row < std::min<int64_t>(end, int64_t(values.size())); ++row)
        values[row] = int32_t(group);
      before = std::max<int64_t>(end, 0);
    }
    behindLast = -1;
  }

  /// 1 for each group that is written, 0 for one that adds nothing.
  void labelGroups(const LaunchDescriptor &launch) {
    int64_t before = 0;
    for (int32_t &end : values) {
      auto begin = int64_t(llvm::alignTo(uint64_t(before), uint64_t(launch.rowAlignment)));
      before = std::max<int64_t>(end, 0);
      end = before > begin || !launch.accumulate ? 1 : 0;
    }
  }

  GemmLayout layout;
  std::vector<int32_t> values;
  /// Of rows that `values` does not have.
  int32_t behindLast = 0;
};

void checkOutputs(GlobalMemory &memory, const LaunchDescriptor &launch, Report &report) {
  ExpectedRows isExpected(memory, launch);
  for (const Allocation &allocation : memory.getAllocations()) {
    if (!allocation.isOutput || report.hazard)
      continue;
    // The scales of D have rows innermost.
    bool isTransposed = allocation.name == "scale_d";
    auto isExpectedAt = [&](llvm::ArrayRef<int64_t> index) {
      llvm::SmallVector<int64_t, 3> at(index);
      if (isTransposed && at.size() > 1)
        std::swap(at[at.size() - 2], at.back());
      return isExpected(at);
    };
    if (auto missing = GlobalMemory::findUnwritten(allocation, isExpectedAt)) {
      report.hazard = Hazard();
      report.hazard->kind = HazardKind::OutputNotWritten;
      report.hazard->message = std::to_string(missing->count) + " elements of '" + allocation.name +
                               "' were never written, the first is " + missing->index;
    }
  }
}

} // namespace

Expected<Report> dgemm::emulator::run(const Program &program, const LaunchDescriptor &descriptor, const Sizes &sizes,
                                      llvm::ArrayRef<HostBuffer> buffers, const Options &options) {
  auto begin = std::chrono::steady_clock::now();
  const Kernel &kernel = program.getImpl().kernel;
  if (kernel.name != descriptor.entry)
    return llvm::createStringError("the launch descriptor is for kernel '" + descriptor.entry + "', the program is '" +
                                   kernel.name + "'");
  Report report;
  LaunchBuilder builder(kernel, descriptor, options, report);
  if (Error error = builder.run(sizes, buffers))
    return std::move(error);
  if (report.hazard || builder.empty)
    return report;
  Trace trace;
  if (!options.tracePath.empty())
    trace = Trace(options.maxTraceEvents);
  Machine machine(kernel, builder.launch, builder.memory, options, trace);
  if (Error error = machine.run())
    return std::move(error);
  report = std::move(machine.report);
  if (options.checkOutputs && !report.hazard)
    checkOutputs(builder.memory, descriptor, report);
  if (trace.isEnabled())
    if (Error error = trace.write(options.tracePath))
      return std::move(error);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

Expected<Report> dgemm::emulator::run(llvm::StringRef ptx, const LaunchDescriptor &descriptor, const Sizes &sizes,
                                      llvm::ArrayRef<HostBuffer> buffers, const Options &options) {
  Expected<Program> program = Program::parse(ptx, descriptor.entry);
  if (!program)
    return program.takeError();
  return run(*program, descriptor, sizes, buffers, options);
}
