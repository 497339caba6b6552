//===- CudaDriver.h - The CUDA driver, found at run time --------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// The few types and functions of cuda.h (CUDA 13.0) that a launch needs, declared here so that the build does not need
// CUDA. The driver keeps them stable: functions with a changed signature get a new _v2 symbol.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_RUNTIME_CUDADRIVER_H
#define DGEMM_LIB_RUNTIME_CUDADRIVER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace dgemm::cuda {

using Result = int;
using DevicePtr = unsigned long long;
using Device = int;
using Context = struct OpaqueContext *;
using Module = struct OpaqueModule *;
using Function = struct OpaqueFunction *;
using Stream = struct OpaqueStream *;
using Event = struct OpaqueEvent *;

// CUresult
constexpr Result kSuccess = 0;
constexpr Result kErrorInvalidValue = 1;
constexpr Result kErrorNotReady = 600;
// CUdevice_attribute
constexpr int kMultiprocessorCount = 16;
constexpr int kL2CacheSize = 38;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr int kMaxSharedMemoryPerBlockOptin = 97;
// CUpointer_attribute
constexpr int kPointerMemoryType = 2;
constexpr int kPointerIsManaged = 8;
constexpr int kPointerDeviceOrdinal = 9;
// CUmemorytype
constexpr unsigned kMemoryTypeDevice = 2;
// CUfunction_attribute
constexpr int kMaxDynamicSharedSizeBytes = 8;
constexpr int kNonPortableClusterSizeAllowed = 14;
// CUjit_option
constexpr int kJitErrorLogBuffer = 5;
constexpr int kJitErrorLogBufferSizeBytes = 6;
// CUlaunchAttributeID
constexpr int kLaunchAttributeClusterDimension = 4;
constexpr int kLaunchAttributeProgrammaticStreamSerialization = 6;
// CUtensorMapDataType
constexpr int kTensorMapUInt8 = 0;
constexpr int kTensorMapInt32 = 3;
constexpr int kTensorMapFloat16 = 6;
constexpr int kTensorMapFloat32 = 7;
constexpr int kTensorMapBFloat16 = 9;

struct alignas(128) TensorMap {
  uint64_t opaque[16];
};

struct LaunchAttribute {
  int id;
  char pad[4];
  union alignas(8) {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } clusterDim;
    int programmaticStreamSerializationAllowed;
  } value;
};
static_assert(sizeof(LaunchAttribute) == 72, "CUlaunchAttribute");

struct LaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  Stream stream;
  LaunchAttribute *attrs;
  unsigned numAttrs;
};
static_assert(sizeof(LaunchConfig) == 56, "CUlaunchConfig");

// X(member, symbol, parameter types...); each returns CUresult.
#define DGEMM_CUDA_FUNCTIONS(X)                                                                                        \
  X(init, "cuInit", unsigned)                                                                                          \
  X(driverGetVersion, "cuDriverGetVersion", int *)                                                                     \
  X(getErrorName, "cuGetErrorName", Result, const char **)                                                             \
  X(getErrorString, "cuGetErrorString", Result, const char **)                                                         \
  X(deviceGetCount, "cuDeviceGetCount", int *)                                                                         \
  X(deviceGet, "cuDeviceGet", Device *, int)                                                                           \
  X(deviceGetName, "cuDeviceGetName", char *, int, Device)                                                             \
  X(deviceGetPCIBusId, "cuDeviceGetPCIBusId", char *, int, Device)                                                     \
  X(deviceGetAttribute, "cuDeviceGetAttribute", int *, int, Device)                                                    \
  X(devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", Context *, Device)                                             \
  X(devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", Device)                                                   \
  X(ctxSetCurrent, "cuCtxSetCurrent", Context)                                                                         \
  X(ctxGetCurrent, "cuCtxGetCurrent", Context *)                                                                       \
  X(ctxPushCurrent, "cuCtxPushCurrent_v2", Context)                                                                    \
  X(ctxPopCurrent, "cuCtxPopCurrent_v2", Context *)                                                                    \
  X(streamSynchronize, "cuStreamSynchronize", Stream)                                                                  \
  X(pointerGetAttribute, "cuPointerGetAttribute", void *, int, DevicePtr)                                              \
  X(memAlloc, "cuMemAlloc_v2", DevicePtr *, size_t)                                                                    \
  X(memFree, "cuMemFree_v2", DevicePtr)                                                                                \
  X(memcpyHtoD, "cuMemcpyHtoD_v2", DevicePtr, const void *, size_t)                                                    \
  X(memcpyDtoH, "cuMemcpyDtoH_v2", void *, DevicePtr, size_t)                                                          \
  X(memsetD8Async, "cuMemsetD8Async", DevicePtr, unsigned char, size_t, Stream)                                        \
  X(memsetD2D8Async, "cuMemsetD2D8Async", DevicePtr, size_t, unsigned char, size_t, size_t, Stream)                    \
  X(memsetD32Async, "cuMemsetD32Async", DevicePtr, unsigned, size_t, Stream)                                           \
  X(eventCreate, "cuEventCreate", Event *, unsigned)                                                                   \
  X(eventDestroy, "cuEventDestroy_v2", Event)                                                                          \
  X(eventRecord, "cuEventRecord", Event, Stream)                                                                       \
  X(eventQuery, "cuEventQuery", Event)                                                                                 \
  X(eventElapsedTime, "cuEventElapsedTime", float *, Event, Event)                                                     \
  X(moduleLoadDataEx, "cuModuleLoadDataEx", Module *, const void *, unsigned, int *, void **)                          \
  X(moduleUnload, "cuModuleUnload", Module)                                                                            \
  X(moduleGetFunction, "cuModuleGetFunction", Function *, Module, const char *)                                        \
  X(funcSetAttribute, "cuFuncSetAttribute", Function, int, int)                                                        \
  X(launchKernel, "cuLaunchKernel", Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,    \
    Stream, void **, void **)                                                                                          \
  X(launchKernelEx, "cuLaunchKernelEx", const LaunchConfig *, Function, void **, void **)                              \
  X(occupancyMaxActiveClusters, "cuOccupancyMaxActiveClusters", int *, Function, const LaunchConfig *)                 \
  X(tensorMapEncodeTiled, "cuTensorMapEncodeTiled", TensorMap *, int, uint32_t, void *, const uint64_t *,              \
    const uint64_t *, const uint32_t *, const uint32_t *, int, int, int, int)

/// The driver's functions.
class Driver {
public:
  /// Error: the library or one of the functions is missing, or the driver does not start.
  static llvm::Expected<Driver> load(llvm::StringRef library);

#define DGEMM_CUDA_MEMBER(member, symbol, ...) Result (*member)(__VA_ARGS__) = nullptr;
  DGEMM_CUDA_FUNCTIONS(DGEMM_CUDA_MEMBER)
#undef DGEMM_CUDA_MEMBER

  /// 13000 for CUDA 13.0.
  int version = 0;

  /// Turns a result into an error that names `call`; a DeviceLostError if the context is unusable.
  llvm::Error check(Result result, const llvm::Twine &call) const;
};

} // namespace dgemm::cuda

#endif // DGEMM_LIB_RUNTIME_CUDADRIVER_H
