//===- Assembler.cpp - PTX to cubin through ptxas -------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/Assembler.h"
#include "AssemblerLog.h"
#include "ProgramSearch.h"
#include "Subprocess.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;

/// The first lines of a long log are enough.
static constexpr unsigned kMaxQuotedLines = 20;

/// `text` indented, at most kMaxQuotedLines of it.
static std::string quote(llvm::StringRef text) {
  std::string quoted;
  unsigned lines = 0;
  for (llvm::StringRef line : llvm::split(text.trim(), '\n')) {
    if (line.trim().empty())
      continue;
    if (++lines > kMaxQuotedLines)
      return quoted + "\n  ...";
    quoted += "\n  " + line.rtrim().str();
  }
  return quoted;
}

/// Replaces every `from` in `text`.
static std::string replaceAll(std::string text, llvm::StringRef from, llvm::StringRef to) {
  for (size_t at = text.find(from.str()); at != std::string::npos; at = text.find(from.str(), at + to.size()))
    text.replace(at, from.size(), to.data(), to.size());
  return text;
}

llvm::Expected<Assembler> dgemm::findAssembler(llvm::StringRef explicitPath) {
  static constexpr CudaProgram kPtxas = {"ptxas", "Ptx optimizing assembler", "--ptxas", "DGEMM_PTXAS",
                                         "nvidia-cuda-nvcc==13.0.*"};
  llvm::Expected<FoundProgram> found = findProgram(kPtxas, explicitPath);
  if (!found)
    return found.takeError();
  return Assembler{std::move(found->path), found->release.first, found->release.second};
}

static llvm::Error checkVersion(const Assembler &assembler, llvm::StringRef ptx) {
  std::optional<Version> version = parsePTXVersion(ptx);
  std::optional<Version> needed = version ? getFirstRelease(*version) : std::nullopt;
  if (!needed || Version{assembler.major, assembler.minor} >= *needed)
    return llvm::Error::success();
  auto print = [](Version v) { return llvm::utostr(v.first) + "." + llvm::utostr(v.second); };
  return llvm::createStringError("ptxas " + print({assembler.major, assembler.minor}) + " at '" + assembler.path +
                                 "' is too old for PTX " + print(*version) + ", which requires ptxas " +
                                 print(*needed) +
                                 " or newer; install one with \"pip install 'nvidia-cuda-nvcc==13.0.*'\" in a virtual "
                                 "environment, or name a newer one with --ptxas or DGEMM_PTXAS");
}

/// All losses as one error; success if there are none.
static llvm::Error makeError(llvm::ArrayRef<Complaint> complaints, llvm::StringRef entry, llvm::StringRef command) {
  if (complaints.empty())
    return llvm::Error::success();
  std::string message =
      ("kernel '" + entry + "' does not assemble as written, so it would run far below its speed").str();
  for (const Complaint &complaint : complaints)
    message += quote(complaint.words) + "\n  to do: " + complaint.remedy.str();
  return llvm::make_error<SlowKernelError>(message + "\n  command: " + command.str());
}

char SlowKernelError::ID = 0;

llvm::Expected<AssembledKernel> dgemm::assemble(const Assembler &assembler, llvm::StringRef ptx, llvm::StringRef entry,
                                                llvm::StringRef chip) {
  if (llvm::Error error = checkVersion(assembler, ptx))
    return error;
  llvm::Expected<TemporaryFile> input = TemporaryFile::create("ptx");
  if (!input)
    return input.takeError();
  llvm::Expected<TemporaryFile> output = TemporaryFile::create("cubin");
  if (!output)
    return output.takeError();
  if (llvm::Error error = input->write(ptx))
    return error;

  std::string chipOption = ("--gpu-name=" + chip).str();
  llvm::SmallVector<llvm::StringRef> arguments{"-v", "-O3", chipOption, input->getPath(), "-o", output->getPath()};
  llvm::Expected<ProcessResult> process = runProcess(assembler.path, arguments);
  if (!process)
    return process.takeError();

  // The temporary files no longer exist when the message is read. Placeholder names let the user repeat the command on
  // the PTX.
  std::string ptxName = (entry + ".ptx").str();
  std::string command = (assembler.path + " -v -O3 " + chipOption + " " + ptxName + " -o " + entry + ".cubin").str();
  std::string log = replaceAll(process->output, input->getPath(), ptxName);
  if (process->exitCode != 0) {
    std::string why = process->reason.empty() ? "exit code " + llvm::itostr(process->exitCode)
                                              : llvm::StringRef(process->reason).str();
    return llvm::createStringError("ptxas refuses kernel '" + entry + "' (" + why + ")" + quote(log) +
                                   "\n  command: " + command);
  }
  if (llvm::Error error = makeError(findComplaints(log), entry, command))
    return error;
  std::optional<KernelResources> resources = parseResources(log, entry);
  if (!resources)
    return llvm::createStringError("ptxas does not report a kernel '" + entry +
                                   "'; it must be a .visible .entry of the PTX" + quote(log) +
                                   "\n  command: " + command);
  llvm::Expected<std::string> image = output->read();
  if (!image)
    return image.takeError();
  if (!llvm::StringRef(*image).starts_with("\177ELF"))
    return llvm::createStringError("ptxas succeeded but wrote no cubin\n  command: " + command);
  return AssembledKernel{std::move(*image), *resources, std::move(log)};
}
