//===- Cubin.h - The kernels in a cubin --------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the code of the kernels in a cubin, an ELF image of CUDA's machine, and changes it in place. The rest of the
// image never changes.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SASS_CUBIN_H
#define DGEMM_SASS_CUBIN_H

#include "dgemm/Sass/Instruction.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace dgemm::sass {

/// The code section of one kernel.
struct KernelCode {
  std::string name;
  /// Bytes from the start of the image.
  uint64_t offset = 0;
  std::vector<Instruction> instructions;
};

class Cubin {
public:
  /// Error: `image` is not a CUDA ELF file, not for sm_90 or sm_90a, damaged, or without a kernel.
  static llvm::Expected<Cubin> parse(llvm::StringRef image);

  llvm::ArrayRef<KernelCode> getKernels() const { return kernels; }
  llvm::MutableArrayRef<KernelCode> getKernels() { return kernels; }
  /// The image with the current instructions.
  std::string write() const;

private:
  std::string image;
  std::vector<KernelCode> kernels;
};

} // namespace dgemm::sass

#endif // DGEMM_SASS_CUBIN_H
