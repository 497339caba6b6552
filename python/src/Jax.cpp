//===- Jax.cpp - Kernels as foreign functions of XLA ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// A call of XLA's carries its kernel as attributes, so that what XLA has compiled can be cached and run elsewhere:
//   id                  of the kernel
//   ptx, cubin, launch  the kernel; one of ptx and cubin is empty
//   m                   rows
//   multiprocessors     to use at most; 0 for all
// The arguments are the operands of the launch descriptor but D, which is the result. XLA calls without the GIL.
//
//===----------------------------------------------------------------------===//

#include "Bindings.h"
#include "Kernel.h"
#include "XlaFfi.h"
#include "dgemm/Launch/OperandBytes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include <map>

using namespace dgemm;
using namespace dgemm::python;

namespace {
/// What of a call its kernel leaves open.
struct Size {
  int64_t m = 0, multiprocessors = 0;
};

/// A kernel that calls carry, and its launches by device and size.
struct JaxKernel {
  explicit JaxKernel(KernelImage image) : kernel(std::move(image)) {}

  llvm::Expected<CudaLaunch *> getLaunch(int device, const Size &size);
  llvm::Error emulate(const xla::CallFrame &frame, const Size &size);
  llvm::Error launchOn(const xla::CallFrame &frame, int device, void *stream, const Size &size);
  llvm::Expected<llvm::SmallVector<const xla::Buffer *>> getBuffers(const xla::CallFrame &frame) const;
  llvm::Expected<Sizes> getSizes(int64_t m) const;

  Kernel kernel;
  std::mutex mutex;
  std::map<std::tuple<int, int64_t, int64_t>, std::unique_ptr<CudaLaunch>> launches;
};
} // namespace

static llvm::Error makeError(const llvm::Twine &message) { return llvm::createStringError(message); }

//===----------------------------------------------------------------------===//
// What a call carries
//===----------------------------------------------------------------------===//

/// The attribute of this name and type; an error for a call that no version of this module has made.
static llvm::Expected<void *> getAttr(const xla::Attrs &attrs, llvm::StringRef name, int type) {
  for (int64_t i = 0; i < attrs.size; ++i)
    if (llvm::StringRef(attrs.names[i]->data, attrs.names[i]->size) == name && attrs.types[i] == type)
      return attrs.values[i];
  return makeError("expected an attribute '" + name + "' of type " + llvm::Twine(type));
}

static llvm::Error read(const xla::Attrs &attrs, llvm::StringRef name, llvm::StringRef &text) {
  llvm::Expected<void *> value = getAttr(attrs, name, xla::kString);
  if (!value)
    return value.takeError();
  auto *span = static_cast<xla::ByteSpan *>(*value);
  text = llvm::StringRef(span->data, span->size);
  return llvm::Error::success();
}

static llvm::Error read(const xla::Attrs &attrs, llvm::StringRef name, int64_t &integer) {
  llvm::Expected<void *> value = getAttr(attrs, name, xla::kScalar);
  if (!value)
    return value.takeError();
  auto *scalar = static_cast<xla::Scalar *>(*value);
  if (scalar->dtype != xla::kS64)
    return makeError("expected '" + name + "' to be of type S64");
  integer = *static_cast<int64_t *>(scalar->value);
  return llvm::Error::success();
}

static llvm::Error readSize(const xla::Attrs &attrs, Size &size) {
  if (llvm::Error error = read(attrs, "m", size.m))
    return error;
  return read(attrs, "multiprocessors", size.multiprocessors);
}

static llvm::Expected<KernelImage> readImage(const xla::Attrs &attrs) {
  llvm::StringRef ptx, launch;
  if (llvm::Error error = read(attrs, "ptx", ptx))
    return std::move(error);
  if (llvm::Error error = read(attrs, "launch", launch))
    return std::move(error);
  llvm::Expected<void *> cubin = getAttr(attrs, "cubin", xla::kArray);
  if (!cubin)
    return cubin.takeError();
  auto *bytes = static_cast<xla::Array *>(*cubin);
  if (bytes->dtype != xla::kU8)
    return makeError("expected 'cubin' to be of type U8");
  llvm::Expected<LaunchDescriptor> descriptor = LaunchDescriptor::fromJSON(launch);
  if (!descriptor)
    return descriptor.takeError();
  KernelImage image;
  image.ptx = ptx.str();
  image.cubin.assign(static_cast<const char *>(bytes->data), bytes->size);
  image.launch = std::move(*descriptor);
  return image;
}

