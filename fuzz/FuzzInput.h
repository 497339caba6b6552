//===- FuzzInput.h - What the fuzz targets share ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_FUZZ_FUZZINPUT_H
#define DGEMM_FUZZ_FUZZINPUT_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/StringRef.h"
#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace dgemm::fuzz {

inline llvm::StringRef toText(const uint8_t *data, size_t size) { return {reinterpret_cast<const char *>(data), size}; }

/// Aborts if a condition does not hold. Unlike an assertion, it is in every build.
inline void require(bool holds, llvm::StringRef what) {
  if (!holds)
    llvm::report_fatal_error(llvm::Twine("fuzz target: ") + what);
}

/// A value for each size that the descriptor leaves to the launch.
inline Sizes chooseSizes(const LaunchDescriptor &launch) {
  Sizes sizes;
  for (auto &[name, value] : launch.sizes)
    if (value < 0)
      sizes[name] = 64;
  return sizes;
}

/// A file in memory, for readers that take a path.
class MemoryFile {
public:
  explicit MemoryFile(llvm::StringRef text) : descriptor(memfd_create("fuzz", 0)) {
    while (!text.empty()) {
      ssize_t written = ::write(descriptor, text.data(), text.size());
      require(written > 0, "cannot write to memory");
      text = text.drop_front(written);
    }
  }
  ~MemoryFile() { ::close(descriptor); }
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;
  std::string getPath() const { return "/proc/self/fd/" + std::to_string(descriptor); }

private:
  int descriptor;
};

} // namespace dgemm::fuzz

#endif // DGEMM_FUZZ_FUZZINPUT_H
