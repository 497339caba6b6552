//===- CudaLaunch.cpp - Launch kernels inside another program -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/CudaLaunch.h"
#include "KernelModule.h"
#include "PrimaryContext.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Driver and devices
//===----------------------------------------------------------------------===//

Expected<const cuda::Driver *> getDriver() {
  static std::mutex mutex;
  static const cuda::Driver *driver = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (driver)
    return driver;
  Expected<cuda::Driver> loaded = cuda::Driver::load("libcuda.so.1");
  if (!loaded)
    return loaded.takeError();
  return driver = new cuda::Driver(*loaded);
}

Expected<int> getCudaDriverVersion() {
  Expected<const cuda::Driver *> driver = getDriver();
  if (!driver)
    return driver.takeError();
  return (*driver)->version;
}

Expected<int> countCudaDevices() {
  Expected<const cuda::Driver *> driver = getDriver();
  if (!driver)
    return driver.takeError();
  int count = 0;
  if (Error error = (*driver)->check((*driver)->deviceGetCount(&count), "cuDeviceGetCount"))
    return error;
  return count;
}

Expected<CudaDeviceInfo> getCudaDeviceInfo(int device) {
  Expected<const cuda::Driver *> found = getDriver();
  if (!found)
    return found.takeError();
  const cuda::Driver &driver = **found;
  cuda::Device handle = 0;
  char name[128] = {};
  if (Error error = driver.check(driver.deviceGet(&handle, device), formatv("looking for CUDA device {0}", device)))
    return error;
  if (Error error = driver.check(driver.deviceGetName(name, sizeof(name) - 1, handle), "cuDeviceGetName"))
    return error;
  CudaDeviceInfo info;
  info.name = name;
  for (auto [attribute, out] :
       {std::pair(cuda::kComputeCapabilityMajor, &info.major), std::pair(cuda::kComputeCapabilityMinor, &info.minor),
        std::pair(cuda::kMultiprocessorCount, &info.multiprocessors),
        std::pair(cuda::kMaxSharedMemoryPerBlockOptin, &info.maxSharedMemory)})
    if (Error error = driver.check(driver.deviceGetAttribute(out, attribute, handle), "cuDeviceGetAttribute"))
      return error;
  return info;
}

/// The primary context of `device`, which stays retained.
static Expected<cuda::Context> getPrimaryContext(const cuda::Driver &driver, int device) {
  static std::mutex mutex;
  static std::map<int, cuda::Context> contexts;
  std::lock_guard<std::mutex> lock(mutex);
  if (auto it = contexts.find(device); it != contexts.end())
    return it->second;
  cuda::Device handle = 0;
  cuda::Context context = nullptr;
  if (Error error = driver.check(driver.deviceGet(&handle, device), formatv("looking for CUDA device {0}", device)))
    return error;
  if (Error error = driver.check(driver.devicePrimaryCtxRetain(&context, handle), "cuDevicePrimaryCtxRetain"))
    return error;
  return contexts[device] = context;
}

namespace {
/// Makes a context current for a scope; does nothing if it is already current, as in a framework's thread.
class CurrentContext {
public:
  CurrentContext(const cuda::Driver &driver, cuda::Context context) : driver(driver) {
    cuda::Context current = nullptr;
    if (driver.ctxGetCurrent(&current) == cuda::kSuccess && current == context)
      return;
    result = driver.ctxPushCurrent(context);
    pushed = result == cuda::kSuccess;
  }
  ~CurrentContext() {
    cuda::Context popped = nullptr;
    if (pushed)
      driver.ctxPopCurrent(&popped);
  }
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;

  Error check() const { return result == cuda::kSuccess ? Error::success() : driver.check(result, "cuCtxPushCurrent"); }

private:
  const cuda::Driver &driver;
  cuda::Result result = cuda::kSuccess;
  bool pushed = false;
};
} // namespace

Error withDevice(int device, function_ref<Error(const cuda::Driver &)> function) {
  Expected<const cuda::Driver *> driver = getDriver();
  if (!driver)
    return driver.takeError();
  Expected<cuda::Context> context = getPrimaryContext(**driver, device);
  if (!context)
    return context.takeError();
  CurrentContext current(**driver, *context);
  if (Error error = current.check())
    return error;
  return function(**driver);
}