/// The kernel of a call. Kernels stay as long as the process: an executable may run again at any time.
static llvm::Expected<JaxKernel *> getKernel(const xla::Attrs &attrs) {
  static std::mutex mutex;
  static auto *kernels = new llvm::StringMap<std::unique_ptr<JaxKernel>>;
  llvm::StringRef id;
  if (llvm::Error error = read(attrs, "id", id))
    return std::move(error);
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<JaxKernel> &known = (*kernels)[id];
  if (!known) {
    llvm::Expected<KernelImage> image = readImage(attrs);
    if (!image)
      return image.takeError();
    known = std::make_unique<JaxKernel>(std::move(*image));
  }
  return known.get();
}

/// In the order of the descriptor's operands.
llvm::Expected<llvm::SmallVector<const xla::Buffer *>> JaxKernel::getBuffers(const xla::CallFrame &frame) const {
  llvm::ArrayRef<OperandInfo> operands = kernel.cuda.getImage().launch.operands;
  if (frame.results.size != 1 || frame.args.size + 1 != int64_t(operands.size()))
    return makeError("expected " + llvm::Twine(operands.size() - 1) + " arguments and 1 result, but got " +
                     llvm::Twine(frame.args.size) + " and " + llvm::Twine(frame.results.size));
  llvm::SmallVector<const xla::Buffer *> buffers;
  int64_t next = 0;
  for (const OperandInfo &operand : operands) {
    void *value = operand.name == "d" ? frame.results.values[0] : frame.args.values[next++];
    buffers.push_back(static_cast<const xla::Buffer *>(value));
  }
  return buffers;
}

llvm::Expected<Sizes> JaxKernel::getSizes(int64_t m) const {
  Sizes given;
  given["M"] = m;
  return kernel.cuda.getImage().launch.bindSizes(given);
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

llvm::Expected<CudaLaunch *> JaxKernel::getLaunch(int device, const Size &size) {
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<CudaLaunch> &launch = launches[{device, size.m, size.multiprocessors}];
  if (launch)
    return launch.get();
  llvm::Expected<Sizes> sizes = getSizes(size.m);
  if (!sizes)
    return sizes.takeError();
  if (llvm::Error error = kernel.cuda.prepare(device, *sizes, size.multiprocessors).moveInto(launch))
    return std::move(error);
  return launch.get();
}

llvm::Error JaxKernel::launchOn(const xla::CallFrame &frame, int device, void *stream, const Size &size) {
  llvm::Expected<CudaLaunch *> launch = getLaunch(device, size);
  if (!launch)
    return launch.takeError();
  auto buffers = getBuffers(frame);
  if (!buffers)
    return buffers.takeError();
  llvm::SmallVector<uint64_t> addresses;
  for (const xla::Buffer *buffer : *buffers)
    addresses.push_back(reinterpret_cast<uintptr_t>(buffer->data));
  return (*launch)->launch(addresses, stream);
}

llvm::Error JaxKernel::emulate(const xla::CallFrame &frame, const Size &size) {
  const KernelImage &image = kernel.cuda.getImage();
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!kernel.program)
      if (llvm::Error error = emulator::Program::parse(image.ptx, image.launch.entry).moveInto(kernel.program))
        return error;
  }
  llvm::Expected<Sizes> sizes = getSizes(size.m);
  if (!sizes)
    return sizes.takeError();
  auto found = getBuffers(frame);
  if (!found)
    return found.takeError();
  std::vector<emulator::HostBuffer> buffers;
  for (auto [operand, buffer] : llvm::zip_equal(image.launch.operands, *found)) {
    std::vector<int64_t> shape, strides;
    for (const SizeExpr &extent : operand.shape)
      if (llvm::Error error = extent.evaluate(*sizes).moveInto(shape.emplace_back()))
        return error;
    for (const SizeExpr &stride : operand.strides)
      if (llvm::Error error = stride.evaluate(*sizes).moveInto(strides.emplace_back()))
        return error;
    llvm::Expected<uint64_t> bytes = countBytes(operand.name, operand.type, shape, strides);
    if (!bytes)
      return bytes.takeError();
    buffers.push_back({operand.name, buffer->data, *bytes, unsigned(reinterpret_cast<uintptr_t>(buffer->data) % 256)});
  }
  llvm::Expected<emulator::Report> report = emulator::run(*kernel.program, image.launch, *sizes, buffers);
  if (!report)
    return report.takeError();
  return report->hazard ? makeError(report->hazard->str()) : llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// XLA asks once which version a handler is of.
