//===- FakeCuda.cpp - A CUDA driver without a GPU -------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Implements in host memory the functions of libcuda.so.1 that lib/Runtime calls, so that everything around a launch is
// tested where there is no GPU. The name of the kernel says how it behaves: "good", "hangs", "faults", "wrong",
// "races", "overruns" (writes behind D), "idle" (writes nothing), "dependent" (wants programmatic stream serialization,
// which the others do not). FAKE_CUDA_ARCH sets the compute capability, "90" by
// default.
//
// Kernel parameters: tensor maps of a, scale_a, b and d, pointer to scale_b, k.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

using Result = int;
using Address = unsigned long long;

namespace {
constexpr Result kOk = 0, kInvalidValue = 1, kInvalidContext = 201, kNoBinary = 209, kNotFound = 500, kNotReady = 600,
                 kIllegalAddress = 700;

struct Map {
  Address address;
  uint64_t dims[2], stride;
  int type, swizzle, l2Promotion;
  uint32_t box[2];
};
struct Kernel {
  std::string name;
  int sharedMemory = 48 * 1024;
};
struct Event {
  std::chrono::steady_clock::time_point time;
  bool never = false;
};

/// Of the only device. A thread that has none current cannot encode tensor maps.
int primaryContext;
thread_local std::vector<void *> contexts = {nullptr};

bool isHanging = false, hasFaulted = false;
unsigned launches = 0;

/// A context owns what its user does not free, as after a fault.
struct Owner {
  std::set<void *> memory;
  std::set<Event *> events;
  ~Owner() {
    for (void *block : memory)
      std::free(block);
    for (Event *event : events)
      delete event;
  }
} owner;

float decode(uint8_t bits) {
  int exponent = bits >> 3 & 15, mantissa = bits & 7;
  float value = exponent ? std::ldexp(float(8 + mantissa), exponent - 10) : std::ldexp(float(mantissa), -9);
  return bits & 0x80 ? -value : value;
}

template <typename T>
T *at(const Map &map, uint64_t row, uint64_t column) {
  return reinterpret_cast<T *>(map.address + row * map.stride) + column;
}

uint16_t toBF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void multiply(const Map &a, const Map &scaleA, const Map &b, const Map &d, const float *scaleB, int k) {
  int blocks = (k + 127) / 128;
  for (uint64_t row = 0; row < d.dims[1]; ++row)
    for (uint64_t column = 0; column < d.dims[0]; ++column) {
      double sum = 0;
      for (int i = 0; i < k; ++i)
        sum += double(decode(*at<uint8_t>(a, row, i))) * decode(*at<uint8_t>(b, column, i)) *
               *at<float>(scaleA, i / 128, row) * scaleB[column / 128 * blocks + i / 128];
      *at<uint16_t>(d, row, column) = toBF16(float(sum));
    }
}

Result launch(const Kernel &kernel, unsigned sharedMemory, void **parameters) {
  if (int(sharedMemory) > kernel.sharedMemory)
    return kInvalidValue;
  if (hasFaulted)
    return kIllegalAddress;
  auto map = [&](int index) -> const Map & { return *static_cast<const Map *>(parameters[index]); };
  isHanging = kernel.name == "hangs";
  hasFaulted = kernel.name == "faults";
  if (isHanging || hasFaulted || kernel.name == "idle")
    return kOk;
  multiply(map(0), map(1), map(2), map(3), *static_cast<const float **>(parameters[4]),
           *static_cast<int *>(parameters[5]));
  uint16_t *d = at<uint16_t>(map(3), 0, 0);
  if (kernel.name == "wrong" || (kernel.name == "races" && ++launches > 1))
    d[3] ^= 0x8000;
  if (kernel.name == "overruns")
    d[map(3).dims[0] * map(3).dims[1] + 4] = 0;
  return kOk;
}
} // namespace

