//===- GpuDevice.cpp - Runs a kernel on a Hopper GPU ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuContext.h"
#include "GpuKernel.h"
#include "GpuTiming.h"
#include "dgemm/Runtime/Reference.h"
#include "dgemm/Support/HostMemory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static Error describe(GpuContext &context) {
  char busId[32] = {};
  if (Error error =
          context.check(context.driver.deviceGetPCIBusId(busId, sizeof(busId), context.device), "cuDeviceGetPCIBusId"))
    return error;
  context.nvml.open(busId);
  int multiprocessors = 0, l2Bytes = 0;
  for (auto [attribute, out] :
       {std::pair(cuda::kMultiprocessorCount, &multiprocessors), std::pair(cuda::kL2CacheSize, &l2Bytes),
        std::pair(cuda::kMaxSharedMemoryPerBlockOptin, &context.maxSharedMemory)})
    if (Error error =
            context.check(context.driver.deviceGetAttribute(out, attribute, context.device), "cuDeviceGetAttribute"))
      return error;
  context.info.multiprocessors = multiprocessors;
  context.info.l2Bytes = l2Bytes;
  context.info.architecture = "sm_90";
  int version = context.driver.version;
  context.info.driver =
      formatv("{0}{1}CUDA {2}.{3}", context.nvml.getDriverVersion(),
              context.nvml.getDriverVersion().empty() ? "" : ", ", version / 1000, version % 1000 / 10);
  return Error::success();
}

/// The first GPU of compute capability 9.0, and its name; an error that lists all others if there is none.
static Expected<cuda::Device> findHopper(GpuContext &context) {
  const cuda::Driver &driver = context.driver;
  int count = 0;
  if (Error error = driver.check(driver.deviceGetCount(&count), "cuDeviceGetCount"))
    return error;
  std::string others;
  for (int i = 0; i < count; ++i) {
    cuda::Device device = 0;
    char name[128] = {};
    int major = 0, minor = 0;
    if (Error error = driver.check(driver.deviceGet(&device, i), "cuDeviceGet"))
      return error;
    if (Error error = driver.check(driver.deviceGetName(name, sizeof(name) - 1, device), "cuDeviceGetName"))
      return error;
    for (auto [attribute, out] :
         {std::pair(cuda::kComputeCapabilityMajor, &major), std::pair(cuda::kComputeCapabilityMinor, &minor)})
      if (Error error = driver.check(driver.deviceGetAttribute(out, attribute, device), "cuDeviceGetAttribute"))
        return error;
    if (major == 9 && minor == 0) {
      context.info.name = name;
      return device;
    }
    others += formatv("{0}GPU '{1}' is sm_{2}{3}", others.empty() ? "" : ", ", name, major, minor);
  }
  return createStringError((others.empty() ? "the NVIDIA driver finds no GPU" : others) +
                           "; dgemm kernels need sm_90a (Hopper)");
}

