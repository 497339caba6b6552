//===- GpuKernel.cpp - A kernel on the GPU and its parameters -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernel.h"
#include "dgemm/Runtime/LaunchPlan.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

static Error loadModule(GpuContext &context, const KernelImage &image, cuda::Module &module) {
  const std::string &bytes = image.cubin.empty() ? image.ptx : image.cubin; // PTX must end in a zero; a string does
  std::string log(16384, '\0');
  int options[] = {cuda::kJitErrorLogBuffer, cuda::kJitErrorLogBufferSizeBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(uintptr_t(log.size()))};
  cuda::Result result = context.driver.moduleLoadDataEx(&module, bytes.data(), 2, options, values);
  std::string call = formatv("loading the {0} of '{1}'", image.cubin.empty() ? "PTX" : "cubin", image.launch.entry);
  log.resize(std::min(log.find('\0'), log.size()));
  return context.check(result, log.empty() ? call : call + " (" + StringRef(log).rtrim().str() + ")");
}

Expected<std::unique_ptr<GpuKernel>> GpuKernel::load(GpuContext &context, const KernelImage &image) {
  std::unique_ptr<GpuKernel> kernel(new GpuKernel(context, image.launch));
  if (image.launch.target != "sm_90a")
    return createStringError(
        formatv("kernel '{0}' is for {1}; only sm_90a is supported", image.launch.entry, image.launch.target));
  if (image.launch.sharedMemory > context.maxSharedMemory)
    return createStringError(formatv("kernel '{0}' needs {1} bytes of dynamic shared memory; {2} has {3} per CTA",
                                     image.launch.entry, image.launch.sharedMemory, context.info.name,
                                     context.maxSharedMemory));
  if (Error error = loadModule(context, image, kernel->module))
    return error;
  if (Error error =
          context.check(context.driver.moduleGetFunction(&kernel->function, kernel->module, image.launch.entry.c_str()),
                        formatv("looking for the kernel '{0}' in its module", image.launch.entry)))
    return error;
  if (Error error = kernel->configure())
    return error;
  return kernel;
}

Error GpuKernel::configure() {
  auto set = [&](int attribute, int64_t value, StringRef what) {
    return context.check(context.driver.funcSetAttribute(function, attribute, int(value)),
                         formatv("setting {0} of '{1}' to {2}", what, descriptor.entry, value));
  };
  if (Error error = set(cuda::kMaxDynamicSharedSizeBytes, descriptor.sharedMemory, "the dynamic shared memory"))
    return error;
  // A CUDA device guarantees clusters of 8; beyond, a kernel must opt in.
  if (getClusterSize() > 8)
    return set(cuda::kNonPortableClusterSizeAllowed, 1, "the non-portable cluster size");
  return Error::success();
}

GpuKernel::~GpuKernel() {
  if (module && !context.lost)
    context.driver.moduleUnload(module);
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

static int getTensorMapType(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3FN:
    return cuda::kTensorMapUInt8;
  case ElementType::BF16:
    return cuda::kTensorMapBFloat16;
  case ElementType::F32:
    return cuda::kTensorMapFloat32;
  case ElementType::I32:
    return cuda::kTensorMapInt32;
  }
  llvm_unreachable("unknown element type");
}

/// 0, 1, 2, 3 for 0, `first`, 2 * `first`, 4 * `first`: how CUtensorMapSwizzle, CUtensorMapInterleave and
/// CUtensorMapL2promotion number their widths in bytes.
static int getWidthCode(int64_t bytes, int64_t first) {
  return bytes == 0 ? 0 : 1 + countr_zero(uint64_t(bytes / first));
}

Error GpuKernel::addTensorMap(const ParameterInfo &parameter, const Sizes &sizes, cuda::DevicePtr address) {
  Expected<TensorMapValues> map = evaluateTensorMap(parameter.name, parameter.tensorMap, sizes);
  if (!map)
    return map.takeError();
  if (Error error = checkTensorMapAddress(*map, address))
    return error;
  cuda::TensorMap &encoded = tensorMaps.emplace_back();
  parameters.push_back(&encoded);
  // The driver reads no strides of a map of rank 1, but refuses a null pointer.
  uint64_t noStrides = 0;
  return context.check(context.driver.tensorMapEncodeTiled(
                           &encoded, getTensorMapType(map->type), uint32_t(map->dims.size()),
                           reinterpret_cast<void *>(uintptr_t(address)), map->dims.data(),
                           map->strides.empty() ? &noStrides : map->strides.data(), map->box.data(),
                           map->elementStrides.data(), getWidthCode(map->interleave, 16),
                           getWidthCode(map->swizzle, 32), getWidthCode(map->l2Promotion, 64), map->oobFillNaN ? 1 : 0),
                       formatv("cuTensorMapEncodeTiled of '{0}'", parameter.name));
}

