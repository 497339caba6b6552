//===- Device.cpp - What runs a kernel ------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Device.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace dgemm {

char DeviceLostError::ID = 0;

void DeviceLostError::log(raw_ostream &os) const { os << text; }

Device::~Device() = default;

static Expected<std::string> readFile(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(formatv("cannot read '{0}': {1}", path, buffer.getError().message()));
  return (*buffer)->getBuffer().str();
}

Expected<KernelImage> KernelImage::read(StringRef imagePath, StringRef launchPath) {
  Expected<std::string> image = readFile(imagePath);
  if (!image)
    return image.takeError();
  Expected<std::string> text = readFile(launchPath);
  if (!text)
    return text.takeError();
  Expected<LaunchDescriptor> launch = LaunchDescriptor::fromJSON(*text);
  if (!launch)
    return createStringError(formatv("'{0}': {1}", launchPath, toString(launch.takeError())));
  KernelImage kernel;
  kernel.launch = std::move(*launch);
  if (StringRef(*image).starts_with("\x7f"
                                    "ELF"))
    kernel.cubin = std::move(*image);
  else if (StringRef(*image).contains(".version") && !StringRef(*image).contains('\0'))
    kernel.ptx = std::move(*image);
  else
    return createStringError(formatv("'{0}' is neither a cubin (ELF) nor PTX", imagePath));
  return kernel;
}

double Timing::getQuantile(double q) const {
  if (microseconds.empty())
    return 0;
  double position = q * double(microseconds.size() - 1);
  size_t below = size_t(position), above = std::min(below + 1, microseconds.size() - 1);
  return microseconds[below] + (position - double(below)) * (microseconds[above] - microseconds[below]);
}

} // namespace dgemm
