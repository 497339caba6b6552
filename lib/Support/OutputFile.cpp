//===- OutputFile.cpp - Files that are written whole ----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Support/OutputFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/VirtualOutputBackends.h"
#include "llvm/Support/VirtualOutputError.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>

using namespace llvm;

namespace dgemm {

static Error makeWriteError(StringRef path, const Twine &why) {
  return createStringError("cannot write '" + path + "': " + why);
}

static Error writeStandardOutput(function_ref<void(raw_ostream &)> write) {
  write(outs());
  outs().flush();
  std::error_code error = outs().error();
  outs().clear_error();
  return error ? createStringError("cannot write to standard output: " + error.message()) : Error::success();
}

namespace {
/// One file that is being written.
class PendingFile {
public:
  static Expected<PendingFile> create(StringRef path) {
    PendingFile pending;
    pending.path = path.str();
    if (path.empty()) // the backend would take it as the working folder
      return makeWriteError(path, std::make_error_code(std::errc::no_such_file_or_directory).message());
    vfs::OutputConfig config;
    config.setNoImplyCreateDirectories();
    // The backend uses a temporary file and a rename only if the target is a regular file or does not exist, but its
    // rename would replace a symbolic link.
    SmallString<256> target(path);
    sys::fs::file_status status;
    if (!sys::fs::status(path, status)) {
      if (sys::fs::is_regular_file(status) && !sys::fs::real_path(path, target))
        pending.permissions = status.permissions();
    } else if (sys::fs::is_symlink_file(path)) {
      config.setNoAtomicWrite(); // it dangles: opening creates its target
    }
    pending.target = std::string(target);
    Expected<vfs::OutputFile> file = makeIntrusiveRefCnt<vfs::OnDiskOutputBackend>()->createFile(target, config);
    if (!file)
      return pending.describe(file.takeError());
    file->discardOnDestroy([](Error error) { consumeError(std::move(error)); });
    pending.file = std::move(*file);
    return std::move(pending);
  }

  /// Error: the device is full, for example.
  Error write(function_ref<void(raw_ostream &)> write) {
    raw_pwrite_stream &os = file.getOS();
    write(os);
    os.flush();
    if (os.get_kind() != raw_ostream::OStreamKind::OK_FDStream)
      return Error::success();
    std::error_code error = static_cast<raw_fd_ostream &>(os).error();
    static_cast<raw_fd_ostream &>(os).clear_error();
    return error ? makeWriteError(path, error.message()) : Error::success();
  }

  /// Renames the file to its name.
  Error keep() {
    if (Error error = file.keep())
      return describe(std::move(error));
    if (permissions)
      if (std::error_code error = sys::fs::setPermissions(target, *permissions))
        return makeWriteError(path, error.message());
    return Error::success();
  }

private:
  /// The backend's errors name a temporary file, but the user knows the given path.
  Error describe(Error error) const {
    std::error_code code;
    handleAllErrors(std::move(error), [&](const ErrorInfoBase &info) { code = info.convertToErrorCode(); });
    return makeWriteError(path, code.message());
  }

  std::string path, target;
  vfs::OutputFile file;
  /// Permissions of an existing regular file.
  std::optional<sys::fs::perms> permissions;
};
} // namespace

Error writeFile(StringRef path, function_ref<void(raw_ostream &)> write) {
  if (path == "-")
    return writeStandardOutput(write);
  Expected<PendingFile> file = PendingFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(write))
    return error;
  return file->keep();
}

Error writeFiles(ArrayRef<std::pair<std::string, StringRef>> files) {
  std::vector<PendingFile> pending;
  for (const auto &[path, content] : files) {
    if (path == "-") {
      if (Error error = writeStandardOutput([&, text = content](raw_ostream &os) { os << text; }))
        return error;
      continue;
    }
    Expected<PendingFile> file = PendingFile::create(path);
    if (!file)
      return file.takeError();
    pending.push_back(std::move(*file));
    if (Error error = pending.back().write([&, text = content](raw_ostream &os) { os << text; }))
      return error;
  }
  for (PendingFile &file : pending)
    if (Error error = file.keep())
      return error;
  return Error::success();
}

} // namespace dgemm