Error GpuKernel::addSize(const ParameterInfo &parameter, const Sizes &sizes) {
  Expected<int64_t> value = parameter.value.evaluate(sizes);
  if (!value)
    return createStringError(formatv("parameter '{0}': {1}", parameter.name, toString(value.takeError())));
  if (!isInt<32>(*value))
    return createStringError(formatv("parameter '{0}' = {1} does not fit 32 bits", parameter.name, *value));
  parameters.push_back(&sizeValues.emplace_back(int32_t(*value)));
  return Error::success();
}

Expected<int64_t> GpuKernel::countConcurrent() {
  int64_t cluster = getClusterSize();
  if (cluster == 1)
    return context.info.multiprocessors;
  cuda::LaunchAttribute attribute;
  cuda::LaunchConfig config = makeLaunchConfig(cluster, attribute);
  int clusters = 0;
  if (Error error = context.check(context.driver.occupancyMaxActiveClusters(&clusters, function, &config),
                                  formatv("asking how many clusters of '{0}' fit", descriptor.entry)))
    return error;
  if (clusters < 1)
    return createStringError(
        formatv("'{0}' needs clusters of {1} CTAs, and not one fits on this device", descriptor.entry, cluster));
  return clusters * cluster;
}

Error GpuKernel::prepare(const Sizes &sizes, function_ref<cuda::DevicePtr(StringRef)> findAddress) {
  Expected<int64_t> concurrent = countConcurrent();
  if (!concurrent)
    return concurrent.takeError();
  Expected<int64_t> ctas = computeGrid(descriptor, sizes, *concurrent);
  if (!ctas)
    return ctas.takeError();
  grid = *ctas;
  if (grid == 0) // and a tensor map of no rows cannot be encoded
    return Error::success();
  for (const ParameterInfo &parameter : descriptor.parameters) {
    switch (parameter.kind) {
    case ParameterInfo::Kind::TensorMap:
      if (Error error = addTensorMap(parameter, sizes, findAddress(parameter.tensorMap.operand)))
        return error;
      break;
    case ParameterInfo::Kind::Pointer:
      parameters.push_back(&pointers.emplace_back(findAddress(parameter.operand)));
      break;
    case ParameterInfo::Kind::Size:
      if (Error error = addSize(parameter, sizes))
        return error;
      break;
    }
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

cuda::LaunchConfig GpuKernel::makeLaunchConfig(int64_t ctas, cuda::LaunchAttribute &attribute) const {
  const auto &[x, y, z] = descriptor.cluster;
  attribute = {};
  attribute.id = cuda::kLaunchAttributeClusterDimension;
  attribute.value.clusterDim = {unsigned(x), unsigned(y), unsigned(z)};
  return {unsigned(ctas), 1,          1, unsigned(descriptor.threads), 1, 1, unsigned(descriptor.sharedMemory),
          kStream,        &attribute, 1};
}

Error GpuKernel::launch() {
  if (grid == 0)
    return Error::success();
  unsigned threads = unsigned(descriptor.threads), sharedMemory = unsigned(descriptor.sharedMemory);
  const auto &[x, y, z] = descriptor.cluster;
  cuda::Result result;
  if (getClusterSize() == 1) {
    result = context.driver.launchKernel(function, unsigned(grid), 1, 1, threads, 1, 1, sharedMemory, kStream,
                                         parameters.data(), nullptr);
  } else {
    cuda::LaunchAttribute attribute;
    cuda::LaunchConfig config = makeLaunchConfig(grid, attribute);
    result = context.driver.launchKernelEx(&config, function, parameters.data(), nullptr);
  }
  return context.check(result,
                       formatv("launching '{0}' with {1} CTAs of {2} threads in clusters of {3}x{4}x{5} and {6} "
                               "bytes of shared memory",
                               descriptor.entry, grid, threads, x, y, z, sharedMemory));
}

} // namespace dgemm
