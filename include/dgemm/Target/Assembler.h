//===- Assembler.h - PTX to cubin through ptxas -----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds and runs ptxas. Treats causes of slow kernels (serialised wgmma, spills, local memory, an ignored setmaxnreg)
// as failures. Depends only on LLVM Support.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_ASSEMBLER_H
#define DGEMM_TARGET_ASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace dgemm {

/// The report of `ptxas -v` on a kernel.
struct KernelResources {
  /// 32-bit registers of a thread at kernel entry.
  unsigned registers = 0;
  unsigned barriers = 0;
  unsigned spillStoreBytes = 0;
  unsigned spillLoadBytes = 0;
  unsigned stackBytes = 0;
  /// Static shared memory in bytes; the launch descriptor has the dynamic part.
  unsigned staticSharedBytes = 0;
};

struct Assembler {
  std::string path;
  /// CUDA release, 13 and 0 for "release 13.0".
  unsigned major = 0;
  unsigned minor = 0;
};

/// A kernel that ptxas assembles, but with spills, local memory or serialised wgmmas.
class SlowKernelError : public llvm::ErrorInfo<SlowKernelError, llvm::StringError> {
public:
  static char ID;
  explicit SlowKernelError(const llvm::Twine &message) : ErrorInfo(message, llvm::inconvertibleErrorCode()) {}
};

struct AssembledKernel {
  /// The cubin, an ELF image.
  std::string image;
  KernelResources resources;
  /// All that ptxas printed.
  std::string log;
};

/// Looks for ptxas in `explicitPath` (final when not empty), $DGEMM_PTXAS (final when set), $PATH, the nvidia-cuda-nvcc
/// wheel of the active virtual environment ($VIRTUAL_ENV) or of the project's .venv, and /usr/local/cuda/bin.
/// Error: nothing found, or not a ptxas; the message says where it looked and how to get one.
llvm::Expected<Assembler> findAssembler(llvm::StringRef explicitPath = "");

/// Assembles `ptx`, which has the kernel `entry`, for `chip` with -O3. Error: ptxas is too old for the `.version` of
/// the PTX, or reports an error; a SlowKernelError: it reports a serialised wgmma (C7510 to C7519), an ignored
/// setmaxnreg (C7505 to C7508), spills or local memory. The message has the command, the reason and ptxas' own message.
llvm::Expected<AssembledKernel> assemble(const Assembler &assembler, llvm::StringRef ptx, llvm::StringRef entry,
                                         llvm::StringRef chip = "sm_90a");

} // namespace dgemm

#endif // DGEMM_TARGET_ASSEMBLER_H
