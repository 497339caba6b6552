//===- GlobalMemory.cpp - Device memory, by allocation --------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GlobalMemory.h"

using namespace dgemm::emulator;

Allocation &GlobalMemory::add(Allocation allocation, unsigned addressOffset) {
  allocation.address = (uint64_t(allocations.size() + 1) << kShift) + addressOffset;
  if (allocation.isOutput)
    allocation.written.assign((allocation.bytes + 63) / 64, 0);
  allocations.push_back(std::move(allocation));
  return allocations.back();
}

Allocation *GlobalMemory::find(uint64_t address) {
  // The report attributes an address slightly below the base to the allocation.
  uint64_t index = (address + (uint64_t(1) << (kShift - 1))) >> kShift;
  return index >= 1 && index <= allocations.size() ? &allocations[index - 1] : nullptr;
}

Allocation *GlobalMemory::find(llvm::StringRef name) {
  for (Allocation &allocation : allocations)
    if (allocation.name == name)
      return &allocation;
  return nullptr;
}

uint8_t *GlobalMemory::resolve(uint64_t address, uint64_t size) {
  Allocation *allocation = find(address);
  if (!allocation || address < allocation->address || size > allocation->bytes ||
      address - allocation->address > allocation->bytes - size)
    return nullptr;
  return allocation->data + (address - allocation->address);
}

static constexpr uint64_t kWriterBytes = 16;

std::optional<uint64_t> GlobalMemory::findOtherWriter(const Allocation &allocation, uint64_t offset, uint64_t size,
                                                      uint64_t cta) {
  if (allocation.writers.empty() || !size)
    return std::nullopt;
  for (uint64_t i = offset / kWriterBytes, last = (offset + size - 1) / kWriterBytes; i <= last; ++i) {
    uint32_t writer = allocation.writers[i];
    if (writer && writer != Allocation::kSeveral && writer != cta + 1)
      return writer - 1;
  }
  return std::nullopt;
}

std::optional<uint64_t> GlobalMemory::markWritten(Allocation &allocation, uint64_t offset, uint64_t size, uint64_t cta,
                                                  bool reduction) {
  if (allocation.writers.empty())
    allocation.writers.resize(allocation.bytes / kWriterBytes + 1);
  for (uint64_t i = offset / kWriterBytes, last = (offset + size - 1) / kWriterBytes; i <= last; ++i) {
    uint32_t &writer = allocation.writers[i];
    writer = writer && writer != cta + 1 ? Allocation::kSeveral : uint32_t(cta + 1);
  }
  if (!allocation.isOutput)
    return std::nullopt;
  std::optional<uint64_t> twice;
  for (uint64_t at = offset, end = offset + size; at < end;) {
    unsigned first = at % 64;
    uint64_t count = std::min<uint64_t>(64 - first, end - at);
    uint64_t mask = (count == 64 ? ~uint64_t(0) : ((uint64_t(1) << count) - 1)) << first;
    uint64_t &word = allocation.written[at / 64];
    if (!reduction && !twice && (word & mask))
      twice = at - first + __builtin_ctzll(word & mask);
    word |= mask;
    at += count;
  }
  return twice;
}

std::string GlobalMemory::describe(const Allocation &allocation, uint64_t offset) {
  int64_t element = offset / allocation.elementBytes;
  std::string text = allocation.name + "[";
  for (size_t i = 0; i < allocation.strides.size(); ++i) {
    int64_t stride = std::max<int64_t>(allocation.strides[i], 1);
    text += (i ? ", " : "") + std::to_string(element / stride);
    element %= stride;
  }
  if (allocation.strides.empty())
    text += std::to_string(element);
  return text + "]";
}

std::optional<GlobalMemory::Missing>
GlobalMemory::findUnwritten(const Allocation &allocation,
                            llvm::function_ref<bool(llvm::ArrayRef<int64_t>)> isExpected) {
  Missing missing;
  std::vector<int64_t> index(allocation.shape.size(), 0);
  for (int64_t extent : allocation.shape)
    if (extent <= 0)
      return std::nullopt;
  for (;;) {
    int64_t element = 0;
    for (size_t i = 0; i < index.size(); ++i)
      element += index[i] * allocation.strides[i];
    bool written = true;
    for (uint64_t b = element * allocation.elementBytes, e = b + allocation.elementBytes; b < e; ++b)
      written &= b / 64 < allocation.written.size() && ((allocation.written[b / 64] >> (b % 64)) & 1);
    if (!written && isExpected(index) && missing.count++ == 0)
      missing.index = describe(allocation, element * allocation.elementBytes);
    size_t dim = index.size();
    while (dim > 0 && ++index[dim - 1] == allocation.shape[dim - 1])
      index[--dim] = 0;
    if (dim == 0)
      break;
  }
  if (!missing.count)
    return std::nullopt;
  return missing;
}
