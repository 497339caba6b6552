//===- DLPack.h - The C side of DLPack --------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// The parts of dlpack.h 1.3 (https://github.com/dmlc/dlpack) that we read: the tensor, its type codes, and the exchange
// API that a tensor type offers in its attribute __dlpack_c_exchange_api__. The standard keeps the layout within a
// major version.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PYTHON_DLPACK_H
#define DGEMM_PYTHON_DLPACK_H

#include <cstdint>

namespace dgemm::dlpack {

// DLDeviceType
constexpr int32_t kCPU = 1;
constexpr int32_t kCUDA = 2;
// DLDataTypeCode
constexpr uint8_t kInt = 0;
constexpr uint8_t kUInt = 1;
constexpr uint8_t kFloat = 2;
constexpr uint8_t kBFloat = 4;
constexpr uint8_t kComplex = 5;
constexpr uint8_t kBool = 6;
constexpr uint8_t kFloat8E3M4 = 7;
constexpr uint8_t kFloat8E4M3 = 8;
constexpr uint8_t kFloat8E4M3B11FNUZ = 9;
constexpr uint8_t kFloat8E4M3FN = 10;
constexpr uint8_t kFloat8E4M3FNUZ = 11;
constexpr uint8_t kFloat8E5M2 = 12;
constexpr uint8_t kFloat8E5M2FNUZ = 13;
constexpr uint8_t kFloat8E8M0FNU = 14;
constexpr uint8_t kFloat6E2M3FN = 15;
constexpr uint8_t kFloat6E3M2FN = 16;
constexpr uint8_t kFloat4E2M1FN = 17;

struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};

struct Device {
  int32_t type;
  int32_t id;
};

struct Tensor {
  void *data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t *shape;
  /// In elements; may be null for a contiguous tensor.
  int64_t *strides;
  uint64_t byteOffset;
};

constexpr uint32_t kMajorVersion = 1;
constexpr const char *kExchangeAttribute = "__dlpack_c_exchange_api__";
constexpr const char *kExchangeCapsule = "dlpack_exchange_api";

struct ExchangeAPI {
  struct {
    uint32_t major, minor;
  } version;
  const ExchangeAPI *previous;
  void *managedTensorAllocator;
  void *managedTensorFromPyObject;
  void *managedTensorToPyObject;
  /// Optional. The result borrows from the object. 0 for success, -1 with a Python error set.
  int (*tensorFromPyObject)(void *object, Tensor *out);
  int (*currentWorkStream)(int32_t deviceType, int32_t device, void **stream);
};
static_assert(sizeof(ExchangeAPI) == 56, "DLPackExchangeAPI");

} // namespace dgemm::dlpack

#endif // DGEMM_PYTHON_DLPACK_H
