//===- HostMemory.h - Memory of this machine --------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SUPPORT_HOSTMEMORY_H
#define DGEMM_SUPPORT_HOSTMEMORY_H

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace dgemm {

/// Error: this machine does not have this many bytes, or the system refuses them to this process (ulimit -v). The
/// message says how many bytes `what` needs.
llvm::Error checkHostMemory(uint64_t bytes, const llvm::Twine &what);

/// `count` bytes of `fill`. Error: as above.
llvm::Expected<std::vector<uint8_t>> allocateBytes(uint64_t count, uint8_t fill, const llvm::Twine &what);

} // namespace dgemm

#endif // DGEMM_SUPPORT_HOSTMEMORY_H