extern "C" {
Result cuInit(unsigned) { return kOk; }
Result cuDriverGetVersion(int *version) { return *version = 13000, kOk; }
Result cuGetErrorName(Result result, const char **text) {
  *text = result == kIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_SOME";
  return kOk;
}
Result cuGetErrorString(Result, const char **text) { return *text = "described", kOk; }
Result cuDeviceGetCount(int *count) { return *count = 1, kOk; }
Result cuDeviceGet(int *device, int) { return *device = 0, kOk; }
Result cuDeviceGetName(char *name, int size, int) {
  const char *text = std::getenv("FAKE_CUDA_NAME");
  return std::snprintf(name, size, "%s", text ? text : "Fake"), kOk;
}
Result cuDeviceGetPCIBusId(char *id, int size, int) { return std::snprintf(id, size, "0000:00:00.0"), kOk; }
Result cuDeviceGetAttribute(int *value, int attribute, int) {
  const char *text = std::getenv("FAKE_CUDA_ARCH");
  int arch = std::atoi(text ? text : "90");
  switch (attribute) {
  case 16: // multiprocessors
    return *value = 4, kOk;
  case 38: // L2
    return *value = 1 << 20, kOk;
  case 75:
    return *value = arch / 10, kOk;
  case 76:
    return *value = arch % 10, kOk;
  case 97: // shared memory
    return *value = 232448, kOk;
  }
  return kInvalidValue;
}
Result cuDevicePrimaryCtxRetain(void **context, int) { return *context = &primaryContext, kOk; }
Result cuDevicePrimaryCtxRelease_v2(int) { return isHanging = hasFaulted = false, launches = 0, kOk; }
Result cuCtxSetCurrent(void *context) {
  isHanging = hasFaulted = false;
  launches = 0;
  return contexts.back() = context, kOk;
}
Result cuCtxGetCurrent(void **context) { return *context = contexts.back(), kOk; }
Result cuCtxPushCurrent_v2(void *context) { return contexts.push_back(context), kOk; }
Result cuCtxPopCurrent_v2(void **context) { return *context = contexts.back(), contexts.pop_back(), kOk; }
Result cuStreamSynchronize(void *) { return kOk; }
Result cuMemAlloc_v2(Address *address, size_t bytes) {
  void *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  owner.memory.insert(block);
  *address = reinterpret_cast<Address>(block);
  return kOk;
}
Result cuMemFree_v2(Address address) {
  void *block = reinterpret_cast<void *>(address);
  if (!owner.memory.erase(block))
    return kInvalidValue;
  return std::free(block), kOk;
}
Result cuPointerGetAttribute(void *value, int attribute, Address address) {
  if (!owner.memory.count(reinterpret_cast<void *>(address)))
    return kInvalidValue;                                   // memory of the host
  *static_cast<unsigned *>(value) = attribute == 2 ? 2 : 0; // of the device, which is number 0; not managed
  return kOk;
}
Result cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
  return std::memcpy(reinterpret_cast<void *>(to), from, bytes), kOk;
}
Result cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
  return std::memcpy(to, reinterpret_cast<const void *>(from), bytes), kOk;
}
Result cuMemsetD8Async(Address to, unsigned char value, size_t count, void *) {
  return std::memset(reinterpret_cast<void *>(to), value, count), kOk;
}
Result cuMemsetD32Async(Address to, unsigned value, size_t count, void *) {
  return std::fill_n(reinterpret_cast<unsigned *>(to), count, value), kOk;
}
Result cuMemsetD2D8Async(Address to, size_t pitch, unsigned char value, size_t width, size_t height, void *) {
  for (size_t row = 0; row < height; ++row)
    std::memset(reinterpret_cast<void *>(to + row * pitch), value, width);
  return kOk;
}
Result cuEventCreate(Event **event, unsigned) { return *event = *owner.events.insert(new Event).first, kOk; }
Result cuEventDestroy_v2(Event *event) {
  if (!owner.events.erase(event))
    return kInvalidValue;
  return delete event, kOk;
}
Result cuEventRecord(Event *event, void *) {
  event->time = std::chrono::steady_clock::now();
  event->never = isHanging;
  return kOk;
}
Result cuEventQuery(Event *event) { return hasFaulted ? kIllegalAddress : event->never ? kNotReady : kOk; }
Result cuEventElapsedTime(float *milliseconds, Event *start, Event *end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return kOk;
}
Result cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  if (std::strstr(static_cast<const char *>(image), "garbage")) {
    if (count == 2 && options[0] == 5)
      std::strcpy(static_cast<char *>(values[0]), "ptxas said no\n");
    return kNoBinary;
  }
  return *module = &launches, kOk;
}
Result cuModuleUnload(void *) { return kOk; }
Result cuModuleGetFunction(Kernel **kernel, void *, const char *name) {
  static Kernel kernels[] = {{"good"},  {"hangs"},    {"faults"}, {"wrong"},
                             {"races"}, {"overruns"}, {"idle"},   {"dependent"}};
  for (Kernel &candidate : kernels)
    if (candidate.name == name)
      return *kernel = &candidate, kOk;
  return kNotFound;
}
Result cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
  if (attribute == 8)
    kernel->sharedMemory = value;
  return kOk;
}
Result cuLaunchKernel(Kernel *kernel, unsigned grid, unsigned, unsigned, unsigned, unsigned, unsigned,
                      unsigned sharedMemory, void *, void **parameters, void **) {
  return grid > 4 || kernel->name == "dependent" ? kInvalidValue : launch(*kernel, sharedMemory, parameters);
}
Result cuLaunchKernelEx(const unsigned *config, Kernel *kernel, void **parameters, void **) {
  // gridDim, blockDim, sharedMemBytes, padding, stream, attrs, numAttrs
  const unsigned *attribute;
  std::memcpy(&attribute, config + 10, 8);
  bool good = config[12] > 0, isDependent = false;
  for (unsigned i = 0; i < config[12]; ++i, attribute += 18)
    if (attribute[0] == 6) // programmatic stream serialization
      isDependent = attribute[2] == 1;
    else // cluster dimension
      good &= attribute[0] == 4 && attribute[2] == 2 && attribute[3] == 1 && config[0] % 2 == 0;
  return good && isDependent == (kernel->name == "dependent") ? launch(*kernel, config[6], parameters) : kInvalidValue;
}
Result cuOccupancyMaxActiveClusters(int *clusters, Kernel *, const unsigned *) { return *clusters = 2, kOk; }
Result cuTensorMapEncodeTiled(Map *map, int type, uint32_t rank, void *address, const uint64_t *dims,
                              const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                              int interleave, int swizzle, int l2Promotion, int fill) {
  if (!contexts.back())
    return kInvalidContext;
  if (reinterpret_cast<uintptr_t>(map) % 64 || reinterpret_cast<uintptr_t>(address) % 16 || rank != 2 || interleave ||
      fill || elementStrides[0] != 1)
    return kInvalidValue;
  // What the maps of the test say, as cuda.h numbers it: UINT8 or BFLOAT16 or FLOAT32, 128B or none, 256B.
  if ((type != 0 && type != 9 && type != 7) || swizzle != (type == 7 ? 0 : 3) || l2Promotion != 3)
    return kInvalidValue;
  *map = {
      reinterpret_cast<Address>(address), {dims[0], dims[1]}, strides[0], type, swizzle, l2Promotion, {box[0], box[1]}};
  return kOk;
}
}
