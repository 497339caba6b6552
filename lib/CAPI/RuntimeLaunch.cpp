//===- RuntimeLaunch.cpp - Kernels of host code on a device -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RuntimeLaunch.h"
#include "dgemm/Runtime/CudaMemory.h"
#include "llvm/ADT/STLExtras.h"
#include <cstdlib>

using namespace dgemm;

llvm::Expected<bool> dgemm::usesGpu() {
  const char *text = std::getenv("DGEMM_RUNTIME_DEVICE");
  llvm::StringRef wanted = text ? text : "";
  if (!wanted.empty() && wanted != "gpu" && wanted != "emulator")
    return llvm::createStringError("expected DGEMM_RUNTIME_DEVICE to be 'gpu' or 'emulator', but got '" + wanted + "'");
  if (!wanted.empty())
    return wanted == "gpu";
  static const bool hasHopper = [] {
    llvm::Expected<CudaDeviceInfo> info = getCudaDeviceInfo(0);
    if (info)
      return info->major == 9 && info->minor == 0;
    llvm::consumeError(info.takeError());
    return false;
  }();
  return hasHopper;
}

llvm::Error RuntimeKernel::emulate(const Sizes &sizes, llvm::ArrayRef<OperandMemory> operands) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!program)
      if (llvm::Error error = emulator::Program::parse(cuda.getImage().ptx, getLaunch().entry).moveInto(program))
        return error;
  }
  std::vector<emulator::HostBuffer> buffers;
  for (auto [info, memory] : llvm::zip_equal(getLaunch().operands, operands))
    buffers.push_back({info.name, memory.data, memory.bytes, unsigned(reinterpret_cast<uintptr_t>(memory.data) % 256)});
  llvm::Expected<emulator::Report> report = emulator::run(*program, getLaunch(), sizes, buffers);
  if (!report)
    return report.takeError();
  return report->hazard ? llvm::createStringError(report->hazard->str()) : llvm::Error::success();
}

llvm::Expected<CudaLaunch *> RuntimeKernel::getLaunch(int device, const Sizes &sizes) {
  std::map<std::string, int64_t> key;
  for (const auto &entry : sizes)
    key[entry.getKey().str()] = entry.getValue();
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<CudaLaunch> &launch = launches[{device, std::move(key)}];
  if (!launch)
    if (llvm::Error error = cuda.prepare(device, sizes).moveInto(launch))
      return std::move(error);
  return launch.get();
}

namespace {
/// The operands of one launch as a GPU sees them: where they are, or as copies.
class DeviceOperands {
public:
  static llvm::Expected<DeviceOperands> place(llvm::ArrayRef<OperandMemory> operands);

  int getDevice() const { return device; }
  llvm::ArrayRef<uint64_t> getAddresses() const { return addresses; }
  bool hasCopies() const { return !copies.empty(); }
  /// Copies the operands that the kernel writes back to the host.
  llvm::Error copyBack(llvm::ArrayRef<OperandInfo> infos) const;

private:
  struct Copy {
    CudaBuffer buffer;
    void *host;
    size_t operand;
  };
  int device = 0;
  std::vector<uint64_t> addresses;
  std::vector<Copy> copies;
};
} // namespace

llvm::Expected<DeviceOperands> DeviceOperands::place(llvm::ArrayRef<OperandMemory> operands) {
  DeviceOperands placed;
  std::vector<std::optional<int>> devices;
  for (const OperandMemory &memory : operands)
    if (llvm::Error error = findCudaDeviceOf(reinterpret_cast<uintptr_t>(memory.data)).moveInto(devices.emplace_back()))
      return std::move(error);
  for (std::optional<int> found : devices)
    if (found) {
      placed.device = *found;
      break;
    }
  for (auto [index, memory] : llvm::enumerate(operands)) {
    std::optional<int> found = devices[index];
    if (found && *found != placed.device)
      return llvm::createStringError("expected operands on one GPU, but got some of GPU " + llvm::Twine(placed.device) +
                                     " and of GPU " + llvm::Twine(*found));
    if (found) {
      placed.addresses.push_back(reinterpret_cast<uintptr_t>(memory.data));
      continue;
    }
    llvm::Expected<CudaBuffer> buffer = CudaBuffer::allocate(placed.device, memory.bytes);
    if (!buffer)
      return buffer.takeError();
    // D is copied, too, so that the padding of its rows and rows that the kernel does not write come back unchanged.
    if (llvm::Error error = buffer->copyFrom(memory.data))
      return std::move(error);
    placed.addresses.push_back(buffer->getAddress());
    placed.copies.push_back({std::move(*buffer), memory.data, index});
  }
  return placed;
}

llvm::Error DeviceOperands::copyBack(llvm::ArrayRef<OperandInfo> infos) const {
  for (const Copy &copy : copies)
    if (infos[copy.operand].isOutput)
      if (llvm::Error error = copy.buffer.copyTo(copy.host))
        return error;
  return llvm::Error::success();
}

llvm::Error RuntimeKernel::launchOnGpu(const Sizes &sizes, llvm::ArrayRef<OperandMemory> operands, void *stream) {
  llvm::Expected<DeviceOperands> placed = DeviceOperands::place(operands);
  if (!placed)
    return placed.takeError();
  llvm::Expected<CudaLaunch *> launch = getLaunch(placed->getDevice(), sizes);
  if (!launch)
    return launch.takeError();
  if (llvm::Error error = (*launch)->launch(placed->getAddresses(), stream))
    return error;
  if (stream && !placed->hasCopies())
    return llvm::Error::success();
  if (llvm::Error error = synchronizeCudaStream(placed->getDevice(), stream))
    return error;
  return placed->copyBack(getLaunch().operands);
}
