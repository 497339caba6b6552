//===- ProgramSearch.cpp - Find a program of the CUDA toolkit -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramSearch.h"
#include "Subprocess.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace dgemm;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static std::string howToGet(const CudaProgram &program) {
  return ("install one with \"pip install '" + program.wheel +
          "'\" in a virtual environment, or name an existing one " + "with " + program.option + " or " +
          program.variable)
      .str();
}

/// Names of the directories in `directory` that begin with `prefix`, in descending order.
static llvm::SmallVector<std::string> listDirectories(llvm::StringRef directory, llvm::StringRef prefix) {
  llvm::SmallVector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(directory, code), end; it != end && !code; it.increment(code))
    if (path::filename(it->path()).starts_with(prefix))
      names.push_back(path::filename(it->path()).str());
  llvm::sort(names, std::greater<>());
  return names;
}

/// The program of NVIDIA's wheel in the virtual environment `venv`, empty if it has none. A wheel of CUDA 13 puts it in
/// nvidia/cu13/bin, one of CUDA 12 in nvidia/cuda_nvcc/bin.
static std::string findInVirtualEnvironment(llvm::StringRef name, llvm::StringRef venv) {
  llvm::SmallString<128> lib(venv);
  path::append(lib, "lib");
  for (const std::string &python : listDirectories(lib, "python")) {
    llvm::SmallString<128> packages(lib);
    path::append(packages, python, "site-packages", "nvidia");
    for (const std::string &package : listDirectories(packages, "cu")) {
      llvm::SmallString<128> candidate(packages);
      path::append(candidate, package, "bin", name);
      if (fs::can_execute(candidate))
        return candidate.str().str();
    }
  }
  return "";
}

std::string dgemm::findVirtualEnvironmentOfBuildTree(llvm::StringRef executable) {
  llvm::SmallString<128> cache(path::parent_path(path::parent_path(executable)));
  path::append(cache, "CMakeCache.txt");
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(cache, /*IsText=*/true);
  if (!buffer)
    return "";
  bool isOurs = false;
  llvm::StringRef source;
  for (llvm::line_iterator line(**buffer); !line.is_at_end(); ++line) {
    isOurs |= *line == "CMAKE_PROJECT_NAME:STATIC=DGemm";
    llvm::StringRef value = *line;
    if (value.consume_front("CMAKE_HOME_DIRECTORY:INTERNAL="))
      source = value;
  }
  if (!isOurs || source.empty())
    return "";
  llvm::SmallString<128> venv(source);
  path::append(venv, ".venv");
  return venv.str().str();
}

/// Asks the program at `file`, found through `origin`, for its release.
static llvm::Expected<FoundProgram> probe(const CudaProgram &program, llvm::StringRef file, llvm::StringRef origin) {
  llvm::Expected<ProcessResult> result = runProcess(file, {"--version"});
  if (!result)
    return result.takeError();
  if (result->exitCode != 0) {
    std::string why = result->reason.empty() ? "exit code " + llvm::itostr(result->exitCode) : result->reason;
    return llvm::createStringError("'" + file + "' (from " + origin + ") cannot be run as " + program.name + ": " +
                                   why + "; " + howToGet(program));
  }
  std::optional<Version> release = parseRelease(result->output, program.title);
  if (!release)
    return llvm::createStringError("'" + file + "' (from " + origin + ") is not " + program.name +
                                   ": --version prints no release; " + howToGet(program));
  return FoundProgram{file.str(), *release};
}

/// The program that the user named; any other is an error.
static llvm::Expected<FoundProgram> probeNamed(const CudaProgram &program, llvm::StringRef name,
                                               llvm::StringRef origin) {
  // Searches a bare name in PATH, and takes a path with a slash literally.
  llvm::ErrorOr<std::string> file = llvm::sys::findProgramByName(name);
  if (!file || !fs::exists(*file))
    return llvm::createStringError("no " + program.name + " at '" + name + "', which " + origin +
                                   " names; correct it, or leave it out " +
                                   "to search PATH, the virtual environment and /usr/local/cuda");
  if (!fs::can_execute(*file))
    return llvm::createStringError("'" + name + "', which " + origin + " names, is not an executable file");
  return probe(program, *file, origin);
}

llvm::Expected<FoundProgram> dgemm::findProgram(const CudaProgram &program, llvm::StringRef explicitPath) {
  if (!explicitPath.empty())
    return probeNamed(program, explicitPath, program.option);
  if (std::optional<std::string> variable = llvm::sys::Process::GetEnv(program.variable);
      variable && !variable->empty())
    return probeNamed(program, *variable, program.variable);

  if (llvm::ErrorOr<std::string> file = llvm::sys::findProgramByName(program.name))
    return probe(program, *file, "PATH");
  std::string searched = "PATH";
  auto searchVirtualEnvironment = [&](llvm::StringRef venv) {
    searched += (", '" + venv + "'").str();
    return findInVirtualEnvironment(program.name, venv);
  };
  if (std::optional<std::string> venv = llvm::sys::Process::GetEnv("VIRTUAL_ENV"); venv && !venv->empty())
    if (std::string file = searchVirtualEnvironment(*venv); !file.empty())
      return probe(program, file, "VIRTUAL_ENV");
  std::string executable = fs::getMainExecutable(nullptr, reinterpret_cast<void *>(&findInVirtualEnvironment));
  if (std::string venv = findVirtualEnvironmentOfBuildTree(executable); !venv.empty())
    if (std::string file = searchVirtualEnvironment(venv); !file.empty())
      return probe(program, file, "the project's virtual environment");
  std::string toolkit = ("/usr/local/cuda/bin/" + program.name).str();
  if (fs::can_execute(toolkit))
    return probe(program, toolkit, "the CUDA toolkit");
  return llvm::createStringError(program.name + " not found; looked in " + searched + " and '" + toolkit + "'; " +
                                 howToGet(program));
}