static bool answerMetadata(xla::CallFrame &frame, uint32_t traits) {
  for (xla::Extension *extension = frame.extensions; extension; extension = extension->next) {
    if (extension->type != xla::kMetadataExtension)
      continue;
    xla::Metadata &metadata = *reinterpret_cast<xla::MetadataExtension *>(extension)->metadata;
    metadata.apiVersion.majorVersion = xla::kMajorVersion;
    metadata.apiVersion.minorVersion = xla::kMinorVersion;
    metadata.traits = traits;
    return true;
  }
  return false;
}

static xla::Error *report(const xla::CallFrame &frame, llvm::Error error) {
  if (!error)
    return nullptr;
  std::string message = "dgemm: " + llvm::toString(std::move(error));
  xla::ErrorCreateArgs args = {sizeof(args), nullptr, message.c_str(), xla::kInternal};
  return frame.api->createError(&args);
}

static llvm::Error runOnCpu(const xla::CallFrame &frame) {
  Size size;
  if (llvm::Error error = readSize(frame.attrs, size))
    return error;
  llvm::Expected<JaxKernel *> kernel = getKernel(frame.attrs);
  return kernel ? (*kernel)->emulate(frame, size) : kernel.takeError();
}

static xla::Error *handleOnCpu(xla::CallFrame *frame) {
  if (answerMetadata(*frame, 0))
    return nullptr;
  return report(*frame, runOnCpu(*frame));
}

/// Loads the kernel, which must not happen while a CUDA graph is captured; or launches it on XLA's stream.
static llvm::Error runOnCuda(const xla::CallFrame &frame, int device, void *stream) {
  Size size;
  if (llvm::Error error = readSize(frame.attrs, size))
    return error;
  llvm::Expected<JaxKernel *> kernel = getKernel(frame.attrs);
  if (!kernel)
    return kernel.takeError();
  if (frame.stage == xla::kExecute)
    return (*kernel)->launchOn(frame, device, stream, size);
  return (*kernel)->getLaunch(device, size).takeError();
}

static xla::Error *handleOnCuda(xla::CallFrame *frame) {
  if (answerMetadata(*frame, xla::kCommandBufferCompatible))
    return nullptr;
  xla::DeviceOrdinalGetArgs device = {sizeof(device), nullptr, frame->context, 0};
  if (xla::Error *error = frame->api->getDeviceOrdinal(&device))
    return error;
  xla::StreamGetArgs stream = {sizeof(stream), nullptr, frame->context, nullptr};
  if (frame->stage == xla::kExecute)
    if (xla::Error *error = frame->api->getStream(&stream))
      return error;
  return report(*frame, runOnCuda(*frame, device.deviceOrdinal, stream.stream));
}

void dgemm::python::bindJax(nb::module_ &module) {
  module.def(
      "xla_handlers",
      [] {
        auto capsule = [](xla::Handler *handler) { return nb::capsule(reinterpret_cast<void *>(handler)); };
        nb::dict cpu, cuda, handlers;
        cpu["execute"] = capsule(&handleOnCpu);
        cuda["initialize"] = capsule(&handleOnCuda);
        cuda["execute"] = capsule(&handleOnCuda);
        handlers["cpu"] = cpu;
        handlers["CUDA"] = cuda;
        return handlers;
      },
      "Handlers for jax.ffi.register_ffi_target, by platform and stage.");
}
