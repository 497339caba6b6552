//===- KernelModule.cpp - A kernel in a CUDA context ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelModule.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

static Error loadImage(const cuda::Driver &driver, const KernelImage &image, cuda::Module &module) {
  const std::string &bytes = image.cubin.empty() ? image.ptx : image.cubin; // PTX must end in a zero; a string does
  std::string log(16384, '\0');
  int options[] = {cuda::kJitErrorLogBuffer, cuda::kJitErrorLogBufferSizeBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(uintptr_t(log.size()))};
  cuda::Result result = driver.moduleLoadDataEx(&module, bytes.data(), 2, options, values);
  std::string call = formatv("loading the {0} of '{1}'", image.cubin.empty() ? "PTX" : "cubin", image.launch.entry);
  log.resize(std::min(log.find('\0'), log.size()));
  return driver.check(result, log.empty() ? call : call + " (" + StringRef(log).rtrim().str() + ")");
}

Expected<KernelModule> KernelModule::load(const cuda::Driver &driver, const KernelImage &image, int maxSharedMemory,
                                          StringRef deviceName) {
  KernelModule kernel(driver, image.launch);
  if (image.launch.target != "sm_90a")
    return createStringError(
        formatv("kernel '{0}' is for {1}; only sm_90a is supported", image.launch.entry, image.launch.target));
  if (image.launch.sharedMemory > maxSharedMemory)
    return createStringError(formatv("kernel '{0}' needs {1} bytes of dynamic shared memory; {2} has {3} per CTA",
                                     image.launch.entry, image.launch.sharedMemory, deviceName, maxSharedMemory));
  if (Error error = loadImage(driver, image, kernel.module))
    return error;
  Error error = driver.check(driver.moduleGetFunction(&kernel.function, kernel.module, image.launch.entry.c_str()),
                             formatv("looking for the kernel '{0}' in its module", image.launch.entry));
  if (!error)
    error = kernel.configure();
  if (!error)
    return kernel;
  if (!error.isA<DeviceLostError>())
    kernel.unload();
  return error;
}

Error KernelModule::configure() const {
  auto set = [&](int attribute, int64_t value, StringRef what) {
    return driver->check(driver->funcSetAttribute(function, attribute, int(value)),
                         formatv("setting {0} of '{1}' to {2}", what, descriptor->entry, value));
  };
  if (Error error = set(cuda::kMaxDynamicSharedSizeBytes, descriptor->sharedMemory, "the dynamic shared memory"))
    return error;
  // A CUDA device guarantees clusters of 8; beyond, a kernel must opt in.
  if (getClusterSize() > 8)
    return set(cuda::kNonPortableClusterSizeAllowed, 1, "the non-portable cluster size");
  return Error::success();
}

void KernelModule::unload() {
  if (module)
    driver->moduleUnload(module);
  module = nullptr;
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

static int getTensorMapType(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3FN:
  case ElementType::F8E5M2:
  case ElementType::F8E8M0FNU:
    return cuda::kTensorMapUInt8;
  case ElementType::F16:
    return cuda::kTensorMapFloat16;
  case ElementType::BF16:
    return cuda::kTensorMapBFloat16;
  case ElementType::F32:
    return cuda::kTensorMapFloat32;
  case ElementType::I32:
    return cuda::kTensorMapInt32;
  }
  llvm_unreachable("unknown element type");
}

/// 0, 1, 2, 3 for 0, `first`, 2 * `first`, 4 * `first`: the numbers of widths in CUtensorMapSwizzle,
/// CUtensorMapInterleave and CUtensorMapL2promotion.
static int getWidthCode(int64_t bytes, int64_t first) {
  return bytes == 0 ? 0 : 1 + countr_zero(uint64_t(bytes / first));
}

