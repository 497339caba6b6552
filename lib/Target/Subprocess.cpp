//===- Subprocess.cpp - Run a program and keep what it prints -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Subprocess.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace dgemm;

llvm::Expected<TemporaryFile> TemporaryFile::create(llvm::StringRef suffix) {
  llvm::SmallString<128> path;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("dgemm", suffix, path)) {
    llvm::SmallString<64> directory;
    llvm::sys::path::system_temp_directory(/*ErasedOnReboot=*/true, directory);
    return llvm::createStringError(code, "cannot create a temporary file in '" + directory + "': " + code.message() +
                                             "; name a writable directory in TMPDIR");
  }
  return TemporaryFile(path);
}

llvm::Error TemporaryFile::write(llvm::StringRef content) const {
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (!code) {
    stream << content;
    stream.close();
    code = stream.error();
    // An unread error would abort in the destructor of the stream.
    stream.clear_error();
  }
  if (code)
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  return llvm::Error::success();
}

llvm::Expected<std::string> TemporaryFile::read() const {
  // Volatile: another process wrote the file, so it is read and not mapped.
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/true);
  if (!buffer)
    return llvm::createStringError(buffer.getError(), "cannot read '" + path + "': " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

llvm::Expected<ProcessResult> dgemm::runProcess(llvm::StringRef program, llvm::ArrayRef<llvm::StringRef> arguments) {
  llvm::Expected<TemporaryFile> outputFile = TemporaryFile::create("log");
  if (!outputFile)
    return outputFile.takeError();
  llvm::SmallVector<llvm::StringRef> argv{program};
  argv.append(arguments.begin(), arguments.end());
  llvm::StringRef output = outputFile->getPath();
  ProcessResult result;
  result.exitCode =
      llvm::sys::ExecuteAndWait(program, argv, /*Env=*/std::nullopt, /*Redirects=*/{llvm::StringRef(), output, output},
                                /*SecondsToWait=*/0, /*MemoryLimit=*/0, &result.reason);
  llvm::Expected<std::string> text = outputFile->read();
  if (!text)
    return text.takeError();
  result.output = std::move(*text);
  return result;
}