Error synchronizeCudaStream(int device, void *stream) {
  return withDevice(device, [&](const cuda::Driver &driver) {
    return driver.check(driver.streamSynchronize(static_cast<cuda::Stream>(stream)), "cuStreamSynchronize");
  });
}

Error zeroCudaMemory(int device, uint64_t address, uint64_t rows, uint64_t rowBytes, uint64_t pitchBytes,
                     void *stream) {
  return withDevice(device, [&](const cuda::Driver &driver) {
    return driver.check(
        driver.memsetD2D8Async(address, pitchBytes, 0, rowBytes, rows, static_cast<cuda::Stream>(stream)),
        "cuMemsetD2D8Async");
  });
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

struct CudaKernel::Loaded {
  const cuda::Driver *driver;
  cuda::Context context;
  KernelModule module;
  int64_t multiprocessors;
  /// CTAs that the device runs at a time.
  int64_t concurrent;
};

struct CudaKernel::Devices {
  std::mutex mutex;
  std::map<int, Loaded> loaded;
};

CudaKernel::CudaKernel(KernelImage image) : image(std::move(image)), devices(std::make_unique<Devices>()) {}
CudaKernel::~CudaKernel() = default;

static Error checkHopper(const CudaDeviceInfo &info, int device) {
  if (info.major == 9 && info.minor == 0)
    return Error::success();
  return createStringError(formatv("GPU {0} '{1}' is sm_{2}{3}; dgemm kernels run only on sm_90a (H100, H200, GH200)",
                                   device, info.name, info.major, info.minor));
}

Expected<const CudaKernel::Loaded *> CudaKernel::find(int device) {
  std::lock_guard<std::mutex> lock(devices->mutex);
  if (auto it = devices->loaded.find(device); it != devices->loaded.end())
    return &it->second;
  Expected<CudaDeviceInfo> info = getCudaDeviceInfo(device);
  if (!info)
    return info.takeError();
  if (Error error = checkHopper(*info, device))
    return error;
  Expected<const cuda::Driver *> driver = getDriver();
  if (!driver)
    return driver.takeError();
  Expected<cuda::Context> context = getPrimaryContext(**driver, device);
  if (!context)
    return context.takeError();
  CurrentContext current(**driver, *context);
  if (Error error = current.check())
    return error;
  Expected<KernelModule> module = KernelModule::load(**driver, image, info->maxSharedMemory, info->name);
  if (!module)
    return module.takeError();
  Expected<int64_t> concurrent = module->countConcurrent(info->multiprocessors);
  if (!concurrent)
    return concurrent.takeError();
  Loaded loaded{*driver, *context, *module, info->multiprocessors, *concurrent};
  return &devices->loaded.emplace(device, loaded).first->second;
}

Error CudaKernel::load(int device) { return find(device).takeError(); }

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// More than any of our kernels has.
static constexpr size_t kMaxParameters = 24;
static constexpr size_t kMaxTensorMaps = 8;

struct CudaLaunch::Impl {
  struct Map {
    TensorMapValues values;
    unsigned operand;
    bool isEncoded = false;
    cuda::DevicePtr address = 0;
    cuda::TensorMap encoded;
  };
  struct Parameter {
    ParameterInfo::Kind kind;
    /// Index of the map or the operand, or the size's value.
    unsigned index;
  };

  const cuda::Driver *driver;
  cuda::Context context;
  const KernelModule *module;
  int device;
  int64_t grid;
  std::vector<Parameter> parameters;
  std::vector<int32_t> sizes;
  size_t numOperands;
  /// Guards `maps`.
  std::mutex mutex;
  std::vector<Map> maps;

  Error addParameter(const ParameterInfo &parameter, const LaunchDescriptor &launch, const Sizes &values);
};

static Expected<unsigned> findOperandIndex(const LaunchDescriptor &launch, StringRef name) {
  for (auto [index, operand] : enumerate(launch.operands))
    if (operand.name == name)
      return unsigned(index);
  return createStringError("the launch descriptor names the operand '" + name + "' but does not describe it");
}

Error CudaLaunch::Impl::addParameter(const ParameterInfo &parameter, const LaunchDescriptor &launch,
                                     const Sizes &values) {
  if (parameter.kind == ParameterInfo::Kind::Size) {
    Expected<int32_t> value = evaluateSize(parameter, values);
    if (!value)
      return value.takeError();
    parameters.push_back({parameter.kind, unsigned(sizes.size())});
    sizes.push_back(*value);
    return Error::success();
  }
  bool isMap = parameter.kind == ParameterInfo::Kind::TensorMap;
  Expected<unsigned> operand = findOperandIndex(launch, isMap ? parameter.tensorMap.operand : parameter.operand);
  if (!operand)
    return operand.takeError();
  parameters.push_back({parameter.kind, isMap ? unsigned(maps.size()) : *operand});
  if (!isMap)
    return Error::success();
  Expected<TensorMapValues> map = evaluateTensorMap(parameter.name, parameter.tensorMap, values);
  if (!map)
    return map.takeError();
  Map &added = maps.emplace_back();
  added.values = std::move(*map);
  added.operand = *operand;
  return Error::success();
}

CudaLaunch::CudaLaunch(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
CudaLaunch::~CudaLaunch() = default;
int64_t CudaLaunch::getGrid() const { return impl->grid; }
int CudaLaunch::getDevice() const { return impl->device; }

Error CudaLaunch::launch(ArrayRef<uint64_t> addresses, void *stream) {
  if (addresses.size() != impl->numOperands)
    return createStringError(
        formatv("the kernel has {0} operands, but {1} addresses are given", impl->numOperands, addresses.size()));
  // Encoding a map also needs a context; a new thread of a framework has none.
  CurrentContext current(*impl->driver, impl->context);
  if (Error error = current.check())
    return error;
  // Copies of the maps: another thread may encode them again before the driver has read ours.
  cuda::TensorMap maps[kMaxTensorMaps];
  void *values[kMaxParameters];
  {
    std::lock_guard<std::mutex> lock(impl->mutex);
    for (auto [index, map] : enumerate(impl->maps)) {
      uint64_t address = addresses[map.operand];
      if (!map.isEncoded || map.address != address) {
        map.isEncoded = false;
        if (Error error = encodeTensorMap(*impl->driver, map.values, address, map.encoded))
          return error;
        map.address = address;
        map.isEncoded = true;
      }
      maps[index] = map.encoded;
    }
  }
  for (auto [index, parameter] : enumerate(impl->parameters)) {
    switch (parameter.kind) {
    case ParameterInfo::Kind::TensorMap:
      values[index] = &maps[parameter.index];
      break;
    case ParameterInfo::Kind::Pointer:
      values[index] = const_cast<uint64_t *>(&addresses[parameter.index]);
      break;
    case ParameterInfo::Kind::Size:
      values[index] = &impl->sizes[parameter.index];
      break;
    }
  }
  return impl->module->launch(impl->grid, static_cast<cuda::Stream>(stream), values);
}

Expected<std::unique_ptr<CudaLaunch>> CudaKernel::prepare(int device, const Sizes &sizes, int64_t maxMultiprocessors) {
  Expected<const Loaded *> loaded = find(device);
  if (!loaded)
    return loaded.takeError();
  Expected<Sizes> bound = image.launch.bindSizes(sizes);
  if (!bound)
    return bound.takeError();
  int64_t concurrent = (*loaded)->concurrent;
  if (maxMultiprocessors > 0)
    concurrent = std::min(concurrent, maxMultiprocessors);
  Expected<int64_t> grid = computeGrid(image.launch, *bound, concurrent);
  if (!grid)
    return grid.takeError();
  auto impl = std::make_unique<CudaLaunch::Impl>();
  impl->driver = (*loaded)->driver;
  impl->context = (*loaded)->context;
  impl->module = &(*loaded)->module;
  impl->device = device;
  impl->grid = *grid;
  impl->numOperands = image.launch.operands.size();
  if (*grid > 0) // with no tiles, sizes are 0 and maps cannot be encoded
    for (const ParameterInfo &parameter : image.launch.parameters)
      if (Error error = impl->addParameter(parameter, image.launch, *bound))
        return error;
  if (impl->maps.size() > kMaxTensorMaps || impl->parameters.size() > kMaxParameters)
    return createStringError(formatv("kernel '{0}' has {1} parameters and {2} tensor maps; supported are {3} and {4}",
                                     image.launch.entry, impl->parameters.size(), impl->maps.size(), kMaxParameters,
                                     kMaxTensorMaps));
  return std::unique_ptr<CudaLaunch>(new CudaLaunch(std::move(impl)));
}

} // namespace dgemm
