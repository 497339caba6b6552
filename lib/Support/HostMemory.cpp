//===- HostMemory.cpp - Memory of this machine ----------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Support/HostMemory.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstdlib>
#include <limits>
#include <unistd.h>

using namespace llvm;

namespace dgemm {

static uint64_t getPhysicalBytes() {
  long pages = sysconf(_SC_PHYS_PAGES), pageBytes = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && pageBytes > 0 ? uint64_t(pages) * uint64_t(pageBytes) : std::numeric_limits<uint64_t>::max();
}

static std::string formatBytes(uint64_t bytes) {
  double mebibytes = double(bytes) / (1 << 20);
  return mebibytes < 1024 ? formatv("{0:F1} MiB", mebibytes).str() : formatv("{0:F1} GiB", mebibytes / 1024).str();
}

Error checkHostMemory(uint64_t bytes, const Twine &what) {
  uint64_t physical = getPhysicalBytes();
  if (bytes > physical)
    return createStringError(formatv("{0} would need {1} of memory; this machine has {2}", what.str(),
                                     formatBytes(bytes), formatBytes(physical)));
  // The system backs pages only when they are written, but it may refuse the address space here.
  void *volatile probe = std::malloc(bytes ? bytes : 1); // volatile: the compiler would remove an unused pair
  if (!probe)
    return createStringError(
        formatv("{0} would need {1} of memory, which the system refuses", what.str(), formatBytes(bytes)));
  std::free(probe);
  return Error::success();
}

Expected<std::vector<uint8_t>> allocateBytes(uint64_t count, uint8_t fill, const Twine &what) {
  if (Error error = checkHostMemory(count, what))
    return error;
  return std::vector<uint8_t>(count, fill);
}

} // namespace dgemm
