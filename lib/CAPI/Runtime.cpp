//===- Runtime.cpp - What compiled host code calls -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm-c/Runtime.h"
#include "RuntimeLaunch.h"
#include "dgemm/Launch/OperandBytes.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <cstring>
#include <mutex>

using namespace dgemm;

namespace {
/// A memref of any rank: the memory of MLIR's StridedMemRefType.
class MemRef {
public:
  MemRef(const void *descriptor, size_t rank) : words(static_cast<const int64_t *>(descriptor)), rank(rank) {}

  /// The address of the first element, which is `offset` elements after the aligned pointer.
  char *getData(unsigned elementBytes) const {
    return reinterpret_cast<char *>(static_cast<uintptr_t>(words[1])) + words[2] * elementBytes;
  }
  llvm::ArrayRef<int64_t> getShape() const { return {words + 3, rank}; }
  llvm::ArrayRef<int64_t> getStrides() const { return {words + 3 + rank, rank}; }

private:
  const int64_t *words; // allocated, aligned, offset, sizes, strides
  size_t rank;
};
} // namespace

static llvm::Error makeError(const llvm::Twine &message) { return llvm::createStringError(message); }

/// Never freed: host code may launch until the process ends.
static llvm::Expected<RuntimeKernel *> getKernel(dgemm_kernel &kernel) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (kernel.version != DGEMM_KERNEL_VERSION)
    return makeError("expected a kernel of version " + llvm::Twine(DGEMM_KERNEL_VERSION) + ", but got " +
                     llvm::Twine(kernel.version));
  if (kernel.state)
    return static_cast<RuntimeKernel *>(kernel.state);
  KernelImage image;
  image.ptx.assign(kernel.ptx, kernel.ptx_size);
  if (llvm::Error error =
          LaunchDescriptor::fromJSON(llvm::StringRef(kernel.launch, kernel.launch_size)).moveInto(image.launch))
    return std::move(error);
  auto *state = new RuntimeKernel(std::move(image));
  kernel.state = state;
  return state;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// Reads the sizes that are themselves extents or strides.
static void readSizes(llvm::ArrayRef<SizeExpr> exprs, llvm::ArrayRef<int64_t> values, Sizes &sizes) {
  for (auto [expr, value] : llvm::zip_equal(exprs, values))
    if (expr.getOp() == SizeExpr::Op::Name)
      sizes.try_emplace(*expr.toJSON().getAsString(), value);
}

static std::string toText(llvm::ArrayRef<int64_t> values) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(values, os << '[');
  os << ']';
  return text;
}

/// Error: `values` differ from `exprs`. The stride of an extent of 1 has no meaning and is not checked.
static llvm::Error check(const OperandInfo &operand, llvm::StringRef what, llvm::ArrayRef<SizeExpr> exprs,
                         llvm::ArrayRef<int64_t> values, llvm::ArrayRef<int64_t> extents, const Sizes &sizes) {
  std::vector<int64_t> expected;
  bool isSame = true;
  for (auto [expr, value, extent] : llvm::zip_equal(exprs, values, extents)) {
    if (llvm::Error error = expr.evaluate(sizes).moveInto(expected.emplace_back()))
      return error;
    isSame &= expected.back() == value || (what == "strides" && extent <= 1);
  }
  if (isSame)
    return llvm::Error::success();
  return makeError(llvm::formatv("expected the {0} of '{1}' to be {2}, but got {3}", what, operand.name,
                                 toText(expected), toText(values)));
}

/// The memory of `operand`, after a check of its memref.
static llvm::Expected<OperandMemory> getMemory(const OperandInfo &operand, const MemRef &memref, const Sizes &sizes) {
  if (llvm::Error error = check(operand, "shape", operand.shape, memref.getShape(), memref.getShape(), sizes))
    return std::move(error);
  if (llvm::Error error = check(operand, "strides", operand.strides, memref.getStrides(), memref.getShape(), sizes))
    return std::move(error);
  // These are the strides of the descriptor, where an extent of 1 has a stride, too.
  std::vector<int64_t> strides;
  for (const SizeExpr &stride : operand.strides)
    if (llvm::Error error = stride.evaluate(sizes).moveInto(strides.emplace_back()))
      return std::move(error);
  llvm::Expected<uint64_t> bytes = countBytes(operand.name, operand.type, memref.getShape(), strides);
  if (!bytes)
    return bytes.takeError();
  return OperandMemory{memref.getData(getByteWidth(operand.type)), *bytes};
}

//===----------------------------------------------------------------------===//
// Launch
//===----------------------------------------------------------------------===//

static llvm::Error launch(dgemm_kernel &handle, llvm::ArrayRef<void *> operands, void *stream) {
  llvm::Expected<bool> onGpu = usesGpu();
  if (!onGpu)
    return onGpu.takeError();
  if (stream && !*onGpu)
    return makeError("the emulator has no streams: expected NULL");
  llvm::Expected<RuntimeKernel *> kernel = getKernel(handle);
  if (!kernel)
    return kernel.takeError();
  const LaunchDescriptor &launch = (*kernel)->getLaunch();
  if (operands.size() != launch.operands.size())
    return makeError(llvm::formatv("expected {0} operands, but got {1}", launch.operands.size(), operands.size()));
  std::vector<MemRef> memrefs;
  Sizes given;
  for (auto [operand, descriptor] : llvm::zip_equal(launch.operands, operands)) {
    const MemRef &memref = memrefs.emplace_back(descriptor, operand.shape.size());
    readSizes(operand.shape, memref.getShape(), given);
    readSizes(operand.strides, memref.getStrides(), given);
  }
  llvm::Expected<Sizes> sizes = launch.bindSizes(given);
  if (!sizes)
    return sizes.takeError();
  std::vector<OperandMemory> memory;
  for (auto [operand, memref] : llvm::zip_equal(launch.operands, memrefs))
    if (llvm::Error error = getMemory(operand, memref, *sizes).moveInto(memory.emplace_back()))
      return error;
  return *onGpu ? (*kernel)->launchOnGpu(*sizes, memory, stream) : (*kernel)->emulate(*sizes, memory);
}

char *dgemm_launch(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream) {
  llvm::Error error = llvm::Error::success();
  if (!kernel || count < 0 || !operands)
    error = llvm::joinErrors(std::move(error), makeError("dgemm_launch got NULL, which is not allowed"));
  else
    error = llvm::joinErrors(std::move(error), launch(*kernel, llvm::ArrayRef(operands, size_t(count)), stream));
  if (!error)
    return nullptr;
  return strdup(llvm::toString(std::move(error)).c_str());
}

void dgemm_launch_or_abort(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream) {
  char *error = dgemm_launch(kernel, count, operands, stream);
  if (!error)
    return;
  llvm::errs() << "dgemm: error: " << error << '\n';
  std::abort();
}

void dgemm_runtime_string_free(char *string) { std::free(string); }