Error encodeTensorMap(const cuda::Driver &driver, const TensorMapValues &map, cuda::DevicePtr operand,
                      cuda::TensorMap &encoded) {
  cuda::DevicePtr address = map.getAddress(operand);
  if (Error error = checkTensorMapAddress(map, address))
    return error;
  // The driver reads no strides of a map of rank 1, but refuses a null pointer.
  uint64_t noStrides = 0;
  cuda::Result result = driver.tensorMapEncodeTiled(
      &encoded, getTensorMapType(map.type), uint32_t(map.dims.size()), reinterpret_cast<void *>(uintptr_t(address)),
      map.dims.data(), map.strides.empty() ? &noStrides : map.strides.data(), map.box.data(), map.elementStrides.data(),
      getWidthCode(map.interleave, 16), getWidthCode(map.swizzle, 32), getWidthCode(map.l2Promotion, 64),
      map.oobFillNaN ? 1 : 0);
  if (result == cuda::kSuccess) // names only for errors: this is on the path of each launch
    return Error::success();
  return driver.check(result, formatv("cuTensorMapEncodeTiled of '{0}'", map.name));
}

Expected<int32_t> evaluateSize(const ParameterInfo &parameter, const Sizes &sizes) {
  Expected<int64_t> value = parameter.value.evaluate(sizes);
  if (!value)
    return createStringError(formatv("parameter '{0}': {1}", parameter.name, toString(value.takeError())));
  if (!isInt<32>(*value))
    return createStringError(formatv("parameter '{0}' = {1} does not fit into 32 bits", parameter.name, *value));
  return int32_t(*value);
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

int64_t KernelModule::getClusterSize() const {
  return descriptor->cluster[0] * descriptor->cluster[1] * descriptor->cluster[2];
}

cuda::LaunchConfig KernelModule::makeLaunchConfig(int64_t ctas, cuda::Stream stream,
                                                  LaunchAttributes &attributes) const {
  attributes = {};
  unsigned count = 0;
  if (getClusterSize() > 1) {
    const auto &[x, y, z] = descriptor->cluster;
    attributes[count].id = cuda::kLaunchAttributeClusterDimension;
    attributes[count++].value.clusterDim = {unsigned(x), unsigned(y), unsigned(z)};
  }
  if (descriptor->programmaticStreamSerialization) {
    attributes[count].id = cuda::kLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].value.programmaticStreamSerializationAllowed = 1;
  }
  return {unsigned(ctas),    1,    1, unsigned(descriptor->threads), 1, 1, unsigned(descriptor->sharedMemory), stream,
          attributes.data(), count};
}

Expected<int64_t> KernelModule::countConcurrent(int64_t multiprocessors) const {
  int64_t cluster = getClusterSize();
  if (cluster == 1)
    return multiprocessors;
  LaunchAttributes attributes;
  cuda::LaunchConfig config = makeLaunchConfig(cluster, nullptr, attributes);
  int clusters = 0;
  if (Error error = driver->check(driver->occupancyMaxActiveClusters(&clusters, function, &config),
                                  formatv("asking how many clusters of '{0}' fit", descriptor->entry)))
    return error;
  if (clusters < 1)
    return createStringError(
        formatv("'{0}' needs clusters of {1} CTAs, but none fits on this device", descriptor->entry, cluster));
  return clusters * cluster;
}

Error KernelModule::launch(int64_t grid, cuda::Stream stream, void **parameters) const {
  if (grid == 0)
    return Error::success();
  unsigned threads = unsigned(descriptor->threads), sharedMemory = unsigned(descriptor->sharedMemory);
  cuda::Result result;
  if (getClusterSize() == 1 && !descriptor->programmaticStreamSerialization) {
    result =
        driver->launchKernel(function, unsigned(grid), 1, 1, threads, 1, 1, sharedMemory, stream, parameters, nullptr);
  } else {
    LaunchAttributes attributes;
    cuda::LaunchConfig config = makeLaunchConfig(grid, stream, attributes);
    result = driver->launchKernelEx(&config, function, parameters, nullptr);
  }
  if (result == cuda::kSuccess)
    return Error::success();
  const auto &[x, y, z] = descriptor->cluster;
  return driver->check(result, formatv("launching '{0}' with {1} CTAs of {2} threads in clusters of {3}x{4}x{5} and "
                                       "{6} bytes of shared memory",
                                       descriptor->entry, grid, threads, x, y, z, sharedMemory));
}

} // namespace dgemm
