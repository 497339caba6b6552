//===- EmulatorDevice.h - Runs a kernel with no GPU -------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_COMMON_EMULATORDEVICE_H
#define DGEMM_TOOLS_COMMON_EMULATORDEVICE_H

#include "dgemm/Runtime/Device.h"

namespace dgemm {

/// The PTX emulator as a device with this number of multiprocessors. Its runs check the kernel for hazards; a hazard is
/// an error. A long run shows a progress line on stderr.
std::unique_ptr<Device> makeEmulator(int64_t multiprocessors);

} // namespace dgemm

#endif // DGEMM_TOOLS_COMMON_EMULATORDEVICE_H