Expected<std::unique_ptr<GpuContext>> openContext(cuda::Driver driver) {
  auto context = std::make_unique<GpuContext>();
  context->driver = driver;
  Expected<cuda::Device> device = findHopper(*context);
  if (!device)
    return device.takeError();
  context->device = *device;
  cuda::Context primary = nullptr;
  if (Error error = context->check(driver.devicePrimaryCtxRetain(&primary, *device), "cuDevicePrimaryCtxRetain"))
    return error;
  if (Error error = context->check(driver.ctxSetCurrent(primary), "cuCtxSetCurrent"))
    return error;
  if (Error error = describe(*context))
    return error;
  return context;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

namespace {
/// An output is between two zones that the kernel must not write.
constexpr uint64_t kGuardBytes = uint64_t(1) << 20;
constexpr uint8_t kGuardByte = 0xa5;
/// Padding of inputs: NaN in every type, so that reading it is noticed.
constexpr uint8_t kPaddingByte = 0xff;

struct GpuOperand {
  OperandLayout layout;
  bool isOutput = false;
  DeviceBuffer buffer;

  uint64_t getOffset() const { return isOutput ? kGuardBytes : 0; }
  cuda::DevicePtr getAddress() const { return buffer.getAddress() + getOffset(); }
};

/// Operands of one launch in device memory.
class OperandSet {
public:
  explicit OperandSet(GpuContext &context) : context(context) {}

  Error add(const OperandInfo &info, const Sizes &sizes, const GemmInputs &inputs) {
    Expected<OperandLayout> layout = OperandLayout::evaluate(info, sizes);
    if (!layout)
      return layout.takeError();
    GpuOperand operand{std::move(*layout), info.isOutput, {}};
    uint64_t bytes = operand.layout.getNumBytes() + (info.isOutput ? 2 * kGuardBytes : 0);
    if (Error error = DeviceBuffer::allocate(context, bytes).moveInto(operand.buffer))
      return error;
    operands.push_back(std::move(operand));
    return info.isOutput ? poison(inputs) : upload(operands.back(), inputs, kPaddingByte);
  }

  cuda::DevicePtr findAddress(StringRef name) const {
    return find_if(operands, [&](const GpuOperand &operand) { return operand.layout.name == name; })->getAddress();
  }

  /// Fills outputs with NaN, or with what they hold before where that is given, and the zones around them with a
  /// pattern.
  Error poison(const GemmInputs &inputs) {
    for (GpuOperand &operand : operands) {
      if (!operand.isOutput)
        continue;
      if (Error error = operand.buffer.fill(0, operand.buffer.getNumBytes(), kGuardByte))
        return error;
      if (Error error = operand.buffer.fill(kGuardBytes, operand.layout.getNumBytes(), kPoison))
        return error;
      if (inputs.find(operand.layout.name))
        if (Error error = upload(operand, inputs, kPoison))
          return error;
    }
    return Error::success();
  }

  /// Checks the zones around D and its scales, and downloads both.
  Error takeResult(RunResult &result) {
    bool hasD = false;
    for (GpuOperand &operand : operands) {
      if (!operand.isOutput)
        continue;
      bool isD = operand.layout.name == "d";
      hasD |= isD;
      if (Error error = takeOutput(operand).moveInto(isD ? result.d : result.scaleD))
        return error;
    }
    return hasD ? Error::success() : createStringError("the launch descriptor has no output operand named 'd'");
  }

private:
  static Error upload(GpuOperand &operand, const GemmInputs &inputs, uint8_t padding) {
    const HostTensor *tensor = inputs.find(operand.layout.name);
    if (!tensor)
      return createStringError(
          formatv("no input for operand '{0}'; there are a, scale_a, b, scale_b, m_indices, masked_m and offsets",
                  operand.layout.name));
    if (Error error = checkFits(*tensor, operand.layout))
      return error;
    if (operand.layout.isDense()) // most are; no need for a copy
      return operand.buffer.upload(operand.getOffset(), tensor->data);
    Expected<std::vector<uint8_t>> bytes = pack(*tensor, operand.layout, padding);
    if (!bytes)
      return bytes.takeError();
    return operand.buffer.upload(operand.getOffset(), *bytes);
  }

  static Expected<HostTensor> takeOutput(GpuOperand &operand) {
    if (Error error = checkGuards(operand))
      return error;
    Expected<std::vector<uint8_t>> bytes =
        allocateBytes(operand.layout.getNumBytes(), 0, "operand '" + Twine(operand.layout.name) + "'");
    if (!bytes)
      return bytes.takeError();
    if (Error error = operand.buffer.download(kGuardBytes, *bytes))
      return error;
    return unpackOutput(*bytes, operand.layout, kPoison);
  }

  static Error checkGuards(GpuOperand &operand) {
    uint64_t end = kGuardBytes + operand.layout.getNumBytes();
    for (uint64_t begin : {uint64_t(0), end}) {
      std::vector<uint8_t> guard(kGuardBytes);
      if (Error error = operand.buffer.download(begin, guard))
        return error;
      auto bad = find_if(guard, [](uint8_t byte) { return byte != kGuardByte; });
      if (bad == guard.end())
        continue;
      int64_t distance = bad - guard.begin();
      return createStringError(formatv("the kernel wrote outside of '{0}': {1} bytes {2}", operand.layout.name,
                                       begin == 0 ? int64_t(kGuardBytes) - distance : distance,
                                       begin == 0 ? "before its start" : "after its end"));
    }
    return Error::success();
  }

  GpuContext &context;
  std::vector<GpuOperand> operands;
};

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

class GpuDevice : public Device {
public:
  explicit GpuDevice(std::unique_ptr<GpuContext> context) : context(std::move(context)) {}
  ~GpuDevice() override {
    if (!context->lost)
      context->driver.devicePrimaryCtxRelease(context->device);
  }

  const DeviceInfo &getInfo() const override { return context->info; }
  Expected<RunResult> run(const KernelImage &image, const GemmInputs &inputs, const RunOptions &options) override;

private:
  Error runOnce(GpuKernel &kernel, const LaunchDescriptor &launch, double timeoutSeconds);

  std::unique_ptr<GpuContext> context;
};
} // namespace

Error GpuDevice::runOnce(GpuKernel &kernel, const LaunchDescriptor &launch, double timeoutSeconds) {
  Expected<GpuEvent> end = GpuEvent::create(*context);
  if (!end)
    return end.takeError();
  if (Error error = kernel.launch())
    return error;
  if (Error error = end->record())
    return error;
  return end->wait(timeoutSeconds, formatv("kernel '{0}'", launch.entry));
}

static Error checkSameResult(const HostTensor &first, const HostTensor &last) {
  if (first.data == last.data)
    return Error::success();
  int64_t different = 0, where = -1, width = getByteWidth(first.type);
  for (int64_t index = 0; index < first.getNumElements(); ++index) {
    if (std::equal(first.data.begin() + index * width, first.data.begin() + (index + 1) * width,
                   last.data.begin() + index * width))
      continue;
    if (different++ == 0)
      where = index;
  }
  return createStringError(
      formatv("two launches on the same inputs gave {0} different elements of '{3}', the first at [{1}, {2}]: "
              "the kernel has a race",
              different, where / first.shape.back(), where % first.shape.back(), first.name));
}

Expected<RunResult> GpuDevice::run(const KernelImage &image, const GemmInputs &inputs, const RunOptions &options) {
  if (context->lost)
    return make_error<DeviceLostError>("the GPU cannot be used after an earlier failure of this process",
                                       /*hangs=*/false);
  Expected<Sizes> sizes = image.launch.bindSizes(inputs.sizes.toSizes());
  if (!sizes)
    return sizes.takeError();
  Expected<std::unique_ptr<GpuKernel>> kernel = GpuKernel::load(*context, image);
  if (!kernel)
    return kernel.takeError();
  OperandSet operands(*context);
  for (const OperandInfo &info : image.launch.operands)
    if (Error error = operands.add(info, *sizes, inputs))
      return error;
  if (Error error = (*kernel)->prepare(*sizes, [&](StringRef name) { return operands.findAddress(name); }))
    return error;
  if (Error error = runOnce(**kernel, image.launch, options.timeoutSeconds.value_or(kLaunchTimeoutSeconds)))
    return error;

  RunResult result;
  result.grid = (*kernel)->getGrid();
  if (Error error = operands.takeResult(result))
    return std::move(error);
  if (options.repeat == 0)
    return result;
  if (Error error = operands.poison(inputs))
    return error;
  Expected<Timing> timing = measure(*context, **kernel, options);
  if (!timing)
    return timing.takeError();
  result.timing = std::move(*timing);
  if (image.launch.accumulate) { // each timed launch has added to D
    if (Error error = operands.poison(inputs))
      return error;
    if (Error error = runOnce(**kernel, image.launch, options.timeoutSeconds.value_or(kLaunchTimeoutSeconds)))
      return error;
  }
  RunResult last;
  if (Error error = operands.takeResult(last))
    return std::move(error);
  if (Error error = checkSameResult(result.d, last.d))
    return std::move(error);
  if (Error error = checkSameResult(result.scaleD, last.scaleD))
    return std::move(error);
  return result;
}

Expected<std::unique_ptr<Device>> openGpu(StringRef driverLibrary) {
  Expected<cuda::Driver> driver = cuda::Driver::load(driverLibrary);
  if (!driver)
    return driver.takeError();
  Expected<std::unique_ptr<GpuContext>> context = openContext(*driver);
  if (!context)
    return context.takeError();
  return std::make_unique<GpuDevice>(std::move(*context));
}

} // namespace dgemm
