//===- XlaFfi.h - The C side of XLA's foreign functions ---------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// What is used of version 0.1 of XLA's interface for foreign functions (xla/ffi/api/c_api.h in the wheel of jaxlib):
// later versions add fields at the ends of structs. A handler says which version it is of, and XLA refuses those newer
// than itself; 0.1 is that of jaxlib 0.6. test/Python/test_jax.py compares this file with the header of the installed
// jaxlib.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PYTHON_XLAFFI_H
#define DGEMM_PYTHON_XLAFFI_H

#include <cstddef>
#include <cstdint>

namespace dgemm::xla {

constexpr int kMajorVersion = 0;
constexpr int kMinorVersion = 1;

// XLA_FFI_Extension_Type
constexpr int kMetadataExtension = 1;
// XLA_FFI_Error_Code
constexpr int kInternal = 13;
// XLA_FFI_AttrType
constexpr int kArray = 1;
constexpr int kScalar = 3;
constexpr int kString = 4;
// XLA_FFI_DataType
constexpr int kS64 = 5;
constexpr int kU8 = 6;
// XLA_FFI_ExecutionStage
constexpr int kInitialize = 2;
constexpr int kExecute = 3;
// XLA_FFI_Handler_TraitsBits
constexpr uint32_t kCommandBufferCompatible = 1;

struct Error;
struct ExecutionContext;

struct Extension {
  size_t structSize;
  int type;
  Extension *next;
};

struct ApiVersion {
  size_t structSize;
  Extension *extensions;
  int majorVersion, minorVersion;
};

struct Metadata {
  size_t structSize;
  ApiVersion apiVersion;
  uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata *metadata;
};

struct ErrorCreateArgs {
  size_t structSize;
  Extension *extensions;
  const char *message;
  int code;
};

struct StreamGetArgs {
  size_t structSize;
  Extension *extensions;
  ExecutionContext *context;
  void *stream;
};

struct DeviceOrdinalGetArgs {
  size_t structSize;
  Extension *extensions;
  ExecutionContext *context;
  int32_t deviceOrdinal;
};

struct Api {
  size_t structSize;
  Extension *extensions;
  ApiVersion version;
  void *internalApi;
  Error *(*createError)(ErrorCreateArgs *);
  void *getErrorMessage, *destroyError, *registerHandler;
  Error *(*getStream)(StreamGetArgs *);
  void *registerTypeId, *getContext, *setState, *getState, *allocate, *free, *schedule, *getThreads;
  void *createFuture, *setFuture, *setFutureError, *getRunId;
  Error *(*getDeviceOrdinal)(DeviceOrdinalGetArgs *);
};

struct Buffer {
  size_t structSize;
  Extension *extensions;
  int dtype;
  void *data;
  int64_t rank;
  int64_t *dims;
};

/// Of a string.
struct ByteSpan {
  const char *data;
  size_t size;
};
struct Scalar {
  int dtype;
  void *value;
};
struct Array {
  int dtype;
  size_t size;
  void *data;
};

struct Args {
  size_t structSize;
  Extension *extensions;
  int64_t size;
  int *types;
  void **values;
};

/// Sorted by name.
struct Attrs {
  size_t structSize;
  Extension *extensions;
  int64_t size;
  int *types;
  ByteSpan **names;
  void **values;
};

struct CallFrame {
  size_t structSize;
  Extension *extensions;
  const Api *api;
  ExecutionContext *context;
  int stage;
  Args args, results;
  Attrs attrs;
};

using Handler = Error *(CallFrame *);

} // namespace dgemm::xla

#endif // DGEMM_PYTHON_XLAFFI_H
