//===- GpuKernel.cpp - A kernel on the GPU and its parameters -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernel.h"

using namespace llvm;

namespace dgemm {

Expected<std::unique_ptr<GpuKernel>> GpuKernel::load(GpuContext &context, const KernelImage &image) {
  Expected<KernelModule> module = KernelModule::load(context.driver, image, context.maxSharedMemory, context.info.name);
  if (!module)
    return context.note(module.takeError());
  return std::unique_ptr<GpuKernel>(new GpuKernel(context, image.launch, *module));
}

GpuKernel::~GpuKernel() {
  if (!context.lost)
    module.unload();
}

Error GpuKernel::addTensorMap(const ParameterInfo &parameter, const Sizes &sizes, cuda::DevicePtr address) {
  Expected<TensorMapValues> map = evaluateTensorMap(parameter.name, parameter.tensorMap, sizes);
  if (!map)
    return map.takeError();
  cuda::TensorMap &encoded = tensorMaps.emplace_back();
  parameters.push_back(&encoded);
  return context.note(encodeTensorMap(context.driver, *map, address, encoded));
}

Error GpuKernel::prepare(const Sizes &sizes, function_ref<cuda::DevicePtr(StringRef)> findAddress) {
  Expected<int64_t> concurrent = module.countConcurrent(context.info.multiprocessors);
  if (!concurrent)
    return context.note(concurrent.takeError());
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
      Expected<int32_t> value = evaluateSize(parameter, sizes);
      if (!value)
        return value.takeError();
      parameters.push_back(&sizeValues.emplace_back(*value));
      break;
    }
  }
  return Error::success();
}

Error GpuKernel::launch() { return context.note(module.launch(grid, kStream, parameters.data())); }

} // namespace dgemm
