//===- Disassembler.cpp - Cubin to text through nvdisasm ------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/Disassembler.h"
#include "ProgramSearch.h"
#include "Subprocess.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;

llvm::Expected<std::string> dgemm::findDisassembler(llvm::StringRef explicitPath) {
  static constexpr CudaProgram kNvdisasm = {"nvdisasm", "NVIDIA (R) CUDA disassembler", "--nvdisasm", "DGEMM_NVDISASM",
                                            "nvidia-cuda-nvdisasm==13.2.*"};
  llvm::Expected<FoundProgram> found = findProgram(kNvdisasm, explicitPath);
  if (!found)
    return found.takeError();
  return std::move(found->path);
}

llvm::Expected<std::string> dgemm::disassemble(llvm::StringRef nvdisasm, llvm::StringRef cubin) {
  llvm::Expected<TemporaryFile> input = TemporaryFile::create("cubin");
  if (!input)
    return input.takeError();
  if (llvm::Error error = input->write(cubin))
    return std::move(error);
  llvm::Expected<ProcessResult> process = runProcess(nvdisasm, {"-c", "-hex", input->getPath()});
  if (!process)
    return process.takeError();
  if (process->exitCode != 0) {
    std::string why =
        process->reason.empty() ? "exit code " + llvm::itostr(process->exitCode) : std::move(process->reason);
    return llvm::createStringError("nvdisasm at '" + nvdisasm + "' fails (" + why + ")\n" + process->output);
  }
  return std::move(process->output);
}
