//===- AssemblerSearch.cpp - Find ptxas -----------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AssemblerLog.h"
#include "Subprocess.h"
#include "dgemm/Target/Assembler.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace dgemm;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static constexpr llvm::StringLiteral kHowToGetOne = "install one with \"pip install 'nvidia-cuda-nvcc==13.0.*'\" in a "
                                                    "virtual environment, or name an existing one with "
                                                    "--ptxas or DGEMM_PTXAS";

/// Names of the directories in `directory` that begin with `prefix`, the greatest first.
static llvm::SmallVector<std::string> listDirectories(llvm::StringRef directory, llvm::StringRef prefix) {
  llvm::SmallVector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; it != end && !code; it.increment(code))
    if (path::filename(it->path()).starts_with(prefix))
      names.push_back(path::filename(it->path()).str());
  llvm::sort(names, std::greater<>());
  return names;
}

/// ptxas of the nvidia-cuda-nvcc wheel in the virtual environment `venv`, empty if it holds none. The wheel of CUDA 13
/// puts it in nvidia/cu13/bin, that of CUDA 12 in nvidia/cuda_nvcc/bin.
static std::string findInVirtualEnvironment(llvm::StringRef venv) {
  llvm::SmallString<128> lib(venv);
  path::append(lib, "lib");
  for (const std::string &python : listDirectories(lib, "python")) {
    llvm::SmallString<128> packages(lib);
    path::append(packages, python, "site-packages", "nvidia");
    for (const std::string &package : listDirectories(packages, "cu")) {
      llvm::SmallString<128> candidate(packages);
      path::append(candidate, package, "bin", "ptxas");
      if (fs::can_execute(candidate))
        return candidate.str().str();
    }
  }
  return "";
}

/// Asks the program at `file`, which was found through `origin`, for its release.
static llvm::Expected<Assembler> probe(llvm::StringRef file, llvm::StringRef origin) {
  llvm::Expected<ProcessResult> result = runProcess(file, {"--version"});
  if (!result)
    return result.takeError();
  if (result->exitCode != 0) {
    std::string why = result->reason.empty() ? "exit code " + llvm::itostr(result->exitCode) : result->reason;
    return llvm::createStringError("'" + file + "' (from " + origin + ") cannot be run as ptxas: " + why + "; " +
                                   kHowToGetOne);
  }
  std::optional<Version> release = parseRelease(result->output);
  if (!release)
    return llvm::createStringError("'" + file + "' (from " + origin + ") is not ptxas: --version names no release; " +
                                   kHowToGetOne);
  return Assembler{file.str(), release->first, release->second};
}

/// The ptxas that the user named: it is this one or an error.
static llvm::Expected<Assembler> probeNamed(llvm::StringRef name, llvm::StringRef origin) {
  // Takes a bare name from PATH and anything with a slash as it stands.
  llvm::ErrorOr<std::string> file = llvm::sys::findProgramByName(name);
  if (!file || !fs::exists(*file))
    return llvm::createStringError("no ptxas at '" + name + "', which " + origin +
                                   " names; correct it, or leave it out " +
                                   "to search PATH, the virtual environment and /usr/local/cuda");
  if (!fs::can_execute(*file))
    return llvm::createStringError("'" + name + "', which " + origin + " names, is not an executable file");
  return probe(*file, origin);
}

llvm::Expected<Assembler> dgemm::findAssembler(llvm::StringRef explicitPath) {
  if (!explicitPath.empty())
    return probeNamed(explicitPath, "--ptxas");
  if (std::optional<std::string> variable = llvm::sys::Process::GetEnv("DGEMM_PTXAS"); variable && !variable->empty())
    return probeNamed(*variable, "DGEMM_PTXAS");

  if (llvm::ErrorOr<std::string> file = llvm::sys::findProgramByName("ptxas"))
    return probe(*file, "PATH");
  std::string searched = "PATH";
  auto searchVirtualEnvironment = [&](llvm::StringRef venv) {
    searched += (", '" + venv + "'").str();
    return findInVirtualEnvironment(venv);
  };
  if (std::optional<std::string> venv = llvm::sys::Process::GetEnv("VIRTUAL_ENV"); venv && !venv->empty())
    if (std::string file = searchVirtualEnvironment(*venv); !file.empty())
      return probe(file, "VIRTUAL_ENV");
  if (std::string file = searchVirtualEnvironment(DGEMM_PROJECT_VENV); !file.empty())
    return probe(file, "the project's virtual environment");
  constexpr llvm::StringLiteral kToolkit = "/usr/local/cuda/bin/ptxas";
  if (fs::can_execute(kToolkit))
    return probe(kToolkit, "the CUDA toolkit");
  return llvm::createStringError("ptxas not found; looked in " + searched + " and '" + kToolkit + "'; " + kHowToGetOne);
}
