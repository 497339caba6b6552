//===- CudaDriver.cpp - The CUDA driver, found at run time ----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaDriver.h"
#include "dgemm/Runtime/Device.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace dgemm::cuda {

static std::string formatVersion(int version) { return formatv("{0}.{1}", version / 1000, version % 1000 / 10); }

/// Looks up every function; the name of the first missing one, or empty.
static StringRef bindFunctions(Driver &driver, sys::DynamicLibrary &library) {
  StringRef missing;
  auto bind = [&](auto &member, const char *symbol) {
    member = reinterpret_cast<std::decay_t<decltype(member)>>(library.getAddressOfSymbol(symbol));
    if (!member && missing.empty())
      missing = symbol;
  };
#define DGEMM_CUDA_BIND(member, symbol, ...) bind(driver.member, symbol);
  DGEMM_CUDA_FUNCTIONS(DGEMM_CUDA_BIND)
#undef DGEMM_CUDA_BIND
  return missing;
}

Expected<Driver> Driver::load(StringRef libraryName) {
  std::string why;
  sys::DynamicLibrary library = sys::DynamicLibrary::getPermanentLibrary(libraryName.str().c_str(), &why);
  if (!library.isValid())
    // dlopen's reason repeats the name, and adds nothing if there is no driver.
    return createStringError("no NVIDIA driver (cannot load " + libraryName +
                             (StringRef(why).contains("No such file") ? ")" : ": " + why + ")"));
  Driver driver;
  StringRef missing = bindFunctions(driver, library);
  if (driver.driverGetVersion)
    driver.driverGetVersion(&driver.version);
  if (!missing.empty())
    return createStringError(
        formatv("the NVIDIA driver is too old: it is for CUDA {0} and has no {1}; expected one for "
                "CUDA 12.0 (525.60) or later",
                formatVersion(driver.version), missing));
  if (Error error = driver.check(driver.init(0), "cuInit"))
    return error;
  return driver;
}

/// CUresult values after which the context is unusable: illegal address, launch time-out, assert, hardware stack
/// error, illegal instruction, misaligned address, invalid address space, invalid program counter, launch failed.
static bool isSticky(Result result) { return result == 700 || result == 702 || (result >= 710 && result <= 719); }

Error Driver::check(Result result, const Twine &call) const {
  if (result == kSuccess)
    return Error::success();
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != kSuccess || !name)
    name = "unknown error";
  if (getErrorString(result, &text) != kSuccess || !text)
    text = "no description";
  std::string message = formatv("{0} failed: {1} ({2}, {3})", call.str(), name, result, text);
  if (isSticky(result))
    return make_error<DeviceLostError>(std::move(message), /*hangs=*/false);
  return createStringError(message);
}

} // namespace dgemm::cuda
